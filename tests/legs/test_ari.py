"""An Asterisk led over ARI: events, calls both ways, transfers, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.ari_ends import answered, asterisk
from legs.far_ends import tone, until
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError, SipError
from trunkline.events import CallRinging, HungUp
from trunkline.legs import ari_calls, ari_commands
from trunkline.legs.ari import AriSettings, Entered, KeyPressed, Left, Rings, read_event
from trunkline.legs.ari_calls import Ari
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.leg import TransferResult
from trunkline.legs.switchboard import Switchboard
from trunkline.rtp.pacer import Pacer

CHANNEL = {
    "id": "1700000000.1",
    "name": "PJSIP/trunk-00000001",
    "state": "Ring",
    "caller": {"name": "Ada", "number": "+15551110000"},
    "dialplan": {"context": "default", "exten": "100", "priority": 2},
    "channelvars": {"CAMPAIGN": "spring"},
}


def event(kind: str, **more: Any) -> str:
    return json.dumps({"type": kind, "application": "trunkline", "channel": CHANNEL, **more})


def test_the_events_of_an_asterisk_are_understood() -> None:
    name = CHANNEL["id"]
    assert read_event(event("StasisStart", args=["list=7"])) == Entered(
        "1700000000.1", ("list=7",), "+15551110000", "100", {"CAMPAIGN": "spring"}
    )
    assert read_event(event("ChannelDtmfReceived", digit="#", duration_ms=90)) == KeyPressed(str(name), "#")
    assert read_event(event("StasisEnd")) == Left(str(name))
    assert read_event(event("ChannelDestroyed", cause=17, cause_txt="User busy")) == Left(str(name), 17)
    assert read_event(event("ChannelStateChange")) is None
    ringing = event("ChannelStateChange").replace('"Ring"', '"Ringing"')
    assert read_event(ringing) == Rings(str(name))
    assert read_event('{"type": "BridgeCreated"}') is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        '{"type": "StasisStart"}',
        '{"type": "StasisEnd", "channel": {}}',
        event("ChannelDtmfReceived"),
    ],
)
def test_what_is_no_event_is_an_error_of_its_own(message: str) -> None:
    with pytest.raises(ParseError):
        read_event(message)


@given(st.dictionaries(st.sampled_from(["type", "channel", "args", "cause", "digit"]), st.one_of(
    st.sampled_from(["StasisStart", "ChannelDestroyed", "ChannelDtmfReceived"]), st.text(), st.integers(),
    st.lists(st.text()), st.just(CHANNEL), st.dictionaries(st.text(), st.text()))))  # fmt: skip
def test_any_event_at_all_is_understood_or_refused(value: dict[str, Any]) -> None:
    with suppress(ParseError):
        read_event(json.dumps(value))


def test_numbers_and_endpoints_are_called_each_in_its_way() -> None:
    settings = AriSettings(dial="PJSIP/{number}@trunk")
    assert settings.endpoint("+15551112222") == "PJSIP/+15551112222@trunk"
    assert settings.endpoint("PJSIP/desk") == "PJSIP/desk"


# --- calls ------------------------------------------------------------------------------------------


async def test_a_call_that_comes_in_has_its_numbers_and_leaves_nothing() -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        info = end.leg.info
        assert (info.kind, info.direction, info.caller, info.callee) == (
            "ari",
            "inbound",
            "+15551110000",
            "100",
        )
        assert info.variables == {"CAMPAIGN": "spring"}
        assert end.channel.state == "Up"
        assert [len(bridge) for bridge in here.bridges.values()] == [2]
        await end.leg.hang_up()
        await until(lambda: not here.channels and not here.bridges)


async def test_arguments_of_stasis_become_variables() -> None:
    async with asterisk() as (here, _, board):
        await here.call("+15551110000", "list=7", "plain")
        leg = await anext(aiter(board.calls()))
        assert leg.info.variables == {"CAMPAIGN": "spring", "list": "7"}


async def test_the_caller_hangs_up_and_nothing_is_left() -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        await end.hang_up()
        last = [event async for event in end.leg.events()][-1]
        assert isinstance(last, HungUp)
        await until(lambda: not here.channels and not here.bridges)


async def test_a_call_that_nobody_takes_is_busy() -> None:
    async with asterisk() as (here, _, board):
        await here.call()
        leg = await anext(aiter(board.calls()))
        await leg.hang_up("busy")
        assert any(query.get("reason") == "busy" for _, _, query in here.asked)


async def test_when_no_call_can_be_taken_callers_hear_so() -> None:
    async with asterisk() as (here, _, board):
        board.draining = True
        await here.call()
        await until(lambda: any(query.get("reason") == "congestion" for _, _, query in here.asked))


@pytest.mark.parametrize("at", ["/answer", "/channels/externalMedia", "/variable", "/bridges", "/addChannel"])
async def test_what_asterisk_refuses_ends_the_call_and_leaves_nothing(at: str) -> None:
    async with asterisk() as (here, _, board):
        here.refuse[at] = 500
        await here.call()
        leg = await anext(aiter(board.calls()))
        with pytest.raises(SipError):
            await leg.answer()
        assert leg.ended
        here.refuse.clear()


async def test_external_media_that_never_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ari_commands, "ENTER_WITHIN", 0.05)
    async with asterisk() as (here, _, board):
        monkeypatch.setattr(type(here), "tell", _tells_nothing_of_media(type(here).tell))
        await here.call()
        leg = await anext(aiter(board.calls()))
        with pytest.raises(SipError, match="did not come"):
            await leg.answer()


def _tells_nothing_of_media(tell: Any) -> Any:
    async def told(here: Any, kind: str, channel: Any, **more: Any) -> None:
        if "UnicastRTP" not in channel.endpoint:
            await tell(here, kind, channel, **more)

    return told


# --- calls out --------------------------------------------------------------------------------------


async def test_a_call_out_rings_is_taken_and_heard() -> None:
    async with asterisk(caller_id="+15550001111") as (here, ari, _):
        leg = await ari.dial("+15552223333", variables={"LIST": "7"})
        answering = asyncio.create_task(leg.answer())
        channel = here.named("PJSIP/+15552223333")
        channel.state = "Ringing"
        await here.tell("ChannelStateChange", channel)
        await here.enter(channel)
        await answering
        asked = next(query for method, path, query in here.asked if (method, path) == ("POST", "/channels"))
        assert (asked["callerId"], asked["timeout"]) == ("+15550001111", "60")
        leg.start(lambda _: None, lambda _: tone(leg.rate))
        await until(lambda: any(here.heard))
        assert isinstance(await anext(aiter(leg.events())), CallRinging)
        await leg.hang_up()
        await until(lambda: not here.channels and not here.bridges)


@pytest.mark.parametrize(
    ("cause", "why"), [(17, "busy"), (19, "no answer"), (21, "declined"), (1, "not reachable")]
)
async def test_a_call_out_that_is_not_taken_says_why(cause: int, why: str) -> None:
    async with asterisk() as (here, ari, _):
        leg = await ari.dial("PJSIP/desk", variables={})
        answering = asyncio.create_task(leg.answer())
        await here.gone(here.named("PJSIP/desk"), cause)
        with pytest.raises(CallRefused, match=why):
            await answering


async def test_a_call_out_that_asterisk_would_not_place() -> None:
    async with asterisk() as (here, ari, board):
        here.refuse["/channels"] = 400
        with pytest.raises(SipError, match="400"):
            await ari.dial("PJSIP/nobody", variables={})
        assert board.active == 0


# --- what is done to a call -------------------------------------------------------------------------


async def test_keys_are_sent_by_asterisk() -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        await end.leg.send_dtmf("12#")
        assert ("POST", f"/channels/{end.channel.id}/dtmf", {"dtmf": "12#"}) in here.asked
        with pytest.raises(MediaError):
            await end.leg.send_dtmf("x")


async def test_a_caller_who_is_handed_over_stays_with_the_target() -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        moving = asyncio.create_task(end.leg.transfer("PJSIP/desk"))
        await until(lambda: any(one.endpoint == "PJSIP/desk" for one in here.channels.values()))
        target = here.named("PJSIP/desk")
        await here.enter(target)
        assert await moving is TransferResult.TRANSFERRED
        await end.leg.hang_up()
        assert end.channel.id in here.channels
        bridge = next(iter(here.bridges.values()))
        assert {end.channel.id, target.id} <= set(bridge)
        await here.gone(target)
        await until(lambda: not here.channels and not here.bridges)


@pytest.mark.parametrize(
    ("cause", "result"),
    [(17, TransferResult.BUSY), (19, TransferResult.NO_ANSWER), (21, TransferResult.DECLINED)],
)
async def test_a_target_that_does_not_take_the_call_leaves_it_with_us(
    cause: int, result: TransferResult
) -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        moving = asyncio.create_task(end.leg.transfer("PJSIP/desk"))
        await until(lambda: any(one.endpoint == "PJSIP/desk" for one in here.channels.values()))
        await here.gone(here.named("PJSIP/desk"), cause)
        assert await moving is result
        end.leg.start(lambda _: None, lambda _: tone(end.leg.rate))
        await until(lambda: any(here.heard))


async def test_a_caller_who_hangs_up_while_the_target_rings_ends_both() -> None:
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        moving = asyncio.create_task(end.leg.transfer("PJSIP/desk"))
        await until(lambda: any(one.endpoint == "PJSIP/desk" for one in here.channels.values()))
        await end.hang_up()
        assert await moving is TransferResult.FAILED
        await until(lambda: not here.channels and not here.bridges)


# --- connections ------------------------------------------------------------------------------------


async def test_events_that_break_off_come_back_and_ended_calls_are_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ari_calls, "RECONNECT", (0.01,))
    async with asterisk() as (here, _, board):
        end = await answered(here, board)
        sockets, here.sockets = set(here.sockets), set()
        del here.channels[end.channel.id]  # it ended, and nobody could tell us
        for socket in sockets:
            await socket.close()
        last = [event async for event in end.leg.events()][-1]
        assert isinstance(last, HungUp)
        await until(lambda: bool(here.sockets))
        await answered(here, board)


async def test_rubbish_among_the_events_is_passed_over() -> None:
    async with asterisk() as (here, _, board):
        for socket in here.sockets:
            await socket.send_str("rubbish")
            await socket.send_str('{"type": "StasisStart"}')
        await answered(here, board)


@pytest.mark.parametrize(
    "settings",
    [{"url": "127.0.0.1:8088"}, {"username": ""}, {"password": ""}, {"dial": "PJSIP/trunk"}],
)
async def test_settings_that_cannot_be_are_the_owners_mistake(settings: dict[str, str]) -> None:
    given = {"url": "http://127.0.0.1:9/ari", "username": "u", "password": "p", **settings}
    clock = SystemClock()
    with pytest.raises(ConfigError):
        await Ari.open(AriSettings(**given), Switchboard(clock, Pacer(clock)))  # type: ignore[arg-type]


async def test_an_asterisk_that_is_not_there_yet_is_waited_for() -> None:
    clock = SystemClock()
    settings = AriSettings(url="http://127.0.0.1:9/ari", username="u", password="p", format="ulaw")
    ari = await Ari.open(settings, Switchboard(clock, Pacer(clock)))
    assert ari.address == ("127.0.0.1", 9)
    await ari.close()


def test_it_is_opened_with_the_other_carriers() -> None:
    assert CarrierSettings(ari=AriSettings(url="http://127.0.0.1:8088/ari")).ari.url
