"""A second model that listens to the first: beside the call, a sentence behind, and never in its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from calls.story import PLAIN_SETTINGS, Says, Told, tell
from scenario.talks import SMALL
from trunkline.errors import EngineDown
from trunkline.events import GuardrailBlocked, Trouble
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.scenario.judge import broken_rule, judge_prompt
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.play import ScenarioPlay

RULES = "guardrails: {judge: [never give advice on health, never speak badly of others]}\n"
SCENARIO = parse_scenario(SMALL + RULES)
INSTEAD = "I would rather not say anything about that."


class Sly:
    """An agent's model that says what no list of words would stop."""

    name = "sly"

    async def start(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        yield Token(
            "Just take two of the white ones at night, and you will feel much better in the morning. "
        )
        yield Token("So how many are you?")
        yield Usage()

    async def close(self) -> None: ...


class Watchful:
    """A judge that objects to white ones after a while, or does something else."""

    name = "watchful"

    def __init__(self, answer: str = "1", seconds: float = 0.5, fails: bool = False) -> None:
        self.answer, self.seconds, self.fails = answer, seconds, fails
        self.asked: list[str] = []

    async def start(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        sentence = prompt.messages[-1].content
        self.asked.append(sentence)
        await asyncio.sleep(self.seconds)
        if self.fails:
            raise EngineDown("away", where=self.name)
        yield Token(self.answer if "white ones" in sentence else "0")
        yield Usage()

    async def close(self) -> None: ...


def told(judge: Watchful | None, scenario: str = SMALL + RULES) -> Told:
    play = ScenarioPlay(parse_scenario(scenario))
    line = Says(6.0, "I have such a headache today you know")
    return tell(line, play=play, model=Sly(), judge=judge, settings=PLAIN_SETTINGS, lasts=24)


def test_what_it_objects_to_is_cut_short_and_taken_back() -> None:
    judge = Watchful()
    call = told(judge)
    [blocked] = call.of(GuardrailBlocked)
    assert blocked.rule == "judge: never give advice on health"  # type: ignore[attr-defined]
    assert "morning" not in " ".join(call.said())
    assert any(words.startswith(INSTEAD) for words in call.said())
    assert call.said()[-1].endswith("?")
    assert judge.asked[0].startswith("Sentence: Just take two")


def test_it_may_be_slower_than_the_talk_and_is_then_too_late() -> None:
    call = told(Watchful(seconds=4.0))
    assert len(call.of(GuardrailBlocked)) == 1
    assert any(words.startswith(INSTEAD) for words in call.said())


@pytest.mark.parametrize(
    "judge", [Watchful("0"), Watchful("nonsense"), Watchful("7"), Watchful(fails=True), Watchful(seconds=9.0)]
)
def test_who_says_nothing_of_use_changes_nothing(judge: Watchful) -> None:
    call = told(judge)
    assert call.of(GuardrailBlocked) == []
    assert not any(words.startswith(INSTEAD) for words in call.said())
    assert any("morning" in words for words in call.said())
    silent = judge.fails or judge.seconds > 5
    assert [event.where for event in call.of(Trouble)] == (["judge"] if silent else [])  # type: ignore[attr-defined]


def test_without_rules_or_without_a_judge_nobody_is_asked() -> None:
    judge = Watchful()
    told(judge, SMALL)
    assert judge.asked == []
    assert told(None).of(GuardrailBlocked) == []


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("1", "never give advice on health"), (" 2.", "never speak badly of others"),
        ("Rule 1", "never give advice on health"),
        ("0", ""), ("3", ""), ("-1", "never give advice on health"), ("", ""), ("no", ""),
        ("1000", ""), ("\x00", ""),
    ],
)  # fmt: skip
def test_what_a_judge_may_answer(answer: str, rule: str) -> None:
    assert broken_rule(SCENARIO, answer) == rule


def test_the_question_begins_alike_each_time() -> None:
    one, other = judge_prompt(SCENARIO, "Hello."), judge_prompt(SCENARIO, "Goodbye.")
    assert one is not None
    assert other is not None
    assert one.messages[0] == other.messages[0]
    assert "1. never give advice on health" in one.messages[0].content
    assert judge_prompt(parse_scenario(SMALL), "Hello.") is None
