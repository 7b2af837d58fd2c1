"""The edge of SIP over UDP: the only owner of its sockets, one for IPv4, one for IPv6, or either."""

from __future__ import annotations

import asyncio
import errno
import re
import select
import socket
import sys
from collections.abc import Callable, Sequence

from trunkline.errors import ConfigError, SipError
from trunkline.sip.hop import is_address
from trunkline.sip.icmp import (
    IP_LEVEL,
    IP_RECVERR,
    IPV6_LEVEL,
    IPV6_RECVERR,
    Undelivered,
    read_undelivered,
)

_DATAGRAM = 65_535
_DRAIN = 16
"""Datagrams read at one wake; media on the same loop has its turn before the rest."""
_QUOTED, _ANCILLARY = 2_048, 512
"""Bytes of what an ICMP error quotes (IPv6: at most 1,232), and of what the system says beside it."""
_SENDS = 8
"""Times that a datagram is sent while errors of others are raised in its place."""
_BUFFER = 4 * 1024 * 1024
_PORT_TRIES = 8
"""Ports that are tried where any will do, until one is free for UDP and TCP both."""
_ROUTES = 256
"""Local addresses remembered, by whom they lead to."""
_BIND = re.compile(r"(?:(udp|tls):)?(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):([0-9]{1,5})")

Address = tuple[str, int]


LISTEN_ELSEWHERE = "Choose another address of this machine, or stop the program that has this one"


def _how_to_write(text: str, transport: str) -> str:
    """What to write instead; TCP and TLS have their own places."""
    if transport == "udp" and text.startswith(("tcp:", "tls:")):
        more = "TCP is listened for beside UDP" if text.startswith("tcp:") else "TLS is set with sip.tls_bind"
        return f"Write udp:HOST:PORT; {more}"
    return f"Write {transport}:HOST:PORT"


def parse_bind(text: str, transport: str = "udp") -> tuple[str, str, int]:
    """`udp:127.0.0.1:5060` as transport, host and port (0: any); the transport may be left out, and must
    be the one that is wanted here. IPv6 stands in brackets. Raises `ConfigError`."""
    found = _BIND.fullmatch(text.strip().lower())
    if found is None or int(found[3]) > 65535 or (found[1] or transport) != transport:
        raise ConfigError(f"{text!r} is no address to listen on", hint=_how_to_write(text, transport))
    return transport, found[2].strip("[]"), int(found[3])


def version_of(host: str) -> int:
    """4 or 6, for an IP address."""
    return 6 if ":" in host else 4


def _udp_socket(host: str, port: int) -> socket.socket:
    """A bound UDP socket. Of any port (0) it takes one that is free for TCP too. Raises `OSError`."""
    family = socket.AF_INET6 if version_of(host) == 6 else socket.AF_INET
    for last in (*[False] * (_PORT_TRIES - 1), True):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            udp.setblocking(False)
            if family == socket.AF_INET6:
                # Else :: takes IPv4 too, whose senders would look like IPv6 addresses.
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # A burst of calls must not be lost before it is read; the system grants what it allows.
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
            udp.bind((host, port))
        except OSError:
            udp.close()
            raise
        if port or last:
            break
        with socket.socket(family, socket.SOCK_STREAM) as tcp:
            try:
                tcp.bind((host, udp.getsockname()[1]))
            except OSError:
                udp.close()
                continue
        break
    return udp


def _hear_errors(udp: socket.socket) -> select.epoll | None:
    """Have the system say which datagrams were not delivered; None where it cannot (only Linux can). Gives
    what is to be watched in the socket's place: while an error waits, the socket itself is in error for
    whoever polls it, and uvloop then stops reading it for good. Raises `OSError`."""
    if sys.platform != "linux":
        return None
    level, option = (IPV6_LEVEL, IPV6_RECVERR) if udp.family == socket.AF_INET6 else (IP_LEVEL, IP_RECVERR)
    try:
        udp.setsockopt(level, option, 1)
    except OSError:
        return None  # Some that call themselves Linux do not know it.
    watch = select.epoll()
    watch.register(udp, select.EPOLLIN)
    return watch


class Datagrams:
    """The UDP sockets. `listen` with what to do with each datagram, `send`, `close`."""

    def __init__(self, binds: Sequence[str]) -> None:
        """Raises `ConfigError` for what is no IP address, and for two of one family; `SipError` where an
        address cannot be had."""
        self._sockets: dict[int, socket.socket] = {}
        self._watches: dict[int, select.epoll] = {}
        """Where the system says what was not delivered."""
        self._addresses: dict[int, Address] = {}
        self._routes: dict[str, str] = {}
        self._loop = asyncio.get_running_loop()
        self._taken: Callable[[bytes, Address], bool] = lambda _data, _source: False
        try:
            for bind in binds:
                self._bind(bind)
        except (ConfigError, SipError):
            self.close()
            raise

    def _bind(self, bind: str) -> None:
        _, host, port = parse_bind(bind)
        if not is_address(host):
            raise ConfigError(f"{host!r} in {bind!r} is no IP address")
        version = version_of(host)
        if version in self._sockets:
            raise ConfigError(f"{bind!r} is the second of its kind", hint="One for IPv4, one for IPv6")
        try:
            self._sockets[version] = _udp_socket(host, port)
            bound = self._sockets[version].getsockname()
            if (watch := _hear_errors(self._sockets[version])) is not None:
                self._watches[version] = watch
        except OSError as error:
            raise SipError(
                f"cannot listen on {bind}: {error.strerror or error}",
                where="sip",
                hint=LISTEN_ELSEWHERE,
            ) from error

        self._addresses[version] = str(bound[0]), int(bound[1])

    @property
    def versions(self) -> tuple[int, ...]:
        """The families that are served, the first configured first: 4, 6."""
        return tuple(self._sockets)

    def address(self, version: int) -> Address:
        """Where the socket of this family really listens."""
        return self._addresses[version]

    def listen(
        self,
        taken: Callable[[bytes, Address], bool],
        done: Callable[[], None],
        undelivered: Callable[[list[Undelivered]], None],
    ) -> None:
        """Call `taken` for each datagram, until it says that no more are wanted now; `done` after some.
        `undelivered` is told of those that did not arrive, where the system says so."""
        self._taken = taken

        def read(udp: socket.socket) -> bool:
            for _ in range(_DRAIN):
                try:
                    data, source = udp.recvfrom(_DATAGRAM)
                except BlockingIOError:
                    break
                except OSError:  # an ICMP error of something sent earlier; the socket goes on
                    continue
                if not taken(data, source[:2]):
                    return False
            done()
            return True

        def read_all(udp: socket.socket) -> None:
            # Errors last: what has come by now counts as an answer.
            if read(udp) and (news := _errors(udp)):
                undelivered(news)

        for version, udp in self._sockets.items():
            if version in self._watches:
                self._loop.add_reader(self._watches[version], read_all, udp)
            else:
                self._loop.add_reader(udp, read, udp)

    def send(self, data: bytes, host: str, port: int) -> None:
        """Raises `OSError`: `BlockingIOError` for a full buffer, another where it cannot be sent there."""
        version = version_of(host)
        udp = self._sockets.get(version)
        if udp is None:
            raise OSError(f"no socket leads to {host}")
        for last in (*[False] * (_SENDS - 1), True):
            try:
                udp.sendto(data, (host, port))
            except BlockingIOError:
                raise
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise BlockingIOError(error.errno, error.strerror) from error
                # Where errors are heard, the one of an earlier datagram is raised here, once.
                if last or version not in self._watches:
                    raise
            else:
                return

    def local_host(self, there: str) -> str:
        """The address of ours by which `there` reaches this machine."""
        version = version_of(there)
        if version not in self._sockets:
            version = self.versions[0]
        host = self.address(version)[0]
        everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
        if not everywhere or not is_address(there):
            return host
        local = self._routes.get(there)
        if local is None:
            local = self._route_to(there, host)
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            self._routes[there] = local
        return local

    def _route_to(self, there: str, otherwise: str) -> str:
        """Which of this machine's addresses the system would send from; nothing is sent."""
        family = socket.AF_INET6 if ":" in there else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((there, 9))
            except OSError:
                return otherwise
            return str(probe.getsockname()[0])

    def close(self) -> None:
        """Stop listening; may be called more than once."""
        for version, udp in self._sockets.items():
            if udp.fileno() >= 0:
                watch = self._watches.get(version)
                self._loop.remove_reader(udp if watch is None else watch)
                if watch is not None:
                    watch.close()
                udp.close()


def _errors(udp: socket.socket) -> list[Undelivered]:
    """What the system says of datagrams that were not delivered; more than a few are left for later."""
    found = []
    if sys.platform == "linux":
        for _ in range(_DRAIN):
            try:
                quoted, ancillary, _, there = udp.recvmsg(_QUOTED, _ANCILLARY, socket.MSG_ERRQUEUE)
            except OSError:  # BlockingIOError: that was all.
                break
            if (error := read_undelivered(quoted, ancillary, there)) is not None:
                found.append(error)
    return found
