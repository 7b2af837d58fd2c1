"""Whole calls in real time over the local server: sound out, words and sound in, and the three behind it.

Everything waits for what happens in the call; nothing is timed.
"""

from __future__ import annotations

import asyncio

import pytest

from calls.story import PLAIN_SETTINGS, SmallTalk
from providers.servers.openai_sessions import OpenAISessions
from providers.stt_conformance import recording
from trunkline.audio.frame import Frame
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import SystemClock
from trunkline.events import Event, Final, GenerationDone, ModelUsed, SpeakingStopped, Trouble, TurnEnded
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.s2s.openai import OpenAISession
from trunkline.providers.s2s.protocol import SpeechToSpeech
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech

pytest.importorskip("websockets")

LINE = "this-is-a-waste-of-my-time-you-idiot"
LIMIT = 60.0


class Caller:
    """Says a recording each time that the agent has said something, and hangs up after `turns` answers."""

    def __init__(self, turns: int) -> None:
        self.events: list[Event] = []
        self.leg: MemoryLeg | None = None
        self.done = asyncio.Event()
        self._left = turns
        self._sound = b""
        self._line = recording(LINE)

    def happened(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SpeakingStopped):
            if self._left:
                self._left -= 1
                self._sound = self._line
            else:
                self.done.set()

    def next_frame(self, at: float) -> bytes | None:
        frame, self._sound = self._sound[:320], self._sound[320:]
        return frame.ljust(320, b"\0") if frame else None

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


async def held(s2s: SpeechToSpeech, caller: Caller, play: SmallTalk | None = None) -> CallResult:
    """A call whose model is `s2s`, with the other three behind it."""
    clock = SystemClock()
    engines = Engines(
        [FakeSpeechToText(clock=clock, text="the others heard this", delay_ms=50)],
        FakeLanguageModel(clock=clock, delay_ms=0, tokens_per_s=0, reply="The others go on."),
        FakeTextToSpeech(clock=clock, delay_ms=0, rate=8000, speed=0),
        s2s=s2s,
    )
    everything = [*engines.stt, engines.llm, engines.tts, s2s]
    near, far = MemoryLeg.pair(clock)
    batch = VoiceBatch(clock, inline=True)
    call = Call(far, play or SmallTalk(), engines, PLAIN_SETTINGS, clock, batch, listeners=[caller.happened])

    def hear(frame: Frame) -> None:
        """The caller listens."""

    try:
        for engine in everything:
            await engine.start()  # type: ignore[attr-defined]
        near.start(hear, caller.next_frame)
        running = asyncio.create_task(call.run())
        async with asyncio.timeout(LIMIT):
            await caller.done.wait()
            await near.hang_up("hung up")
            return await running
    finally:
        for engine in everything:
            await engine.close()  # type: ignore[attr-defined]
        await batch.close()


async def test_a_call_over_the_vendors_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    async with OpenAISessions() as server:
        server.replies.append(("It is twenty dollars a month. Shall I go on?", []))
        caller = Caller(turns=1)
        result = await held(OpenAISession(clock=SystemClock(), base_url=server.address), caller)
    assert result.by == "caller"
    assert not caller.of(Trouble)
    assert [event.text for event in caller.of(TurnEnded)] == ["yes that is right"]  # type: ignore[attr-defined]
    said = [event.heard for event in caller.of(SpeakingStopped)]  # type: ignore[attr-defined]
    assert said == ["Hello, this is Maya.", "It is twenty dollars a month. Shall I go on?"]
    line, answer = server.asked
    assert line["input"][0]["content"][0]["text"] == "<text>Hello, this is Maya.</text>"
    assert answer["input"] == [{"type": "item_reference", "id": "item_1"}], "the turn itself is heard"
    done = caller.of(GenerationDone)[-1]
    assert isinstance(done, GenerationDone)
    assert (done.input_tokens, done.audio_input_tokens, done.cached_tokens) == (120, 20, 64)
    assert [event.purpose for event in caller.of(ModelUsed)] == ["line"]  # type: ignore[attr-defined]


async def test_a_call_whose_session_breaks_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks in an answer, and is refused from then on: the three go on."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    async with OpenAISessions() as server:
        server.answer_faults.extend(["", "cut"])
        server.replies.append(("It is twenty dollars a month. Shall I go on?", []))
        caller = Caller(turns=2)
        happened = caller.happened

        def watch(event: Event) -> None:
            if isinstance(event, Final):
                server.refuse = (503, {"error": {"message": "overloaded"}})
            happened(event)

        caller.happened = watch  # type: ignore[method-assign]
        result = await held(OpenAISession(clock=SystemClock(), base_url=server.address), caller)
    assert result.by == "caller", "the call is not lost"
    turns = [event.text for event in caller.of(TurnEnded)]  # type: ignore[attr-defined]
    assert turns[0] == "yes that is right"
    assert turns[-1].startswith("the others heard this")
    said = [event.heard for event in caller.of(SpeakingStopped)]  # type: ignore[attr-defined]
    assert said[-1] == "The others go on."
    assert caller.of(Trouble)
