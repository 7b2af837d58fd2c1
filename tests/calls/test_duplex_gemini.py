"""Whole calls in real time over the local server that speaks Gemini's Live API.

Everything waits for what happens in the call; nothing is timed.
"""

from __future__ import annotations

import pytest

from calls.story import SmallTalk
from calls.test_duplex_openai import Caller, held
from providers.servers.gemini_sessions import GeminiSessions
from trunkline.clock import SystemClock
from trunkline.events import (
    Event,
    GenerationDone,
    ModelUsed,
    SpeakingStarted,
    SpeakingStopped,
    Trouble,
    TurnEnded,
)
from trunkline.prompt import Message
from trunkline.providers.s2s.gemini_live import GeminiLive
from trunkline.scenario.actions import Action, AgentHeard, Happening

pytest.importorskip("websockets")

PRICE = "It is twenty dollars a month. Shall I go on?"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-1")


def engine(server: GeminiSessions) -> GeminiLive:
    return GeminiLive(clock=SystemClock(), base_url=server.address)


async def test_a_call_over_the_vendors_protocol() -> None:
    async with GeminiSessions() as server:
        server.replies.append((PRICE, []))
        caller = Caller(turns=1)
        result = await held(engine(server), caller)
    assert result.by == "caller"
    assert not caller.of(Trouble)
    assert [event.text for event in caller.of(TurnEnded)] == ["yes that is right"]  # type: ignore[attr-defined]
    said = [event.heard for event in caller.of(SpeakingStopped)]  # type: ignore[attr-defined]
    assert said == ["Hello, this is Maya.", PRICE]
    line, answer = server.asked
    assert line.text == "Hello, this is Maya."
    assert len(answer.sound) / 2 / 16000 == pytest.approx(server.received[0]), "the turn itself is heard"
    assert answer.text == ""
    done = caller.of(GenerationDone)[-1]
    assert isinstance(done, GenerationDone)
    assert (done.input_tokens, done.audio_input_tokens) == (120, 20)
    assert [event.purpose for event in caller.of(ModelUsed)] == ["line"]  # type: ignore[attr-defined]


class Remembering(SmallTalk):
    """Its prompts hold what was heard of the agent, too."""

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        state, actions = super().step(state, happening)
        if isinstance(happening, AgentHeard) and happening.heard:
            state = (*state, Message("assistant", happening.heard))
        return state, actions


async def test_the_next_session_is_told_what_was_heard_of_an_answer_that_was_cut() -> None:
    class Interrupter(Caller):
        """Speaks into the first answer, and hangs up after the next one."""

        def happened(self, event: Event) -> None:
            self.events.append(event)
            if isinstance(event, SpeakingStarted) and len(self.of(SpeakingStarted)) == 2:
                self._sound = bytes(16000) + self._line
            elif isinstance(event, SpeakingStopped):
                stopped = len(self.of(SpeakingStopped))
                if stopped == 1:
                    self._sound = self._line
                elif stopped == 3:
                    self.done.set()

    async with GeminiSessions() as server:
        long = (
            "It is twenty dollars a month, and that includes everything that you could ever wish for in it. "
        )
        server.replies.append((long * 2, []))
        caller = Interrupter(turns=0)
        result = await held(engine(server), caller, Remembering())
    assert result.by == "caller"
    assert not caller.of(Trouble)
    stopped = [event for event in caller.of(SpeakingStopped) if isinstance(event, SpeakingStopped)]
    assert stopped[1].heard, "some of it was heard"
    assert len(stopped[1].heard) < len(long), "and not all"
    assert [(turn["role"], turn["parts"][0]["text"]) for turn in server.asked[2].turns] == [
        ("user", "[You spoke first.]"),
        ("model", "Hello, this is Maya."),
        ("user", "yes that is right"),
        ("model", stopped[1].heard),
    ], "what was heard, not what it had generated"
