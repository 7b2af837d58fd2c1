"""Simple turns are decided on this machine though a hosted model leads; all turns say who decided them."""

from __future__ import annotations

from typing import Any

import pytest

from calls.story import Says, Told, tell
from scenario.talks import small
from trunkline.call.play import ScenarioPlay
from trunkline.call.settings import CallSettings
from trunkline.events import FirstToken, GenerationStarted, TurnDecided
from trunkline.scenario.plan import make_plan
from trunkline.scenario.state import Line, State

WANDERS = Says(4.0, "well let me think about that for a moment")
NUMBER = Says(12.0, "twelve")


def told(settings: CallSettings) -> Told:
    return tell(
        WANDERS,
        NUMBER,
        replies=["Take your time. How many are you?"],
        play=ScenarioPlay(small()),
        settings=settings,
        llm={"delay_ms": 400},
        lasts=18.0,
    )


def decided(story: Told) -> list[tuple[str, bool]]:
    return [(event.by, event.simple) for event in story.of(TurnDecided) if isinstance(event, TurnDecided)]


def test_a_number_is_decided_here_at_once_and_what_is_not_sure_by_the_model() -> None:
    story = told(CallSettings(vad="energy"))
    assert decided(story) == [("fake", False), ("brain", True)]
    assert story.said()[1:3] == ["Take your time. How many are you?", "Twelve, is that right?"]
    started = {e.generation: e for e in story.of(GenerationStarted) if isinstance(e, GenerationStarted)}
    first = {e.generation: e.at for e in story.of(FirstToken) if isinstance(e, FirstToken)}
    waits = {e.model: first[n] - e.at for n, e in started.items() if n in first}
    assert waits["fake"] == pytest.approx(0.4, abs=0.01)
    assert waits["brain"] < 0.01
    assert story.result.record["decisions"] == {
        "turns": 2,
        "by": {"fake": 1, "brain": 1},
        "local_share": 0.5,
        "compared": 0,
        "agreed": 0,
    }


def test_a_model_that_is_to_decide_everything_is_compared_with_typed_understanding() -> None:
    story = told(CallSettings(vad="energy", simple_turns="model"))
    assert decided(story) == [("fake", False), ("fake", True)]
    decisions = story.result.record["decisions"]
    # The fake calls no tool where typed understanding would have set the field.
    assert (decisions["compared"], decisions["agreed"], decisions["local_share"]) == (1, 0, 0.0)


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("twelve", True),
        ("we are twelve people", True),
        ("twelve and how much does that cost", False),
        ("I do not know", False),
        ("well it depends on the season but most of the year I would say about twelve", False),
    ],
)
def test_what_a_simple_turn_is(text: str, simple: bool) -> None:
    play = ScenarioPlay(small())
    state: Any = State(step="hello", turn=1, lines=(Line("caller", text),))
    assert make_plan(play.scenario, state, text).simple is simple
