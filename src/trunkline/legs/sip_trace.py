"""A trace of all that passes, signalling and media, written to a capture file by a thread of its own.

The loop that carries sound only puts what it saw into a queue; where the writer cannot follow, what comes is
counted and not written. Secrets are covered before anything is written (`trunkline.sip.masking`). The file
is readable by its owner alone, since it holds what people said.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.legs.sip_settings import SipSettings
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.masking import covered
from trunkline.sip.pcap import Address, PcapWriter, Seen

logger = structlog.get_logger("trace")

WAITING = 20_000
"""Packets that wait to be written; more are lost to the trace, never to the call."""
_BATCH = 200
_PAUSE = 0.1
"""Seconds between two looks into the queue."""
_REST = 0.002
"""Seconds between two batches, in which the loop has the interpreter for itself."""


MediaTap = Callable[[bool, int, Address, bytes], None]


class Watcher(Protocol):
    """Who is told of all that passes."""

    def saw(self, transport: str, source: Address, target: Address, data: bytes) -> None:
        """A message, or a packet of media, passed just now."""

    def media_tap(self, host: str) -> MediaTap | None:
        """What a media port at this address of ours tells its packets to; None: to nobody."""


class SipTrace:
    """One trace. `open` it, hand it what is seen, `close` it.

    When the file has reached half of `most_bytes` it is put aside as `FILE.1` (in place of the one before)
    and begun anew, so that both together stay within it and the latest is always there.
    """

    def __init__(self, path: Path, clock: Clock, *, most_bytes: int, media: bool = True) -> None:
        """Raises `ConfigError` where the file cannot be written."""
        self.dropped = 0
        """What the writer could not take."""
        self.wants_media = media
        self._path = path
        self._half = max(most_bytes // 2, 100_000)
        self._clock = clock
        self._zero = clock.wall().timestamp() - clock.now()
        """What makes calendar time of the monotonic clock."""
        self._waiting: deque[tuple[float, str, Address, Address, bytes]] = deque()
        self._stop = threading.Event()
        self._failed = False
        try:
            self._begin()
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written: {error.strerror or error}", where="sip.trace"
            ) from error
        self._thread = threading.Thread(target=self._write, name="sip trace", daemon=True)
        self._thread.start()

    def saw(self, transport: str, source: Address, target: Address, data: bytes) -> None:
        """A message or packet passed just now. Never waits."""
        if self._failed or len(self._waiting) >= WAITING:
            self.dropped += 1
            return
        self._waiting.append((self._clock.now(), transport, source, target, data))

    def media_tap(self, host: str) -> MediaTap | None:
        """What a media port tells its packets to; `host`: our address in the SDP. None: not wanted."""
        if not self.wants_media:
            return None

        def tap(sent: bool, port: int, other: Address, data: bytes) -> None:
            ends = ((host, port), other) if sent else (other, (host, port))
            self.saw("udp", *ends, data)

        return tap

    def close(self) -> None:
        """Write what waits, and end. Waits for the disk, a second at most."""
        self._stop.set()
        self._thread.join(1.0)
        if self.dropped:
            logger.warning("the trace is not complete", dropped=self.dropped, file=str(self._path))

    # --- the thread -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._writer = PcapWriter()
        self._file: IO[bytes] = open(self._path, "wb", opener=_private)  # noqa: SIM115 - it has an opener
        self._size = self._file.write(self._writer.header())
        self._file.flush()

    def _write(self) -> None:
        try:
            while True:
                last = self._stop.is_set()
                self._write_what_waits(pause=not last)
                if last:
                    return
                self._stop.wait(_PAUSE)
        except OSError as error:
            self._failed = True
            self._waiting.clear()
            logger.warning("tracing stops", error=str(error), file=str(self._path))
        finally:
            self._file.close()

    def _write_what_waits(self, *, pause: bool) -> None:
        while self._waiting:
            for _ in range(min(_BATCH, len(self._waiting))):
                at, transport, source, target, data = self._waiting.popleft()
                if not data[:1] or data[0] < 0x80:  # Media begins with its version, 2, in the highest bits.
                    data = covered(data)
                self._size += self._file.write(
                    self._writer.record(Seen(self._zero + at, transport, source, target, data))
                )
            self._file.flush()
            if self._size > self._half:
                self._file.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))
                self._begin()
            if pause:
                self._stop.wait(_REST)


async def trace_of(settings: SipSettings, clock: Clock, endpoint: SipEndpoint) -> SipTrace | None:
    """The trace that the settings ask for, told of all that passes the endpoint; None where they ask for
    none. Raises `ConfigError` where it cannot be written; the endpoint is closed then."""
    if not settings.trace:
        return None
    size = settings.trace_megabytes * 1_000_000
    try:
        trace = await asyncio.to_thread(
            SipTrace, Path(settings.trace), clock, most_bytes=size, media=settings.trace_media
        )
    except ConfigError:
        await endpoint.close()
        raise
    endpoint.tap = trace.saw
    return trace


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
