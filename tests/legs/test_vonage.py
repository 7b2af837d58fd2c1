"""Vonage: the published messages, signed webhooks, NCCOs, transfers, sockets that come back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.carrier_ends import PUBLIC, World, world
from legs.far_ends import LIMIT, tone, until
from legs.vonage_ends import (
    CALL,
    VonageEnd,
    bearer,
    vonage_answered,
    vonage_connect,
    vonage_post,
    vonage_settings,
)
from trunkline.audio.frame import frame_bytes
from trunkline.errors import CallRefused, ConfigError, ParseError
from trunkline.events import CallRinging, HungUp
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Heard, Opened, Played, Pressed
from trunkline.legs.vonage import VonageStream

WIRE = json.loads((Path(__file__).parents[1] / "wire" / "carriers" / "vonage.json").read_text())


# --- the messages -----------------------------------------------------------------------------------


def test_each_published_message_is_understood() -> None:
    stream = VonageStream(16000)
    assert stream.receive(json.dumps(WIRE["connected"])) == [
        Opened("", "", "L16", 16000, variables={"language": "en-GB", "caller-id": "447700900123"})
    ]
    assert stream.receive(json.dumps(WIRE["dtmf"])) == [Pressed("5")]
    for rate, size in WIRE["bytes_per_message"].items():
        assert frame_bytes(int(rate)) == size
        assert stream.receive(bytes(size)) == [Heard(bytes(size))]
    assert stream.receive('{"event": "websocket:cleared"}') == []


def test_what_we_send_is_binary_audio_and_json_actions() -> None:
    stream = VonageStream(16000)
    assert stream.audio(tone(16000)) == tone(16000)
    assert json.loads(str(stream.clear())) == {"action": "clear"}
    asked = json.loads(str(stream.mark("t1")))
    assert asked == {"action": "notify", "payload": {"mark": "t1"}}
    assert stream.receive(json.dumps({"event": "websocket:notify", "payload": asked["payload"]})) == [
        Played("t1")
    ]


@pytest.mark.parametrize(
    "message",
    [
        b"odd",
        "{}",
        "[]",
        '{"event": "websocket:connected"}',
        '{"event": "websocket:connected", "content-type": "audio/l16;rate=8000"}',
        '{"event": "websocket:connected", "content-type": "audio/opus;rate=16000"}',
        '{"event": "websocket:dtmf"}',
        '{"event": "websocket:notify"}',
    ],
)
def test_what_is_no_message_is_an_error_of_its_own(message: str | bytes) -> None:
    with pytest.raises(ParseError):
        VonageStream(16000).receive(message)


@given(st.text() | st.binary())
def test_anything_at_all_is_understood_or_refused(message: str | bytes) -> None:
    with suppress(ParseError):
        assert isinstance(VonageStream(16000).receive(message), list)


# --- webhooks and strangers -------------------------------------------------------------------------


@asynccontextmanager
async def here(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[World]:
    def make(api: str) -> CarrierSettings:
        return vonage_settings(**{"api": api, **settings})

    async with asyncio.timeout(LIMIT), world(make, times) as one:
        yield one


RINGING = {"uuid": CALL, "from": "15551110000", "to": "15550001111", "SipHeader_X-Id": "7"}


def target(url: str) -> str:
    return url.removeprefix(PUBLIC)


async def test_a_call_is_connected_to_our_socket_as_published() -> None:
    async with here() as one:
        status, ncco = await vonage_post(one, "/vonage/answer?campaign=spring", RINGING)
        assert status == 200
        shown = WIRE["connect_action"][0]
        assert ncco[0]["action"] == shown["action"]
        assert set(shown["endpoint"][0]) == set(ncco[0]["endpoint"][0])
        assert ncco[0]["endpoint"][0]["content-type"] == shown["endpoint"][0]["content-type"]
        assert ncco[0]["endpoint"][0]["uri"].startswith("wss://voice.example.com/vonage/stream/")
        leg = await one.next_call()
        assert (leg.info.caller, leg.info.callee) == ("15551110000", "15550001111")
        await vonage_connect(one, ncco)
        await leg.answer()
        assert leg.info.variables == {"campaign": "spring", "X-Id": "7"}
        assert leg.rate == 16000


async def test_a_webhook_that_is_forged_tampered_with_or_unsigned_is_refused() -> None:
    async with here() as one:
        body = json.dumps(RINGING).encode()
        for wrong in (
            "",
            "Bearer x",
            bearer(body, "another"),
            bearer(body + b" "),
            bearer(body, iat=1_000_000_000),
            bearer(body, application_id="another"),
        ):
            assert (await vonage_post(one, "/vonage/answer", RINGING, wrong))[0] == 403
        assert one.carrying.board.active == 0


async def test_a_replayed_webhook_is_refused() -> None:
    async with here() as one:
        authorization = bearer(json.dumps(RINGING).encode())
        assert (await vonage_post(one, "/vonage/answer", RINGING, authorization))[0] == 200
        assert (await vonage_post(one, "/vonage/answer", RINGING, authorization))[0] == 403
        assert (await vonage_post(one, "/vonage/answer", RINGING))[0] == 403
        assert one.carrying.board.active == 1


async def test_a_hash_of_compact_json_is_right_too() -> None:
    async with here() as one:
        compact = json.dumps(RINGING, separators=(",", ":")).encode()
        assert (await vonage_post(one, "/vonage/answer", RINGING, bearer(compact)))[0] == 200


async def test_without_a_secret_nothing_is_believed() -> None:
    async with here(signature_secret="") as one:
        assert (await vonage_post(one, "/vonage/answer", RINGING))[0] == 403


async def test_rubbish_is_answered_and_survived() -> None:
    async with here() as one:
        assert (await vonage_post(one, "/vonage/answer", {}))[0] == 400
        assert (await vonage_post(one, "/vonage/other", RINGING))[0] == 404
        assert (await vonage_post(one, "/vonage/events", {"uuid": "nobody", "status": "x"}))[0] == 204
        async with one.client.get(one.http + "/vonage/answer?uuid=1") as answer:
            assert answer.status == 405
        async with one.client.get(one.http + "/vonage/stream/guessed") as answer:
            assert answer.status == 403


async def test_a_ticket_of_another_call_opens_nothing() -> None:
    async with here() as one:
        _, ncco = await vonage_post(one, "/vonage/answer", RINGING)
        ncco[0]["endpoint"][0]["headers"] = {"trunkline_call": "another"}
        socket = await vonage_connect(one, ncco)
        assert (await socket.receive()).type.name.startswith("CLOS")


async def test_a_call_while_the_service_stops_is_ended_at_once() -> None:
    async with here() as one:
        one.carrying.board.draining = True
        assert await vonage_post(one, "/vonage/answer", RINGING) == (200, [])


# --- the call ---------------------------------------------------------------------------------------


async def test_hanging_up_is_a_signed_request() -> None:
    async with here() as one:
        end = await vonage_answered(one)
        await end.leg.hang_up()
        assert await one.api.asked_for(f"/v1/calls/{CALL}") == {"action": "hangup"}
        assert one.api.headers[0]["Authorization"].count(".") == 2
        await end.close()


async def test_a_socket_that_broke_off_is_connected_again() -> None:
    async with here() as one:
        _, ncco = await vonage_post(one, "/vonage/answer", RINGING)
        leg = await one.next_call()
        first = VonageEnd(one, await vonage_connect(one, ncco), leg)
        await leg.answer()
        leg.start(lambda _: None, lambda _: tone(16000))
        await first.close()
        (events,) = ncco[0]["eventUrl"]
        status, ncco = await vonage_post(one, target(events), WIRE["disconnected"])
        assert status == 200
        back = VonageEnd(one, await vonage_connect(one, ncco), leg)
        await until(lambda: len(back.heard) > 1000)
        await back.hang_up()
        assert isinstance([event async for event in leg.events()][-1], HungUp)
        await back.close()


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("answered", TransferResult.TRANSFERRED),
        ("busy", TransferResult.BUSY),
        ("rejected", TransferResult.DECLINED),
        ("timeout", TransferResult.NO_ANSWER),
        ("failed", TransferResult.FAILED),
    ],
)
async def test_a_transfer_ends_as_its_target_says(status: str, result: TransferResult) -> None:
    async with here() as one:
        end = await vonage_answered(one)
        transferring = asyncio.create_task(end.leg.transfer("+1 555 222"))
        asked = await one.api.asked_for(f"/v1/calls/{CALL}")
        (action,) = asked["destination"]["ncco"]
        assert asked["action"] == "transfer"
        assert action["endpoint"] == [{"type": "phone", "number": "1555222"}]
        assert action["from"] == "15550001111"
        events = target(action["eventUrl"][0])
        await end.close()
        stream = events.replace("of=transfer", "of=stream")
        assert (await vonage_post(one, stream, WIRE["disconnected"]))[0] == 204
        assert (await vonage_post(one, events, {"uuid": "other", "status": "ringing"}))[0] == 204
        _, ncco = await vonage_post(one, events, {"uuid": "other", "status": status})
        assert await transferring is result
        if result is TransferResult.TRANSFERRED:
            assert ncco is None
            await end.leg.hang_up()
            assert one.api.asked == []
        else:
            back = VonageEnd(one, await vonage_connect(one, ncco), end.leg)
            assert not end.leg.ended
            await back.close()


async def test_after_a_transfer_to_no_number_a_socket_that_broke_off_is_connected_again() -> None:
    async with here() as one:
        end = await vonage_answered(one)
        with pytest.raises(ParseError):
            await end.leg.transfer("the sales people")
        assert one.api.asked == []
        await end.close()
        lost = f"/vonage/events?call={CALL}&of=stream"
        status, ncco = await vonage_post(one, lost, WIRE["disconnected"])
        assert status == 200
        back = VonageEnd(one, await vonage_connect(one, ncco), end.leg)
        await back.hang_up()
        await back.close()


async def test_a_caller_who_hangs_up_during_a_transfer_ends_it() -> None:
    async with here() as one:
        end = await vonage_answered(one)
        transferring = asyncio.create_task(end.leg.transfer("sip:sales@example.com"))
        asked = await one.api.asked_for(f"/v1/calls/{CALL}")
        (action,) = asked["destination"]["ncco"]
        assert action["endpoint"] == [{"type": "sip", "uri": "sip:sales@example.com"}]
        await end.hang_up()
        assert await transferring is TransferResult.FAILED
        assert end.leg.ended
        await end.close()


async def test_keys_are_a_request() -> None:
    async with here() as one:
        end = await vonage_answered(one)
        await end.leg.send_dtmf("12w#")
        assert await one.api.asked_for(f"/v1/calls/{CALL}/dtmf") == {"digits": "12p#"}
        await end.close()


async def test_an_outbound_call_rings_is_answered_and_streams() -> None:
    async with here() as one:
        one.api.answers["/v1/calls"] = (201, {"uuid": CALL, "status": "started"})
        leg = await one.carrying.dial("vonage", "+1 555 777")
        asked = await one.api.asked_for("/v1/calls")
        assert asked["to"] == [{"type": "phone", "number": "1555777"}]
        assert asked["from"] == {"type": "phone", "number": "15550001111"}
        assert (asked["answer_method"], asked["event_method"]) == ("POST", "POST")
        answering = asyncio.create_task(leg.answer())
        events = target(asked["event_url"][0])
        assert (await vonage_post(one, events, {"uuid": CALL, "status": "ringing"}))[0] == 204
        _, ncco = await vonage_post(one, target(asked["answer_url"][0]), {"uuid": CALL})
        end = VonageEnd(one, await vonage_connect(one, ncco), leg)
        await answering
        await vonage_post(one, events, {"uuid": CALL, "status": "completed"})
        kinds = [event async for event in leg.events()]
        assert isinstance(kinds[0], CallRinging)
        assert isinstance(kinds[-1], HungUp)
        await end.close()


async def test_an_outbound_call_that_nobody_takes_says_why() -> None:
    async with here() as one:
        one.api.answers["/v1/calls"] = (201, {"uuid": CALL})
        leg = await one.carrying.dial("vonage", "+1555777")
        answering = asyncio.create_task(leg.answer())
        await vonage_post(one, "/vonage/events", {"uuid": CALL, "status": "busy"})
        with pytest.raises(CallRefused, match="busy"):
            await answering


@pytest.mark.parametrize("missing", ["application_id", "private_key", "number"])
async def test_what_is_missing_for_calling_out_is_named(missing: str) -> None:
    lacking: dict[str, Any] = {missing: ""}
    async with here(**lacking) as one:
        with pytest.raises(ConfigError, match=f"vonage.{missing}"):
            await one.carrying.dial("vonage", "+1555777")


async def test_a_key_may_stand_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"vonage\.private_key"):
        async with here(private_key=str(tmp_path / "missing.pem")):
            pass
