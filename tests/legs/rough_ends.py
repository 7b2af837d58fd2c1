"""Far ends that are bad ones: streams that break off, and come back as each carrier has them come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from legs.ari_ends import answered as ari_answered
from legs.ari_ends import asterisk
from legs.browser_ends import PageSocket, browsers, socket_answered, start
from legs.carrier_ends import (
    PUBLIC,
    TwilioEnd,
    twilio_connect,
    twilio_post,
    twilio_settings,
    values,
    world,
)
from legs.far_ends import FarEnd, until
from legs.telnyx_ends import TelnyxEnd, telnyx_answered, telnyx_connect, telnyx_settings
from legs.vonage_ends import CALL as VONAGE_CALL
from legs.vonage_ends import VonageEnd, vonage_connect, vonage_post, vonage_settings
from trunkline.legs import ari_socket
from trunkline.legs.call_control import StreamSettings

Speak = Callable[[bytes, int], Awaitable[None]]


@dataclass
class RoughCall:
    """A call that is up. `break_off` ends its socket, `come_back` is what the carrier does then; where it
    is to do nothing, `stay_away` tells it so. `speak_as`: 20 ms under a number, where the carrier counts."""

    far: FarEnd
    break_off: Callable[[], Awaitable[Any]]
    come_back: Callable[[], Awaitable[FarEnd]]
    speak_as: Speak | None = None
    stay_away: Callable[[], None] = lambda: None


OpenRough = Callable[[StreamSettings | None], AbstractAsyncContextManager[RoughCall]]


@asynccontextmanager
async def rough_twilio(times: StreamSettings | None) -> AsyncIterator[RoughCall]:
    said = {"CallSid": "CA1", "From": "+15551110000", "To": "+15550001111"}
    async with world(twilio_settings, times) as here:
        _, document = await twilio_post(here, "/twilio/voice", said)
        name, value, redirect = values(document, ("name", "value", "Redirect"))
        leg = await here.next_call()
        end = TwilioEnd(await twilio_connect(here, "CA1", {name: value}), leg, "CA1")
        await leg.answer()
        ends = [end]

        async def come_back() -> FarEnd:
            _, document = await twilio_post(here, redirect.removeprefix(PUBLIC), said)
            name, value = values(document, ("name", "value"))
            ends.append(TwilioEnd(await twilio_connect(here, "CA1", {name: value}), leg, "CA1"))
            return ends[-1]

        async def speak_as(pcm: bytes, number: int) -> None:
            end.chunk = number - 1
            await end.speak(pcm)

        yield RoughCall(end, end.close, come_back, speak_as)
        for each in ends:
            await each.close()


def rough_telnyx(**settings: Any) -> OpenRough:
    codec, rate = settings.get("codec", "PCMU"), settings.get("rate", 8000)

    @asynccontextmanager
    async def opened(times: StreamSettings | None) -> AsyncIterator[RoughCall]:
        async with world(lambda api: telnyx_settings(api, **settings), times) as here:
            end = await telnyx_answered(here, codec, rate)
            ends = [end]

            async def come_back() -> FarEnd:
                asked = await here.api.asked_for("/actions/streaming_start")
                socket = await telnyx_connect(here, asked["stream_url"], encoding=codec, rate=rate)
                ends.append(TelnyxEnd(socket, end.leg, codec=codec))
                return ends[-1]

            async def speak_as(pcm: bytes, number: int) -> None:
                end.chunk = number - 1
                await end.speak(pcm)

            yield RoughCall(end, end.close, come_back, speak_as)
            for each in ends:
                await each.close()

    return opened


@asynccontextmanager
async def rough_vonage(times: StreamSettings | None) -> AsyncIterator[RoughCall]:
    said = {"uuid": VONAGE_CALL, "from": "15551110000", "to": "15550001111", "conversation_uuid": "CON-1"}
    async with world(vonage_settings, times) as here:
        _, ncco = await vonage_post(here, "/vonage/answer", said)
        leg = await here.next_call()
        end = VonageEnd(here, await vonage_connect(here, ncco), leg)
        await leg.answer()
        ends = [end]

        async def come_back() -> FarEnd:
            told = {"uuid": VONAGE_CALL, "status": "disconnected", "conversation_uuid": "CON-1"}
            (events,) = ncco[0]["eventUrl"]
            _, again = await vonage_post(here, events.removeprefix(PUBLIC), told)
            ends.append(VonageEnd(here, await vonage_connect(here, again), leg))
            return ends[-1]

        yield RoughCall(end, end.close, come_back)
        for each in ends:
            await each.close()


@asynccontextmanager
async def rough_browser(times: StreamSettings | None) -> AsyncIterator[RoughCall]:
    async with browsers(times) as here:
        end = await socket_answered(here)
        ends = [end]

        async def come_back() -> FarEnd:
            socket = await here.socket("/browser/stream")
            await socket.send_str(start(again=True))
            ends.append(PageSocket(socket, end.leg))
            return ends[-1]

        yield RoughCall(end, end.close, come_back)
        for each in ends:
            await each.close()


@asynccontextmanager
async def rough_asterisk(times: StreamSettings | None) -> AsyncIterator[RoughCall]:
    """Its WebSocket channel, which we have made again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ari_socket, "AGAIN", (0.0, 0.01))
        async with asterisk(times, media="websocket") as (here, _, board):
            end = await ari_answered(here, board)
            first = end.media

            async def come_back() -> FarEnd:
                await until(lambda: first.channel_id not in here.channels)
                await until(lambda: any(one.socket and one.socket.socket for one in here.channels.values()))
                return end

            def stay_away() -> None:
                here.refuse["/media"] = 503

            async def break_off() -> None:
                await first.socket.close()

            yield RoughCall(end, break_off, come_back, stay_away=stay_away)
            here.refuse.clear()
            await end.leg.hang_up()
            await until(lambda: len(here.channels) <= 1)
