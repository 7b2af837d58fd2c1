"""The edge: one HTTP server for the carriers of one address. Webhooks and media sockets come in here.

    POST /NAME/…             a webhook of the carrier NAME: it checks the signature and answers
    GET  /NAME/stream[/WORD] its media socket

Plain HTTP: TLS is for the proxy in front, which carriers reach. Nothing here knows any carrier.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
from collections.abc import Sequence
from typing import Any

import structlog

from trunkline.clock import Clock
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError
from trunkline.legs.carrier import BODY_LIMIT, Carrier, HasPage, StreamRequest, WebhookRequest
from trunkline.legs.extra import extra
from trunkline.legs.socket_wire import SocketWire
from trunkline.legs.stream import MESSAGE_LIMIT, Heard, Opened, StreamProtocol
from trunkline.legs.websocket_leg import StreamLeg

OPEN_WITHIN = 10.0
"""Seconds in which a socket must say whose stream it is."""
STRANGERS = 256
"""Sockets at once that have not said it yet; more are turned away."""
BAD_MESSAGES = 50
"""Messages that cannot be read, after which a socket is closed."""
_BODY_WITHIN = 10.0
_HEARTBEAT = 20.0
_SIGNS_OF_A_PROXY = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "cf-connecting-ip")
"""Headers that speak of a proxy: behind one, anybody looks like a local program."""

logger = structlog.get_logger(__name__)


class CarrierFront:
    """Made by `open`. Carriers are found by their names, the first part of the path."""

    def __init__(self, carriers: Sequence[Carrier], clock: Clock) -> None:
        self._carriers = {carrier.name: carrier for carrier in carriers}
        self._clock = clock
        self._runner: Any = None
        self._strangers = 0
        self.address = ("", 0)
        """Where it really listens."""

    @classmethod
    async def open(cls, bind: str, carriers: Sequence[Carrier], clock: Clock) -> CarrierFront:
        """Listen at `HOST:PORT` (port 0 for any). Raises `ConfigError` for what is no address and where
        the package for it is missing, `MediaError` where the address cannot be had."""
        web = extra("aiohttp.web")
        host, port = parse_bind(bind)
        front = cls(carriers, clock)
        app = web.Application(client_max_size=BODY_LIMIT)
        app.router.add_get("/", front._home)
        app.router.add_get("/{carrier}/stream", front._socket)
        app.router.add_get("/{carrier}/stream/{token}", front._socket)
        app.router.add_route("*", "/{carrier}/{path:.+}", front._webhook)
        front._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, logger=http_log())
        await front._runner.setup()
        try:
            await web.TCPSite(front._runner, host, port).start()
        except OSError as error:
            await front._runner.cleanup()
            raise cannot_listen(bind, error, "carriers") from error
        front.address = front._runner.addresses[0][:2]
        return front

    async def close(self) -> None:
        """Listen no more. Sockets of calls are closed with their legs, before this."""
        await self._runner.cleanup()

    async def _home(self, _request: Any) -> Any:
        """Whoever types the address alone is led to where there is something to see."""
        web = extra("aiohttp.web")
        for name, carrier in self._carriers.items():
            if isinstance(carrier, HasPage):
                return web.Response(status=302, headers={"Location": f"{name}/{carrier.page}"})
        return web.Response(status=404)

    # --- webhooks -----------------------------------------------------------------------------------

    async def _webhook(self, request: Any) -> Any:
        web = extra("aiohttp.web")
        carrier = self._carriers.get(request.match_info["carrier"])
        if carrier is None:
            return web.Response(status=404)
        try:
            async with asyncio.timeout(_BODY_WITHIN):
                body = await request.read()
            reply = await carrier.webhook(
                WebhookRequest(
                    request.method,
                    request.match_info["path"],
                    request.raw_path,
                    {name.lower(): value for name, value in request.headers.items()},
                    body,
                    request.remote or "",
                    _is_near(request),
                )
            )
        except CallRefused as error:
            logger.warning("webhook refused", carrier=carrier.name, why=error.what, peer=request.remote)
            return web.Response(status=403)
        except ParseError as error:
            logger.warning("webhook not understood", carrier=carrier.name, why=error.what)
            return web.Response(status=400)
        except ConfigError as error:
            logger.error("webhook not answered", carrier=carrier.name, error=error.for_log())
            return web.Response(status=500)
        except TimeoutError:
            return web.Response(status=408)
        return web.Response(
            status=reply.status,
            text=reply.body or None,
            content_type=reply.content_type,
            headers=reply.headers,
        )

    # --- media sockets ------------------------------------------------------------------------------

    async def _socket(self, request: Any) -> Any:
        web = extra("aiohttp.web")
        carrier = self._carriers.get(request.match_info["carrier"])
        if carrier is None:
            return web.Response(status=404)
        origin, near = request.headers.get("origin", ""), _is_near(request)
        asked = StreamRequest(
            request.match_info.get("token", ""),
            near and not origin,
            origin,
            request.headers.get("host", ""),
            request.remote or "",
            near,
        )
        try:
            protocol = carrier.stream(asked)
        except CallRefused as error:
            logger.warning("stream refused", carrier=carrier.name, why=error.what, peer=request.remote)
            return web.Response(status=403)
        if self._strangers >= STRANGERS:
            logger.warning("stream refused", carrier=carrier.name, why="too many unknown ones at once")
            return web.Response(status=503)
        socket = web.WebSocketResponse(
            max_msg_size=MESSAGE_LIMIT, heartbeat=_HEARTBEAT, compress=False, timeout=5.0
        )
        if not socket.can_prepare(request):
            return web.Response(status=426, headers={"Upgrade": "websocket"})
        await socket.prepare(request)
        wire = SocketWire(socket)
        try:
            await self._hold(carrier, asked, protocol, socket, wire)
        finally:
            await wire.finish()
        return socket

    async def _hold(
        self, carrier: Carrier, asked: StreamRequest, protocol: StreamProtocol, socket: Any, wire: SocketWire
    ) -> None:
        """One socket from its first message to its last."""
        self._strangers += 1
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                leg = await self._first(carrier, asked, protocol, socket, wire)
        except (CallRefused, ParseError, TimeoutError) as error:
            why = str(error) or "it did not say whose stream it is"
            logger.warning("stream refused", carrier=carrier.name, why=why)
            wire.close("refused", refused=True)
            return
        finally:
            self._strangers -= 1
        if leg is None:
            return
        try:
            await self._listen(leg, protocol, socket, wire)
        finally:
            leg.detach(wire)

    async def _first(
        self, carrier: Carrier, asked: StreamRequest, protocol: StreamProtocol, socket: Any, wire: SocketWire
    ) -> StreamLeg | None:
        """Until the stream says whose it is; None where the socket closed before. Raises `ParseError`
        for what cannot be read: a stranger is owed no patience."""
        async for message in socket:
            if not isinstance(message.data, str | bytes):
                continue
            happenings = protocol.receive(message.data)
            opened = next((one for one in happenings if isinstance(one, Opened)), None)
            if opened is not None:
                leg = carrier.admit(asked, opened)
                leg.attach(protocol, wire, opened)
                leg.take([one for one in happenings if one is not opened], self._clock.now())
                return leg
            if any(isinstance(one, Heard) for one in happenings):
                raise ParseError("sound before the stream said whose it is", where=carrier.name)
        return None

    async def _listen(self, leg: StreamLeg, protocol: StreamProtocol, socket: Any, wire: SocketWire) -> None:
        bad = 0
        async for message in socket:
            at = self._clock.now()
            if not isinstance(message.data, str | bytes):
                continue
            try:
                leg.take(protocol.receive(message.data), at)
            except (ParseError, MediaError) as error:
                bad += 1
                if bad == 1:
                    logger.warning("message passed over", call_id=leg.info.call_id, why=error.what)
                if bad > BAD_MESSAGES:
                    logger.warning("stream closed", call_id=leg.info.call_id, why="it makes no sense")
                    wire.close("too many messages that cannot be read", refused=True)
                    return


def cannot_listen(bind: str, error: OSError, where: str) -> MediaError:
    """What to tell where an address cannot be had."""
    why = "another program has it" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
    hint = "Choose another HOST:PORT of this machine, or stop what has this one"
    return MediaError(f"cannot listen at {bind}: {why}", where=where, hint=hint)


class _NoGarbage(logging.Filter):
    """Keeps out what strangers send that is no HTTP: each would be a traceback, and none a fault of ours.
    The first is told in a line."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, extra("aiohttp.http_exceptions").HttpProcessingError):
            return True
        if not self._told:
            self._told = True
            logger.warning("what came is no HTTP; more like it is not told", why=type(error).__name__)
        return False


def http_log() -> logging.Logger:
    """Where the HTTP server tells what goes wrong in it, one for each front."""
    log = logging.Logger("trunkline.legs.http", logging.WARNING)
    log.parent = logging.getLogger()
    log.addFilter(_NoGarbage())
    return log


def parse_bind(bind: str) -> tuple[str, int]:
    """`HOST:PORT`, an IPv6 host in brackets. Raises `ConfigError` for anything else."""
    host, colon, port = bind.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"{bind!r} is not of the form HOST:PORT", hint="Such as 127.0.0.1:8080")
    return host, int(port)


def _is_near(request: Any) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    if not peer or any(name in request.headers for name in _SIGNS_OF_A_PROXY):
        return False
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
