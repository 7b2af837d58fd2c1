"""Deepgram Aura: `--tts deepgram,voice=aura-2-thalia-en`, the key in `DEEPGRAM_API_KEY`.

Its WebSocket (developers.deepgram.com/reference/text-to-speech/speak-streaming): `Speak` and `Flush` for
each sentence, `Clear` to cancel; mu-law at 8 kHz on telephone legs. It tells no word times. It takes at
most 20 flushes in 60 seconds on a socket (developers.deepgram.com/docs/tts-ws-flush); a sentence beyond
that is told as `EngineRate`, so that it is said by the next engine.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineRate
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.sentence_sound import Encoding, Mark, telephone_format
from trunkline.providers.tts.socket_voice import Line, SocketVoice

_OFFICIAL = "https://api.deepgram.com"


class Deepgram(HostedVoices):
    """`voice`: the vendor's name of a model and voice in one."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "aura-2-thalia-en",
        base_url: str = _OFFICIAL,
        key_env: str = "DEEPGRAM_API_KEY",
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        # The first two parts name the generation, which is what is priced: aura-2.
        model = "-".join(voice.split("-")[: 2 if voice.startswith("aura-2") else 1])
        super().__init__(clock, f"deepgram/{model}", "deepgram", base_url, key_env, connect_s, verify)
        self._voice = voice
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Token {key}"}

    def _check(self) -> None:
        checked_limits("deepgram", first_audio_s=self._first_audio, between_audio_s=self._between_audio)

    async def open(self, options: VoiceOptions) -> SocketVoice:
        key = self._key_when_started()
        encoding, rate = telephone_format(options.rate)
        query = {
            "model": options.voice or self._voice,
            "encoding": "mulaw" if encoding is Encoding.MULAW else "linear16",
            "sample_rate": rate,
        }
        url = f"{self._base_url.replace('http', 'ws', 1)}/v1/speak?{urlencode(query)}"
        line = Line(
            self.where,
            url,
            self._headers(key),
            self._key_env,
            "deepgram",
            self._connect,
            self._first_audio,
            self._between_audio,
        )
        return await self._opened(SocketVoice(line, DeepgramWire(), self._clock, encoding, rate))

    async def voices(self) -> list[VoiceCard]:
        return cards(await self._get("/v1/models"), self.where, _voices)

    def _card(self) -> str:
        return "/v1/models"


def _voices(listing: Any) -> list[VoiceCard]:
    return [
        VoiceCard(
            str(voice["canonical_name"]),
            str(voice.get("name", "")),
            ", ".join(str(language) for language in voice.get("languages") or []),
            ", ".join(str(tag) for tag in (voice.get("metadata") or {}).get("tags") or []),
        )
        for voice in listing["tts"]
    ]


class DeepgramWire:
    """Sound carries no name of its sentence: after a `Clear`, all of it is old until `Cleared` comes."""

    def __init__(self) -> None:
        self.done = True
        self._clearing = 0
        """How many `Clear`s the service has yet to confirm."""

    def begin(self, text: str) -> list[str]:
        self.done = False
        return [json.dumps({"type": "Speak", "text": text}), json.dumps({"type": "Flush"})]

    def read(self, message: str | bytes, received: float) -> list[tuple[bytes, tuple[Mark, ...]]]:  # noqa: ARG002
        if isinstance(message, bytes):
            return [] if self._clearing else [(message, ())]
        said = json.loads(message)
        words = str(said.get("description") or said.get("warn_msg") or said.get("err_msg") or "")[:200]
        match said.get("type"):
            case "Cleared":
                self._clearing = max(0, self._clearing - 1)
            case "Flushed" if not self._clearing:
                self.done = True
            case "Warning" if "flush" in f"{words} {said.get('code', '')}".lower():
                raise EngineRate(words or "too many sentences in a minute", where="deepgram")
            case "Error" | "error":
                raise EngineDown(words or "it told of an error", where="deepgram")
        return []

    def drop(self) -> list[str]:
        self.done = True
        self._clearing += 1
        return [json.dumps({"type": "Clear"})]
