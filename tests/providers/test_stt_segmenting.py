"""Cutting a call's frames into utterances."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.frame import Frame
from trunkline.providers.stt.segmenting import LONGEST, PRE_ROLL, Begin, End, Segmenter, Sound, Step
from trunkline.providers.stt.wideband import Wideband

LOUD = b"\x00\x20" * 160
QUIET = bytes(320)


def marked(number: int) -> bytes:
    """A quiet frame that can be told from others."""
    return number.to_bytes(4, "little") + bytes(316)


def sounds(steps: list[Step]) -> list[bytes]:
    return [step.pcm for step in steps if isinstance(step, Sound)]


def test_speech_is_heard_from_before_its_beginning() -> None:
    segmenter = Segmenter()
    steps: list[Step] = []
    for place in range(100):
        steps += segmenter.push(Frame(marked(place), 8000, 10 + (place + 1) * 0.02))
    assert not steps
    began, *rest = segmenter.speech_started(11.8)
    assert isinstance(began, Begin)
    assert not began.own
    assert abs(began.at - (11.8 - PRE_ROLL)) < 0.021
    assert sounds(rest) == [marked(place) for place in range(75, 100)]


def test_nothing_is_lost_between_two_utterances() -> None:
    segmenter = Segmenter()
    for place in range(50):
        segmenter.push(Frame(marked(place), 8000, (place + 1) * 0.02))
    segmenter.speech_started(0.5)
    for place in range(50, 100):
        segmenter.push(Frame(marked(place), 8000, (place + 1) * 0.02))
    # The detector knows 200 ms late that speech stopped, and then that it went on 100 ms later.
    assert segmenter.speech_stopped(1.8) == [End()]
    again = segmenter.speech_started(1.9)
    heard = sounds(again)
    assert heard[0] == marked(93)  # 1.88 s: 60 ms after the last sound of the one before
    assert heard[-1] == marked(99)


def test_a_detector_that_says_nothing_is_not_believed_for_ever() -> None:
    segmenter = Segmenter()
    steps: list[Step] = []
    at = 0.0
    for pcm in [QUIET] * 50 + [LOUD] * 50 + [QUIET] * 50:
        at += 0.02
        steps += segmenter.push(Frame(pcm, 8000, at))
    begins = [step for step in steps if isinstance(step, Begin)]
    assert [step.own for step in begins] == [True]
    assert begins[0].at < 1.0
    assert steps[-1] == End()
    assert sounds(steps).count(LOUD) == 50


def test_a_short_noise_beside_a_detector_is_left_to_it() -> None:
    segmenter = Segmenter()
    segmenter.speech_started(0.0)
    segmenter.speech_stopped(0.1)
    steps: list[Step] = []
    at = 0.2
    for pcm in [QUIET] * 20 + [LOUD] * 20 + [QUIET] * 20:
        at += 0.02
        steps += segmenter.push(Frame(pcm, 8000, at))
    assert steps == []


def test_no_utterance_is_endless() -> None:
    segmenter = Segmenter()
    segmenter.speech_started(0.0)
    steps: list[Step] = []
    for place in range(int(LONGEST * 50) * 2 + 20):
        steps += segmenter.push(Frame(marked(place), 8000, (place + 1) * 0.02))
    cuts = [type(step) for step in steps if not isinstance(step, Sound)]
    assert cuts == [End, Begin, End, Begin]
    assert sounds(steps) == [marked(place) for place in range(len(sounds(steps)))]


def test_finalising_ends_what_runs_and_nothing_else() -> None:
    segmenter = Segmenter()
    assert segmenter.finalise(1.0) == []
    segmenter.speech_started(1.0)
    assert segmenter.finalise(2.0) == [End()]
    assert segmenter.finalise(2.0) == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("frames"), st.booleans(), st.integers(1, 60)),
            st.tuples(st.sampled_from(["start", "stop", "finalise"]), st.floats(-2, 2), st.just(0)),
        ),
        max_size=40,
    )
)
def test_whatever_comes_utterances_are_whole_and_bounded(story: list[tuple[str, float, int]]) -> None:
    segmenter = Segmenter()
    steps: list[Step] = []
    at = 100.0
    for what, value, count in story:
        if what == "frames":
            for _ in range(count):
                at += 0.02
                steps += segmenter.push(Frame(LOUD if value else QUIET, 8000, at))
        elif what == "start":
            steps += segmenter.speech_started(at + value)
        elif what == "stop":
            steps += segmenter.speech_stopped(at + value)
        else:
            steps += segmenter.finalise(at)
    inside, size = False, 0
    for step in steps:
        if isinstance(step, Begin):
            assert not inside
            inside, size = True, 0
        elif isinstance(step, End):
            assert inside
            inside = False
        else:
            assert inside
            size += 1
            assert size <= (LONGEST + 2) * 50
    assert inside == segmenter.speaking


@given(st.binary(max_size=2000), st.lists(st.integers(1, 400), max_size=20))
def test_wideband_sound_does_not_depend_on_the_cuts(pcm: bytes, cuts: list[int]) -> None:
    whole = Wideband(8000).push(pcm)
    pieces, stream, place = b"", Wideband(8000), 0
    for cut in [*cuts, len(pcm)]:
        pieces += stream.push(pcm[place : place + cut])
        place += cut
    pieces += stream.push(pcm[place:])
    assert pieces == whole
    assert len(whole) == len(pcm) // 2 * 4


def test_only_telephone_sound_is_folded() -> None:
    quiet_top = b"\x00\x10" * 800
    assert Wideband(16000).push(quiet_top) == quiet_top
    assert len(Wideband(48000).push(quiet_top)) in range(2 * 260, 2 * 270)
