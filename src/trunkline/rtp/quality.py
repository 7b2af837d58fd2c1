"""How one call's media did: the figures for its record."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.rtp import emodel
from trunkline.rtp.burst import BurstGap, BurstMeter

ENOUGH = 50
"""Packets before which no opinion is had of the sound."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How the media did, both ways. Times in milliseconds; counts in packets; shares from 0 to 1.

    The fields that `legs.leg.MediaQuality` has too mean the same. `strangers`: datagrams from addresses
    that are not the other end's; `refused`: those whose SRTP tag was wrong, or that came again.
    """

    codec: str = ""
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    packets_doubled: int = 0
    concealed_ms: float = 0.0
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    send_gap_p99_ms: float = 0.0
    remote_loss: float | None = None
    remote_jitter_ms: float | None = None
    wait_ms: float = 0.0
    malformed: int = 0
    strangers: int = 0
    refused: int = 0
    srtp: str = ""
    """The suite that protects it; empty for plain RTP."""
    undecodable: int = 0
    """Packets received whose sound could not be made out."""
    send_errors: int = 0
    """Packets and reports that this machine would not take for sending."""
    recovered_ms: float = 0.0
    """Sound of lost packets that the ones after them carried too."""
    burst_loss: float = 0.0
    burst_ms: float = 0.0
    gap_loss: float = 0.0
    gap_ms: float = 0.0
    mos: float | None = None
    """What a person would think of what we receive, 1 to 4.5 (`emodel.py`); None for too little of it."""
    remote_mos: float | None = None
    """What the other end says of what it receives (RTCP XR)."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of what was received so far: losses as heard, R, and MOS without and with the delay."""

    loss: float
    bursts: BurstGap
    r_factor: float
    mos_listening: float
    mos_conversational: float


def opinion(fates: BurstMeter, delay: float) -> Opinion | None:
    """`delay`: seconds from mouth to ear, as far as known. None while too little was received."""
    if fates.packets < ENOUGH:
        return None
    bursts = fates.figures()
    loss = fates.lost / fates.packets
    ratio = emodel.burst_ratio_of(bursts.run_packets, loss)
    heard = emodel.r_factor(loss=loss, burst_ratio=ratio)
    talked = emodel.r_factor(loss=loss, burst_ratio=ratio, delay=delay)
    return Opinion(loss, bursts, talked, emodel.mos(heard), emodel.mos(talked))
