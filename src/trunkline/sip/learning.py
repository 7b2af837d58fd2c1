"""The edge of STUN: asks a server, again and again, by which address it sees our SIP sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from trunkline.clock import Clock
from trunkline.errors import ParseError, SipError
from trunkline.sip.datagrams import Address, Datagrams, version_of
from trunkline.sip.hop import Hop
from trunkline.sip.stun import Binding
from trunkline.sip.uri import Uri, parse_uri

logger = structlog.get_logger("sip")

_ASK_AGAIN_SECONDS = 25.0
"""Often enough to keep a NAT's mapping (RFC 5626 §4.4.2 says 24 to 29 s) and to see it change."""
_LEARN_SECONDS = 4.0
"""For so long opening waits for the STUN server; it goes on being asked after that."""


class OutsideAddress:
    """What STUN says of us. `begin` it, give it what comes with `receive`; `close` it."""

    def __init__(self, clock: Clock, datagrams: Datagrams, locate: Callable[[Uri], Awaitable[Hop]]) -> None:
        self.learned: dict[int, Address] = {}
        """Our address from outside, by family: 4, 6."""
        self.server: Address | None = None
        """Who answered last; None where nobody does."""
        self.moved: Callable[[], None] = lambda: None
        """Told when it is another one than before."""
        self._clock = clock
        self._datagrams = datagrams
        self._locate = locate
        self._task: asyncio.Task[None] | None = None
        self._binding: Binding | None = None
        self._asked: Address = "", 0
        self._told = asyncio.Event()

    async def begin(self, server: str) -> None:
        """Ask `server`, `HOST[:PORT]`, and go on asking. What it does not say in time is only logged: a
        machine without NAT works all the same."""
        uri = parse_uri(f"sip:{server}")
        # The port of RFC 8489 §8.1; with a port in it, only addresses are asked for.
        uri = uri if uri.port else replace(uri, port=3478)
        self._task = asyncio.get_running_loop().create_task(self._keep_asking(uri), name="sip stun")
        try:
            async with asyncio.timeout(_LEARN_SECONDS):
                await self._told.wait()
        except TimeoutError:
            logger.warning("the STUN server does not answer", server=server)

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_asking(self, uri: Uri) -> None:
        found = True
        while True:
            try:
                place = await self._locate(uri)
            except SipError as error:
                if found:  # said once, not every 25 s
                    logger.warning("the STUN server is not found", error=error.what)
                found = False
            else:
                found = True
                await self._ask(place)
            await self._clock.sleep(_ASK_AGAIN_SECONDS)

    async def _ask(self, place: Hop) -> None:
        binding = self._binding = Binding(self._clock.now())
        self._asked = place.host, place.port
        while self._binding is binding:
            try:
                self._datagrams.send(binding.request, place.host, place.port)
            except OSError as error:
                logger.debug("stun", error=str(error))
            await self._clock.sleep(max(0.0, binding.due - self._clock.now()))
            if not binding.again(self._clock.now()):
                self.server = None
                break

    def receive(self, data: bytes) -> bool:
        """Take a STUN message; False for one that is no answer to our question."""
        if self._binding is None:
            return False
        try:
            address = self._binding.receive(data)
        except ParseError as error:
            logger.warning("the STUN server's answer cannot be used", error=error.what)
            self._binding = None
            return True
        if address is None:
            return False
        self._binding = None
        self.server = self._asked
        version = version_of(address[0])
        before = self.learned.get(version)
        if before != address:
            logger.info("our address from outside", host=address[0], port=address[1])
            self.learned[version] = address
            if before is not None:
                self.moved()
        self._told.set()
        return True
