"""What an Asterisk is told over REST: channels, bridges, and external media that is waited for."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import structlog

from trunkline.errors import SipError
from trunkline.legs.ari import AriSettings
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carrier_http import CarrierApi
from trunkline.legs.stream import text

ENTER_WITHIN = 5.0
"""Seconds until a channel of external media must be there."""
MARK = "trunkline-"
"""How the ids of channels that are ours begin, so that none is taken for a caller."""

logger = structlog.get_logger(__name__)


class BridgedCall:
    """What a call is at Asterisk: the caller's channel, one of external media, a bridge that holds both.
    Their ids are ours to choose, so that each can be ended without asking for it first."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.bridge = f"{MARK}bridge-{secrets.token_hex(8)}"
        self.bridged = False
        """The bridge is there, with the caller in it."""
        self.media_channel = ""
        self.leg: CarriedLeg | None = None
        self.renew_media()

    def renew_media(self) -> None:
        """Another id for its external media. Nobody can guess it."""
        self.media_channel = f"{MARK}media-{secrets.token_hex(16)}"


class AriCommands:
    """Requests, and the channels of ours that are expected to enter the application."""

    def __init__(self, name: str, settings: AriSettings) -> None:
        self._name = name
        self._settings = settings
        self._api = CarrierApi(name, settings.url, self.authorization)
        self._expected: dict[str, asyncio.Future[int]] = {}

    def authorization(self) -> str:
        """The header that shows who we are; what Asterisk shows us too."""
        pair = f"{self._settings.username}:{self._settings.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    async def close(self) -> None:
        await self._api.close()

    async def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: str
    ) -> Mapping[str, Any]:
        """One request. Raises `SipError`."""
        return await self._api.ask(method, path, body, query)

    async def end_channel(self, channel: str, reason: str) -> None:
        """End a channel, which may have ended already."""
        await self._end(f"/channels/{quote(channel, safe='')}", "channel not ended", reason=reason)

    async def end_bridge(self, bridge: str) -> None:
        """End a bridge, which may have ended already, or never been."""
        await self._end(f"/bridges/{bridge}", "bridge not ended")

    async def _end(self, path: str, otherwise: str, **query: str) -> None:
        try:
            await self._api.end(self.ask("DELETE", path, None, **query))
        except SipError as error:
            logger.warning(otherwise, carrier=self._name, error=error.for_log())

    async def join(self, call: BridgedCall) -> None:
        """Put the caller and the external media into the call's bridge."""
        joining = call.media_channel
        if not call.bridged:
            await self.ask("POST", "/bridges", type="mixing", bridgeId=call.bridge)
            joining = f"{call.channel},{joining}"
        await self.ask("POST", f"/bridges/{call.bridge}/addChannel", channel=joining)
        call.bridged = True

    async def variable(self, channel: str, name: str) -> str:
        said = await self.ask("GET", f"/channels/{channel}/variable", variable=name)
        return text(said, "value")

    # --- channels that are to enter -----------------------------------------------------------------

    async def external_media(self, call: BridgedCall, **how: str) -> Mapping[str, Any]:
        """Ask for the call's external media; what Asterisk says of its channel. `await_media` follows."""
        self.expect(call.media_channel)
        settings = self._settings
        return await self.ask(
            "POST",
            "/channels/externalMedia",
            None,
            channelId=call.media_channel,
            app=settings.app,
            format=settings.format,
            **how,
        )

    async def await_media(self, call: BridgedCall) -> None:
        """Until the external media that was asked for is in the application. Raises `SipError`."""
        entered = self._expected[call.media_channel]
        try:
            async with asyncio.timeout(ENTER_WITHIN):
                if await entered:
                    raise SipError("Asterisk's external media ended at once", where=self._name)
        except TimeoutError as error:
            raise SipError("Asterisk's external media did not come", where=self._name) from error
        finally:
            self.forget(call.media_channel)

    def expect(self, channel: str) -> asyncio.Future[int]:
        """What becomes of this channel of ours: 0 as it enters, or the cause of its end."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._expected[channel] = future
        return future

    def forget(self, channel: str) -> None:
        self._expected.pop(channel, None)

    def became(self, channel: str, what: int) -> bool:
        """Tell whoever expects this channel; gives whether anybody does."""
        expected = self._expected.get(channel)
        if expected is None or expected.done():
            return False
        expected.set_result(what)
        return True
