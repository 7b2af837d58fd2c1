"""Two UDP sockets for one call's media: RTP on an even port, RTCP on the next (RFC 3550 section 11)."""

from __future__ import annotations

import errno
import random
import socket

from trunkline.errors import MediaError

EXPEDITED = 46 << 2
"""The traffic class of voice: DSCP EF (RFC 3246), as the byte that the socket option takes."""
_TRIES = 256


def bind_pair(host: str, port_range: tuple[int, int]) -> tuple[socket.socket, socket.socket]:
    """The RTP and the RTCP socket, not blocking. `port_range`: first and last port, (0, 0) for any.

    Raises `MediaError` where `host` is not an address of this machine or no pair of ports is free.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in _candidates(port_range):
        rtp = _bind(family, host, port)
        if rtp is None:
            continue
        bound = rtp.getsockname()[1]
        rtcp = _bind(family, host, bound + 1) if bound % 2 == 0 and bound < 65535 else None
        if rtcp is not None:
            return rtp, rtcp
        rtp.close()
    raise MediaError(
        f"no pair of UDP ports is free on {host} in {port_range}", hint="Widen the range of media ports"
    )


def _candidates(port_range: tuple[int, int]) -> list[int]:
    first, last = port_range
    if (first, last) == (0, 0):
        return [0] * _TRIES
    pairs = range(first + first % 2, last, 2)
    return random.sample(pairs, min(_TRIES, len(pairs)))


def _bind(family: int, host: str, port: int) -> socket.socket | None:
    made = socket.socket(family, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, EXPEDITED)
        else:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, EXPEDITED)
        made.bind((host, port))
    except OSError as error:
        made.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            return None
        raise MediaError(f"cannot listen on {host}: {error.strerror or error}") from error
    return made
