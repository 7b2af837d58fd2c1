"""The edge: one call's media sockets, read when packets arrive and written on the pacer's beat.

There is no task and no queue here: packets are read in the loop's own callback and handed to the
listener in it; what leaves is asked for at the moment it leaves.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import MediaError
from trunkline.rtp.incoming import Meaning
from trunkline.rtp.latch import Address
from trunkline.rtp.pacer import Pacer, Ticket
from trunkline.rtp.packet import Packet, looks_like_rtcp
from trunkline.rtp.quality import Quality
from trunkline.rtp.session import RtpSession
from trunkline.rtp.sockets import bind_pair
from trunkline.rtp.stream import Stream

OnFrame = Callable[[Frame], None]
NextFrame = Callable[[float], bytes | None]

Tap = Callable[[bool, int, Address, bytes], None]
"""Told of a packet: whether we sent it, our port, the other end's address, its bytes."""


@dataclass(frozen=True, slots=True)
class Outside:
    """How a call's ports are seen from outside a NAT. `report_port` 0: not known."""

    host: str
    port: int
    report_port: int = 0


class Relay(Protocol):
    """Who takes a call's media in the place of its listener (`bridge.py`)."""

    def packet(self, packet: Packet, meaning: Meaning, at: float) -> None:
        """A packet came."""

    def beat(self, now: float) -> None:
        """20 ms passed."""

    def digit(self, digit: str) -> None:
        """A key was pressed."""


DATAGRAM_BYTES = 2048
_DRAIN = 32
"""Packets read at one wake; what is left wakes the loop again, after the others had their turn."""
_REPORT_SECONDS = 5.0
_LOST_AGAIN_SECONDS = 1.0
_GAPS = 256
"""Send gaps are counted in milliseconds up to this."""


class MediaPort:
    """One call's media. `open` it, `configure` it with what was negotiated, `start` it; `close` it.

    `on_dtmf(digit)`, `on_lost(seconds)` (nothing came for `lost_after` seconds; told again each second
    for as long as nothing comes) and `on_back()` may be set at any time; they are called on the loop.
    """

    def __init__(
        self,
        pacer: Pacer,
        clock: Clock,
        rtp: socket.socket,
        rtcp: socket.socket,
        *,
        lost_after: float = 5.0,
    ) -> None:
        self.on_dtmf: Callable[[str], None] | None = None
        self.on_lost: Callable[[float], None] | None = None
        self.on_back: Callable[[], None] | None = None
        self.lost_after = lost_after
        self.tap: Tap | None = None
        """Told of each packet, as it goes and as it came."""
        self.outside: Outside | None = None
        """What others are told in the place of our own address and ports, by whoever has found it out."""
        self.on_stun: Callable[[bool, bytes, Address], None] | None = None
        """Given STUN that comes: whether it came to the port of reports, its bytes, its source."""
        self.send_errors = 0
        """Packets that the machine would not take (no route, full buffer)."""
        self._pacer = pacer
        self._clock = clock
        self._rtp = rtp
        self._rtcp = rtcp
        self._ports = int(rtp.getsockname()[1]), int(rtcp.getsockname()[1])
        self._loop = asyncio.get_running_loop()
        self._session = RtpSession(
            ssrc=secrets.randbits(32),
            sequence=secrets.randbits(15),  # the upper half left free: no early wrap (RFC 3711 3.3.1)
            timestamp=secrets.randbits(32),
            cname=secrets.token_urlsafe(12).encode(),
        )
        self._remote_rtcp: Address | None = None
        """Where reports go, if not to the next port: as signalled, or where theirs came from."""
        self._relay: Relay | None = None
        self._on_frame: OnFrame | None = None
        self._next_frame: NextFrame | None = None
        self._ticket: Ticket | None = None
        self._receives = True
        self._lost_told: float | None = None
        """When it was last said that nothing comes; None where something does."""
        self._heard_at = 0.0
        self._woke_at = 0.0
        self._report_at = 0.0
        self._sent_at: float | None = None
        self._gaps = [0] * _GAPS
        self._keys_done: list[asyncio.Future[None]] = []
        self._closed = False
        self._loop.add_reader(rtp, self._readable)
        self._loop.add_reader(rtcp, self._report_readable)

    @classmethod
    async def open(
        cls,
        pacer: Pacer,
        clock: Clock,
        host: str = "127.0.0.1",
        port_range: tuple[int, int] = (0, 0),
        *,
        lost_after: float = 5.0,
    ) -> MediaPort:
        """Take a pair of ports. Raises `MediaError` where none is free."""
        rtp, rtcp = bind_pair(host, port_range)
        return cls(pacer, clock, rtp, rtcp, lost_after=lost_after)

    @property
    def local_port(self) -> int:
        """The RTP port, for SDP."""
        return self._ports[0]

    @property
    def remote(self) -> Address | None:
        """Where packets go: what signalling said, or what the other end showed (symmetric RTP)."""
        return self._session.latch.remote

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def rate(self) -> int:
        """Samples a second, both ways, with the codec configured."""
        return self._session.codec.rate

    @property
    def stream(self) -> Stream:
        """What is in force."""
        return self._session.stream

    def configure(
        self,
        stream: Stream,
        *,
        remote: Address,
        remote_rtcp: Address | None = None,
        symmetric: bool = True,
    ) -> None:
        """What was negotiated, at first or again. `remote` is an address in digits: names are not
        looked up here. 0.0.0.0 or port 0 (a hold of old) means that nothing is sent there.
        `remote_rtcp`: where reports go, if not to the next port (RFC 3605) or the same (RFC 5761).
        `symmetric` False: no other address than `remote` ever counts.

        Raises `MediaError` for what cannot be done; what was in force then stays so.
        """
        try:
            address = ipaddress.ip_address(remote[0])
        except ValueError as error:
            raise MediaError(f"{remote[0]!r} is not an IP address") from error
        if not 0 <= remote[1] <= 65535:
            raise MediaError(f"{remote[1]} is no port")
        if address.version != self._version:
            raise MediaError(f"{remote[0]} cannot be reached from this address family")
        remote = (str(address), remote[1])  # as sockets write it: an IPv6 address has many spellings
        nowhere = not self._can_reach(*remote)
        self._session.configure(
            replace(stream, send=False) if nowhere else stream,
            remote=None if nowhere else remote,
            symmetric=symmetric,
        )
        self._remote_rtcp = remote_rtcp if remote_rtcp and self._can_reach(*remote_rtcp) else None
        if stream.receive and not self._receives:  # a hold ended: their silence begins to count now
            self._heard_at = self._clock.now()
        self._receives = stream.receive
        self._set_beat()

    @property
    def _version(self) -> int:
        return 6 if self._rtp.family == socket.AF_INET6 else 4

    def _can_reach(self, host: str, port: int) -> bool:
        """Whether something can be sent there. Never a name: looking that up would hold up all calls."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.version == self._version and not address.is_unspecified and 0 < port <= 65535

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin: `on_frame` for each 20 ms received, in order, at once when its packet arrives;
        `next_frame` each 20 ms for what leaves. Both at the codec's rate."""
        if self._closed:
            raise MediaError("the call's media is over")
        if not self._session.configured:
            raise MediaError("the media was not configured yet")
        now = self._clock.now()
        self._on_frame = on_frame
        self._next_frame = next_frame
        self._heard_at = now
        self._report_at = now + _REPORT_SECONDS * random.uniform(0.25, 0.75)
        self._session.start(now)
        if self._ticket is None:
            self._ticket = self._pacer.add(self._tick)
            self._set_beat()

    def _set_beat(self) -> None:
        """Packets of 10 and 30 ms leave between the ticks too."""
        if self._ticket is not None:
            self._ticket.tick_between(self._tick_between if self._session.half_ticks else None)

    async def send_dtmf(self, digits: str) -> None:
        """Press these keys, one after the other; returns when the last is released. Raises
        `MediaError` where the other end takes no keys, for what is no key, where the media ends
        meanwhile, and where a hold lasts too long; what was not pressed then is not pressed later."""
        if self._ticket is None:
            raise MediaError("the media was not started")
        if not digits:
            return
        self._session.send_dtmf(digits)
        done: asyncio.Future[None] = self._loop.create_future()
        self._keys_done.append(done)
        try:
            async with asyncio.timeout(5 + 64 * 0.5):
                await done
        except TimeoutError as error:
            raise MediaError("the keys were not sent in time") from error
        finally:
            if done in self._keys_done:
                self._keys_done.remove(done)
            if not self._keys_done:
                self._session.drop_dtmf()

    def quality(self) -> Quality:
        """How the media did so far."""
        return replace(self._session.quality(self._gap_p99()), send_errors=self.send_errors)

    async def close(self) -> None:
        """Say goodbye, free the ports, stop ticking. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        if self._ticket is not None:
            self._ticket.remove()
            self._send_report(self._clock.now(), goodbye=True)
        self._loop.remove_reader(self._rtp)
        self._loop.remove_reader(self._rtcp)
        self._rtp.close()
        self._rtcp.close()
        for done in self._keys_done:
            if not done.done():
                done.set_exception(MediaError("the call's media ended before all keys were sent"))
        # Whoever listened holds this port, and would be held by it.
        self._on_frame = self._next_frame = self._relay = None
        self.on_dtmf = self.on_lost = self.on_back = self.on_stun = self.tap = None

    # --- receiving --------------------------------------------------------------------------------

    def _readable(self) -> None:
        receive = self._rtp.recvfrom
        session = self._session
        at = self._clock.now()
        # Asking an empty socket costs as much as reading a packet, so one is read at a wake unless the
        # last wake was just before: then packets have piled up.
        bound = _DRAIN if at - self._woke_at < 0.005 else 1
        self._woke_at = at
        for _ in range(bound):
            try:
                data, source = receive(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of something sent earlier; the socket goes on
                continue
            if self.tap is not None:
                self.tap(False, self._ports[0], source[:2], data)
            if self.on_stun is not None and _is_stun(data):
                self.on_stun(False, data, source[:2])
                continue
            if looks_like_rtcp(data):
                self._take_report(data, source[:2], at)
                continue
            admitted = session.admit(data, source[:2], at)
            if admitted is not None:
                if self._relay is not None:
                    self._relay.packet(*admitted, at)
                elif self._on_frame is not None:
                    for frame in session.hear(*admitted, at):
                        self._on_frame(frame)
            if session.digits:
                self._give_digits()
            if self._closed:
                return

    def _give_digits(self) -> None:
        digits = self._session.digits
        while digits:
            digit = digits.popleft()
            if self.on_dtmf is not None:
                self.on_dtmf(digit)
            if self._relay is not None:
                self._relay.digit(digit)

    def _report_readable(self) -> None:
        at = self._clock.now()
        for _ in range(_DRAIN):
            try:
                data, source = self._rtcp.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError:
                continue
            if self.tap is not None:
                self.tap(False, self._ports[1], source[:2], data)
            if self.on_stun is not None and _is_stun(data):
                self.on_stun(True, data, source[:2])
                continue
            if self._take_report(data, source[:2], at):
                self._remote_rtcp = source[:2]

    def _take_report(self, data: bytes, source: Address, at: float) -> bool:
        return self._session.receive_report(data, source, at, self._clock.wall().timestamp())

    # --- the beat ---------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        ticket, on_frame, next_frame = self._ticket, self._on_frame, self._next_frame
        assert ticket is not None
        assert on_frame is not None
        assert next_frame is not None
        session = self._session
        if self._relay is None:
            for frame in session.advance(now):
                on_frame(frame)
            datagram = session.send(next_frame(now), ticket.skipped)
        else:
            self._relay.beat(now)
            datagram = session.idle(ticket.skipped)
        if datagram is not None:
            self._send(datagram, now)
        if self._keys_done and not session.sending_dtmf:
            for done in self._keys_done:
                if not done.done():
                    done.set_result(None)
        self._watch(now)
        if now >= self._report_at:
            self._report_at = now + _REPORT_SECONDS * random.uniform(0.5, 1.5)
            self._send_report(now)

    # --- for a bridge -----------------------------------------------------------------------------

    def give_to(self, relay: Relay | None) -> None:
        """Media goes to `relay` from now on, and what leaves comes from `say` and `forward`; None: to
        and from the listener again. Raises `MediaError` where the media was not started, or is over."""
        if self._ticket is None or self._closed:
            raise MediaError("there is no media to join")
        if relay is not None and self._relay is not None:
            raise MediaError("the media is joined to another call already")
        if relay is None and self._relay is not None:
            self._session.resume()
            self._session.hear_anew(self._clock.now())
        self._relay = relay

    def ask(self, data: bytes, to: Address, *, reports: bool = False) -> None:
        """Send a question from the port of the sound, or of reports; `on_stun` is given the answer."""
        try:
            (self._rtcp if reports else self._rtp).sendto(data, to)
        except OSError:
            self.send_errors += 1

    @property
    def session(self) -> RtpSession:
        """The state of the call's media."""
        return self._session

    def say(self, pcm: bytes, at: float) -> None:
        """20 ms of another call's sound leaves now."""
        for datagram in self._session.say(pcm):
            self._send(datagram, at)

    def forward(self, packet: Packet, meaning: Meaning, at: float) -> None:
        """A packet of another call leaves now, undecoded."""
        datagram = self._session.forward(packet, meaning)
        if datagram is not None:
            self._send(datagram, at)

    def _tick_between(self, now: float) -> None:
        datagram = self._session.send_between() if self._relay is None else None
        if datagram is not None:
            self._send(datagram, now)

    def _send(self, datagram: bytes, now: float) -> None:
        remote = self._session.latch.remote
        if self._closed or remote is None:
            return
        if self.tap is not None:
            self.tap(True, self._ports[0], remote, datagram)
        try:
            self._rtp.sendto(datagram, remote)
        except OSError:
            self.send_errors += 1
        if self._sent_at is not None:
            gap = int((now - self._sent_at) * 1000)
            self._gaps[gap if gap < _GAPS else _GAPS - 1] += 1
        self._sent_at = now

    def _watch(self, now: float) -> None:
        """Notice that nothing comes any more, and that something comes again."""
        heard = self._session.last_received
        if heard is not None and heard > self._heard_at:
            self._heard_at = heard
            if self._lost_told is not None:
                self._lost_told = None
                if self.on_back is not None:
                    self.on_back()
        elif not self._receives or now - self._heard_at < self.lost_after:
            pass
        elif self._lost_told is None or now - self._lost_told >= _LOST_AGAIN_SECONDS:
            self._lost_told = now
            if self.on_lost is not None:
                self.on_lost(now - self._heard_at)

    def _send_report(self, now: float, *, goodbye: bool = False) -> None:
        remote = self._session.latch.remote
        if remote is None or not 0 < remote[1] < 65535:
            return
        same_port = self._session.stream.rtcp_mux
        to = remote if same_port else self._remote_rtcp or (remote[0], remote[1] + 1)
        report = self._session.report(now, self._clock.wall().timestamp(), goodbye=goodbye)
        if self.tap is not None:
            self.tap(True, self._ports[not same_port], to, report)
        try:
            (self._rtp if same_port else self._rtcp).sendto(report, to)
        except OSError:
            self.send_errors += 1

    def _gap_p99(self) -> float:
        """Milliseconds between packets sent that one in a hundred gaps passed."""
        beyond = sum(self._gaps) // 100
        for gap in range(_GAPS - 1, -1, -1):
            beyond -= self._gaps[gap]
            if beyond < 0:
                return float(gap + 1)
        return 0.0


def _is_stun(data: bytes) -> bool:
    """RFC 7983: STUN's first byte is 0 to 3, RTP's and RTCP's 128 to 191."""
    return len(data) > 0 and data[0] < 4
