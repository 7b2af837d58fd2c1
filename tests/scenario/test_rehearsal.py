"""Test files of scenarios: read with errors that name the line, played, compared, written as JUnit."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scenario.talks import SMALL, small
from trunkline.clock import SystemClock
from trunkline.errors import EngineDown, ScenarioError
from trunkline.prompt import Prompt, Token, Usage
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.junit import Tried, junit
from trunkline.scenario.load import library, load_scenario
from trunkline.scenario.rehearsal import load_rehearsal, parse_rehearsal
from trunkline.scenario.rehearse import MOST_TURNS, Outcome, rehearse

FILES = {name: load_rehearsal(name) for name in library()}
TALKS = [(name, n) for name, (rehearsal, _) in FILES.items() for n in range(len(rehearsal.conversations))]
BRAIN = LocalBrain(clock=SystemClock())


@pytest.mark.parametrize(
    ("name", "number"), TALKS, ids=[f"{name}: {FILES[name][0].conversations[n].name}" for name, n in TALKS]
)
async def test_each_conversation_of_a_shipped_scenario(name: str, number: int) -> None:
    rehearsal, of = FILES[name]
    held = await rehearse(load_scenario(of), rehearsal, rehearsal.conversations[number], BRAIN)
    assert held.wrong == (), "\n".join(held.transcript)


@pytest.mark.parametrize("name", library())
def test_the_test_file_of_a_shipped_scenario_reaches_each_of_its_ends(name: str) -> None:
    rehearsal, of = FILES[name]
    assert of == name
    ends = {step.outcome for step in load_scenario(name).steps.values() if step.kind == "end"}
    reached = {talk.expect.outcome for talk in rehearsal.conversations}
    assert ends <= reached


def rehearsal_of(talk: str) -> str:
    return f"trunkline_test: 1\nscenario: small\nconversations:\n  - name: one\n{talk}"


async def tried(talk: str, caller: Any = None) -> Outcome:
    rehearsal = parse_rehearsal(rehearsal_of(talk))
    return await rehearse(small(), rehearsal, rehearsal.conversations[0], BRAIN, caller)


GOES_WELL = """\
    caller:
      - say: twelve
        expect: {step: hello, says: ["twelve is that RIGHT"], fields: {size: 12}}
      - "yes"
    expect: {outcome: big, steps: [hello, big], turns: 2, never: [few]}
"""


async def test_all_as_expected() -> None:
    held = await tried(GOES_WELL)
    assert held.passed
    assert (held.turns, held.outcome) == (2, "big")
    assert held.transcript[0].startswith("agent: Hello, this is Ann")
    assert held.transcript[-2:] == ("caller: yes", "agent: Goodbye to many.")


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("step: hello", "step: big", "after line 1 (twelve): the step is 'hello', not 'big'"),
        ("size: 12", "size: 13", "after line 1 (twelve): size is 12.0, not 13"),
        ("size: 12", "size: true", "after line 1 (twelve): size is 12.0, not True"),
        ("size: 12", "size: null", "after line 1 (twelve): size is 12.0, not None"),
        ("is that RIGHT", "is it so", "the agent does not say 'twelve is it so'"),
        ("outcome: big", "outcome: little", "at the end: the outcome is 'big', not 'little'"),
        ("[hello, big]", "[big, hello]", "step 'hello' is not entered, or not in this order"),
        ("turns: 2", "turns: 1", "it took 2 turns, more than 1"),
        ("never: [few]", "never: [MANY]", "at the end: the agent says 'MANY'"),
        ("never: [few]", "objections: [price]", "'price' was not raised"),
        ("never: [few]", "transferred_to: sip:x@y", "it was transferred to '', not 'sip:x@y'"),
        ('- "yes"', '- "yes"\n      - hello?', "the call ended (big) with 1 of the caller's lines left"),
    ],
)
async def test_what_is_otherwise_is_told(old: str, new: str, wrong: str) -> None:
    assert old in GOES_WELL
    held = await tried(GOES_WELL.replace(old, new, 1))
    assert any(wrong in one for one in held.wrong), held.wrong


async def test_forbidden_words_of_the_whole_file() -> None:
    rehearsal = parse_rehearsal(rehearsal_of(GOES_WELL) + "never: ['goodbye to many']\n")
    held = await rehearse(small(), rehearsal, rehearsal.conversations[0], BRAIN)
    assert held.wrong == ("the agent says 'goodbye to many'",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "trunkline_test: 2\nconversations: [{name: a, caller: [hi], expect: {turns: 1}}]",
            "write trunkline",
        ),
        ("trunkline: 1\nname: x", "x:1: this is no test file"),
        (rehearsal_of("    callers: [hi]\n"), "x:5: `conversations.0.callers` is not known. Did you mean"),
        (rehearsal_of("    caller: [hi]\n"), "x:4: `conversations.0`: nothing is expected of it"),
        (rehearsal_of("    expect: {turns: 1}\n"), "`caller` (lines) or `persona`"),
        (rehearsal_of("    caller: [{say: a, keys: b}]\n    expect: {turns: 1}\n"), "a line has one of"),
        (rehearsal_of("    caller: [hi]\n    expect: {outcom: x}\n"), "Did you mean `outcome`"),
        (
            rehearsal_of("    caller: [hi]\n    expect: {turns: 1}\n") * 1
            + "  - {name: one, caller: [hi], expect: {turns: 1}}\n",
            "two conversations are called 'one'",
        ),
        ("trunkline_test: 1\nnow: 2026-01-05T09:00:00\n" + rehearsal_of(GOES_WELL).split("\n", 1)[1], "zone"),
        ("", "x: is empty. Begin with trunkline_test: 1"),
    ],
)
def test_a_wrong_file_says_where_and_what(text: str, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_rehearsal(text, "x")
    assert says in str(caught.value)


def test_the_test_of_a_file_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SMALL)
    (tmp_path / "mine.test.yaml").write_text(rehearsal_of(GOES_WELL).replace("scenario: small\n", ""))
    for named in ("mine.yaml", "mine.test.yaml"):
        rehearsal, of = load_rehearsal(tmp_path / named)
        assert of == str(tmp_path / "mine.yaml")
        assert len(rehearsal.conversations) == 1
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_rehearsal(tmp_path / "other.test.yaml")


PLAYED = """\
    persona: {answers: {size: We are nine.}, raises: ["Are you a robot?"], character: somebody}
    expect: {outcome: little, says: [I am an AI assistant]}
"""


async def test_a_caller_who_answers_what_is_asked() -> None:
    assert (await tried(PLAYED)).wrong == ()


class Actor:
    """A model that plays the caller: it reads what the agent said last."""

    def __init__(self, fail: bool = False) -> None:
        self.fail = fail
        self.asked: list[Prompt] = []

    async def stream(self, prompt: Prompt) -> Any:
        self.asked.append(prompt)
        if self.fail:
            raise EngineDown("broken", where="actor")
        confirmed = prompt.messages[-1].content.endswith("Is that right?")
        yield Token("Yes." if confirmed else "We are\nforty.")
        yield Usage()


async def test_a_caller_whom_a_model_plays() -> None:
    actor = Actor()
    held = await tried(PLAYED.replace("little", "big").replace(", says: [I am an AI assistant]", ""), actor)
    assert held.wrong == ()
    assert "caller: We are forty." in held.transcript
    assert actor.asked[0].messages[0].content.endswith("You are: somebody")
    assert [message.role for message in actor.asked[0].messages] == ["system", "user"]


async def test_a_model_of_the_caller_that_fails_is_a_failure() -> None:
    held = await tried(PLAYED, Actor(fail=True))
    assert any("the caller's model failed: actor: broken" in wrong for wrong in held.wrong)


async def test_a_played_call_ends_though_nobody_comes_to_an_end() -> None:
    endless = "    persona: {otherwise: one moment}\n    expect: {outcome: x}\n"
    held = await tried(endless)
    assert 0 < held.turns <= MOST_TURNS


def test_junit_holds_every_case_and_why_it_failed() -> None:
    good = Outcome("a", (), ("agent: hi",), 1, "x", 1, 0)
    bad = Outcome("b", ("it is \x00 <wrong>",), ("agent: hi", "caller: ho"), 1, "x", 1, 0)
    results = [
        Tried("f", "a", (good,)),
        Tried("f", "b", (good, bad), seconds=0.5),
        Tried("g", "b", (good, bad), at_least=0.5),
    ]
    root = ElementTree.fromstring(junit(results))
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in root] == [
        ("f", "2", "1"),
        ("g", "1", "0"),
    ]
    (failure,) = root.iter("failure")
    assert failure.get("message") == "50% of 2 passed. it is � <wrong>"
    assert "caller: ho" in (failure.text or "")


def test_the_example_of_the_documentation_passes(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text("utf-8")
    example = re.search(r"```yaml\n(trunkline_test:.*?)```", text, re.DOTALL)
    assert example is not None
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "small.test.yaml").write_text(example[1])
    rehearsal, of = load_rehearsal(tmp_path / "small.test.yaml")
    for talk in rehearsal.conversations:
        held = asyncio.run(rehearse(load_scenario(of), rehearsal, talk, BRAIN))
        assert held.wrong == ()
