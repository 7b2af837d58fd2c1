"""Cartesia Sonic: `--tts cartesia,voice=VOICE_ID,model=sonic-3`, the key in `CARTESIA_API_KEY`.

Its WebSocket with one context a sentence (docs.cartesia.ai/api-reference/tts/websocket, API version
2026-03-01): raw mu-law at 8 kHz on telephone legs, word times, cancel by context. Cloned voices are
voices like any other, by their ids.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits, refusal
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.sentence_sound import Encoding, Mark, TextFollower, speed_of, telephone_format
from trunkline.providers.tts.socket_voice import Line, SocketVoice

_OFFICIAL = "https://api.cartesia.ai"
_VERSION = "2026-03-01"


class Cartesia(HostedVoices):
    """`voice`: an id; the default is a stock voice. `speed` (0.6 to 1.5) follows the call's pace where it is
    negative; `emotion` is one of the vendor's words, such as calm or content; both need Sonic 3."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "a0e99841-438c-4a64-b679-ae501e7d6091",
        model: str = "sonic-3",
        base_url: str = _OFFICIAL,
        key_env: str = "CARTESIA_API_KEY",
        speed: float = -1.0,
        emotion: str = "",
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, f"cartesia/{model}", "cartesia", base_url, key_env, connect_s, verify)
        self._voice = voice
        self._model = model
        self._speed = speed
        self._emotion = emotion
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"X-API-Key": key, "Cartesia-Version": _VERSION}

    def _check(self) -> None:
        checked_limits("cartesia", first_audio_s=self._first_audio, between_audio_s=self._between_audio)

    async def open(self, options: VoiceOptions) -> SocketVoice:
        key = self._key_when_started()
        encoding, rate = telephone_format(options.rate)
        speed = self._speed if self._speed > 0 else speed_of(options.words_per_minute, 0.6, 1.5)
        manner = ({"speed": speed} if speed != 1.0 else {}) | (
            {"emotion": self._emotion} if self._emotion else {}
        )
        request: dict[str, Any] = {
            "model_id": self._model,
            "voice": {"mode": "id", "id": options.voice or self._voice},
            "language": options.language.split("-")[0],
            "output_format": {
                "container": "raw",
                "encoding": "pcm_mulaw" if encoding is Encoding.MULAW else "pcm_s16le",
                "sample_rate": rate,
            },
            "add_timestamps": True,
            "continue": False,
        }
        if manner:
            request["generation_config"] = manner
        url = f"{self._base_url.replace('http', 'ws', 1)}/tts/websocket?cartesia_version={_VERSION}"
        line = Line(
            self.where,
            url,
            self._headers(key),
            self._key_env,
            "cartesia",
            self._connect,
            self._first_audio,
            self._between_audio,
        )
        wire = CartesiaWire(request, self._key_env)
        return await self._opened(SocketVoice(line, wire, self._clock, encoding, rate))

    async def voices(self) -> list[VoiceCard]:
        return cards(await self._get("/voices?limit=100"), self.where, _voices)

    def _card(self) -> str:
        return "/voices?limit=1"


def _voices(listing: Any) -> list[VoiceCard]:
    found = listing["data"] if isinstance(listing, dict) else listing
    return [
        VoiceCard(
            str(voice["id"]),
            str(voice.get("name", "")),
            str(voice.get("language", "")),
            str(voice.get("description", "")),
        )
        for voice in found
    ]


class CartesiaWire:
    """One context a sentence. `request`: what all sentences share."""

    def __init__(self, request: dict[str, Any], key_env: str) -> None:
        self.done = True
        self._request = request
        self._key_env = key_env
        self._number = 0
        self._follower = TextFollower("")

    def begin(self, text: str) -> list[str]:
        self._number += 1
        self.done = False
        self._follower = TextFollower(text)
        return [json.dumps(self._request | {"transcript": text, "context_id": self._context})]

    @property
    def _context(self) -> str:
        return f"sentence-{self._number}"

    def read(self, message: str | bytes, received: float) -> list[tuple[bytes, tuple[Mark, ...]]]:  # noqa: ARG002
        said = json.loads(message)
        if said.get("context_id") not in (None, self._context):
            return []
        match said.get("type"):
            case "chunk":
                return [(base64.b64decode(said["data"], validate=True), ())]
            case "timestamps":
                return [(b"", self._marks(said["word_timestamps"]))]
            case "done":
                self.done = True
            case "error":
                raise self._told(said)
        return []

    def _marks(self, times: dict[str, Any]) -> tuple[Mark, ...]:
        """Each word's end; times count from the start of the context, which is the sentence."""
        words = zip(times["words"], times["end"], strict=False)
        return tuple((float(end), self._follower.advance(str(word))) for word, end in words)

    def _told(self, said: dict[str, Any]) -> EngineError:
        words = ": ".join(str(said[key]) for key in ("title", "message", "error") if said.get(key))[:200]
        status = said.get("status_code")
        if isinstance(status, int) and status >= 400:
            return refusal(status, words, "cartesia", self._key_env)
        return EngineDown(words or "it told of an error", where="cartesia")

    def drop(self) -> list[str]:
        self.done = True
        return [json.dumps({"context_id": self._context, "cancel": True})]
