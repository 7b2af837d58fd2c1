"""Sounds over the agent's sentence: the cases, their sound, the telephone, and whole calls."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from trunkline.audio.frame import Frame
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import ConfigError, EngineDown, EngineRequest, ParseError
from trunkline.lab.overtalk import trial
from trunkline.lab.overtalk.cases import Background, Case, Echo, Kind, Voice, draw, read, shipped
from trunkline.lab.overtalk.far_end import SIZE, FarEnd, returning
from trunkline.lab.overtalk.recorded_voice import RecordedVoice, word_ends
from trunkline.lab.overtalk.sounds import NOISES, background, overlay
from trunkline.lab.recordings import RATE, Recordings
from trunkline.providers.protocols import VoiceOptions

SENTENCE = "We already have a provider."
AGENT = Voice("rms", 1.0)
CASE = Case("signs", SENTENCE, AGENT, sound="No, we are twenty.", caller=AGENT, begin=0.5)
KINDS = get_args(Kind)
needs_flite = pytest.mark.skipif(
    shutil.which("flite") is None, reason="the program flite is not installed here"
)


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped recordings instead of flite; the agent's sentence twice, so that there is room."""
    if "flite" in request.node.name:
        return
    recordings = Recordings()

    def spoken(words: str, voice: Voice) -> np.ndarray:
        known = words if words in recordings.lines else "mm-hm"
        sound = recordings.samples(known).astype(np.float64)
        return np.concatenate((sound, sound)) if words == SENTENCE else sound

    monkeypatch.setattr("trunkline.lab.overtalk.sounds.spoken", spoken)
    monkeypatch.setattr("trunkline.lab.overtalk.trial.spoken", spoken)


# --- cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_cases_are_the_same_every_time_and_however_many_are_asked_for(kind: Kind) -> None:
    figures = shipped("figures")
    cases = draw(figures, kind, 200)
    assert draw(figures, kind, 20) == cases[:20]
    assert len({(case.sound, case.begin) for case in cases}) == 200
    assert all(case.agent != case.caller for case in cases)
    assert len({case.agent for case in cases}) == len(figures.voices)
    if kind in ("echo", "interruptions"):
        echoes = [case.echo for case in cases if case.echo is not None]
        assert len(echoes) == 200
        assert (
            0.02
            <= min(echo.delay for echo in echoes)
            < 0.04
            < 0.28
            < max(echo.delay for echo in echoes)
            <= 0.3
        )
        assert 3 <= min(echo.down for echo in echoes) < 4 < 14 < max(echo.down for echo in echoes) <= 15
    else:
        assert {case.background for case in cases} == {"clean", "white", "pink", "babble"}


def test_figures_and_tuning_share_no_speaker_no_sentence_and_no_interruption() -> None:
    figures, tuning = shipped("figures"), shipped("tuning")
    assert figures.seed != tuning.seed
    for name in ("voices", "sentences", "interruptions"):
        assert not set(getattr(figures, name)) & set(getattr(tuning, name))
    assert {*figures.noises, *tuning.noises} <= NOISES.keys()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "KEY: words"),
        ("colour: red", "'colour' is not one of"),
        ("voice: rms fast", "could not convert"),
        ("voice: rms 9", "0.5 to 2"),
        ("seed: many", "invalid literal"),
    ],
)
def test_a_wrong_line_is_named(line: str, why: str) -> None:
    with pytest.raises(ParseError, match=why) as caught:
        read(f"# fine\nsign: yes\n{line}\n", "mine.txt")
    assert caught.value.where == "mine.txt:3"


def test_a_file_without_voices_and_a_kind_that_is_none_are_refused() -> None:
    with pytest.raises(ParseError, match="names no voices"):
        read("sign: yes\n", "mine.txt")
    with pytest.raises(ConfigError, match="music"):
        draw(shipped("tuning"), "music", 1)  # type: ignore[arg-type]


# --- sound ------------------------------------------------------------------------------------------


def level(sound: np.ndarray) -> float:
    """Active, dBFS: of the 10 ms blocks that are within 20 dB of the loudest."""
    blocks = sound[: len(sound) // 80 * 80].reshape(-1, 80)
    power = np.mean(blocks**2, axis=1)
    return float(10 * np.log10(np.mean(power[power > power.max() * 0.01])) - 20 * np.log10(32768))


@pytest.mark.parametrize("kind", sorted(NOISES))
def test_every_noise_is_a_sound_of_its_own_at_its_level(kind: str) -> None:
    case = Case("noises", SENTENCE, AGENT, sound=kind, level=-24.0, seed=3)
    sound = overlay(case)
    assert 0.05 <= len(sound) / RATE <= 4.0
    assert np.isfinite(sound).all()
    assert np.array_equal(sound, overlay(case))
    assert not np.array_equal(sound, overlay(replace(case, seed=4)))
    assert level(sound) == pytest.approx(-24.0, abs=0.2) or level(sound) == pytest.approx(-34.0, abs=0.2)


def test_the_background_is_ten_decibels_below_the_caller_and_lasts_the_whole_call() -> None:
    kinds: tuple[Background, ...] = ("white", "pink", "babble")
    for kind in kinds:
        noise = background(replace(CASE, background=kind, level=-20.0), 3.0)
        assert len(noise) == 3 * RATE
        assert level(noise) == pytest.approx(-30.0, abs=0.5)
    assert level(background(CASE, 3.0)) < -65
    with pytest.raises(ConfigError, match="thunder"):
        overlay(Case("noises", SENTENCE, AGENT, sound="thunder"))


# --- the telephone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.02, 0.145, 0.3])
def test_an_echo_comes_back_when_and_as_loud_as_it_is_to(delay: float) -> None:
    """A tone of 40 ms that the telephone hears at 1.00 s sounds from then on, and its echo `delay` later."""
    far = FarEnd(0.0, np.zeros(0), np.zeros(0), 0.0, Echo(delay, 6.0), "")
    t = np.arange(2 * SIZE) / RATE
    tone = (8000 * np.sin(2 * np.pi * 1000 * t)).astype("<i2")
    sent: list[np.ndarray] = []
    for n in range(100):
        at = n * 0.02
        sent.append(np.frombuffer(far.next_frame(at), "<i2"))
        piece = tone[(n - 50) * SIZE : (n - 49) * SIZE] if n in (50, 51) else np.zeros(SIZE, "<i2")
        far.hear(Frame(piece.tobytes(), RATE, at))
    line = np.concatenate(sent).astype(float)
    loud = np.flatnonzero(np.abs(line) > 1200)
    # The frame that leaves at 0 ends then: sample i of the line is of i / RATE - 0.02.
    assert loud[0] / RATE - 0.02 == pytest.approx(1.0 + delay, abs=0.002)
    assert (loud[-1] - loud[0]) / RATE == pytest.approx(0.04, abs=0.004)
    assert np.abs(line).max() == pytest.approx(8000 * 10 ** (-6 / 20), rel=0.15)
    assert far.began == pytest.approx(1.0)
    assert far.sounding == 2


def test_an_echo_has_its_reflections_and_a_telephones_band() -> None:
    taps = returning(Echo(0.1, 0.0, ((0.01, -0.5),)))
    peaks = np.argsort(np.abs(taps))[-2:]
    assert sorted(peaks.tolist()) == [800, 880]
    assert taps[880] == pytest.approx(-0.5 * taps[800], rel=0.05)
    spectrum = np.abs(np.fft.rfft(returning(Echo(0.1, 0.0)), 8000))
    assert spectrum[1000] == pytest.approx(1.0, abs=0.05)
    assert spectrum[50] < 0.1
    assert spectrum[3900] < 0.1


# --- the voice --------------------------------------------------------------------------------------


def test_the_recorded_voice_says_its_lines_with_their_marks_and_no_others() -> None:
    sound = np.full(RATE, 1000.0)

    async def story(clock: VirtualClock) -> tuple[bytes, list[tuple[float, int]], float]:
        voice = await RecordedVoice(clock, {"one two": sound}, 0.15).open(VoiceOptions())
        begun = clock.now()
        pieces = [(clock.now() - begun, piece) async for piece in voice.say("one two")]
        with pytest.raises(EngineDown):
            await anext(aiter(voice.say("three")))
        with pytest.raises(EngineRequest):
            await voice.open(VoiceOptions(rate=16000))
        pcm = b"".join(piece.pcm for _, piece in pieces)
        return pcm, [mark for _, piece in pieces for mark in piece.marks], pieces[0][0]

    pcm, marks, first = run_virtual(story)
    assert len(pcm) == 2 * RATE
    assert [place for _, place in marks] == [3, 7]
    assert [at for at, _ in marks] == pytest.approx([3 / 7, 1.0])
    assert first == pytest.approx(0.15)
    assert word_ends("a bc", 2.0) == [(1, 0.5), (4, 2.0)]


# --- whole calls ------------------------------------------------------------------------------------


def test_words_over_the_sentence_cost_it_and_a_sign_of_listening_does_not() -> None:
    told: list[int] = []
    sign = replace(CASE, sound="mm-hm", words="in time", begin=0.8)
    real = replace(CASE, kind="interruptions", words="in time")
    kept, lost = trial.run([sign, real], told.append)
    assert kept.lost == ""
    assert kept.ducked
    assert kept.stop_ms is None
    assert lost.lost
    assert lost.stop_ms is not None
    assert lost.turns == 1
    assert told == [2]


def test_the_agents_echo_costs_it_nothing_and_makes_no_turn() -> None:
    case = Case("echo", SENTENCE, AGENT, words="late", echo=Echo(0.2, 8.0))
    [outcome] = trial.run([case])
    assert (outcome.lost, outcome.turns) == ("", 0)


def test_a_sentence_that_is_not_heard_whole_is_lost_whatever_the_events_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = trial._call

    async def deaf(*arguments: object) -> FarEnd:
        far: FarEnd = await kept(*arguments)  # type: ignore[arg-type]
        if arguments[-1] is not None:
            far.sounding -= 20
        return far

    monkeypatch.setattr(trial, "_call", deaf)
    [outcome] = trial.run([replace(CASE, sound="mm-hm", begin=0.8)])
    assert outcome.lost.startswith("sounded -0.")


@needs_flite
def test_flites_voices_are_the_speakers_that_the_files_name() -> None:
    for material in map(shipped, ("figures", "tuning")):
        [case] = draw(material, "signs", 1)
        assert len(overlay(case)) > 0.1 * RATE
