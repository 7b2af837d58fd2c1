"""Calls of an Asterisk over ARI: its events over a WebSocket, commands over REST (`ari_commands.py`), sound
over RTP or a WebSocket (`ari_media.py`, `ari_socket.py`).

Each call is three things at Asterisk: the caller's channel, a channel of external media, and a bridge that
holds both.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Mapping
from urllib.parse import quote

import structlog

from trunkline.errors import CallRefused, ConfigError, ParseError, SipError, TrunklineError
from trunkline.events import Dtmf
from trunkline.legs.ari import (
    AriEvent,
    AriSettings,
    Entered,
    KeyPressed,
    Left,
    Rings,
    meaning,
    read_event,
)
from trunkline.legs.ari_commands import ENTER_WITHIN, MARK, AriCommands, BridgedCall
from trunkline.legs.ari_media import AriMedia, RtpMedia
from trunkline.legs.ari_socket import SocketMedia
from trunkline.legs.call_control import Phase
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carrier import need
from trunkline.legs.carrier_http import ApiRefused
from trunkline.legs.extra import extra
from trunkline.legs.leg import Can, LegInfo, TransferResult
from trunkline.legs.switchboard import Switchboard

RECONNECT = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts to get Asterisk's events; the last again and again."""
_EVENT_BYTES = 256 * 1024

logger = structlog.get_logger(__name__)


class AriCall(BridgedCall):
    """The hand on one call. `channel`: the caller's."""

    can = frozenset({Can.TRANSFER, Can.SEND_DTMF})

    def __init__(self, ari: Ari, channel: str, *, inbound: bool) -> None:
        super().__init__(channel)
        self.inbound = inbound
        self.there = inbound
        """Asterisk knows the channel; one that we asked for, once it has said so."""
        self.taken = False
        self.joined = ""
        """The channel that the caller was handed over to."""
        self.calling = ""
        """The channel that a transfer calls just now."""
        self._ari = ari

    async def answer(self) -> None:
        if self.inbound and not self.taken:
            self.taken = True
            await self._ari.asterisk.ask("POST", f"/channels/{quote(self.channel, safe='')}/answer")
            await self._ari.bring_media(self)

    async def send_dtmf(self, digits: str) -> None:
        path = f"/channels/{quote(self.channel, safe='')}/dtmf"
        await self._ari.asterisk.ask("POST", path, dtmf=digits)

    async def transfer(self, target: str) -> TransferResult:
        return await self._ari.hand_over(self, target)

    async def stream_broke_off(self) -> None:
        await self._ari.media.bring_again(self)

    async def hang_up(self) -> None:
        busy = self.inbound and not self.taken
        await self._ari.end_call(self, "busy" if busy else "normal")


class Ari:
    """Made by `open`. Calls are announced on the board as their channels enter our application."""

    name = "ari"

    def __init__(self, settings: AriSettings, board: Switchboard) -> None:
        self._settings = settings
        self._board = board
        self.asterisk = AriCommands(self.name, settings)
        kind = SocketMedia if settings.media == "websocket" else RtpMedia
        self.media: AriMedia = kind(settings, board, self.asterisk)
        self._calls: dict[str, AriCall] = {}
        """By the channels of callers, and of those whom they were handed over to."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: AriSettings, board: Switchboard) -> Ari:
        """Begin to listen; an Asterisk that is not there yet is waited for. Raises `ConfigError`."""
        extra("aiohttp")
        if not settings.url.startswith(("http://", "https://")):
            raise ConfigError(f"{settings.url!r} is no address", where="ari.url")
        if "{number}" not in settings.dial:
            raise ConfigError("does not say where the number goes", where="ari.dial", hint="PJSIP/{number}")
        need(settings.username, "ari.username", "lead an Asterisk")
        need(settings.password, "ari.password", "lead an Asterisk")
        ari = cls(settings, board)
        await ari.media.open()
        ari._listening = asyncio.get_running_loop().create_task(ari._listen(), name="ari events")
        return ari

    @property
    def address(self) -> tuple[str, int]:
        """Where the Asterisk is that is led."""
        host, _, port = self._settings.url.split("/")[2].rpartition(":")
        return (host, int(port)) if host and port.isdigit() else (self._settings.url.split("/")[2], 0)

    async def connected(self) -> None:
        """Until Asterisk's events come."""
        await self._connected.wait()

    async def close(self) -> None:
        """Listen no more. Calls are ended with the board, before this."""
        if self._listening is not None:
            self._listening.cancel()
        await asyncio.gather(*([self._listening] if self._listening else []), return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.media.close()
        await self.asterisk.close()

    # --- events -------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Asterisk's events, for as long as we live: a connection that breaks off is opened again."""
        aiohttp = extra("aiohttp")
        failed = 0
        while True:
            try:
                async with (
                    aiohttp.ClientSession() as session,
                    session.ws_connect(
                        f"{self._settings.url.rstrip('/')}/events",
                        params={"app": self._settings.app},
                        headers={"Authorization": self.asterisk.authorization()},
                        heartbeat=20.0,
                        max_msg_size=_EVENT_BYTES,
                        timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
                    ) as socket,
                ):
                    failed = 0
                    self._connected.set()
                    self._keep(self._look_after_calls(), "ari calls")
                    async for message in socket:
                        if isinstance(message.data, str):
                            self._take_message(message.data)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                if failed == 0:
                    logger.warning(
                        "no events of Asterisk", where=self._settings.url, why=type(error).__name__
                    )
            self._connected.clear()
            await self._board.clock.sleep(RECONNECT[min(failed, len(RECONNECT) - 1)])
            failed += 1

    def _take_message(self, message: str) -> None:
        try:
            event = read_event(message)
        except ParseError as error:
            logger.warning("event passed over", carrier=self.name, why=error.what)
            return
        if event is not None:
            self._take(event)

    def _take(self, event: AriEvent) -> None:
        match event:
            case Entered(channel):
                if self.asterisk.became(channel, 0):
                    pass
                elif (call := self._calls.get(channel)) is not None and not call.inbound:
                    self._keep(self._dialled(call), f"ari media {channel}")
                elif not channel.startswith(MARK):
                    self._ring(event)
            case Rings(channel):
                call = self._calls.get(channel)
                if call is not None and call.leg is not None:
                    call.leg.ring()
            case KeyPressed(channel, digit):
                call = self._calls.get(channel)
                if call is not None and call.leg is not None and channel == call.channel:
                    call.leg.pressed(Dtmf(self._board.clock.now(), digit))
            case Left(channel, cause):
                self._left(channel, cause)

    def _ring(self, entered: Entered) -> None:
        call = AriCall(self, entered.channel, inbound=True)
        variables = {**entered.variables, **_named(entered.arguments)}
        info = LegInfo(entered.channel, "inbound", entered.caller, entered.callee, self.name, variables)
        try:
            call.leg = self.media.leg(info, call)
        except CallRefused as error:
            logger.warning("call refused", carrier=self.name, why=error.what)
            self._keep(self.asterisk.end_channel(entered.channel, "congestion"), "ari refusal")
            return
        self._calls[entered.channel] = call

    def _left(self, channel: str, cause: int) -> None:
        self.asterisk.became(channel, cause or 16)
        call = self._calls.pop(channel, None)
        if call is None:
            return
        if call.leg is not None and channel == call.channel:
            call.leg.end(meaning(cause)[0])
            self.asterisk.became(call.calling, cause or 16)
        self._keep(self._clear_away(call), "ari end")

    async def _look_after_calls(self) -> None:
        """Events were missed while we were away: calls whose channels are gone have ended."""
        for channel in [channel for channel, call in self._calls.items() if call.there]:
            try:
                await self.asterisk.ask("GET", f"/channels/{quote(channel, safe='')}")
            except ApiRefused as error:
                if error.status == 404:
                    self._left(channel, 0)
            except SipError:
                return  # Asterisk is away again; the next connection looks again.

    # --- a call's media -----------------------------------------------------------------------------

    async def _dialled(self, call: AriCall) -> None:
        """A call of our own was taken."""
        try:
            await self.bring_media(call)
        except TrunklineError as error:
            assert call.leg is not None
            call.leg.end(error.what)
            await self.asterisk.end_channel(call.channel, "normal")

    async def bring_media(self, call: AriCall) -> None:
        """Have the caller's sound brought to us. Raises `SipError`, `MediaError`, `ParseError`."""
        try:
            await self.media.bring(call)
        except BaseException:  # cancelled, too: no channel is to stay behind; raised again
            await self._clear_away(call)
            raise

    async def end_call(self, call: AriCall, reason: str) -> None:
        """Hang up on the caller, and leave nothing of the call."""
        self._calls.pop(call.channel, None)
        await self.asterisk.end_channel(call.channel, reason)
        self._keep(self._clear_away(call), "ari end")

    async def _clear_away(self, call: AriCall) -> None:
        """End everything of a call that is not the channel whose end brought us here."""
        for channel in (call.channel, call.media_channel, call.joined, call.calling):
            if channel:
                self._calls.pop(channel, None)
                await self.asterisk.end_channel(channel, "normal")
        await self.asterisk.end_bridge(call.bridge)

    # --- commands -----------------------------------------------------------------------------------

    async def dial(self, number: str, *, caller: str = "", variables: Mapping[str, str]) -> CarriedLeg:
        """Call a number, or an endpoint as Asterisk writes them (`PJSIP/desk`)."""
        channel = f"{MARK}call-{secrets.token_hex(8)}"
        call = AriCall(self, channel, inbound=False)
        sender = caller or self._settings.caller_id
        info = LegInfo(channel, "outbound", sender, number, self.name, dict(variables))
        leg = call.leg = self.media.leg(info, call)
        self._calls[channel] = call
        try:
            await self._originate(channel, number, sender, variables)
            call.there = True
        except SipError as error:
            self._calls.pop(channel, None)
            leg.end(error.what)
            raise
        return leg

    async def _originate(
        self, channel: str, target: str, caller: str, variables: Mapping[str, str] | None = None
    ) -> None:
        settings = self._settings
        await self.asterisk.ask(
            "POST",
            "/channels",
            {"variables": dict(variables or {})},
            endpoint=settings.endpoint(target),
            app=settings.app,
            appArgs="ours",
            channelId=channel,
            timeout=str(settings.ring_timeout),
            **({"callerId": caller} if caller else {}),
        )

    async def hand_over(self, call: AriCall, target: str) -> TransferResult:
        """Call the target; when it is taken, put it in the bridge in our place."""
        leg = call.leg
        assert leg is not None
        channel = call.calling = f"{MARK}target-{secrets.token_hex(8)}"
        entered = self.asterisk.expect(channel)
        try:
            await self._originate(channel, target, leg.info.caller or self._settings.caller_id)
            async with asyncio.timeout(self._settings.ring_timeout + ENTER_WITHIN):
                cause = await entered
            if cause:
                # The target ended, or the caller did while it rang.
                await self.asterisk.end_channel(channel, "normal")
                return meaning(cause)[1]
            call.joined = channel
            self._calls[channel] = call
            await self.asterisk.ask("POST", f"/bridges/{call.bridge}/addChannel", channel=channel)
            await self.asterisk.end_channel(call.media_channel, "normal")
        except TimeoutError:
            await self.asterisk.end_channel(channel, "normal")
            return TransferResult.NO_ANSWER
        except BaseException:  # cancelled, too: nobody is to go on being rung; raised again
            call.joined = ""
            self._calls.pop(channel, None)
            await self.asterisk.end_channel(channel, "normal")
            raise
        finally:
            call.calling = ""
            self.asterisk.forget(channel)
        return TransferResult.FAILED if leg.phase is Phase.OVER else TransferResult.TRANSFERRED

    def _keep(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _named(arguments: tuple[str, ...]) -> dict[str, str]:
    """Arguments of Stasis() of the form name=value, which become the call's variables."""
    pairs = [one.partition("=") for one in arguments]
    return {name: value for name, found, value in pairs if found and name}
