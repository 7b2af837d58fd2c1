"""What a codec is to the rest of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

Encode = Callable[[bytes], bytes]
"""16-bit little-endian PCM of one packet's length to a payload. Keeps its call's state, if any."""
Decode = Callable[[bytes], bytes]
"""A payload to PCM. Payloads come from outside: raises `ParseError` for what it cannot read."""


@runtime_checkable
class Recovers(Protocol):
    """A decoder that knows better than we do what to put in the place of a lost packet."""

    def __call__(self, payload: bytes) -> bytes:
        """As `Decode`."""

    def recover(self, following: bytes, samples: int) -> bytes | None:
        """The sound of the lost packet, if the payload after it carries it too (redundancy)."""

    def conceal(self, samples: int) -> bytes | None:
        """So many samples made up; None for a length that it cannot make."""


class MakeEncoder(Protocol):
    """Makes the encoder of one call. `fmtp`: what the receiver asked for, as its SDP writes it. Raises
    `MediaError` where the codec's library is not installed."""

    def __call__(self, fmtp: str = "") -> Encode: ...


def _nothing_needed() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Codec:
    """One way of coding sound for RTP.

    `name`: as SDP writes it, upper case. `payload_type`: the static one of RFC 3551, None where it
    is always negotiated. `clock_rate`: what RTP timestamps count, a second. `rate`: samples of PCM a
    second, which is not always the same (G.722: RFC 3551 section 4.5.2). `channels`: as SDP writes
    it; PCM is mono all the same. `packet_times`: milliseconds that one packet may hold. `check`: raises
    `MediaError` with what to install, where the codec cannot be had on this machine; it may load a
    library, so it is asked before calls come.
    """

    name: str
    payload_type: int | None
    clock_rate: int
    rate: int
    make_encoder: MakeEncoder
    make_decoder: Callable[[], Decode]
    channels: int = 1
    packet_times: tuple[int, ...] = (10, 20, 30, 40, 60)
    check: Callable[[], None] = _nothing_needed
