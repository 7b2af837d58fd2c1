"""Typed fields from what callers say: tables, and no words that raise."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.scenario.assent import yes_or_no
from trunkline.scenario.dates import parse_when
from trunkline.scenario.fields import coerce, parse
from trunkline.scenario.model import FieldSpec
from trunkline.scenario.numbers import contracted, find_numbers, plain
from trunkline.scenario.parsed import Context
from trunkline.scenario.spoken import number_words, time_words

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=ZoneInfo("Europe/London"))  # a Monday
HERE = Context(NOW)

PEOPLE = FieldSpec(type="number", unit="people", cues=("employees", "of us"), min=1, max=5000)
COST = FieldSpec(type="money", cues=("a month",))
EMAIL = FieldSpec(type="email")
PHONE = FieldSpec(type="phone")
NAME = FieldSpec(type="name")
PLAN = FieldSpec(
    type="choice", choices={"soon": ("this month", "right away"), "later": ("next year", "not sure")}
)
WHEN = FieldSpec(type="datetime")


@pytest.mark.parametrize(
    ("spec", "said", "value"),
    [
        (PEOPLE, "About twelve people.", 12),
        (PEOPLE, "there are twenty-five of us", 25),
        (PEOPLE, "a hundred and twenty", 120),
        (PEOPLE, "twelve hundred", 1200),
        (PEOPLE, "1,200 or so", 1200),
        (PEOPLE, "twelve, no, fifteen", 15),
        (PEOPLE, "a dozen", 12),
        (PEOPLE, "just me", 1),
        (PEOPLE, "no we are twenty", 20),
        (PEOPLE, "lots", None),
        (PEOPLE, "zero", None),  # below its least
        (COST, "We pay about three hundred dollars a month.", 300),
        (COST, "$1,250", 1250),
        (COST, "fifteen hundred", 1500),
        (COST, "two grand", 2000),
        (COST, "nothing", 0),
        (EMAIL, "dana at example dot com", "dana@example.com"),
        (EMAIL, "it's d a n a at example dot co dot uk", "dana@example.co.uk"),
        (EMAIL, "My email is Dana.Lee@example.com.", "dana.lee@example.com"),
        (EMAIL, "dana underscore lee at example dot com", "dana_lee@example.com"),
        (EMAIL, "I am at work", None),
        (PHONE, "two oh two five five five oh one double four", "+12025550144"),
        (PHONE, "+44 20 7946 0018", "+442079460018"),
        (PHONE, "twelve", None),
        (NAME, "My name is Dana Lee.", "Dana Lee"),
        (NAME, "dana", "Dana"),
        (NAME, "yes", None),
        (PLAN, "this month I think", "soon"),
        (PLAN, "not sure", "later"),
        (PLAN, "rite away", "soon"),  # as a recogniser may hear it
        (PLAN, "bananas", None),
        (WHEN, "Thursday at four", "2026-01-08T16:00:00+00:00"),
        (WHEN, "tomorrow morning", "2026-01-06T10:00:00+00:00"),
    ],
)
def test_parsed(spec: FieldSpec, said: str, value: Any) -> None:
    parsed = parse(spec, said, HERE)
    assert (parsed and parsed.value) == value


@pytest.mark.parametrize(
    ("spec", "said"),
    [(PEOPLE, "ten or twelve"), (PEOPLE, "a couple"), (PEOPLE, "for"), (PLAN, "rite away")],
)
def test_a_guess_is_not_sure(spec: FieldSpec, said: str) -> None:
    parsed = parse(spec, said, HERE)
    assert parsed is not None
    assert not parsed.sure


@pytest.mark.parametrize(
    ("spec", "said", "found"),
    [
        (PEOPLE, "we are twelve people", True),
        (PEOPLE, "give me two minutes", False),
        (COST, "we pay three hundred dollars", True),
        (COST, "three hundred", False),
        (PLAN, "not sure", False),
        (NAME, "Dana", False),
        (NAME, "this is Dana", True),
        (EMAIL, "write to dana at example dot com", True),
    ],
)
def test_a_volunteered_value_needs_its_own_evidence(spec: FieldSpec, said: str, found: bool) -> None:
    assert (parse(spec, said, Context(NOW, expected=False)) is not None) is found


def test_a_number_beside_another_fields_word_is_not_ours() -> None:
    foreign = Context(NOW, foreign=("people",))
    parsed = parse(COST, "we pay 300 for 12 people", foreign)
    assert parsed is not None
    assert parsed.value == 300


MOMENTS = [
    ("Thursday at four", (8, 16, 0)),
    ("call me thursday at four", (8, 16, 0)),
    ("half past three tomorrow", (6, 15, 30)),
    ("quarter to five", (5, 16, 45)),
    ("ten fifteen a.m. tomorrow", (6, 10, 15)),
    ("next friday at 16:30", (16, 16, 30)),
    ("at four", (5, 16, 0)),
    ("at eight", (6, 8, 0)),  # eight has gone today
    ("in two hours", (5, 11, 0)),
    ("in half an hour", (5, 9, 30)),
    ("this afternoon", (5, 14, 0)),
    ("the day after tomorrow around noon", (7, 12, 0)),
    ("how about Wednesday at eleven?", (7, 11, 0)),
    ("the twelfth of january at ten", (12, 10, 0)),
    ("january the twelfth at ten", (12, 10, 0)),
    ("in a week at nine", (12, 9, 0)),
    ("wednesday at nine in the evening", (7, 21, 0)),
]


@pytest.mark.parametrize(("said", "day_hour_minute"), MOMENTS)
def test_moments(said: str, day_hour_minute: tuple[int, int, int]) -> None:
    when = parse_when(said, NOW)
    assert when is not None
    assert when.time is not None
    assert (when.day.day, when.time.hour, when.time.minute) == day_hour_minute
    assert when.day.month == 1


@pytest.mark.parametrize("said", ["good morning", "hello", "today at eight", "", "seventeen", "maybe"])
def test_no_moment(said: str) -> None:
    assert parse_when(said, NOW) is None


def test_a_day_is_completed_by_a_time() -> None:
    day = parse_when("friday", NOW)
    assert day is not None
    assert day.time is None
    whole = parse_when("at half past two", NOW, day=day.day, expected=True)
    assert whole is not None
    assert whole.at(NOW).isoformat() == "2026-01-09T14:30:00+00:00"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Yes.", True), ("Yeah, that's right.", True), ("sure go ahead", True), ("no problem", True),
        ("uh yes", True), ("Nope.", False), ("not really", False), ("No, we are twenty.", False),
        ("that's wrong", False), ("twelve", None), ("well", None), ("I am not interested", None),
        ("what happens if i do not pay", None),
        ("why did it go up", None),
        ("why not", True),
        ("it is too expensive", None),
        ("it is", True),
        ("speaking", True),
        ("that is me", True),
    ],
)  # fmt: skip
def test_yes_or_no(said: str, answer: bool | None) -> None:
    assert yes_or_no(said) is answer


@pytest.mark.parametrize(
    ("spec", "given", "value"),
    [
        (PEOPLE, 12, 12.0),
        (PEOPLE, "twelve", 12.0),
        (PLAN, "soon", "soon"),
        (WHEN, "2026-01-08T16:00", "2026-01-08T16:00:00+00:00"),
        (FieldSpec(type="yes_no"), True, True),
    ],
)
def test_a_models_argument(spec: FieldSpec, given: object, value: Any) -> None:
    assert coerce(spec, given, HERE) == value


@pytest.mark.parametrize(
    ("spec", "given", "says"),
    [
        (PEOPLE, "many", "give a number from 1 up to 5000"),
        (PEOPLE, 0, "out of range"),
        (PEOPLE, True, "is no number"),
        (PLAN, "tomorrow-ish", "soon, later"),
        (WHEN, "2020-01-01T10:00", "in the past"),
        (EMAIL, "nobody", "is no email"),
        (NAME, 7, "is no name"),
    ],
)
def test_a_models_wrong_argument_says_what_to_give(spec: FieldSpec, given: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        coerce(spec, given, HERE)


@given(st.text(max_size=200))
def test_no_words_raise(said: str) -> None:
    for spec in (
        PEOPLE,
        COST,
        EMAIL,
        PHONE,
        NAME,
        PLAN,
        WHEN,
        FieldSpec(type="text"),
        FieldSpec(type="yes_no"),
    ):
        for expected in (True, False):
            parse(spec, said, Context(NOW, expected=expected))


PILE = """
at on in the tomorrow today friday next half past quarter to ten twelve four a hundred and twenty first march
of noon morning am pm o clock no sorry two point five thousand week days hours minutes 16:30 99 31
"""
WORDS = st.sampled_from(PILE.split())


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_no_pile_of_time_words_raises_or_gives_the_past(said: str) -> None:
    for expected in (True, False):
        when = parse_when(said, NOW, expected=expected)
        if when is not None and when.time is not None:
            assert when.at(NOW) > NOW
    find_numbers(said.split(), guess=True)


@given(st.integers(min_value=0, max_value=999_999))
def test_numbers_are_read_as_they_are_said(value: int) -> None:
    words = plain(number_words(float(value))).split()
    assert [found.value for found in find_numbers(words)] == [value]


@given(st.times().map(lambda time: time.replace(second=0, microsecond=0)))
def test_times_are_read_as_they_are_said(time: Any) -> None:
    said = "tomorrow at " + time_words(datetime(2026, 1, 6, time.hour, time.minute))  # noqa: DTZ001
    when = parse_when(said, NOW)
    assert when is not None
    if 0 < time.minute < 10:
        return  # "four oh five" is understood by the hour alone
    assert when.time == time


@given(st.text(max_size=100))
def test_plain_is_its_own_plain(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    assert plain(contracted(plain(text))) == plain(text)


def test_not_knowing_is_no_text() -> None:
    assert parse(FieldSpec(type="text"), "I do not know.", HERE) is None
    long = parse(FieldSpec(type="text"), "I do not know why but the room was always cold", HERE)
    assert long is not None


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("It's 14 Mill Street, Leeds.", "14 Mill Street, Leeds"),
        ("twelve harbour road", "twelve harbour road"),
        ("I live at 221B Baker Street", "221B Baker Street"),
        ("my address is five the green in oxford", "five the green in oxford"),
        ("Mill Street", None),
        ("fourteen", None),
        ("no", None),
        ("I do not know", None),
    ],
)
def test_addresses(said: str, value: str | None) -> None:
    parsed = parse(FieldSpec(type="address"), said, HERE)
    assert (parsed.value if parsed else None) == value


def test_an_address_is_taken_only_where_it_is_asked_for() -> None:
    assert parse(FieldSpec(type="address"), "14 Mill Street", Context(NOW, expected=False)) is None
    assert coerce(FieldSpec(type="address"), "14 Mill Street", HERE) == "14 Mill Street"
