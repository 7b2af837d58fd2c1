"""Twilio: the published messages, signed webhooks, strangers, transfers, keys, streams that come back."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.carrier_ends import (
    PUBLIC,
    TwilioEnd,
    World,
    start_message,
    twilio_answered,
    twilio_connect,
    twilio_post,
    twilio_settings,
    values,
    world,
)
from legs.far_ends import LIMIT, tone, until
from trunkline.audio.codecs import pcmu
from trunkline.errors import CallRefused, ConfigError, ParseError, SipError, Verdict
from trunkline.events import CallRinging, HungUp
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.leg import TransferResult
from trunkline.legs.phone_number import phone_number
from trunkline.legs.stream import Heard, Opened, Played, Pressed, Stopped
from trunkline.legs.twilio import TICKET, TwilioStream
from trunkline.legs.twiml import dial
from trunkline.log import hide_secrets

WIRE = json.loads((Path(__file__).parents[1] / "wire" / "carriers" / "twilio.json").read_text())


def said(name: str) -> dict[str, Any]:
    value = deepcopy(WIRE["from_twilio"][name])
    assert isinstance(value, dict)
    return value


# --- the messages -----------------------------------------------------------------------------------


def test_each_published_message_is_understood() -> None:
    stream = TwilioStream()
    assert stream.receive(json.dumps(said("connected"))) == []
    (opened,) = stream.receive(json.dumps(said("start")))
    assert opened == Opened(
        "MZXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "CAXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "PCMU",
        8000,
        variables={"FirstName": "Jane", "LastName": "Doe", "RemoteParty": "Bob"},
    )
    payload = b64encode(bytes(range(160))).decode()
    inbound = said("media_inbound")
    inbound["media"]["payload"] = payload
    assert stream.receive(json.dumps(inbound)) == [Heard(pcmu.decode(bytes(range(160))), 2)]
    assert stream.receive(json.dumps(said("media_outbound"))) == []
    assert stream.receive(json.dumps(said("dtmf"))) == [Pressed("1")]
    assert stream.receive(json.dumps(said("mark"))) == [Played("my label")]
    assert stream.receive(json.dumps(said("stop"))) == [Stopped("hung up")]


def test_what_we_send_is_as_published() -> None:
    stream = TwilioStream()
    stream.receive(json.dumps(said("start")))
    shown = WIRE["to_twilio"]
    assert json.loads(str(stream.clear())) == shown["clear"]
    assert json.loads(str(stream.mark("my label"))) == shown["mark"]
    media = json.loads(str(stream.audio(tone(8000))))
    shown["media"]["media"]["payload"] = b64encode(pcmu.encode(tone(8000))).decode()
    assert media == shown["media"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{",
        "{}",
        b"\x00\xff",
        '{"event": 1}',
        '{"event": "media"}',
        '{"event": "media", "media": {}}',
        '{"event": "media", "media": {"payload": "***"}}',
        '{"event": "start", "start": {}}',
        '{"event": "dtmf", "dtmf": {"digit": "12"}}',
        json.dumps(start_message("", {})),
        json.dumps(start_message("C", {})).replace("x-mulaw", "x-alaw"),
        "[" * 5000,
    ],
)
def test_what_is_no_message_is_an_error_of_its_own(message: str | bytes) -> None:
    with pytest.raises(ParseError):
        TwilioStream().receive(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["media", "start", "stop", "mark", "dtmf", "connected", "else"]),
    st.dictionaries(
        st.sampled_from(["media", "start", "mark", "dtmf", "streamSid", "stop"]),
        JSON
        | st.dictionaries(
            st.sampled_from(["payload", "track", "chunk", "digit", "name", "mediaFormat", "callSid"]),
            JSON,
        ),
    ),
)
def test_any_message_is_understood_or_refused(event: str, rest: dict[str, Any]) -> None:
    try:
        happenings = TwilioStream().receive(json.dumps({"event": event, **rest}))
    except ParseError:
        return
    assert isinstance(happenings, list)


@pytest.mark.parametrize(
    "target", ["", "+", "12+3", "sales", "sip:<x>", "+1234567890123456789012", "<Hangup/>"]
)
def test_a_transfer_to_nowhere_is_refused_before_anything_is_asked(target: str) -> None:
    with pytest.raises(ParseError):
        dial(target, action="a", progress="p", caller="", seconds=30)


def test_numbers_are_taken_as_people_write_them() -> None:
    assert phone_number("tel:+1 (555) 000-1111") == "+15550001111"


# --- webhooks and strangers -------------------------------------------------------------------------

CALL = {"CallSid": "CA1", "From": "+15551110000", "To": "+15550001111"}


@asynccontextmanager
async def here(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[World]:
    async with (
        asyncio.timeout(LIMIT),
        world(lambda api: twilio_settings(**{"api": api, **settings}), times) as one,
    ):
        yield one


async def refused(socket: Any) -> bool:
    """Whether the socket is closed on us, and for breaking the rules."""
    while not (await socket.receive()).type.name.startswith("CLOS"):
        pass
    return bool(socket.close_code == 1008)


async def test_a_call_tells_who_calls_whom_and_what_came_with_it() -> None:
    async with here() as one:
        _, document = await twilio_post(one, "/twilio/voice?campaign=spring", {**CALL, "SipHeader_X-Id": "7"})
        name, value, url = values(document, ("name", "value", "url"))
        assert (name, url) == (TICKET, "wss://voice.example.com/twilio/stream")
        leg = await one.next_call()
        assert (leg.info.call_id, leg.info.direction, leg.info.kind) == ("CA1", "inbound", "twilio")
        assert (leg.info.caller, leg.info.callee) == ("+15551110000", "+15550001111")
        await twilio_connect(one, "CA1", {name: value, "FirstName": "Jane"})
        await leg.answer()
        assert leg.info.variables == {"campaign": "spring", "X-Id": "7", "FirstName": "Jane"}


@pytest.mark.parametrize("how", [{"signature": ""}, {"signature": "wrong"}, {"token": "another"}])
async def test_a_webhook_that_twilio_did_not_sign_is_refused(how: dict[str, str], capfd: Any) -> None:
    async with here() as one:
        status, document = await twilio_post(one, "/twilio/voice", CALL, **how)
        assert (status, document) == (403, "")
        assert one.carrying.board.active == 0
    out, err = capfd.readouterr()
    assert "12345" not in out + err


async def test_without_a_secret_nothing_is_believed() -> None:
    async with here(auth_token="") as one:
        assert (await twilio_post(one, "/twilio/voice", CALL, token=""))[0] == 403


async def test_a_webhook_for_another_account_is_refused() -> None:
    async with here() as one:
        assert (await twilio_post(one, "/twilio/voice", {**CALL, "AccountSid": "AC666"}))[0] == 403


async def test_a_replayed_webhook_is_refused() -> None:
    async with here() as one:
        assert (await twilio_post(one, "/twilio/voice", CALL))[0] == 200
        assert (await twilio_post(one, "/twilio/voice", CALL))[0] == 403
        # The same call once more in other words is no new call either.
        assert (await twilio_post(one, "/twilio/voice?x=1", CALL))[0] == 403
        assert one.carrying.board.active == 1


async def test_rubbish_is_answered_and_survived() -> None:
    async with here() as one:
        assert (await twilio_post(one, "/twilio/voice", {}))[0] == 400
        assert (await twilio_post(one, "/twilio/nothing", CALL))[0] == 404
        async with one.client.post(one.http + "/twilio/voice", data=b"\xff" * 100) as answer:
            assert answer.status == 400
        async with one.client.post(one.http + "/twilio/voice", data=b"x" * 100_000) as answer:
            assert answer.status == 413
        async with one.client.post(one.http + "/pigeon/voice", data=b"") as answer:
            assert answer.status == 404
        async with one.client.get(one.http + "/twilio/stream") as answer:
            assert answer.status == 426
        async with one.client.get(one.http + "/twilio/stream/word") as answer:
            assert answer.status == 403


async def test_a_call_while_the_service_stops_is_rejected_as_busy() -> None:
    async with here() as one:
        one.carrying.board.draining = True
        status, document = await twilio_post(one, "/twilio/voice", CALL)
        assert status == 200
        assert '<Reject reason="busy"/>' in document


@pytest.mark.parametrize("parameters", [{}, {TICKET: "guessed"}])
async def test_a_stream_for_a_call_nobody_announced_is_closed(parameters: dict[str, str]) -> None:
    async with here() as one:
        assert await refused(await twilio_connect(one, "CA1", parameters))


async def test_a_ticket_is_good_for_one_stream_of_one_call() -> None:
    async with here() as one:
        _, document = await twilio_post(one, "/twilio/voice", CALL)
        name, value = values(document, ("name", "value"))
        assert await refused(await twilio_connect(one, "CA2", {name: value}))
        assert await refused(await twilio_connect(one, "CA1", {name: value}))


async def test_a_stream_that_says_nothing_sensible_first_is_closed() -> None:
    async with here() as one:
        for first in ("rubbish", json.dumps({"event": "media", "media": {"payload": "AAAA"}})):
            socket = await one.socket("/twilio/stream")
            await socket.send_str(first)
            assert await refused(socket)


async def test_unannounced_streams_are_taken_from_this_machine_only_where_that_is_asked_for() -> None:
    async with here(trust_loopback=True) as one:
        socket = await twilio_connect(one, "CA5", {"campaign": "load"})
        leg = await one.next_call()
        await leg.answer()
        assert leg.info.variables == {"campaign": "load"}
        assert leg.can == frozenset()
        await leg.hang_up()
        assert not await refused(socket)
        assert one.api.asked == []


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "Origin"])
async def test_behind_a_proxy_or_a_web_page_nobody_is_from_this_machine(header: str) -> None:
    async with here(trust_loopback=True) as one:
        socket = await one.socket("/twilio/stream", headers={header: "http://127.0.0.1"})
        await socket.send_str(json.dumps(start_message("CA5", {})))
        assert await refused(socket)


async def test_trusting_streams_where_none_can_come_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="--twilio"):
        async with here(bind="", trust_loopback=True):
            pass


async def test_a_stream_that_turns_to_rubbish_is_closed_and_the_call_waits_for_another() -> None:
    async with here(StreamSettings(return_within=0.2)) as one:
        end = await twilio_answered(one)
        for _ in range(60):
            await end.socket.send_str("rubbish")
        await end.closed.wait()
        assert end.code == 1008
        events = [event async for event in end.leg.events()]
        assert isinstance(events[-1], HungUp)
        await end.close()


# --- the call goes on -------------------------------------------------------------------------------


async def again(one: World, end: TwilioEnd, document: str) -> TwilioEnd:
    """Twilio carries out TwiML that opens the stream again."""
    name, value = values(document, ("name", "value"))
    return TwilioEnd(await twilio_connect(one, end.call, {name: value}), end.leg, end.call)


def target(url: str) -> str:
    return url.removeprefix(PUBLIC)


async def test_a_stream_that_broke_off_is_opened_again_by_the_twiml_that_follows() -> None:
    async with here() as one:
        _, document = await twilio_post(one, "/twilio/voice", CALL)
        name, value, redirect = values(document, ("name", "value", "Redirect"))
        leg = await one.next_call()
        end = TwilioEnd(await twilio_connect(one, "CA1", {name: value}), leg, "CA1")
        await leg.answer()
        heard: list[bytes] = []
        leg.start(lambda frame: heard.append(frame.pcm), lambda _: tone(8000))
        await until(lambda: len(end.heard) > 1000)
        await end.close()
        status, document = await twilio_post(one, target(redirect), CALL)
        assert status == 200
        assert (await twilio_post(one, target(redirect), CALL))[0] == 403
        back = await again(one, end, document)
        await until(lambda: len(back.heard) > 1000)
        await back.speak(tone(8000))
        await until(lambda: pcmu.decode(pcmu.encode(tone(8000))) in heard)
        await back.close()
        # Whoever comes back to a call that is over is hung up.
        (redirect,) = values(document, ("Redirect",))
        await leg.hang_up()
        status, document = await twilio_post(one, target(redirect), CALL)
        assert status == 200
        assert "<Hangup/>" in document


async def handed_over(one: World, end: TwilioEnd) -> tuple[Any, list[str]]:
    """A transfer asked for: the task, and the addresses that Twilio is to tell of it."""
    transferring = asyncio.create_task(end.leg.transfer("+1 555 222"))
    asked = await one.api.asked_for("/Calls/CA1.json")
    assert values(asked["Twiml"], ("Number", "timeout", "callerId")) == ["+1555222", "30", "+15550001111"]
    await end.hang_up()
    await end.close()
    return transferring, [target(url) for url in values(asked["Twiml"], ("statusCallback", "action"))]


async def test_a_transfer_that_is_answered_ends_our_part_and_not_the_call() -> None:
    async with here() as one:
        end = await twilio_answered(one)
        transferring, (progress, action) = await handed_over(one, end)
        assert (await twilio_post(one, progress, {"CallStatus": "in-progress", "CallSid": "CAx"}))[0] == 204
        assert await transferring is TransferResult.TRANSFERRED
        await end.leg.hang_up("transferred")
        assert one.api.asked == []
        _, document = await twilio_post(one, action, {**CALL, "DialCallStatus": "completed"})
        assert "<Hangup/>" in document


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("busy", TransferResult.BUSY),
        ("no-answer", TransferResult.NO_ANSWER),
        ("failed", TransferResult.FAILED),
        ("strange", TransferResult.FAILED),
    ],
)
async def test_a_transfer_that_came_to_nothing_gives_the_caller_back(
    status: str, result: TransferResult
) -> None:
    async with here() as one:
        end = await twilio_answered(one)
        transferring, (_, action) = await handed_over(one, end)
        _, document = await twilio_post(one, action, {**CALL, "DialCallStatus": status})
        assert await transferring is result
        back = await again(one, end, document)
        end.leg.start(lambda _: None, lambda _: tone(8000))
        await until(lambda: len(back.heard) > 1000)
        await back.close()


async def test_a_transfer_to_no_number_leaves_the_call_as_it_was() -> None:
    async with here() as one:
        end = await twilio_answered(one)
        with pytest.raises(ParseError):
            await end.leg.transfer("the sales people")
        assert one.api.asked == []
        control = end.leg.control
        assert not control.transfer_wait.waiting
        await end.hang_up()
        await end.close()


async def test_a_caller_who_hangs_up_during_a_transfer_ends_it() -> None:
    async with here() as one:
        end = await twilio_answered(one)
        transferring, _ = await handed_over(one, end)
        await twilio_post(one, "/twilio/status", {"CallSid": "CA1", "CallStatus": "completed"})
        assert await transferring is TransferResult.FAILED
        assert end.leg.ended


async def test_keys_are_pressed_by_twiml_that_opens_the_stream_again() -> None:
    async with here() as one:
        end = await twilio_answered(one)
        pressing = asyncio.create_task(end.leg.send_dtmf("12w#"))
        asked = await one.api.asked_for("/Calls/CA1.json")
        assert '<Play digits="12w#"/><Connect>' in asked["Twiml"]
        await end.hang_up()
        await end.close()
        back = await again(one, end, asked["Twiml"])
        await pressing
        assert not end.leg.ended
        await back.close()


# --- calling out ------------------------------------------------------------------------------------


async def test_an_outbound_call_rings_is_answered_and_streams() -> None:
    async with here() as one:
        one.api.answers["/Calls.json"] = (201, {"sid": "CA1"})
        dialling = asyncio.create_task(
            one.carrying.dial("twilio", "+1 555 777", variables={"campaign": "spring"})
        )
        asked = await one.api.asked_for("/Calls.json")
        leg = await dialling
        assert (asked["To"], asked["From"]) == ("+1555777", "+15550001111")
        assert one.api.headers[0]["Authorization"].startswith("Basic ")
        assert leg.info.call_id == "CA1"
        answering = asyncio.create_task(leg.answer())
        ringing = {"CallSid": "CA1", "CallStatus": "ringing"}
        assert (await twilio_post(one, target(asked["StatusCallback"]), ringing))[0] == 204
        _, document = await twilio_post(one, target(asked["Url"]), {"CallSid": "CA1"})
        name, value = values(document, ("name", "value"))
        end = TwilioEnd(await twilio_connect(one, "CA1", {name: value}), leg, "CA1")
        await answering
        await end.hang_up()
        events = [event async for event in leg.events()]
        assert isinstance(events[0], CallRinging)
        assert isinstance(events[-1], HungUp)
        assert leg.info.variables == {"campaign": "spring"}
        await end.close()


@pytest.mark.parametrize(
    ("status", "why"), [("busy", "busy"), ("no-answer", "no answer"), ("failed", "not reachable")]
)
async def test_an_outbound_call_that_nobody_takes_says_why(status: str, why: str) -> None:
    async with here() as one:
        one.api.answers["/Calls.json"] = (201, {"sid": "CA1"})
        leg = await one.carrying.dial("twilio", "+1555777")
        answering = asyncio.create_task(leg.answer())
        await twilio_post(one, "/twilio/status", {"CallSid": "CA1", "CallStatus": status})
        with pytest.raises(CallRefused, match=why):
            await answering


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(401, Verdict.GIVE_UP), (400, Verdict.FAIL_OVER), (429, Verdict.RETRY), (503, Verdict.RETRY)],
)
async def test_a_refusal_of_the_api_says_what_to_do(status: int, verdict: Verdict) -> None:
    async with here() as one:
        one.api.answers["/Calls.json"] = (status, {"message": "no such number", "code": 21211})
        with pytest.raises(SipError) as caught:
            await one.carrying.dial("twilio", "+1555777")
        assert caught.value.verdict is verdict
        assert "12345" not in str(caught.value)
        assert one.carrying.board.active == 0


async def test_an_api_that_gives_nonsense_or_is_not_there_is_an_error() -> None:
    async with here() as one:
        with pytest.raises(SipError, match="no sid"):
            await one.carrying.dial("twilio", "+1555777")
    async with here(api="http://127.0.0.1:9") as one:
        with pytest.raises(SipError, match="could not be reached"):
            await one.carrying.dial("twilio", "+1555777")


@pytest.mark.parametrize("missing", ["account_sid", "auth_token", "number"])
async def test_what_is_missing_for_calling_out_is_named(missing: str) -> None:
    lacking: dict[str, Any] = {missing: ""}
    async with here(**lacking) as one:
        with pytest.raises(ConfigError, match=f"twilio.{missing}"):
            await one.carrying.dial("twilio", "+1555777")


def test_the_log_masks_what_a_setting_of_this_name_holds() -> None:
    assert hide_secrets(None, "info", {"auth_token": "12345"}) == {"auth_token": "********"}
