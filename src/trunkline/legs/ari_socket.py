"""The edge of external media over a WebSocket (`chan_websocket.py`): sockets that we open to Asterisk, or
that it opens to us.

We open them to `/media/ID` beside ARI itself, with an id that Asterisk made for this one channel. Those that
it opens show the name and password of its user in ari.conf, which stand in its websocket_client.conf too, and
say in their first message which channel they are for: one that we expect just now, whose id nobody can guess.
A socket that breaks off takes its channel with it; another channel is asked for, into the same bridge.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog

from trunkline.errors import CallRefused, MediaError, ParseError, SipError, TrunklineError
from trunkline.legs.ari import AriSettings
from trunkline.legs.ari_commands import ENTER_WITHIN, AriCommands, BridgedCall
from trunkline.legs.ari_media import check_format
from trunkline.legs.call_control import CallControl, Phase
from trunkline.legs.carrier_front import (
    BAD_MESSAGES,
    OPEN_WITHIN,
    STRANGERS,
    cannot_listen,
    http_log,
    parse_bind,
)
from trunkline.legs.chan_websocket import FORMATS, SUBPROTOCOL, ChanWebsocketStream
from trunkline.legs.extra import extra
from trunkline.legs.leg import LegInfo
from trunkline.legs.socket_wire import SocketWire
from trunkline.legs.stream import MESSAGE_LIMIT, Opened, text
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.websocket_leg import StreamLeg

AGAIN = (0.0, 0.5, 1.0, 2.0)
"""Seconds before each attempt to have a socket again that broke off; the last again and again."""
_HEARTBEAT = 20.0
_CONNECTION_ID = "MEDIA_WEBSOCKET_CONNECTION_ID"

logger = structlog.get_logger(__name__)


class MediaSocket:
    """One socket, either way it came. `begin` it, then `hold` it for a leg to its end."""

    def __init__(self, socket: Any, wanted: str) -> None:
        self.protocol = ChanWebsocketStream(wanted)
        self.wire = SocketWire(socket)
        self.over = asyncio.Event()
        """It was held to its end, or refused."""
        self._socket = socket

    async def begin(self) -> Opened:
        """What its first message says. Raises `ParseError` for anything else."""
        try:
            async with asyncio.timeout(OPEN_WITHIN):
                message = (await self._socket.receive()).data
        except TimeoutError as error:
            raise ParseError("a socket that said nothing", where="ari") from error
        happenings = self.protocol.receive(message) if isinstance(message, str) else []
        if len(happenings) != 1 or not isinstance(happenings[0], Opened):
            raise ParseError("a socket that did not begin with MEDIA_START", where="ari")
        return happenings[0]

    async def hold(self, leg: StreamLeg, now: Callable[[], float]) -> None:
        """Its messages to the leg, until it is over."""
        bad = 0
        try:
            async for message in self._socket:
                at = now()
                if not isinstance(message.data, str | bytes):
                    continue
                try:
                    leg.take(self.protocol.receive(message.data), at)
                except (ParseError, MediaError) as error:
                    bad += 1
                    if bad == 1:
                        logger.warning("message passed over", call_id=leg.info.call_id, why=error.what)
                    if bad > BAD_MESSAGES:
                        logger.warning("stream closed", call_id=leg.info.call_id, why="it makes no sense")
                        self.wire.close("too many messages that cannot be read", refused=True)
                        return
        finally:
            leg.detach(self.wire)
            await self.finish()

    async def finish(self) -> None:
        await self.wire.finish()
        self.over.set()


class SocketMedia:
    """External media over WebSockets."""

    def __init__(self, settings: AriSettings, board: Switchboard, asterisk: AriCommands) -> None:
        self._settings = settings
        self._board = board
        self._asterisk = asterisk
        self._session: Any = None
        self._runner: Any = None
        self._awaited: dict[str, asyncio.Future[tuple[MediaSocket, Opened]]] = {}
        """Channels whose socket Asterisk is to open."""
        self._strangers = 0
        self._held: set[asyncio.Task[None]] = set()
        self.address = ("", 0)
        """Where Asterisk's sockets are taken."""

    async def open(self) -> None:
        aiohttp = extra("aiohttp")
        check_format(FORMATS[self._settings.format].codec)
        if self._settings.websocket_bind:
            await self._listen(self._settings.websocket_bind)
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Sockets of calls are closed with their legs, before this."""
        if self._runner is not None:
            await self._runner.cleanup()
        await asyncio.gather(*self._held, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def leg(self, info: LegInfo, control: CallControl) -> StreamLeg:
        rate = FORMATS[self._settings.format].rate
        ours = info.direction == "outbound"
        board = self._board
        return board.place(info, control, rate=rate) if ours else board.ring(info, control, rate=rate)

    async def bring(self, call: BridgedCall) -> None:
        leg = call.leg
        assert isinstance(leg, StreamLeg)
        socket: MediaSocket | None = None
        try:
            if self._settings.websocket_bind:
                socket, opened = await self._be_connected(call)
            else:
                socket = MediaSocket(await self._connect(call), self._settings.format)
                opened = await socket.begin()
            await self._asterisk.await_media(call)
            await self._asterisk.join(call)
            leg.attach(socket.protocol, socket.wire, opened)
        except BaseException:  # cancelled, too: no socket is to stay behind; raised again
            self._asterisk.forget(call.media_channel)
            if socket is not None:
                await socket.finish()
            raise
        task = asyncio.get_running_loop().create_task(
            socket.hold(leg, self._board.clock.now), name=f"ari media {call.channel}"
        )
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def bring_again(self, call: BridgedCall) -> None:
        """Until it is back, or the leg's own limit has ended the call."""
        attempt = 0
        while call.leg is not None and call.leg.phase is Phase.AWAY:
            await self._board.clock.sleep(AGAIN[min(attempt, len(AGAIN) - 1)])
            attempt += 1
            call.renew_media()
            try:
                await self.bring(call)
            except TrunklineError as error:
                logger.warning("media not back yet", call_id=call.channel, error=error.for_log())
                await self._asterisk.end_channel(call.media_channel, "normal")

    # --- sockets that we open -----------------------------------------------------------------------

    async def _connect(self, call: BridgedCall) -> Any:
        """Raises `SipError`."""
        aiohttp = extra("aiohttp")
        said = await self._asterisk.external_media(
            call,
            external_host="INCOMING",
            encapsulation="none",
            transport="websocket",
            connection_type="server",
        )
        variables = said.get("channelvars")
        ident = text(variables, _CONNECTION_ID) if isinstance(variables, dict) else ""
        ident = ident or await self._asterisk.variable(call.media_channel, _CONNECTION_ID)
        if not ident:
            raise SipError("Asterisk did not say where its sound is to be had", where="ari")
        base = self._settings.url.rstrip("/").removesuffix("/ari")
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                return await self._session.ws_connect(
                    f"ws{base.removeprefix('http')}/media/{quote(ident, safe='')}",
                    protocols=(SUBPROTOCOL,),
                    heartbeat=_HEARTBEAT,
                    max_msg_size=MESSAGE_LIMIT,
                    timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SipError(
                f"Asterisk's media socket could not be opened ({type(error).__name__})",
                where="ari",
                hint="Its modules chan_websocket and res_http_websocket must be loaded.",
            ) from error

    # --- sockets that Asterisk opens ----------------------------------------------------------------

    async def _listen(self, bind: str) -> None:
        web = extra("aiohttp.web")
        host, port = parse_bind(bind)
        app = web.Application()
        app.router.add_get("/{path:.*}", self._connected)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, logger=http_log())
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise cannot_listen(bind, error, "ari.websocket_bind") from error
        self._runner = runner
        self.address = runner.addresses[0][:2]

    async def _be_connected(self, call: BridgedCall) -> tuple[MediaSocket, Opened]:
        """Raises `SipError`."""
        arriving: asyncio.Future[tuple[MediaSocket, Opened]] = asyncio.get_running_loop().create_future()
        channel = call.media_channel
        self._awaited[channel] = arriving
        try:
            await self._asterisk.external_media(
                call,
                external_host=self._settings.websocket_client,
                encapsulation="none",
                transport="websocket",
                connection_type="client",
            )
            async with asyncio.timeout(ENTER_WITHIN):
                return await asyncio.shield(arriving)
        except TimeoutError as error:
            raise SipError(
                "Asterisk opened no media socket",
                where="ari",
                hint=f"[{self._settings.websocket_client}] of its websocket_client.conf must lead here.",
            ) from error
        finally:
            del self._awaited[channel]
            if not arriving.done():
                arriving.cancel()

    async def _connected(self, request: Any) -> Any:
        web = extra("aiohttp.web")
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), self._asterisk.authorization().encode()):
            why = "not our Asterisk's name and password"
            logger.warning("stream refused", carrier="ari", why=why, peer=request.remote)
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic"})
        if self._strangers >= STRANGERS:
            logger.warning("stream refused", carrier="ari", why="too many unknown ones at once")
            return web.Response(status=503)
        socket = web.WebSocketResponse(
            max_msg_size=MESSAGE_LIMIT,
            heartbeat=_HEARTBEAT,
            compress=False,
            timeout=5.0,
            protocols=(SUBPROTOCOL,),
        )
        if not socket.can_prepare(request):
            return web.Response(status=426, headers={"Upgrade": "websocket"})
        await socket.prepare(request)
        await self._arrive(MediaSocket(socket, self._settings.format))
        return socket

    async def _arrive(self, socket: MediaSocket) -> None:
        """Hand a socket to whoever awaits it, and wait for its end."""
        self._strangers += 1
        try:
            opened = await socket.begin()
            arriving = self._awaited.get(opened.call_id)
            if not opened.call_id:
                why = "it does not say its channel: Asterisk 20.18, 22.8, 23.2 or later does"
                raise CallRefused(why, where="ari")
            if arriving is None or arriving.done():
                raise CallRefused("a stream for a channel that nobody asked for", where="ari")
        except (ParseError, CallRefused) as error:
            logger.warning("stream refused", carrier="ari", why=error.what)
            socket.wire.close("refused", refused=True)
            await socket.finish()
            return
        finally:
            self._strangers -= 1
        arriving.set_result((socket, opened))
        await socket.over.wait()
