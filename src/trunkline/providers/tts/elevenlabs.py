"""ElevenLabs: `--tts elevenlabs,voice=VOICE_ID,model=eleven_flash_v2_5`, the key in `ELEVENLABS_API_KEY`.

Streaming input over its multi-context WebSocket, `/v1/text-to-speech/{voice_id}/multi-stream-input`
(elevenlabs.io/docs/api-reference, "Multi-Context WebSocket"): one socket a call, one context a sentence.
mu-law at 8 kHz is asked for on telephone legs. Character times come with the sound. Cloned voices are
voices like any other, by their ids. `eleven_turbo_v2_5` still works; the vendor recommends Flash.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineQuota, EngineRequest
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.sentence_sound import Encoding, Mark, TextFollower, speed_of, telephone_format
from trunkline.providers.tts.socket_voice import Line, SocketVoice

_OFFICIAL = "https://api.elevenlabs.io"
_IDLE_SECONDS = 180
"""How long the service keeps an idle socket: its longest."""


class ElevenLabs(HostedVoices):
    """`voice`: an id; the default is a stock voice. `stability`, `similarity`, `style` (0 to 1) and `speed`
    (0.7 to 1.2) are sent where they are not negative; `speed` follows the call's pace where it is."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "hpp4J3VqNfWAUOO0d1Us",
        model: str = "eleven_flash_v2_5",
        base_url: str = _OFFICIAL,
        key_env: str = "ELEVENLABS_API_KEY",
        language: str = "",
        stability: float = -1.0,
        similarity: float = -1.0,
        style: float = -1.0,
        speed: float = -1.0,
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, f"elevenlabs/{model}", "elevenlabs", base_url, key_env, connect_s, verify)
        self._voice = voice
        self._model = model
        self._language = language
        self._settings = {
            name: value
            for name, value in (("stability", stability), ("similarity_boost", similarity), ("style", style))
            if value >= 0
        }
        self._speed = speed
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"xi-api-key": key}

    def _check(self) -> None:
        checked_limits("elevenlabs", first_audio_s=self._first_audio, between_audio_s=self._between_audio)

    async def open(self, options: VoiceOptions) -> SocketVoice:
        key = self._key_when_started()
        encoding, rate = telephone_format(options.rate)
        query = {
            "model_id": self._model,
            "output_format": "ulaw_8000" if encoding is Encoding.MULAW else f"pcm_{rate}",
            "auto_mode": "true",  # whole sentences are sent: none is to be waited for
            "sync_alignment": "true",
            "inactivity_timeout": _IDLE_SECONDS,
        }
        if self._language:
            query["language_code"] = self._language
        address = self._base_url.replace("http", "ws", 1)
        voice_id = quote(options.voice or self._voice, safe="")
        url = f"{address}/v1/text-to-speech/{voice_id}/multi-stream-input?{urlencode(query)}"
        speed = self._speed if self._speed > 0 else speed_of(options.words_per_minute, 0.7, 1.2)
        settings = self._settings | ({"speed": speed} if speed != 1.0 else {})
        line = Line(
            self.where,
            url,
            self._headers(key),
            self._key_env,
            "elevenlabs",
            self._connect,
            self._first_audio,
            self._between_audio,
        )
        return await self._opened(SocketVoice(line, ElevenLabsWire(settings), self._clock, encoding, rate))

    async def voices(self) -> list[VoiceCard]:
        return cards(await self._get("/v1/voices"), self.where, _voices)

    def _card(self) -> str:
        return "/v1/voices"


def _voices(listing: Any) -> list[VoiceCard]:
    return [
        VoiceCard(
            str(voice["voice_id"]),
            str(voice.get("name", "")),
            str((voice.get("labels") or {}).get("language", "")),
            str(voice.get("category", "")),
        )
        for voice in listing["voices"]
    ]


class ElevenLabsWire:
    """One context a sentence: opened, given its text, flushed and closed, which makes the service say when
    its last sound has come. A sentence that was dropped cannot be called back, and its characters are
    paid; its sound is told apart by its context and not given."""

    def __init__(self, settings: dict[str, float]) -> None:
        self.done = True
        self._settings = settings
        self._number = 0
        self._follower = TextFollower("")

    def begin(self, text: str) -> list[str]:
        self._number += 1
        self.done = False
        self._follower = TextFollower(text)
        context = {"context_id": self._context}
        first: dict[str, Any] = {"text": " ", **context}
        if self._settings:
            first["voice_settings"] = self._settings
        return [
            json.dumps(first),
            json.dumps({"text": f"{text} ", "flush": True, **context}),
            json.dumps({"close_context": True, **context}),
        ]

    @property
    def _context(self) -> str:
        return f"sentence-{self._number}"

    def read(self, message: str | bytes, received: float) -> list[tuple[bytes, tuple[Mark, ...]]]:
        said = json.loads(message)
        context = said.get("contextId") or said.get("context_id")
        if context not in (None, self._context):
            return []
        if said.get("error"):
            raise _told(said)
        given = []
        if audio := said.get("audio"):
            marks = self._marks(said.get("alignment") or {}, received)
            given.append((base64.b64decode(audio, validate=True), marks))
        if said.get("isFinal") or said.get("is_final"):
            self.done = True
        return given

    def _marks(self, alignment: dict[str, Any], received: float) -> tuple[Mark, ...]:
        """A mark where each word ends. The service's times count from the start of the piece they come
        with, so the seconds before it are added."""
        letters = alignment.get("chars") or []
        starts = alignment.get("charStartTimesMs") or alignment.get("charsStartTimesMs") or []
        lasts = alignment.get("charDurationsMs") or alignment.get("charsDurationsMs") or []
        marks: list[Mark] = []
        for letter, start, last in zip(letters, starts, lasts, strict=False):
            place = self._follower.advance(str(letter))
            if str(letter).strip() and self._follower.between_words:
                marks.append((received + (float(start) + float(last)) / 1000, place))
        return tuple(marks)

    def drop(self) -> list[str]:
        self.done = True
        return []


def _told(said: dict[str, Any]) -> EngineDown | EngineQuota | EngineRequest:
    words = f"{said.get('error')}: {said.get('message') or ''}".rstrip(": ")[:200]
    if "quota" in words.lower():
        return EngineQuota(words, where="elevenlabs", hint="Look at its billing page")
    if said.get("code") == 1008 or "invalid" in words.lower():
        return EngineRequest(words, where="elevenlabs")
    return EngineDown(words, where="elevenlabs")
