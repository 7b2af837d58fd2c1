"""The live budget: rows of the ledger in, the next cheaper choice out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.budget import BudgetSettings, Choice, LiveBudget
from trunkline.call.economy import Economy, is_simple, shortened
from trunkline.call.ledger import Row
from trunkline.clock import VirtualClock, VirtualLoop
from trunkline.errors import ConfigError, EngineDown
from trunkline.events import Economised
from trunkline.prompt import Message, Prompt, ToolCall
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.llm.local_brain import LocalBrain

ALL: tuple[Choice, ...] = ("short-context", "fast-model", "cached-lines")


def row(llm: float | None = 0.1, tts: float = 0.1, total: float = 1.5) -> Row:
    """A complete row whose stages took so many seconds."""
    return Row(
        turn=1,
        speech_end=10.0,
        turn_ended=10.2,
        why="silence",
        transcript=10.1,
        asked=10.2,
        first_token=None if llm is None else 10.2 + llm,
        synthesis=11.0,
        first_audio=11.0 + tts,
        audible=10.0 + total,
    )


def choices(rows: list[Row], settings: BudgetSettings) -> list[tuple[int, str, str]]:
    budget, found = LiveBudget(settings), []
    for number, each in enumerate(rows, 1):
        if (moved := budget.add(each, float(number))) is not None:
            found.append((number, moved.stage, moved.choice))
    return found


def test_a_slow_model_moves_the_call_on_step_by_step() -> None:
    settings = BudgetSettings(choices=ALL, llm="fake")
    assert choices([row(llm=0.9)] * 12, settings) == [
        (3, "llm", "short-context"),
        (6, "llm", "fast-model"),
        (9, "llm", "cached-lines"),
    ]


def test_a_slow_voice_is_helped_by_what_is_there_as_sound_alone() -> None:
    assert choices([row(tts=0.9)] * 6, BudgetSettings(choices=ALL, llm="fake")) == [
        (3, "tts", "cached-lines")
    ]
    assert choices([row(tts=0.9)] * 6, BudgetSettings()) == []


def test_a_turn_within_its_budget_begins_the_count_anew() -> None:
    slow, fast = row(llm=0.9), row(llm=0.1)
    assert choices([slow, slow, fast, slow, slow, fast], BudgetSettings()) == []
    assert choices([slow, slow, row(llm=None), slow], BudgetSettings()) == [(4, "llm", "short-context")]


def test_what_overlapping_hides_costs_nothing() -> None:
    assert choices([row(llm=0.9, total=0.7)] * 6, BudgetSettings()) == []


def test_the_event_says_what_was_too_slow() -> None:
    budget = LiveBudget(BudgetSettings(turns=2))
    budget.add(row(llm=0.5), 1.0)
    assert budget.add(row(llm=0.7), 2.0) == Economised(2.0, "short-context", "llm", 600.0, 300.0, 2)


def test_nothing_is_watched_where_it_is_off_or_nothing_is_allowed() -> None:
    assert choices([row(llm=9.0)] * 9, BudgetSettings(turns=0)) == []
    assert choices([row(llm=9.0)] * 9, BudgetSettings(choices=())) == []
    # A faster model that nobody named cannot be moved to.
    assert choices([row(llm=9.0)] * 9, BudgetSettings(choices=("fast-model",))) == []


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="not be negative"):
        BudgetSettings(turns=-1)
    with pytest.raises(ConfigError, match="cached-lines"):
        BudgetSettings(choices=("cheap",))  # type: ignore[arg-type]


TURNS = st.tuples(st.sampled_from([None, 0.1, 0.9]), st.sampled_from([0.1, 0.9]), st.sampled_from([0.5, 2.0]))


@given(st.lists(TURNS))
def test_each_choice_comes_once_and_only_after_enough_slow_turns(
    turns: list[tuple[float | None, float, float]],
) -> None:
    settings = BudgetSettings(choices=ALL, llm="fake")
    moved = choices([row(*turn) for turn in turns], settings)
    assert len({choice for _, _, choice in moved}) == len(moved)
    for number, stage, _ in moved:
        place = 0 if stage == "llm" else 1
        before = [turn[place] for turn in turns[:number] if turn[place] is not None]
        assert before[-3:] == [0.9, 0.9, 0.9]


# --- what the choices do ----------------------------------------------------------------------------


def talk(lines: int) -> Prompt:
    said = [Message("user" if n % 2 == 0 else "assistant", f"line {n}") for n in range(lines)]
    return Prompt((Message("system", "stable"), *said, Message("system", "now")))


@given(st.integers(0, 60), st.integers(1, 12))
def test_a_shortened_talk_keeps_what_is_stable_and_the_latest_lines(lines: int, kept: int) -> None:
    prompt = talk(lines)
    short = shortened(prompt, kept)
    assert short.messages[0] == prompt.messages[0]
    assert short.messages[-1] == prompt.messages[-1]
    said = short.messages[1:-1]
    assert len(said) <= max(1, kept)
    assert said == prompt.messages[len(prompt.messages) - 1 - len(said) : -1]
    assert lines == 0 or said


def test_most_shortened_talks_begin_as_the_one_before() -> None:
    begins = [shortened(talk(lines), 8).messages[1] for lines in range(20, 60)]
    assert sum(a == b for a, b in pairwise(begins)) >= 28


def test_a_tools_exchange_is_never_torn() -> None:
    call = ToolCall("1", "set_field", {})
    exchange = (Message("assistant", "", tool_calls=(call,)), Message("tool", "Recorded.", tool_call_id="1"))
    prompt = Prompt((*talk(20).messages, *exchange))
    assert shortened(prompt, 2).messages[-2:] == exchange


@pytest.mark.parametrize(
    ("said", "simple"),
    [("yes", True), ("about twelve people", True), ("", False), ("why is that", False), ("a " * 20, False)],
)
def test_which_turns_are_simple(said: str, simple: bool) -> None:
    assert is_simple(said, 8) is simple


def test_a_faster_model_that_fails_is_not_asked_again() -> None:
    loop = VirtualLoop()
    try:
        clock = VirtualClock(loop)
        main, fast = FakeLanguageModel(clock=clock), FakeLanguageModel(clock=clock)
        economy = Economy(BudgetSettings(), main, main, fast, LocalBrain(clock=clock))
        prompt = Prompt((Message("system", "stable"), Message("user", "yes")))
        assert economy.asked(prompt) == (main, prompt)
        economy.move(Economised(1.0, "fast-model", "llm", 900.0, 300.0, 3))
        assert economy.asked(prompt)[0] is fast
        economy.failed(main, EngineDown("down"))
        assert economy.asked(prompt)[0] is fast
        economy.failed(fast, EngineDown("down"))
        assert economy.asked(prompt)[0] is main
        # A prompt that no scenario assembled has no words of its own.
        economy.move(Economised(1.0, "cached-lines", "llm", 900.0, 300.0, 3))
        assert economy.asked(prompt)[0] is main
    finally:
        loop.close()
