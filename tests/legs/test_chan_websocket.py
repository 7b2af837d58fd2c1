"""Asterisk's WebSocket channel: its messages, and what goes wrong with its sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.ari_ends import AsteriskEnd, aiohttp, answered, asterisk
from legs.far_ends import loudness, tone, until
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, MediaError, ParseError, SipError
from trunkline.events import HungUp
from trunkline.legs import ari_socket
from trunkline.legs.ari import AriSettings
from trunkline.legs.ari_calls import Ari
from trunkline.legs.call_control import Phase, StreamSettings
from trunkline.legs.carriers import CarrierSettings, Carrying
from trunkline.legs.chan_websocket import FORMATS, ChanWebsocketStream
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Complained, GoOn, Heard, HoldOff, Opened, Played
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.websocket_leg import StreamLeg
from trunkline.rtp.pacer import Pacer

START = (
    "MEDIA_START connection_id:e226e283-c90a-4ea9-9e37-389000b9ef47 channel:WebSocket/INCOMING/0x5140001a "
    "channel_id:1761245643.1 format:ulaw optimal_frame_size:160 ptime:20"
)
OLD_START = START.replace("channel_id:1761245643.1 ", "")
"""As Asterisk 22.6 says it."""
JSON_START = json.dumps(
    {
        "event": "MEDIA_START",
        "connection_id": "media_connection1",
        "channel": "WebSocket/media_connection1/0x5140001a0040",
        "channel_id": "1761245643.1",
        "format": "ulaw",
        "optimal_frame_size": 160,
        "ptime": 20,
        "channel_variables": {
            "DIALEDPEERNUMBER": "media_connection1/c(ulaw)",
            "MEDIA_WEBSOCKET_CONNECTION_ID": "media_connection1",
            "MEDIA_WEBSOCKET_OPTIMAL_FRAME_SIZE": "160",
        },
    }
)
"""The example of the change that brought JSON (asterisk/asterisk, f08020df)."""


# --- messages ---------------------------------------------------------------------------------------


def test_the_first_message_says_whose_it_is_in_either_form() -> None:
    ident = "e226e283-c90a-4ea9-9e37-389000b9ef47"
    assert ChanWebsocketStream("ulaw").receive(START) == [Opened(ident, "1761245643.1", "PCMU", 8000)]
    assert ChanWebsocketStream("ulaw").receive(OLD_START) == [Opened(ident, "", "PCMU", 8000)]
    (opened,) = ChanWebsocketStream("ulaw").receive(JSON_START)
    assert opened == Opened("media_connection1", "1761245643.1", "PCMU", 8000)


@pytest.mark.parametrize(
    ("start", "mark", "clear"),
    [
        (START, "MARK_MEDIA t1", "FLUSH_MEDIA"),
        (OLD_START, "STOP_MEDIA_BUFFERING t1", "FLUSH_MEDIA"),
        (JSON_START, '{"command": "MARK_MEDIA", "correlation_id": "t1"}', '{"command": "FLUSH_MEDIA"}'),
    ],
)
def test_commands_are_written_as_asterisk_writes(start: str, mark: str, clear: str) -> None:
    stream = ChanWebsocketStream("ulaw")
    stream.receive(start)
    assert stream.mark("t1") == mark
    assert stream.clear() == clear


@pytest.mark.parametrize(
    ("message", "happenings"),
    [
        ("MEDIA_XOFF", [HoldOff()]),
        ("MEDIA_XON", [GoOn()]),
        ("MEDIA_MARK_PROCESSED t7", [Played("t7")]),
        ("MEDIA_BUFFERING_COMPLETED t7", [Played("t7")]),
        ("MEDIA_BUFFERING_COMPLETED", [Played("")]),
        ("QUEUE_DRAINED", []),
        ("DTMF_END digit:5 channel_id:1761245643.1", []),
        ("STATUS queue_length:43 xon_level:800 xoff_level:900 queue_full:false", []),
        ("ERROR channel_id:1 error_text:no", [Complained("ERROR")]),
        ("SOMETHING_NEW x", []),
        ('{"event":"MEDIA_XOFF","channel_id":"1"}', [HoldOff()]),
        ('{"event":"MEDIA_XON","channel_id":"1"}', [GoOn()]),
        ('{"event":"MEDIA_MARK_PROCESSED","channel_id":"1","correlation_id":"t7"}', [Played("t7")]),
        ('{"event":"DTMF_END","channel_id":"1","digit":"5"}', []),
    ],
)
def test_what_it_says_is_understood(message: str, happenings: list[Any]) -> None:
    assert ChanWebsocketStream("ulaw").receive(message) == happenings


@pytest.mark.parametrize("name", FORMATS)
def test_twenty_milliseconds_are_what_asterisk_calls_optimal(name: str) -> None:
    stream = ChanWebsocketStream(name)
    sound = stream.audio(tone(stream.rate))
    assert len(sound) == FORMATS[name].frame_bytes
    (heard,) = stream.receive(sound)
    assert isinstance(heard, Heard)
    assert len(heard.pcm) == len(tone(stream.rate))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("ulaw", ""),
        ("ulaw", "media_xoff"),
        ("ulaw", "{}"),
        ("ulaw", '{"event": 5}'),
        ("ulaw", "{"),
        ("ulaw", "X" * 5000),
        ("alaw", START),
        ("ulaw", "MEDIA_START"),
        ("ulaw", START.replace("size:160", "size:0")),
        ("slin16", b"odd"),
    ],
)
def test_what_is_none_of_its_messages_is_an_error_of_its_own(wanted: str, message: str | bytes) -> None:
    with pytest.raises(ParseError):
        ChanWebsocketStream(wanted).receive(message)


@given(
    st.one_of(
        st.text(max_size=200), st.binary(max_size=700), st.text(max_size=60).map("MEDIA_START ".__add__)
    )
)
def test_any_message_at_all_is_understood_or_refused(message: str | bytes) -> None:
    with suppress(ParseError):
        ChanWebsocketStream("ulaw").receive(message)


# --- calls ------------------------------------------------------------------------------------------

WAYS: dict[str, dict[str, Any]] = {"ours": {}, "theirs": {"websocket_bind": "127.0.0.1:0"}}
"""Who opens the socket."""


@asynccontextmanager
async def call(way: str = "ours", **more: Any) -> AsyncIterator[AsteriskEnd]:
    async with asterisk(media="websocket", **WAYS[way], **more) as (here, _, board):
        yield await answered(here, board)


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_leaves_nothing_at_asterisk(way: str) -> None:
    async with call(way) as end:
        assert [len(bridge) for bridge in end.here.bridges.values()] == [2]
        asked = next(query for _, path, query in end.here.asked if path.endswith("externalMedia"))
        assert (asked["transport"], asked["encapsulation"]) == ("websocket", "none")
        assert asked["connection_type"] == ("server" if way == "ours" else "client")
        await end.leg.hang_up()
        await until(lambda: not end.here.channels and not end.here.bridges)


@pytest.mark.parametrize("old", [False, True])
async def test_marks_tell_how_far_asterisk_has_played(old: bool) -> None:
    async with call(old=old) as end:
        end.leg.start(lambda _: None, lambda _: tone(end.leg.rate))
        await until(lambda: end.leg.quality().round_trip_ms is not None)
        assert ("STOP_MEDIA_BUFFERING" if old else "MARK_MEDIA") in end.media.commands


async def test_what_was_cleared_is_not_played() -> None:
    async with call() as end:
        end.media.paused = True
        left = [tone(end.leg.rate)] * 5
        end.leg.start(lambda _: None, lambda _: left.pop() if left else None)
        await until(lambda: end.media.frames == 5)
        end.leg.clear()
        await until(lambda: "FLUSH_MEDIA" in end.media.commands)
        assert not end.media.queue
        assert not end.heard


async def test_asterisk_that_wants_nothing_is_sent_nothing_until_it_does() -> None:
    async with call() as end:
        media, asked = end.media, 0
        heard: list[bytes] = []

        def next_frame(_at: float) -> bytes:
            nonlocal asked
            asked += 1
            return tone(end.leg.rate)

        media.paused, media.xoff, media.xon = True, 10, 5
        end.leg.start(lambda frame: heard.append(frame.pcm), next_frame)
        leg = end.leg
        assert isinstance(leg, StreamLeg)
        await until(lambda: leg._held_off is not None)
        before = asked
        heard.clear()
        for _ in range(10):  # The caller is heard meanwhile.
            await end.speak(tone(8000))
        await until(lambda: len(heard) >= 10)
        assert asked == before
        media.paused = False
        await until(lambda: leg._held_off is None and asked > before)
        assert media.dropped == 0


@pytest.mark.parametrize("way", WAYS)
async def test_a_socket_that_breaks_off_is_had_again_and_the_call_goes_on(way: str) -> None:
    async with call(way) as end:
        first, leg = end.media, end.leg
        assert isinstance(leg, StreamLeg)
        leg.start(lambda _: None, lambda _: tone(leg.rate))
        await first.socket.close()
        await until(lambda: any(one.socket not in (None, first) for one in end.here.channels.values()))
        await until(lambda: leg.phase is Phase.UP and first.channel_id not in end.here.channels)
        so_far = len(end.heard)
        await until(lambda: len(end.heard) > so_far + 1600)
        assert len(end.here.bridges) == 1


async def test_a_socket_that_does_not_come_back_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ari_socket, "AGAIN", (0.0, 0.01))
    async with call(times=StreamSettings(return_within=0.2)) as end:
        end.here.refuse["/media"] = 503
        await end.media.socket.close()
        assert isinstance([event async for event in end.leg.events()][-1], HungUp)
        end.here.refuse.clear()
        await until(lambda: not end.here.channels and not end.here.bridges)


async def test_the_socket_ends_with_the_hand_over_and_the_caller_stays() -> None:
    async with call() as end:
        moving = asyncio.create_task(end.leg.transfer("PJSIP/desk"))
        await until(lambda: any(one.endpoint == "PJSIP/desk" for one in end.here.channels.values()))
        await end.here.enter(end.here.named("PJSIP/desk"))
        assert await moving is TransferResult.TRANSFERRED
        await until(lambda: not any(one.socket for one in end.here.channels.values()))
        await end.leg.hang_up()
        assert set(end.here.channels) == {end.channel.id, end.here.named("PJSIP/desk").id}


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["/externalMedia", "/media", "/bridges", "/addChannel"])
async def test_what_asterisk_refuses_ends_the_call_and_leaves_nothing(at: str) -> None:
    async with asterisk(media="websocket") as (here, _, board):
        here.refuse[at] = 503
        await here.call()
        leg = await anext(aiter(board.calls()))
        with pytest.raises(SipError):
            await leg.answer()
        assert leg.ended
        here.refuse.clear()
        await until(lambda: not any(one.socket for one in here.channels.values()))


async def test_a_section_that_asterisk_has_not_is_told() -> None:
    async with asterisk(media="websocket", **WAYS["theirs"]) as (here, _, board):
        here.opens = ("another", "")
        await here.call()
        leg = await anext(aiter(board.calls()))
        with pytest.raises(SipError, match="400"):
            await leg.answer()


@pytest.mark.parametrize("wrong", ["password", "release", "address"])
async def test_sockets_that_do_not_come_or_show_too_little(
    wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ari_socket, "ENTER_WITHIN", 0.5)
    async with asterisk(media="websocket", old=wrong == "release", **WAYS["theirs"]) as (here, _, board):
        here.shows = "guessed" if wrong == "password" else ""
        if wrong == "address":
            here.opens = ("trunkline", "http://127.0.0.1:9/")
        await here.call()
        leg = await anext(aiter(board.calls()))
        with pytest.raises(SipError, match="opened no media socket"):
            await leg.answer()


@pytest.mark.parametrize("first", [START, "rubbish", b"sound"])
async def test_a_socket_for_a_channel_that_nobody_asked_for_is_closed(first: str | bytes) -> None:
    async with asterisk(media="websocket", **WAYS["theirs"]) as (here, ari, board):
        headers = {"Authorization": ari.asterisk.authorization()}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(here.opens[1]) as socket,
        ):
            await (socket.send_str(first) if isinstance(first, str) else socket.send_bytes(first))
            assert (await socket.receive()).data == 1008
        async with aiohttp.ClientSession() as session, session.get(here.opens[1]) as said:
            assert said.status == 401
        assert board.active == 0


async def test_rubbish_in_a_call_is_passed_over_and_too_much_of_it_closes_the_socket() -> None:
    async with call() as end:
        first = end.media
        heard: list[bytes] = []
        end.leg.start(lambda frame: heard.append(frame.pcm), lambda _: None)
        await first.socket.send_str("rubbish")
        await first.speak(tone(8000))
        await until(lambda: any(loudness(pcm) > 0.1 for pcm in heard))
        with suppress(ConnectionError, aiohttp.ClientError):
            for _ in range(60):
                await first.socket.send_str("{}")
        await until(lambda: bool(first.socket.closed))


async def test_plain_samples_cannot_be_had_over_rtp() -> None:
    clock = SystemClock()
    settings = AriSettings(url="http://127.0.0.1:9/ari", username="u", password="p", format="slin16")
    with pytest.raises(ConfigError, match="slin16"):
        await Ari.open(settings, Switchboard(clock, Pacer(clock)))


def over_sockets(bind: str) -> AriSettings:
    return AriSettings(
        url="http://127.0.0.1:9/ari", username="u", password="p", media="websocket", websocket_bind=bind
    )


async def test_an_address_that_cannot_be_had_is_told() -> None:
    clock = SystemClock()
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    with pytest.raises(MediaError, match="cannot listen"):
        await Ari.open(over_sockets(f"{host}:{port}"), Switchboard(clock, Pacer(clock)))
    server.close()
    await server.wait_closed()


async def test_it_is_opened_with_the_other_carriers() -> None:
    clock = SystemClock()
    carrying = await Carrying.open(CarrierSettings(ari=over_sockets("127.0.0.1:0")), clock, Pacer(clock))
    assert carrying.listening["ari websocket"][1]
    await carrying.close()
