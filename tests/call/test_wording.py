"""Everything written is spoken as words, and the way back to what was written holds."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.wording import for_speech


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello there.", "Hello there."),
        ("I have 3 of them.", "I have three of them."),
        ("It is 3.5.", "It is three point five."),
        ("It is -4 outside.", "It is minus four outside."),
        ("1,200 people", "one thousand two hundred people"),
        ("It costs $1,200.50.", "It costs one thousand two hundred dollars and fifty cents."),
        ("$1", "one dollar"),
        ("£0.99", "ninety-nine pence"),
        ("$3.5 million", "three point five million dollars"),
        ("€20k", "twenty thousand euros"),
        ("3.5% off", "three point five percent off"),
        ("Call at 10 a.m. tomorrow", "Call at ten A M tomorrow"),
        ("Call at 10:30 pm.", "Call at ten thirty P M."),
        ("at 14:05", "at fourteen oh five"),
        ("at 9:00", "at nine o'clock"),
        ("on 2026-01-05", "on January fifth, twenty twenty-six"),
        ("on 1/5/2026", "on January fifth, twenty twenty-six"),
        ("on 25/12/26", "on December twenty-fifth, twenty twenty-six"),
        ("on January 5, 2026.", "on January fifth, twenty twenty-six."),
        ("on 5th March", "on March fifth"),
        ("in May 2026", "in May twenty twenty-six"),
        ("May I call you?", "May I call you?"),
        ("since 1999", "since nineteen ninety-nine"),
        ("the 21st", "the twenty-first"),
        ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ("Call +1 (555) 123-4567", "Call plus one, five five five, one two three, four five six seven"),
        ("Call 5551234567", "Call five five five, one two three, four five six seven"),
        ("Write to ann.lee@mail.example.com.", "Write to ann dot lee at mail dot example dot com."),
        ("See https://www.example.com/help?x=1.", "See example dot com slash help."),
        ("See example.com.", "See example dot com."),
        ("Mr. Smith and Dr. Jones", "Mister Smith and Doctor Jones"),
        ("fruit, e.g. apples", "fruit, for example apples"),
        ("12 Main St. and St. Anne", "twelve Main Street and Saint Anne"),
        ("5 km", "five kilometres"),
        ("1 hr", "one hour"),
        ("9-5", "nine to five"),
        ("10–12 people", "ten to twelve people"),
        ("No. 5", "number five"),
        ("No. I do not.", "No. I do not."),
        ("order AB-12", "order A B one two"),
        ("code 0042", "code zero zero four two"),
        ("R&D", "R and D"),
        ("**Great**, _really_ `good`", "Great, really good"),
        ("# Title\n- one\n- two", "Title. one. two"),
        ("[our site](https://x.example/a)", "our site"),
        ("Great! 😀👍🏽", "Great! "),
        ("1/2 an hour", "one half an hour"),
        ("half-time is 24/7", "half-time is twenty-four/seven"),
        ("", ""),
    ],
)
def test_how_it_is_said(written: str, spoken: str) -> None:
    wording = for_speech(written)
    assert wording.spoken == spoken
    assert wording.written == written


def test_what_was_heard_is_told_in_the_written_words() -> None:
    wording = for_speech("It costs $1,200.50 a month, Mr. Smith.")
    said = wording.spoken.index(" a month")
    assert wording.written[: wording.spoken_to_written(said)] == "It costs $1,200.50"
    said = wording.spoken.index("Smith")
    assert wording.written[: wording.spoken_to_written(said)] == "It costs $1,200.50 a month, Mr. "
    halfway = wording.spoken.index("two hundred")
    assert "It costs $" < wording.written[: wording.spoken_to_written(halfway)] < "It costs $1,200.50"


_WRITTEN = st.one_of(
    st.text(max_size=200),
    st.text("0123456789,.$€£%/-:+() abpmkst#&@_*\n", max_size=120),
    st.lists(
        st.sampled_from(
            ["Mr.", "$5", "3.5%", "99/99/9999", "January 99", "2026-13-40", "77:99", "x@y.com", "http://",
             "www.", "**", "1" * 40, "[a](b)", "No. 5", "é", "٣", "😀", "St.", "5km", "\x00", "0", "A1",
             "&", "\n", "10 a.m."]
        )
    ).map(" ".join),
)  # fmt: skip


@given(_WRITTEN)
def test_no_digit_is_left_and_positions_rise_from_end_to_end(written: str) -> None:
    wording = for_speech(written)
    assert not re.search(r"[0-9]", wording.spoken)
    places = [wording.spoken_to_written(position) for position in range(len(wording.spoken) + 1)]
    assert places == sorted(places)
    assert all(0 <= place <= len(written) for place in places)
    assert places[-1] == len(written)


@given(st.text("abcdefghij ,.?!'", max_size=100).filter(lambda text: not re.search(r"[a-z]\.", text)))
def test_plain_words_stay_as_they_are(written: str) -> None:
    wording = for_speech(written)
    assert wording.spoken == written
    assert [wording.spoken_to_written(i) for i in range(len(written) + 1)] == list(range(len(written) + 1))
