"""OpenAI's realtime transcription: `--stt openai,model=gpt-live-transcribe`, the key in `OPENAI_API_KEY`.

A Realtime session of type "transcription" (developers.openai.com/api/docs/guides/realtime-transcription). Its
live models find no end of speech themselves: our voice activity cuts the utterances, so that nothing is sent,
and nothing paid for, while nobody speaks, and commits each where the caller pauses. It tells no word times.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Protocol

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import EngineTimeout
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import SoundFormat, line_format
from trunkline.providers.stt.openai_shared import OFFICIAL, failure, hints
from trunkline.providers.stt.segmenting import Begin, Segmenter, Sound, Step
from trunkline.providers.stt.socket_recognition import Message, Moment, SocketRecognition, Wire
from trunkline.providers.stt.utterance_words import Utterances

_WHERE = "openai"
_SHORTEST = 0.1
"""Seconds; a shorter utterance cannot be committed."""


class OpenAIRealtime(HostedEngine):
    """`model`: gpt-live-transcribe, gpt-realtime-whisper, gpt-transcribe, gpt-4o-transcribe, … `prompt`: what
    the talk is about, in plain words. `noise_reduction`: near_field, far_field or empty. `answer_s`: how long
    an utterance's last words may take."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gpt-live-transcribe",
        prompt: str = "",
        keyterms: str = "",
        noise_reduction: str = "",
        base_url: str = OFFICIAL,
        key_env: str = "OPENAI_API_KEY",
        connect_s: float = 5.0,
        answer_s: float = 10.0,
        verify: bool = True,
    ) -> None:
        self._official = base_url == OFFICIAL
        super().__init__(clock, f"openai/{model}", _WHERE, base_url, key_env, connect_s, verify)
        self._model = model
        self._prompt = prompt
        self._keyterms = tuple(keyterms.split("|"))
        self._noise_reduction = noise_reduction
        self._answer = answer_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key_needed(self) -> bool:
        return self._official

    def _card(self) -> str:
        return f"/models/{self._model}"

    def _check(self) -> None:
        checked_limits(_WHERE, answer_s=self._answer)

    async def open(self, options: ListenOptions) -> RealtimeRecognition:
        key = self._key_when_started()
        sound = line_format(options.rate, _WHERE, wide=24000)
        url = f"{self._base_url.replace('http', 'ws', 1)}/realtime?intent=transcription"
        line = SocketLine(_WHERE, url, self._headers(key), self._key_env, _WHERE, connect_s=self._connect)
        wire = RealtimeWire(
            self._model, options.language, self._prompt, self._noise_reduction, sound, self._key_env
        )
        heard = ListenOptions(options.rate, options.language, keyterms_of(self._keyterms, options.keyterms))
        return await self._opened(RealtimeRecognition(line, wire, self._clock, heard, sound, self._answer))


class RealtimeWire:
    """One call's utterances."""

    piece = 0.04
    least = 0.0
    idle = 600.0

    def __init__(
        self, model: str, language: str, prompt: str, noise_reduction: str, sound: SoundFormat, key_env: str
    ) -> None:
        self.ready = False
        self.utterances = Utterances()
        self._model = model
        self._language = language
        self._prompt = prompt
        self._noise_reduction = noise_reduction
        self._format = sound
        self._key_env = key_env

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:
        return [self._update(keyterms)]

    def _update(self, keyterms: tuple[str, ...]) -> str:
        told = hints(self._model, self._language, self._prompt, keyterms)
        sound: dict[str, Any] = (
            {"type": "audio/pcmu"} if self._format.mulaw else {"type": "audio/pcm", "rate": self._format.rate}
        )
        listening: dict[str, Any] = {
            "format": sound,
            "transcription": {"model": self._model, **told},
            "turn_detection": None,
        }
        if self._noise_reduction:
            listening["noise_reduction"] = {"type": self._noise_reduction}
        session = {"type": "transcription", "audio": {"input": listening}}
        return json.dumps({"type": "session.update", "session": session})

    def begin_utterance(self, at: float, *, own: bool) -> list[Message]:
        self.utterances.begin(at, own=own)
        return []

    def sound(self, data: bytes) -> list[Message]:
        if (one := self.utterances.open) is None:
            return []
        one.seconds += len(data) / self._format.bytes_a_second
        return [json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(data).decode()})]

    def end_utterance(self, at: float, now: float) -> list[Message]:
        if (one := self.utterances.open) is None:
            return []
        if one.seconds < _SHORTEST:
            self.utterances.waiting.remove(one)
            return [json.dumps({"type": "input_audio_buffer.clear"})] if one.seconds else []
        one.ended, one.asked = at, now
        return [json.dumps({"type": "input_audio_buffer.commit"})]

    def pause(self) -> list[Message]:
        return []

    def finalise(self) -> list[Message]:
        return []

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        return [self._update(keyterms)]

    def keep(self) -> list[Message]:
        return []

    def end(self) -> list[Message]:
        return []

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        said = json.loads(message)
        kind = str(said["type"])
        if kind == "session.updated":
            self.ready = True
        elif kind == "error":
            raise failure(said["error"], _WHERE, self._key_env)
        elif kind == "input_audio_buffer.committed":
            self.utterances.called(str(said["item_id"]))
        elif kind.startswith("conversation.item.input_audio_transcription."):
            return self._transcription(kind.rsplit(".", 1)[1], said, moment.now)
        return []

    def _transcription(self, kind: str, said: dict[str, Any], now: float) -> list[Heard]:
        one = self.utterances.called(str(said["item_id"]))
        if one is None:
            return []
        if kind == "delta":
            one.text += str(said.get("delta") or "")
            heard = self.utterances.heard_so_far(one, now)
            return [heard] if heard else []
        if kind == "completed":
            one.text, one.done = str(said["transcript"]), True
        elif kind == "failed":
            raise failure(said["error"], _WHERE, self._key_env)
        return [*self.utterances.finished(now)]


class UtteranceWire(Wire, Protocol):
    """A wire of a service that is told where utterances begin and end."""

    utterances: Utterances

    def begin_utterance(self, at: float, *, own: bool) -> list[Message]:
        """Speech began; `own`: no voice activity detector said so."""

    def end_utterance(self, at: float, now: float) -> list[Message]:
        """It paused."""


class RealtimeRecognition(SocketRecognition):
    """Sends utterances alone."""

    def __init__(
        self,
        line: SocketLine,
        wire: UtteranceWire,
        clock: Clock,
        options: ListenOptions,
        sound: SoundFormat,
        answer_s: float,
    ) -> None:
        super().__init__(line, wire, clock, options, sound)
        self._talk = wire
        self._segmenter = Segmenter()
        self._at = 0.0
        """When the last sample that was sent was heard."""
        self._answer = answer_s

    def _take(self, frame: Frame) -> None:
        self._follow(self._segmenter.push(frame))
        if self._talk.utterances.overdue(self._clock.now(), self._answer):
            self._fail(EngineTimeout(f"no words came within {self._answer:g} s", where=self._line.where))

    def speech_started(self, since: float) -> None:
        self._follow(self._segmenter.speech_started(since))

    def speech_stopped(self, until: float) -> None:
        self._follow(self._segmenter.speech_stopped(until))

    def finalise(self) -> None:
        self._follow(self._segmenter.finalise(self._clock.now()))

    def _follow(self, steps: list[Step]) -> None:
        for step in steps:
            match step:
                case Begin(at, own):
                    self._at = at
                    self._wish(lambda at=at, own=own: self._talk.begin_utterance(at, own=own))  # type: ignore[misc]
                case Sound(pcm):
                    self._at += self._seconds(pcm)
                    self._sound(pcm, self._at)
                case _:
                    end = self._at
                    self._wish(lambda end=end: self._talk.end_utterance(end, self._clock.now()))  # type: ignore[misc]
