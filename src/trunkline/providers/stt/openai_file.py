"""OpenAI's file transcription, an utterance at a time: `--stt openai-file,model=gpt-transcribe`, the key in
`OPENAI_API_KEY`; with `base_url` any server of its protocol (Groq, vLLM, speaches), which may need no key.

`POST /v1/audio/transcriptions` (developers.openai.com/api/docs/guides/speech-to-text). Voice activity cuts
the utterances; each goes out as a WAV file when the caller pauses. There are no words before that, so a
caller waits longer than with a streaming engine. `whisper-1` tells word times; those of other models' words
are spread over the utterance.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trunkline.audio.frame import Frame
from trunkline.audio.resample import RATES
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineRequest, EngineTimeout
from trunkline.events import Expectation, Final, Word
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.refusals import checked_limits, refusal, unreachable
from trunkline.providers.stt.hearing import final, keyterms_of, seconds, spread
from trunkline.providers.stt.openai_shared import OFFICIAL, hints
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.segmenting import Begin, Segmenter, Sound, Step

if TYPE_CHECKING:
    import httpx

MOST_WAITING = 8
"""Utterances of one call that may wait to be sent; a call that has more has fallen behind for good."""
_WHERE = "openai-file"
_SHORTEST = 0.1


class OpenAIFile(HostedEngine):
    """`model`: gpt-transcribe, gpt-4o-transcribe, whisper-1, or what a server of one's own has. `prompt`:
    what the talk is about. `word_times`: ask for them (whisper-1 alone has them). `answer_s`: how long an
    utterance may take."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gpt-transcribe",
        prompt: str = "",
        keyterms: str = "",
        word_times: bool = False,
        base_url: str = OFFICIAL,
        key_env: str = "OPENAI_API_KEY",
        connect_s: float = 5.0,
        answer_s: float = 10.0,
        verify: bool = True,
    ) -> None:
        self._official = base_url == OFFICIAL
        # Servers of one's own often have no list of models; they are met with the first utterance.
        verify = verify and self._official
        super().__init__(clock, f"openai/{model}", _WHERE, base_url, key_env, connect_s, verify, "openai")
        self.model = model
        self.prompt = prompt
        self.keyterms = tuple(keyterms.split("|"))
        self.word_times = word_times
        self.answer_s = answer_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key_needed(self) -> bool:
        return self._official

    def _card(self) -> str:
        return f"/models/{self.model}"

    def _check(self) -> None:
        checked_limits(_WHERE, answer_s=self.answer_s)

    async def open(self, options: ListenOptions) -> FileRecognition:
        self._key_when_started()
        if options.rate not in RATES:
            raise EngineRequest(f"it cannot take {options.rate} Hz", where=_WHERE, hint=f"Rates are {RATES}")
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=_WHERE)
        recognition = FileRecognition(self, self._client, self._key_env, self._clock, options)
        self._keep(recognition)
        return recognition


@dataclass
class _Utterance:
    began: float
    own: bool
    keyterms: tuple[str, ...]
    pcm: bytearray = field(default_factory=bytearray)


class FileRecognition:
    """One call's. One task, which sends the utterances in their order; a failure ends it."""

    def __init__(
        self,
        engine: OpenAIFile,
        client: httpx.AsyncClient,
        key_env: str,
        clock: Clock,
        options: ListenOptions,
    ) -> None:
        self._engine = engine
        self._client = client
        self._key_env = key_env
        self._clock = clock
        self._options = options
        self._keyterms = keyterms_of(engine.keyterms, options.keyterms)
        self._segmenter = Segmenter()
        self._outbox = Outbox()
        self._open: _Utterance | None = None
        self._waiting: asyncio.Queue[_Utterance] = asyncio.Queue(MOST_WAITING)
        self._task = asyncio.create_task(self._send_all(), name=f"{_WHERE}: utterances")
        self._closed = False

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            self._outbox.complain(EngineRequest(f"a frame is not {self._options.rate} Hz", where=_WHERE))
            return
        self._follow(self._segmenter.push(frame))

    def speech_started(self, since: float) -> None:
        self._follow(self._segmenter.speech_started(since))

    def speech_stopped(self, until: float) -> None:
        self._follow(self._segmenter.speech_stopped(until))

    def finalise(self) -> None:
        self._follow(self._segmenter.finalise(self._clock.now()))

    def expect(self, expectation: Expectation) -> None:
        self._keyterms = keyterms_of(self._engine.keyterms, self._options.keyterms, expectation.keyterms)

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True
        self._outbox.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _follow(self, steps: list[Step]) -> None:
        for step in steps if not self._outbox.ended else ():
            match step:
                case Begin(at, own):
                    self._open = _Utterance(at, own, self._keyterms)
                case Sound(pcm) if self._open is not None:
                    self._open.pcm += pcm
                case _:
                    self._hand_over()

    def _hand_over(self) -> None:
        one, self._open = self._open, None
        if one is None or len(one.pcm) / 2 / self._options.rate < _SHORTEST:
            return
        try:
            self._waiting.put_nowait(one)
        except asyncio.QueueFull:
            error = EngineDown("it cannot keep up; an utterance was dropped", where=_WHERE)
            self._outbox.complain(error)

    async def _send_all(self) -> None:
        try:
            while True:
                one = await self._waiting.get()
                heard = await self._transcribed(one)
                if heard.text or not one.own:
                    self._outbox.put(heard)
        except EngineError as error:
            self._outbox.fail(error)

    async def _transcribed(self, one: _Utterance) -> Final:
        engine = self._engine
        told: dict[str, Any] = {
            "model": engine.model,
            "response_format": "verbose_json" if engine.word_times else "json",
        }
        for name, value in hints(engine.model, self._options.language, engine.prompt, one.keyterms).items():
            told[f"{name}[]" if isinstance(value, list) else name] = value
        if engine.word_times:
            told["timestamp_granularities[]"] = ["word"]
        file = ("utterance.wav", _wav(bytes(one.pcm), self._options.rate), "audio/wav")
        try:
            async with asyncio.timeout(engine.answer_s):
                response = await self._client.post("/audio/transcriptions", data=told, files={"file": file})
        except TimeoutError:
            raise EngineTimeout(f"no words came within {engine.answer_s:g} s", where=_WHERE) from None
        except Exception as error:
            # Whatever the client raises, it did not get through.
            raise unreachable(error, _WHERE) from error
        if response.status_code >= 400:
            raise refusal(response.status_code, response.text, _WHERE, self._key_env)
        try:
            return self._final(one, response.json())
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise EngineDown("it answered what is not its protocol", where=_WHERE) from error

    def _final(self, one: _Utterance, said: dict[str, Any]) -> Final:
        now = self._clock.now()
        text = said["text"]
        if not isinstance(text, str):
            raise ValueError("the text is none")
        begin = min(one.began, now)
        length = len(one.pcm) / 2 / self._options.rate
        timed = [
            Word(
                str(word["word"]),
                min(now, begin + seconds(word["start"])),
                min(now, begin + seconds(word["end"])),
            )
            for word in said.get("words") or ()
        ]
        return final(now, timed or spread(text, begin, min(now, begin + length)))


def _wav(pcm: bytes, rate: int) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)
    return target.getvalue()
