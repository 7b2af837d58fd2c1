"""Tools in whole calls: beside the audio, within their time, and never lost to an interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from calls.story import PLAIN_SETTINGS, Says, Told, tell
from scenario.test_look_up import DESK, MENU
from trunkline.clock import SystemClock
from trunkline.errors import ToolError
from trunkline.events import ToolEnded, ToolStarted
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

FOUR = {"slots": [{"start": "2026-01-08T16:00:00+00:00"}], "price": 45}
OFFER = "Does on Thursday at four in the afternoon suit you?"


class Desk:
    """A tool that takes its time."""

    def __init__(self, seconds: float = 1.0, answer: Any = FOUR, fails: str = "") -> None:
        self.seconds, self.answer, self.fails = seconds, answer, fails
        self.asked: list[dict[str, Any]] = []

    async def run(self, name: str, arguments: dict[str, str | float | bool]) -> Any:
        self.asked.append({"name": name, **arguments})
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise ToolError(self.fails, where=name)
        return self.answer


def told(*lines: Says, desk: Desk | None, text: str = DESK, lasts: float = 40.0) -> Told:
    play = ScenarioPlay(parse_scenario(text))
    brain = LocalBrain(clock=SystemClock())
    return tell(*lines, play=play, model=brain, tools=desk, settings=PLAIN_SETTINGS, lasts=lasts)


def test_the_agent_says_that_it_looks_and_goes_on_with_the_answer() -> None:
    desk = Desk(2.0)
    call = told(Says(5.0, "twelve people"), Says(16.0, "yes"), desk=desk)
    assert call.said()[1:3] == ["Let me look.", OFFER]
    assert call.result.outcome == "booked"
    [started], [ended] = call.of(ToolStarted), call.of(ToolEnded)
    assert ended.at - started.at == pytest.approx(2.0, abs=0.05)
    assert desk.asked == [{"name": "find_slot", "people": 12.0, "note": "for 12.0 at us", "who": "nobody"}]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Desk(9.0), "no answer within 5 s"),
        (lambda: Desk(fails="answered with status 500"), "answered with status 500"),
        (lambda: None, "no tools are configured"),
    ],
)
def test_a_tool_that_is_late_or_fails_takes_the_other_edge(make: Callable[[], Desk | None], why: str) -> None:
    call = told(Says(5.0, "twelve people"), desk=make())
    assert call.result.outcome == "sorry"
    assert [event.why for event in call.of(ToolEnded)] == [why]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seconds", [0.0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2])
def test_whoever_speaks_while_it_works_still_gets_the_answer(seconds: float) -> None:
    """However the tool's answer falls: before, during or after the caller's words."""
    lines = (Says(5.0, "twelve people"), Says(6.6, "are you looking for it now or what"))
    call = told(*lines, desk=Desk(seconds), lasts=24.0)
    assert any("suit you" in words for words in call.said()), call.said()
    assert len(call.of(ToolEnded)) == 1


def test_who_hangs_up_while_it_works_leaves_nothing_behind() -> None:
    call = told(Says(5.0, "twelve people"), desk=Desk(4.0), lasts=7.0)
    assert call.result.by == "caller"
    assert call.of(ToolEnded) == []


def test_a_step_has_its_time() -> None:
    call = told(desk=None, text=MENU.replace("seconds: 20", "seconds: 12"))
    assert call.said()[-1] == "Goodbye."
    assert call.result.outcome == "bye"
