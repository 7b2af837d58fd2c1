"""What was negotiated for one call's media: what signalling tells the media room."""

from __future__ import annotations

from dataclasses import dataclass, field

EVENTS, NOISE = "TELEPHONE-EVENT", "CN"
"""What SDP calls keypad events and comfort noise, which may stand in `receivable` like codecs."""


@dataclass(frozen=True, slots=True)
class Keys:
    """SRTP by SDES (RFC 4568): one suite both ways, a master key with its salt for each direction.

    `suite`: as SDP names it. `send`: what ours are protected with, `receive`: what theirs are.
    """

    suite: str
    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stream:
    """One audio stream, as both ends agreed on it.

    `codec`: what is sent, under `payload_type`; `fmtp`: what the receiver asked of it. `receivable`:
    other (payload type, codec) pairs that may come, beside that. `dtmf_payload_type`: telephone-events,
    None where there are none; their durations count `dtmf_clock` a second, 0 for the codec's own.
    `noise_payload_type`: comfort noise beside the static 13. `ptime_ms`: how much sound one packet
    should hold. `keys`: None for plain RTP. `rtcp_mux`: reports go through the port of the sound
    (RFC 5761). `xr`: they get VoIP metrics with them (RFC 3611).
    """

    codec: str
    payload_type: int
    fmtp: str = ""
    receivable: tuple[tuple[int, str], ...] = ()
    dtmf_payload_type: int | None = None
    dtmf_clock: int = 0
    noise_payload_type: int | None = None
    ptime_ms: int = 20
    send: bool = True
    receive: bool = True
    keys: Keys | None = None
    rtcp_mux: bool = False
    xr: bool = False
