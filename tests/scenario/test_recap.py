"""What a model sees of a long talk: the latest lines within a budget, and notes for the rest."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from scenario.talks import MONDAY, small
from trunkline.scenario import recap
from trunkline.scenario.actions import AgentHeard, CallerSaid, Generate, Recap, Recapped
from trunkline.scenario.model import Scenario
from trunkline.scenario.state import Line, State
from trunkline.scenario.step import step


def limited(lines: int, tokens: int = 100_000) -> Scenario:
    limits = small().limits.model_copy(update={"prompt_lines": lines, "prompt_tokens": tokens})
    return small().model_copy(update={"limits": limits})


def talk(count: int) -> State:
    lines = tuple(Line("caller" if n % 2 else "agent", f"line number {n}") for n in range(count))
    return State(now=MONDAY, step="hello", turn=count // 2, lines=lines)


texts = st.lists(st.text("ab ", max_size=400), max_size=40)


@given(texts, st.integers(4, 20), st.integers(100, 600))
@settings(max_examples=60)
def test_the_lines_that_are_kept_fit_the_budget_and_never_come_back(
    said: list[str], most: int, tokens: int
) -> None:
    scenario = limited(most, tokens)
    state, first = State(step="hello"), 0
    for text in said:
        state = replace(state, lines=(*state.lines, Line("caller", text)))
        now = recap.kept_from(scenario, state)
        assert now >= first
        first = now
        kept = state.lines[first:]
        assert len(kept) <= most
        assert len(kept) <= 2 or sum(map(recap.tokens, kept)) <= tokens


def test_what_a_prompt_begins_with_stays_for_several_turns() -> None:
    cuts = [recap.kept_from(limited(12), talk(count)) for count in range(12, 40)]
    assert all(cuts.count(cut) == 4 for cut in set(cuts) - {0, cuts[-1]})


def heard(scenario: Scenario, state: State) -> tuple[State, list[Recap]]:
    state, actions = step(scenario, state, AgentHeard("How many are you?"))
    return state, [action for action in actions if isinstance(action, Recap)]


def test_older_lines_are_summarised_once_between_turns() -> None:
    scenario = limited(6)
    state, nothing = heard(scenario, talk(5))
    assert nothing == []
    state, [asked] = heard(scenario, talk(7))
    assert "caller: line number 1" in asked.prompt.messages[1].content
    assert step(scenario, state, AgentHeard("")) == (state, [])  # it is being written
    state, _ = step(scenario, state, Recapped("They have one line.", asked.lines))
    _, [generate] = step(scenario, state, CallerSaid(9, "well it depends on many things", MONDAY))
    assert isinstance(generate, Generate)
    contents = [message.content for message in generate.prompt.messages]
    [earlier] = [content for content in contents if content.startswith("Earlier in this call")]
    assert earlier.splitlines() == [
        "Earlier in this call: They have one line.",
        "Earlier the caller said, in short: line number 3",  # came since
    ]
    assert "line number 1" not in " ".join(contents)


def test_until_the_summary_has_come_the_first_words_stand_for_it() -> None:
    scenario = limited(6)
    assert "line number 1" in recap.before(scenario, talk(9))
    assert recap.before(scenario, talk(6)) == ""


def test_a_later_summary_builds_on_the_one_before() -> None:
    scenario = limited(6)
    state = replace(talk(14), recap="They have one line.", recapped=2)
    wanted = recap.due(scenario, state)
    assert wanted is not None
    content = wanted.prompt.messages[1].content
    assert content.startswith("Notes so far: They have one line.")
    assert "line number 1\n" not in content


def test_a_summary_of_lines_that_are_not_there_or_older_changes_nothing() -> None:
    state = replace(talk(8), recap="new", recapped=4)
    for lines in (2, 4, 9, -1):
        assert step(limited(6), state, Recapped("old", lines)) == (state, [])
    state, _ = step(limited(6), state, Recapped("x" * 5000, 6))
    assert len(state.recap) == recap.LONGEST
