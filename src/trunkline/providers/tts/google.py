"""Google Cloud's voices: `--tts google,voice=en-US-Neural2-F` (or a Chirp 3 HD voice), an API key in
`GOOGLE_API_KEY`.

`POST /v1/text:synthesize` (docs.cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize),
mu-law at 8 kHz on telephone legs. The answer holds the whole sentence: its first sound waits for its last,
so short sentences are worth more here than elsewhere. (The vendor streams over gRPC alone.) It tells no
word times for plain text.
"""

from __future__ import annotations

from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.http_voice import HttpVoice, SentenceRequest, json_request
from trunkline.providers.tts.sentence_sound import Encoding, speed_of, telephone_format

_OFFICIAL = "https://texttospeech.googleapis.com"


class GoogleVoices(HostedVoices):
    """`voice`: the vendor's name, whose first two parts are its language. `speed` (0.25 to 2) follows the
    call's pace where it is negative."""

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

    def _headers(self, key: str) -> dict[str, str]:
        return {"X-Goog-Api-Key": key}

    def _check(self) -> None:
        checked_limits("google", first_audio_s=self._first_audio)

    async def open(self, options: VoiceOptions) -> HttpVoice:
        self._key_when_started()
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        encoding, rate = telephone_format(options.rate)
        name = options.voice or self._voice
        speed = self._speed if self._speed > 0 else speed_of(options.words_per_minute, 0.25, 2.0)
        audio: dict[str, Any] = {
            "audioEncoding": "MULAW" if encoding is Encoding.MULAW else "LINEAR16",
            "sampleRateHertz": rate,
        }
        if speed != 1.0:
            audio["speakingRate"] = speed
        shared = {
            "voice": {"languageCode": "-".join(name.split("-")[:2]), "name": name},
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
