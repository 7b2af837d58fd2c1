"""Bursts and gaps of loss (RFC 3611), and what a person would think of them (ITU-T G.107)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.rtp import emodel
from trunkline.rtp.burst import MIN_GAP, BurstGap, BurstMeter
from trunkline.rtp.quality import ENOUGH, opinion


def metered(pattern: str) -> BurstMeter:
    """`1`: came; `0`: lost; `X`: came too late."""
    meter = BurstMeter()
    for fate in pattern:
        if fate == "1":
            meter.came()
        else:
            meter.missing()
    return meter


def by_definition(pattern: str) -> tuple[int, int, int]:
    """Packets in bursts, those missing there, and bursts, straight from the words of section 4.7.2."""
    missing = [place for place, fate in enumerate(pattern) if fate != "1"]
    stretches: list[list[int]] = []
    for place in missing:
        if stretches and place - stretches[-1][-1] - 1 < MIN_GAP:
            stretches[-1].append(place)
        else:
            stretches.append([place])
    bursts = [stretch for stretch in stretches if len(stretch) > 1]
    return sum(b[-1] - b[0] + 1 for b in bursts), sum(map(len, bursts)), len(bursts)


def test_the_example_of_the_rfc() -> None:
    # Section 4.7.2: the burst from the first X on has twelve packets, four of them missing.
    figures = metered("11110" + "1" * 18 + "X111X1011110" + "1" * 18 + "X" + "1" * 10).figures()
    assert (figures.bursts, figures.burst_packets) == (1, 12)
    assert figures.burst_loss == pytest.approx(0.33, abs=0.01)
    assert figures.gap_loss == pytest.approx(0.04, abs=0.01)
    assert figures.gap_packets == (23 + 29) / 2


@given(st.text("1110X", max_size=300))
def test_bursts_are_what_the_definition_says(pattern: str) -> None:
    packets, lost, bursts = by_definition(pattern)
    meter = metered(pattern)
    figures = meter.figures()
    assert figures.bursts == bursts
    assert figures.burst_packets * bursts == pytest.approx(packets)
    assert figures.burst_loss * packets == pytest.approx(lost)
    outside = len(pattern) - packets
    assert figures.gap_loss * outside == pytest.approx(meter.lost - lost)
    assert (meter.packets, meter.lost) == (len(pattern), len(pattern) - pattern.count("1"))


def test_several_at_once_are_as_many_one_by_one() -> None:
    one, other = metered("1" * 30 + "000" + "1" * 5), BurstMeter()
    for _ in range(30):
        other.came()
    other.missing(3)
    other.missing(0)
    for _ in range(5):
        other.came()
    assert one.figures() == other.figures()


def test_nothing_lost_is_all_gap() -> None:
    assert metered("").figures() == BurstGap()
    assert metered("1" * 40).figures() == BurstGap(gap_packets=40)


# --- the E-model ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "impairment"),
    # Nothing up to 100 ms; then equation 7-27 by hand. At 400 ms X is 2: (1 + 64)^(1/6) = 2.0052 and
    # 3 (1 + (2/3)^6)^(1/6) = 3.0424, so 25 (2.0052 - 3.0424 + 2).
    [(0.0, 0.0), (0.1, 0.0), (0.2, 3.04), (0.3, 14.76), (0.4, 24.07)],
)
def test_delay_costs_what_the_recommendation_says(delay: float, impairment: float) -> None:
    assert emodel.r_factor(loss=0) - emodel.r_factor(loss=0, delay=delay) == pytest.approx(
        impairment, abs=0.02
    )


def test_loss_costs_what_the_recommendation_says() -> None:
    # G.711 with concealment, Bpl 25.1: 95 * Ppl / (Ppl + 25.1).
    assert emodel.BEST - emodel.r_factor(loss=0.05) == pytest.approx(15.8, abs=0.05)
    assert emodel.BEST - emodel.r_factor(loss=0.05, burst_ratio=2) == pytest.approx(17.2, abs=0.05)


@pytest.mark.parametrize(
    ("r", "score"),
    [(93.2, 4.41), (90, 4.34), (80, 4.02), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1), (100, 4.5)],
)
def test_mos_belongs_to_r_as_in_annex_b(r: float, score: float) -> None:
    assert emodel.mos(r) == pytest.approx(score, abs=0.01)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(1, 20), st.floats(0, 2))
def test_more_loss_longer_runs_and_more_delay_never_sound_better(
    loss: float, more: float, ratio: float, delay: float
) -> None:
    worse = min(1.0, loss + more)
    assert emodel.r_factor(loss=worse, delay=delay) <= emodel.r_factor(loss=loss, delay=delay) + 1e-9
    assert emodel.r_factor(loss=loss, burst_ratio=ratio) <= emodel.r_factor(loss=loss) + 1e-9
    assert emodel.r_factor(loss=loss, delay=delay) <= emodel.r_factor(loss=loss) + 1e-9
    assert 1 <= emodel.mos(emodel.r_factor(loss=loss, burst_ratio=ratio, delay=delay)) <= 4.5


def test_chance_has_a_burst_ratio_of_one_and_runs_a_higher_one() -> None:
    chance = random.Random(1)
    alone = metered("".join("0" if chance.random() < 0.1 else "1" for _ in range(50_000))).figures()
    assert emodel.burst_ratio_of(alone.run_packets, 0.1) == pytest.approx(1, abs=0.05)
    runs = metered(("1" * 45 + "00000") * 500).figures()
    assert emodel.burst_ratio_of(runs.run_packets, 0.1) == pytest.approx(4.5)


def test_the_same_loss_sounds_worse_in_bursts_and_too_little_sound_is_no_opinion() -> None:
    scattered = opinion(metered(("1" * 19 + "0") * 50), delay=0.05)
    together = opinion(metered(("1" * 190 + "0" * 10) * 5), delay=0.05)
    assert scattered is not None
    assert together is not None
    assert scattered.loss == together.loss == 0.05
    assert together.mos_conversational < scattered.mos_conversational
    assert opinion(metered("1" * (ENOUGH - 1)), delay=0) is None
