"""What a person would think of the sound, estimated: the E-model of ITU-T G.107, simplified.

R = 93.2 - Idd - Ie,eff (G.107 section 7 with every value that a network's monitor cannot know at its
default: 93.2 is what R0 - Is then come to, and echo is taken to be cancelled).

* Idd (equation 7-27): what a one-way delay above 100 ms costs.
* Ie,eff (equation 7-29): what the codec and lost packets cost; BurstR above 1 where losses come in runs.
* MOS from R: annex B, equation B-4.

Ie and Bpl of G.711 with concealment are from G.113 appendix I. For our other codecs there are no
values on the narrow-band scale, so G.711's stand in for them: the figure says what the network did to
the call, not that a wide band sounds better.
"""

from __future__ import annotations

import math

BEST = 93.2
IE, BPL = 0.0, 25.1


def r_factor(*, loss: float, burst_ratio: float = 1.0, delay: float = 0.0) -> float:
    """R from 0 to 93.2. `loss`: share of packets not heard, 0 to 1. `burst_ratio`: how much longer
    runs of losses are than chance would make them (`burst_ratio_of`). `delay`: one way, in seconds."""
    percent = 100 * max(0.0, min(1.0, loss))
    equipment = IE + (95 - IE) * percent / (percent / max(1.0, burst_ratio) + BPL)
    return max(0.0, BEST - _delay_impairment(delay) - equipment)


def _delay_impairment(seconds: float) -> float:
    if seconds <= 0.1:
        return 0.0
    x: float = math.log2(seconds / 0.1)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))


def mos(r: float) -> float:
    """The mean opinion score, 1 to 4.5, that belongs to an R."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def burst_ratio_of(run_packets: float, loss: float) -> float:
    """BurstR (G.107 section 7): the average run of losses over what it would be if each packet were
    lost for itself, which is 1 / (1 - loss)."""
    return max(1.0, run_packets * (1 - loss)) if 0 < loss < 1 else 1.0
