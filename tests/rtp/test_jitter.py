"""The jitter buffer: at once when in order, waited for when missing, and every 20 ms accounted for."""

from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import Frame
from trunkline.lab.link import LinkModel, Weather
from trunkline.rtp.jitter import MAX_HELD, OFF_CLOCK, JitterBuffer, Kind
from trunkline.rtp.packet import Packet

LOUD = codec_named("L16").make_encoder()


def packet(number: int, *, ssrc: int = 1, timestamp: int | None = None, first: int = 65500) -> Packet:
    """Packet `number` of a stream: 20 ms at 8 kHz, each sample its number plus one."""
    sound = LOUD((number % 30000 + 1).to_bytes(2, "little") * 160)
    place = number * 160 + 0xFFFFF000 if timestamp is None else timestamp
    return Packet(0, (first + number) & 0xFFFF, place & 0xFFFFFFFF, ssrc, sound)


def new() -> JitterBuffer:
    jitter = JitterBuffer(rate=8000, clock_rate=8000, decode=codec_named("L16").make_decoder())
    jitter.start(10.0)
    return jitter


def number_in(frame: Frame) -> int | None:
    """Which packet's sound a frame holds; None for one that was made up. Joins touch only its start."""
    return None if frame.concealed else int.from_bytes(frame.pcm[-2:], "little") - 1


def play(
    jitter: JitterBuffer, arrivals: Iterable[tuple[float, Packet]], until: float, kind: Kind = Kind.AUDIO
) -> list[tuple[float, Frame]]:
    """Feed arrivals and a 20 ms beat from 10.01 on; gives (when released, frame)."""
    out: list[tuple[float, Frame]] = []
    beat = 10.01
    for at, one in sorted(arrivals, key=lambda arrival: arrival[0]):
        while beat < at:
            out += [(beat, frame) for frame in jitter.advance(beat)]
            beat += 0.02
        out += [(at, frame) for frame in jitter.push(one, at, kind)]
    while beat < until:
        out += [(beat, frame) for frame in jitter.advance(beat)]
        beat += 0.02
    return out


def numbers(out: list[tuple[float, Frame]]) -> list[int | None]:
    return [number_in(frame) for _, frame in out]


def due(number: int) -> float:
    return 10.0 + number * 0.02


def test_what_is_in_order_is_released_the_moment_it_comes_whatever_the_jitter() -> None:
    arrivals = [(due(n) + (n * 7 % 5) * 0.008, packet(n)) for n in range(50)]
    arrivals = [(max(at for at, _ in arrivals[: n + 1]), one) for n, (at, one) in enumerate(arrivals)]
    out = play(new(), arrivals, 10.99)
    assert [(when, number_in(frame)) for when, frame in out] == [
        (at, n) for n, (at, _) in enumerate(arrivals)
    ]
    assert all(frame.at == when for when, frame in out)


def test_a_packet_overtaken_by_the_next_is_waited_for() -> None:
    arrivals = [(due(n), packet(n)) for n in range(10) if n != 5] + [(due(6) + 0.005, packet(5))]
    jitter = new()
    out = play(jitter, arrivals, 10.2)
    assert numbers(out) == list(range(10))
    assert [when for when, frame in out if number_in(frame) in (5, 6)] == [due(6) + 0.005] * 2
    assert jitter.counts.late == 0


def test_a_lost_packet_is_concealed_once_its_time_is_up() -> None:
    jitter = new()
    out = play(jitter, [(due(n), packet(n)) for n in range(20) if n != 8], 10.4)
    assert numbers(out) == [*range(8), None, *range(9, 20)]
    when, made = out[8]
    assert made.concealed
    assert due(9) <= when <= due(8) + 0.02 + 0.02  # the shortest wait, and a beat
    assert made.at == pytest.approx(due(8))
    assert out[9][1].at == due(9)
    assert jitter.counts.concealed_seconds == pytest.approx(0.02)


def test_what_comes_after_it_was_concealed_is_dropped_and_the_next_wait_is_longer() -> None:
    jitter = new()
    arrivals = [(due(n), packet(n)) for n in range(30) if n != 8] + [(due(8) + 0.09, packet(8))]
    out = play(jitter, arrivals, 10.6)
    assert numbers(out) == [*range(8), None, *range(9, 30)]
    assert jitter.counts.late == 1
    assert jitter.wait == pytest.approx(0.09)


def test_the_wait_falls_again_slowly() -> None:
    jitter = new()
    arrivals = [(due(n), packet(n)) for n in range(1500) if n != 8] + [(due(8) + 0.15, packet(8))]
    heard = sorted(arrivals, key=lambda arrival: arrival[0])
    play(jitter, heard[:60], 10.0)
    assert jitter.wait == pytest.approx(0.15)
    play(jitter, heard[60:], 10.0)
    assert jitter.wait == pytest.approx(0.02)


def test_doubles_are_dropped() -> None:
    jitter = new()
    out = play(jitter, [(due(n) + late, packet(n)) for n in range(10) for late in (0, 0.001, 0.05)], 10.2)
    assert numbers(out) == list(range(10))
    assert jitter.counts.doubled == 20
    assert jitter.counts.late == 0


def test_a_stall_of_the_network_costs_no_sound() -> None:
    arrivals = [(due(n) if not 20 <= n < 29 else due(29), packet(n)) for n in range(60)]
    assert numbers(play(new(), arrivals, 11.2)) == list(range(60))


def test_a_stall_so_long_that_silence_went_out_still_costs_no_sound() -> None:
    arrivals = [(due(n) if not 20 <= n < 120 else due(120), packet(n)) for n in range(200)]
    out = numbers(play(new(), arrivals, 14.0))
    assert [number for number in out if number is not None] == list(range(200))


def test_a_sender_that_stopped_and_goes_on_with_its_old_timestamps_is_heard_at_once() -> None:
    arrivals = [(due(n) + (3 if n >= 50 else 0), packet(n)) for n in range(100)]
    out = play(new(), arrivals, 15.0)
    assert [number_in(f) for _, f in out if number_in(f) is not None] == list(range(100))
    assert all(when == frame.at for when, frame in out if not frame.concealed)
    assert len(out) == pytest.approx(250, abs=2)  # five seconds, and each 20 ms of them once


def test_time_passes_for_listeners_when_nothing_is_sent_during_silence() -> None:
    spoken = [n for n in range(500) if n % 100 < 50]
    sent = [
        (due(n), Packet(0, count & 0xFFFF, n * 160, 1, packet(n).payload)) for count, n in enumerate(spoken)
    ]
    jitter = new()
    out = play(jitter, sent, 20.0)
    assert [number for number in numbers(out) if number is not None] == spoken
    assert len(out) == pytest.approx(500, abs=3)
    assert jitter.counts.concealed_seconds == 0
    quiet = [frame for when, frame in out if due(155) < when < due(195)]
    assert quiet
    assert not any(any(frame.pcm) for frame in quiet)
    first_of = {number_in(frame): when for when, frame in out}
    assert all(first_of[n] == due(n) for n in spoken)


def test_comfort_noise_is_heard_at_its_level() -> None:
    jitter = new()
    play(jitter, [(due(n), packet(n)) for n in range(10)], due(9))
    noise = Packet(13, (65500 + 10) & 0xFFFF, (10 * 160 + 0xFFFFF000) & 0xFFFFFFFF, 1, b"\x28")
    jitter.push(noise, due(10), Kind.NOISE)
    made = [frame for n in range(30) for frame in jitter.advance(due(11 + n))]
    assert len(made) >= 27
    samples = memoryview(b"".join(frame.pcm for frame in made)).cast("h")
    rms = (sum(sample * sample for sample in samples) / len(samples)) ** 0.5
    assert rms == pytest.approx(327.68, rel=0.05)  # 40 dB below 32768


def test_silence_goes_out_before_the_first_packet() -> None:
    out = play(new(), [(12.0, packet(0))], 12.01)
    assert numbers(out)[-1] == 0
    assert len(out) == pytest.approx(101, abs=1)


def test_another_source_takes_over_on_its_second_packet_and_loses_none() -> None:
    jitter = new()
    arrivals = [(due(n), packet(n)) for n in range(20)]
    arrivals += [(due(n), packet(n, ssrc=2, first=77, timestamp=n * 160 + 5)) for n in range(20, 40)]
    assert numbers(play(jitter, arrivals, 10.8)) == list(range(40))
    assert jitter.counts.restarts == 1


def test_a_stray_packet_of_another_source_is_not_heard() -> None:
    arrivals = [(due(n), packet(n)) for n in range(20)] + [(due(7) + 0.001, packet(500, ssrc=2))]
    assert numbers(play(new(), arrivals, 10.4)) == list(range(20))


def test_jumps_of_sequence_and_of_timestamp_lose_nothing() -> None:
    arrivals = [(due(n), packet(n)) for n in range(20)]
    arrivals += [(due(n), packet(n, first=20000)) for n in range(20, 40)]
    arrivals += [(due(n), packet(n, first=20000, timestamp=n * 160 + 123456789)) for n in range(40, 60)]
    arrivals += [(due(n), packet(n, first=20000, timestamp=n * 160 + 42)) for n in range(60, 80)]
    out = play(new(), arrivals, 11.6)
    assert numbers(out) == list(range(80))
    assert all(when == frame.at for when, frame in out[:20] + out[21:])


@pytest.mark.parametrize("ppm", [200, -200])
def test_clocks_that_drift_apart_for_ten_minutes_cost_nothing(ppm: int) -> None:
    jitter = new()
    out = play(jitter, [(10.0 + n * 0.02 * (1 + ppm * 1e-6), packet(n)) for n in range(30000)], 10.0)
    assert [number for number in numbers(out) if number is None] == []
    assert len(out) == 30000
    assert jitter.wait == pytest.approx(0.02)


@pytest.mark.parametrize("milliseconds", [10, 30, 40, 60])
def test_any_packet_time_gives_frames_of_20_ms(milliseconds: int) -> None:
    units = 8 * milliseconds
    jitter = new()
    arrivals = [
        (10 + n * milliseconds / 1000, Packet(0, n, n * units, 1, b"\x00\x07" * units)) for n in range(60)
    ]
    lossy = [arrival for n, arrival in enumerate(arrivals) if n != 30]
    end = 10 + 60 * milliseconds / 1000
    out = play(jitter, lossy, end)
    assert {len(frame.pcm) for _, frame in out} == {320}
    assert len(out) == pytest.approx(60 * milliseconds / 20, abs=1)
    assert jitter.counts.concealed_seconds == pytest.approx(milliseconds / 1000)


def test_keypad_packets_keep_their_place_and_make_no_sound() -> None:
    jitter = new()
    out: list[Frame] = []
    for n in range(20):
        keys = 8 <= n < 12
        one = packet(n) if not keys else packet(n, timestamp=8 * 160 + 0xFFFFF000)
        out += jitter.push(one, due(n), Kind.OTHER if keys else Kind.AUDIO)
        out += jitter.advance(due(n) + 0.01)
    assert [number_in(frame) for frame in out] == [*range(8), None, None, None, None, *range(12, 20)]
    assert jitter.counts.late == jitter.counts.doubled == 0


def test_a_gap_with_too_much_behind_it_is_given_up() -> None:
    jitter = new()
    jitter.push(packet(0), 10.0)
    released = [f for n in range(2, 2 + MAX_HELD + 1) for f in jitter.push(packet(n), 10.0 + n / 1e6)]
    assert [number_in(f) for f in released if not f.concealed] == list(range(2, 2 + MAX_HELD + 1))


weathers = st.builds(
    Weather,
    loss=st.sampled_from([0, 0.05, 0.3]),
    burst=st.sampled_from([0, 0.02]),
    jitter=st.sampled_from([0, 0.01, 0.04, 0.15]),
    reorder=st.sampled_from([0, 0.1]),
    reorder_delay=st.sampled_from([0.01, 0.05, 0.19]),
    double=st.sampled_from([0, 0.1]),
    drift_ppm=st.sampled_from([0, 200, -200]),
)


@settings(deadline=None, max_examples=150)
@given(weathers, st.integers(0, 1000))
@example(Weather(loss=0.3, burst=0.02, jitter=0.15, reorder=0.1, reorder_delay=0.19), 369)
def test_whatever_the_network_does(weather: Weather, seed: int) -> None:
    """Never a packet twice, never out of order, time never goes back, and all time is accounted for."""
    model = LinkModel(weather, seed)
    arrivals = [(when, packet(n)) for n in range(400) for when in model.deliveries(due(n))]
    jitter = new()
    out = play(jitter, arrivals, due(400) + 0.5)
    heard = [number for number in numbers(out) if number is not None]
    assert heard == sorted(set(heard))
    times = [frame.at for _, frame in out]
    assert times == sorted(times)
    assert all(frame.at <= when + 1e-9 for when, frame in out)
    assert len(heard) + jitter.counts.late + jitter.counts.doubled == len(arrivals)
    # From 10.0 to the last beat, less the 0.2 s after which silence is certain, plus what stalls doubled: up
    # to 0.2 s each time that the time line moves; packets that can be later than that move it more than once.
    moves = 2 if weather.jitter + weather.reorder_delay > OFF_CLOCK else 1
    passed = (due(400) + 0.5 - 10.0) / 0.02
    assert passed - 12 <= len(out) <= passed + 12 * moves


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 0.5),
            st.integers(0, 0xFFFF) | st.integers(0, 40),
            st.integers(0, 0xFFFFFFFF) | st.integers(0, 6400),
            st.integers(0, 2),
            st.binary(max_size=8) | st.binary(min_size=320, max_size=320),
            st.sampled_from(list(Kind)),
        ),
        max_size=60,
    )
)
def test_packets_from_hell_make_only_whole_frames_and_not_too_many(
    story: list[tuple[float, int, int, int, bytes, Kind]],
) -> None:
    jitter = new()
    now = 10.0
    frames: list[Frame] = []
    for wait, sequence, timestamp, ssrc, payload, kind in story:
        now += wait
        frames += jitter.push(Packet(0, sequence, timestamp, ssrc, payload), now, kind)
        frames += jitter.advance(now)
    assert {len(frame.pcm) for frame in frames} <= {320}
    times = [frame.at for frame in frames]
    assert times == sorted(times)
    assert not times or times[-1] <= now
    assert len(frames) <= (now - 10.0) / 0.02 + 62 * len(story) + 2
