"""OpenAI's voices: `--tts openai,voice=coral`, the key in `OPENAI_API_KEY`; with `base_url` any server that
speaks the same protocol, which needs no key.

`POST /v1/audio/speech`, streamed as PCM at 24 kHz, the only raw format it has
(developers.openai.com/api/docs/guides/text-to-speech). **The vendor shuts its own models for this address
down on 6 January 2027**, as that page says; servers of one's own are not concerned. It tells no word times.
"""

from __future__ import annotations

from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard
from trunkline.providers.tts.http_voice import HttpVoice, SentenceRequest, json_request
from trunkline.providers.tts.sentence_sound import Encoding, speed_of

_OFFICIAL = "https://api.openai.com/v1"
_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer",
    "verse",
)  # fmt: skip


class OpenAIVoices(HostedVoices):
    """`instructions`: how to speak, in plain words (not for `tts-1`). `rate`: what a server of one's own
    gives as `pcm`, in samples a second."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "coral",
        model: str = "gpt-4o-mini-tts",
        base_url: str = _OFFICIAL,
        key_env: str = "OPENAI_API_KEY",
        instructions: str = "",
        speed: float = -1.0,
        rate: int = 24000,
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        self._official = base_url == _OFFICIAL
        # Servers of one's own often have no list of models; they are met with the first sentence.
        super().__init__(
            clock, f"openai/{model}", "openai", base_url, key_env, connect_s, verify and self._official
        )
        self._voice = voice
        self._model = model
        self._instructions = instructions
        self._speed = speed
        self._rate = rate
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key_needed(self) -> bool:
        return self._official

    def _check(self) -> None:
        checked_limits("openai", first_audio_s=self._first_audio, between_audio_s=self._between_audio)

    async def open(self, options: VoiceOptions) -> HttpVoice:
        self._key_when_started()
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        speed = self._speed if self._speed > 0 else speed_of(options.words_per_minute, 0.25, 4.0)
        shared: dict[str, Any] = {
            "model": self._model,
            "voice": options.voice or self._voice,
            "response_format": "pcm",
        }
        if self._instructions:
            shared["instructions"] = self._instructions
        if speed != 1.0:
            shared["speed"] = speed

        def request(text: str) -> SentenceRequest:
            return json_request("/audio/speech", shared | {"input": text})

        voice = HttpVoice(
            self.where,
            self._key_env,
            self._client,
            self._clock,
            Encoding.PCM,
            self._rate,
            request,
            self._first_audio,
            self._between_audio,
        )
        self._keep(voice)
        return voice

    async def voices(self) -> list[VoiceCard]:
        """The vendor has no list to ask for; these are the ones that its page names."""
        return [VoiceCard(name) for name in _VOICES]

    def _card(self) -> str:
        return f"/models/{self._model}"
