"""The benchmark's turns that the local brain decides: that it is the brain that decides them."""

from __future__ import annotations

import numpy as np

from calls.story import Says, tell
from trunkline.audio.frame import Frame
from trunkline.call.settings import CallSettings
from trunkline.events import Event, Final, TurnDecided
from trunkline.lab.bench import LINES, UNBROKEN
from trunkline.lab.bench_agent import PLAYS
from trunkline.lab.bench_brain_play import ANSWERS, BrainPlay
from trunkline.lab.recordings import DECODED, RATE, Recordings, encode
from trunkline.providers.stt.fake_ear import EnergyEar
from trunkline.scenario.actions import End, MustEnd, Say


def decided(events: list[Event]) -> list[tuple[str, bool]]:
    return [(event.by, event.simple) for event in events if isinstance(event, TurnDecided)]


def test_every_turn_is_the_brains_though_a_slow_model_leads_and_the_talk_goes_round() -> None:
    size, own, plan = ANSWERS.values()
    story = tell(
        *(Says(10.0 + 10 * n, words) for n, words in enumerate((size, own, plan, size))),
        replies=["I am the model."],
        play=BrainPlay(),
        settings=CallSettings(vad="energy"),
        llm={"delay_ms": 900},
        lasts=50.0,
    )
    assert decided(story.of(TurnDecided)) == [("brain", True)] * 4
    assert [said.rpartition(". ")[2] for said in story.said()] == [
        "How many people are you?",
        "Is it for your own company?",
        "Do you want the small plan, or the large one?",
        "How many people are you?",
        "Is it for your own company?",
    ]


def test_words_out_of_turn_put_nothing_out_of_step() -> None:
    _, own, plan = ANSWERS.values()
    story = tell(
        Says(10.0, own),
        Says(20.0, plan),
        replies=["I am the model."],
        play=BrainPlay(),
        settings=CallSettings(vad="energy"),
        lasts=30.0,
    )
    assert decided(story.of(TurnDecided)) == [("brain", True)] * 2


def finals(line: str) -> int:
    """How many utterances the fake recogniser makes of a recorded sentence."""
    said = DECODED[np.frombuffer(encode(Recordings().samples(line)), np.uint8)]
    sound = np.concatenate((said, np.zeros(RATE, np.int16))).astype("<i2")
    ear = EnergyEar(["some words"], 0.1, 0.1, 0.1)
    count, size = 0, RATE // 50
    for end in range(size, len(sound) + 1, size):
        at = end / RATE
        ear.hear(Frame(sound[end - size : end].tobytes(), RATE, at))
        while (due := ear.due()) is not None and due <= at:
            count += sum(isinstance(one, Final) for one in ear.wake(due))
    return count


def test_what_callers_of_this_row_say_is_one_utterance_each() -> None:
    assert [finals(line) for line in UNBROKEN] == [1, 1, 1]
    assert max(finals(line) for line in LINES) > 1


def test_who_is_asked_to_end_says_goodbye() -> None:
    play = PLAYS["brain"]()
    _, actions = play.step(play.initial(), MustEnd("drain"))
    assert [type(action) for action in actions] == [Say, End]
