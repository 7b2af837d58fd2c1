"""A slow model is covered by a short word, where the settings name some. Whole calls, in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calls.story import PLAIN_SETTINGS, Says, tell
from trunkline.events import Interrupted, OpenerSaid

SETTINGS = replace(PLAIN_SETTINGS, openers=("Got it.", "I see."), opener_after=0.4)
TOLD = "we are about forty people"
SLOW = {"delay_ms": 1500}


def test_a_slow_model_is_covered_and_the_ledger_says_so() -> None:
    line = Says(3.0, TOLD)
    told = tell(line, replies=["That is a good size."], settings=SETTINGS, llm=SLOW)
    assert told.said()[-1] == "Got it. That is a good size."
    assert told.answer_after(line) < 0.7
    (row,) = told.result.record["ledger"]["rows"]
    assert row["opener"] == "Got it."
    # The total is the opener's; that the answer itself came later is in the row too.
    assert row["total_ms"] == pytest.approx(620, abs=40)
    assert row["llm_ms"] == pytest.approx(1500, abs=5)
    assert row["answer"] - row["speech_end"] == pytest.approx(1.7, abs=0.1)


def test_a_fast_model_needs_none() -> None:
    told = tell(Says(3.0, TOLD), settings=SETTINGS, llm={"delay_ms": 300})
    assert told.names(OpenerSaid) == []
    assert told.result.record["ledger"]["rows"][0]["opener"] == ""


def test_it_is_off_where_no_words_are_set() -> None:
    told = tell(Says(3.0, TOLD), settings=PLAIN_SETTINGS, llm=SLOW)
    assert told.names(OpenerSaid) == []


def test_never_twice_running_in_a_call() -> None:
    lines = [Says(3.0 + 6 * n, TOLD) for n in range(4)]
    told = tell(*lines, replies=["Good."], settings=SETTINGS, llm=SLOW, lasts=28)
    assert [said.startswith(("Got it.", "I see.")) for said in told.said()[1:]] == [True, False, True, False]


def test_never_before_what_may_be_bad_news() -> None:
    told = tell(Says(3.0, "can I have my money back please"), settings=SETTINGS, llm=SLOW)
    assert told.names(OpenerSaid) == []


@pytest.mark.parametrize("at", [3.0 + 1.5 + 0.3, 3.0 + 1.5 + 0.55, 3.0 + 1.5 + 1.0])
def test_a_caller_who_goes_on_hears_at_most_the_opener(at: float) -> None:
    told = tell(
        Says(3.0, TOLD), Says(at, "in two offices and a warehouse"), settings=SETTINGS, llm=SLOW, lasts=14
    )
    assert told.names(OpenerSaid).count("OpenerSaid") <= 1 or told.names(Interrupted)
    assert told.said()[-1].endswith("I see.")
    assert told.caller_words()[-1].endswith("a warehouse")


def test_a_model_that_fails_after_an_opener_is_covered_by_the_scenario() -> None:
    told = tell(Says(3.0, TOLD), settings=replace(SETTINGS, first_token_timeout=1.0), llm={"hang": True})
    assert told.said()[1] == "Got it. Sorry, say that again?"


def test_a_prepared_answer_has_its_opener_only_once_the_turn_is_over() -> None:
    line = Says(3.0, TOLD)
    told = tell(line, replies=["Good."], settings=replace(SETTINGS, speculate=True), llm=SLOW)
    (opener,) = told.of(OpenerSaid)
    assert opener.at >= line.end + 0.2 + 0.4 - 0.01
