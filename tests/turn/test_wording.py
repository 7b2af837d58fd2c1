"""The words: complete or not, a backchannel or not, an echo or not, and how long a silence they want."""

from __future__ import annotations

import pytest

from trunkline.errors import ConfigError
from trunkline.events import Answer, Expectation
from trunkline.turn.alike import same_words
from trunkline.turn.asked import answered
from trunkline.turn.backchannel import is_backchannel
from trunkline.turn.completeness import completeness
from trunkline.turn.echo import OwnWords
from trunkline.turn.end_of_turn import silence_wanted
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.wording import count_digits, plain_words


@pytest.mark.parametrize(
    "text",
    [
        "Yes.",
        "no thanks",
        "I live in Boston now",
        "I'd like to book a table please",
        "what does it cost per month",
        "that sounds very good to me",
        "what does it cost",
        "so how long would that take",
        "we do have one, thank you",
        "no I don't",
        "can you call me tomorrow",
    ],
)
def test_whole_sentences_sound_complete(text: str) -> None:
    assert completeness(text) >= 0.75


@pytest.mark.parametrize(
    "text",
    [
        "",
        "um",
        "I would like to",
        "my name is",
        "I live in the",
        "yes but",
        "we have about",
        "I want",
        "so what I mean is,",
        "because of my",
        "it is for uh",
        "and then we",
    ],
)
def test_what_cannot_end_does_not_sound_complete(text: str) -> None:
    assert completeness(text) <= 0.3


@pytest.mark.parametrize(
    ("kind", "text", "whole"),
    [
        (Answer.YES_NO, "uh yes", True),
        (Answer.PHONE, "six one seven five five five", False),
        (Answer.PHONE, "six one seven, five five five, zero one four two", True),
        (Answer.PHONE, "617 555 0142", True),
        (Answer.PHONE, "I don't want to say it now", True),
        (Answer.EMAIL, "jane dot miller at example", False),
        (Answer.EMAIL, "jane dot miller at example dot com", True),
        (Answer.SPELLING, "m i l", False),
        (Answer.ADDRESS, "twelve main street", False),
        (Answer.NUMBER, "twenty five", True),
        (Answer.NUMBER, "twenty", False),
    ],
)
def test_what_was_asked_decides_what_is_whole(kind: Answer, text: str, whole: bool) -> None:
    assert (answered(text, Expectation(kind)) >= 0.7) is whole


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("double five oh", 3),
        ("twenty five", 2),
        ("seventy", 2),
        ("triple two 42", 5),
        ("twelve", 2),
        ("my number is", 0),
        ("double", 0),
    ],
)
def test_spoken_digits_are_counted(text: str, digits: int) -> None:
    assert count_digits(plain_words(text)) == digits


@pytest.mark.parametrize(
    "text", ["mm-hm", "Mhm.", "uh-huh", "yeah", "okay, right", "I see", "all right, got it"]
)
def test_signs_of_listening(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize(
    "text", ["no", "okay but", "wait", "yeah what about price", "", "yes yes yes yes yes"]
)
def test_no_signs_of_listening(text: str) -> None:
    assert not is_backchannel(text)


def test_own_words_come_back_in_their_order_and_with_errors() -> None:
    own = OwnWords()
    own.said("Good morning, this is Anna from Northwind. Is this a good time, yes or no?")
    assert own.echoes("this is anna from")
    assert own.echoes("this is hannah from northwind")
    assert not own.echoes("no")
    assert not own.echoes("yes I have time")
    assert not own.echoes("who is this please")
    assert not OwnWords().echoes("hello")


def test_silence_wanted_by_each_policy() -> None:
    policy, free = TurnPolicy(), Expectation()
    assert silence_wanted("", free, Rhythm(), policy) == (policy.silence, "silence")
    assert silence_wanted("yes", free, Rhythm(), policy) == (policy.complete, "complete")
    seconds, why = silence_wanted("I would like to", free, Rhythm(), policy)
    assert why == "unfinished"
    assert policy.silence < seconds <= policy.unfinished
    assert silence_wanted("six one", Expectation(Answer.PHONE), Rhythm(), policy) == (
        policy.dictation,
        "asked",
    )
    fixed = TurnPolicy(silence=0.3, adaptive=False)
    assert silence_wanted("I would like to", free, Rhythm(), fixed) == (0.3, "silence")


def test_rhythm_lengthens_only_what_is_not_sure() -> None:
    slow = Rhythm()
    for pause in (0.7, 0.8, 0.9, 0.8):
        slow.paused(pause)
    seconds, why = silence_wanted("the red house", Expectation(), slow, TurnPolicy())
    assert why == "rhythm"
    assert seconds >= 0.9
    assert silence_wanted("yes", Expectation(), slow, TurnPolicy())[1] == "complete"


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert same_words("I'm OK, thanks!", "i’m ok thanks")
    assert not same_words("on tuesday", "on thursday")


@pytest.mark.parametrize(
    "bad", [{"silence": -1}, {"patience": 0}, {"silence": float("nan")}, {"complete": "long"}]
)
def test_a_wrong_setting_is_refused_by_name(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"turn.{next(iter(bad))}"):
        TurnPolicy(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Uh-huh, I’m OK.", ["uh", "huh", "i'm", "ok"]),
        ("Да, конечно!", ["да", "конечно"]),
        ("L’été, c’est tout…", ["l'été", "c'est", "tout"]),
        ("cafe\u0301", ["café"]),
        ("क्या आप की बात? हाँ।", ["क्या", "आप", "की", "बात", "हाँ"]),
        ("نعم، شكراً؟", ["نعم", "شكراً"]),
        ("はい、東京です。", list("はい東京です")),
        ("네, 좋아요", ["네", "좋아요"]),
        ("٣٢ — № 5 €", ["٣٢", "5"]),
        ("… — ? 。 ¿ ", []),
    ],
)
def test_words_are_words_in_every_script(text: str, words: list[str]) -> None:
    assert plain_words(text) == words


@pytest.mark.parametrize(
    ("one", "other"), [("Да, конечно", "Нет, спасибо"), ("की", "का"), ("はい", "いいえ"), ("ναι", "όχι")]
)
def test_other_words_in_another_script_are_other_words(one: str, other: str) -> None:
    assert same_words(one, one + "!")
    assert not same_words(one, other)


@pytest.mark.parametrize("text", ["да", "Да, конечно.", "はい。", "हाँ", "меня зовут Анна and", "ok да"])
@pytest.mark.parametrize("kind", [Answer.FREE, Answer.YES_NO, Answer.NAME, Answer.CHOICE])
def test_words_in_another_script_are_left_to_plain_silence(text: str, kind: Answer) -> None:
    policy = TurnPolicy()
    if text.endswith("and"):
        assert completeness(text, kind) < 0.3
    else:
        assert silence_wanted(text, Expectation(kind=kind), Rhythm(), policy) == (policy.silence, "silence")


@pytest.mark.parametrize("text", ["Сколько это стоит?", "いくらですか？", "كم الثمن؟"])
def test_a_question_mark_ends_a_question_in_every_script(text: str) -> None:
    assert completeness(text) >= 0.9


@pytest.mark.parametrize("kind", [Answer.ADDRESS, Answer.SPELLING, Answer.EMAIL])
def test_what_is_dictated_in_another_script_gets_the_pauses_of_dictation(kind: Answer) -> None:
    policy = TurnPolicy()
    assert silence_wanted("улица Ленина", Expectation(kind=kind), Rhythm(), policy) == (
        policy.dictation,
        "asked",
    )


def test_an_echo_is_known_in_every_script() -> None:
    own = OwnWords()
    own.said("Здравствуйте, вам удобно сейчас говорить?")
    assert own.echoes("вам удобно сейчас")
    assert not own.echoes("нет, перезвоните завтра")
