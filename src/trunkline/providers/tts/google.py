"""Google Cloud's voices: `--tts google,voice=en-US-Neural2-F` (or a Chirp 3 HD voice), an API key in
`GOOGLE_API_KEY`.

Chirp 3 HD voices come by the vendor's stream (`google_stream.py`), as they are made. The others have none:
`POST /v1/text:synthesize` (docs.cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize), the
answer to which holds the whole sentence, so that its first sound waits for its last and short sentences are
worth more than elsewhere. Both in mu-law at 8 kHz on telephone legs; neither tells word times.
"""

from __future__ import annotations

import asyncio
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_address, checked_limits
from trunkline.providers.tts.google_stream import GoogleStreams, StreamedVoice
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.http_voice import HttpVoice, SentenceRequest, json_request
from trunkline.providers.tts.sentence_sound import Encoding, speed_of, telephone_format

_OFFICIAL = "https://texttospeech.googleapis.com"


class GoogleVoices(HostedVoices):
    """`voice`: the vendor's name, whose first two parts are its language. `speed` (0.25 to 2) follows the
    call's pace where it is negative. `streamed`: take voices that can by the stream, which is at `base_url`
    where no `stream_url` says otherwise."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "en-US-Neural2-F",
        base_url: str = _OFFICIAL,
        key_env: str = "GOOGLE_API_KEY",
        speed: float = -1.0,
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        streamed: bool = True,
        stream_url: str = "",
        verify: bool = True,
    ) -> None:
        kind = next(
            (kind for kind in ("chirp3", "chirp", "neural2", "studio", "wavenet") if kind in voice.lower()),
            "standard",
        )
        super().__init__(clock, f"google/{kind}", "google", base_url, key_env, connect_s, verify)
        self._voice = voice
        self._speed = speed
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s
        self._streamed = streamed
        self._stream_url = stream_url
        self._streams: GoogleStreams | None = None
        self._connecting = asyncio.Lock()

    def _headers(self, key: str) -> dict[str, str]:
        return {"X-Goog-Api-Key": key}

    def _check(self) -> None:
        checked_limits("google", first_audio_s=self._first_audio, between_audio_s=self._between_audio)
        if self._stream_url:
            checked_address(self._stream_url, "google", "stream_url")

    async def start(self) -> None:
        await super().start()
        if self._is_streamed(self._voice):
            try:
                await self._connected()
            except EngineError:
                await self.close()
                raise

    def _is_streamed(self, voice: str) -> bool:
        return self._streamed and "chirp3" in voice.lower()

    async def _connected(self) -> GoogleStreams:
        """The connection of the streams, made once. Raises an `EngineError`."""
        key = self._key_when_started()
        async with self._connecting:
            if self._streams is None:
                streams = GoogleStreams(self._stream_url or self._base_url, key, self.where)
                await streams.connect(self._connect)
                if self._key is None:
                    await streams.close()
                    raise EngineDown("it was closed", where=self.where)
                self._streams = streams
            return self._streams

    async def close(self) -> None:
        await super().close()
        streams, self._streams = self._streams, None
        if streams is not None:
            await streams.close()

    async def open(self, options: VoiceOptions) -> HttpVoice | StreamedVoice:
        self._key_when_started()
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        encoding, rate = telephone_format(options.rate)
        name = options.voice or self._voice
        speed = self._speed if self._speed > 0 else speed_of(options.words_per_minute, 0.25, 2.0)
        language = "-".join(name.split("-")[:2])
        if self._is_streamed(name):
            streamed = StreamedVoice(
                self.where,
                self._key_env,
                await self._connected(),
                self._clock,
                encoding,
                rate,
                name,
                language,
                speed,
                self._first_audio,
                self._between_audio,
            )
            self._keep(streamed)
            return streamed
        audio: dict[str, Any] = {
            "audioEncoding": "MULAW" if encoding is Encoding.MULAW else "LINEAR16",
            "sampleRateHertz": rate,
        }
        if speed != 1.0:
            audio["speakingRate"] = speed
        shared = {
            "voice": {"languageCode": language, "name": name},
            "audioConfig": audio,
        }

        def request(text: str) -> SentenceRequest:
            return json_request("/v1/text:synthesize", shared | {"input": {"text": text}}, "audioContent")

        voice = HttpVoice(
            self.where,
            self._key_env,
            self._client,
            self._clock,
            encoding,
            rate,
            request,
            self._first_audio,
        )
        self._keep(voice)
        return voice

    async def voices(self) -> list[VoiceCard]:
        return cards(await self._get("/v1/voices"), self.where, _voices)

    def _card(self) -> str:
        return "/v1/voices?languageCode=en-US"


def _voices(listing: Any) -> list[VoiceCard]:
    return [
        VoiceCard(
            str(voice["name"]),
            language=", ".join(str(code) for code in voice.get("languageCodes") or []),
            about=str(voice.get("ssmlGender", "")).lower(),
        )
        for voice in listing["voices"]
    ]
