"""Voice activity: dated to the sample, not fooled by noise, never asleep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.events import SpeechStarted, SpeechStopped, SpeechWeighed
from trunkline.turn.activity import VoiceActivity
from trunkline.turn.gate import Gate
from trunkline.turn.loudness import NoiseFloor, loudness
from trunkline.turn.voicing import Voicing
from turn.sounds import audible, flite, hear, needs_flite, noise, silence, spans, tone

SENTENCE = "Hello, I would like to book an appointment for next Tuesday."


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 48000])
def test_a_tone_in_energy_mode_is_dated_to_five_milliseconds(rate: int) -> None:
    sound = np.concatenate([silence(1, rate), tone(0.7, rate=rate), silence(1, rate)])
    events = hear(sound, "energy", rate)
    started, stopped = events[0], events[-1]
    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert started.since == pytest.approx(1.0, abs=0.0051)
    assert stopped.until == pytest.approx(1.7, abs=0.0051)
    # Known before the shortest silence that may be asked for is over.
    assert started.at - started.since <= 0.04
    assert stopped.at - stopped.until <= 0.161
    assert any(isinstance(event, SpeechWeighed) and event.clear >= 0.1 for event in events)


@needs_flite
@pytest.mark.parametrize("vad", ["silero", "gate"])
@pytest.mark.parametrize("voice", ["rms", "slt", "awb"])
def test_a_spoken_sentence_is_dated_where_it_begins_and_ends(vad: str, voice: str, tmp_path: Path) -> None:
    said = flite(SENTENCE, tmp_path, voice)
    begin, end = audible(said)
    heard = spans(hear(np.concatenate([silence(1), said, silence(1)]), vad))
    assert heard[0][0] == pytest.approx(1 + begin, abs=0.06)
    assert heard[-1][1] == pytest.approx(1 + end, abs=0.06)


@needs_flite
def test_wideband_goes_through_the_networks_own_form(tmp_path: Path) -> None:
    said = flite(SENTENCE, tmp_path, rate=16000)
    begin, end = audible(said, rate=16000)
    heard = spans(hear(np.concatenate([silence(1, 16000), said, silence(1, 16000)]), rate=16000))
    assert heard[0][0] == pytest.approx(1 + begin, abs=0.06)
    assert heard[-1][1] == pytest.approx(1 + end, abs=0.06)


@needs_flite
def test_speech_in_noise_is_found_and_the_noise_is_not(tmp_path: Path) -> None:
    said = flite(SENTENCE, tmp_path)
    loudness_of_speech = float(np.sqrt(np.mean(said**2)))
    quiet = loudness_of_speech / 10 ** (10 / 20)
    sound = np.concatenate([silence(3), said, silence(3)])
    heard = spans(hear(sound + noise(len(sound) / 8000, quiet)))
    begin, end = audible(said, 1500)
    assert heard
    assert heard[0][0] == pytest.approx(3 + begin, abs=0.2)
    assert heard[-1][1] == pytest.approx(3 + end, abs=0.3)


@pytest.mark.parametrize("rms", [100, 1000, 4000])
def test_steady_noise_is_no_speech(rms: float) -> None:
    sound = np.concatenate([silence(0.5), noise(8, rms), silence(0.5)])
    total = sum(end - begin for begin, end in spans(hear(sound)))
    assert total <= 0.3


def test_a_click_is_taken_back_by_the_network() -> None:
    click = np.concatenate([silence(1), noise(0.06, 6000), silence(1)])
    assert sum(end - begin for begin, end in spans(hear(click))) <= 0.1


@pytest.mark.parametrize("vad", ["silero", "gate", "energy"])
def test_digital_silence_is_silent(vad: str) -> None:
    assert hear(silence(3), vad) == []


def test_the_gate_alone_decides_while_the_network_does_not_answer() -> None:
    activity = VoiceActivity("silero")
    events = [
        event
        for n in range(30)
        for event in activity.frame(
            0.02 * (n + 1), (3000,) * 4 if n >= 10 else (5,) * 4, (n >= 10,) * 2, None, False
        )
    ]
    assert [type(event) for event in events] == [SpeechStarted, SpeechWeighed]
    assert isinstance(events[0], SpeechStarted)
    assert events[0].since == pytest.approx(0.2, abs=0.006)
    assert events[0].at <= 0.2401


def test_two_refusals_of_the_network_take_a_start_back_and_a_yes_brings_it_again() -> None:
    activity = VoiceActivity("silero")
    for n in range(12):
        activity.frame(0.02 * (n + 1), (3000,) * 4 if n >= 10 else (5,) * 4, (n >= 10,) * 2, None, False)
    assert activity.speaking
    assert activity.window(0.25, 0.2, 0.232, 0.05) == []
    vetoed = activity.window(0.28, 0.232, 0.264, 0.05)
    assert [e.until for e in vetoed if isinstance(e, SpeechStopped)] == pytest.approx([0.2], abs=0.006)
    # The gate goes on, and is not believed any more until the network says so.
    assert activity.frame(0.3, (3000,) * 4, (True, True), None, False) == []
    again = activity.window(0.33, 0.28, 0.312, 0.9)
    assert [type(event) for event in again] == [SpeechStarted]


@pytest.mark.parametrize("behind", [0, 200, 500])
def test_a_voice_before_people_who_talk_is_dated_to_itself(behind: int) -> None:
    """Other voices have gaps, which are taken for the line's noise: they are far above it, all the time."""
    activity = VoiceActivity("gate")
    events = []
    for n in range(120):
        speaks = 60 <= n < 80
        murmur = tuple(max(8, behind * share // 4) for share in (3, 4, 5, 0 if n % 6 == 0 else 4))
        levels = (3000, 2500, 2000, 2800) if speaks else murmur
        # The gate stays open for the others once somebody near has spoken.
        events += activity.frame(0.02 * (n + 1), levels, (n >= 60,) * 2, None, False)
        if events and isinstance(events[-1], SpeechStopped):
            break
    [(since, until)] = spans(events)
    assert since == pytest.approx(1.2, abs=0.011)
    assert until == pytest.approx(1.6, abs=0.011)


def test_concealed_sound_starts_nothing() -> None:
    activity = VoiceActivity("gate")
    for n in range(20):
        assert activity.frame(0.02 * (n + 1), (3000,) * 4, (True, True), None, True) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 50, 300, 9000, 32768]),
            st.booleans(),
            st.floats(0, 1),
            st.booleans(),
            st.booleans(),
        ),
        max_size=150,
    ),
    st.sampled_from(["silero", "gate", "energy"]),
)
@settings(max_examples=150, deadline=None)
def test_starts_and_stops_alternate_and_their_times_make_sense(
    frames: list[tuple[int, bool, float, bool, bool]], vad: str
) -> None:
    activity = VoiceActivity(vad)  # type: ignore[arg-type]
    speaking, since, last = False, 0.0, -1.0
    for n, (level, gate, probability, concealed, answered) in enumerate(frames):
        at = 0.02 * (n + 1)
        events = activity.frame(at, (level,) * 4, (gate, gate), None, concealed)
        if answered and activity.wants_network(at):
            events += activity.window(at, at - 0.032, at, probability)
        for event in events:
            if isinstance(event, SpeechStarted):
                assert not speaking
                assert last - 1e-9 <= event.since <= event.at
                speaking, since = True, event.since
            elif isinstance(event, SpeechStopped):
                assert speaking
                assert since <= event.until <= event.at
                speaking, last = False, event.until
    assert activity.speaking == speaking


def test_the_noise_floor_follows_steady_noise_and_not_speech() -> None:
    floor = NoiseFloor()
    for _ in range(150):
        floor.hear((300, 310, 290, 305))
    assert floor.level == 290
    for n in range(100):
        floor.hear((9000, 8000, 9000, 8000) if n % 20 else (300, 310, 290, 305))
    assert floor.level == 290


def test_the_gate_and_the_levels_cover_each_frame() -> None:
    pcm = tone(0.02).astype("<i2").tobytes()
    assert len(loudness(pcm, 8000)) == 4
    assert loudness(pcm, 8000)[1] == pytest.approx(8000 / np.sqrt(2), rel=0.15)
    assert len(Gate(8000).opens(pcm)) == 2
    assert loudness(b"", 8000) == ()


def test_voicing_tells_a_hum_from_a_vowel_from_a_hiss() -> None:
    def look(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[bool, bool]:
        voicing = Voicing(8000)
        voicing.look(samples[:160].astype("<i2").tobytes())
        sound = voicing.look(samples[160:320].astype("<i2").tobytes())
        return sound.voiced, sound.open

    hum = tone(0.04, 6000, 125) + tone(0.04, 2000, 250)
    vowel = tone(0.04, 4000, 125) + tone(0.04, 5000, 625) + tone(0.04, 3000, 1125)
    assert look(hum) == (True, False)
    assert look(vowel) == (True, True)
    assert look(noise(0.04, 3000))[0] is False
    assert look(silence(0.04)) == (False, False)
