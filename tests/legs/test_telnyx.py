"""Telnyx: the published messages, three codecs, signed webhooks, commands, transfers."""

from __future__ import annotations

import asyncio
import json
from array import array
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.carrier_ends import World, world
from legs.far_ends import LIMIT, loudness, tone, until
from legs.telnyx_ends import (
    CALL,
    TelnyxEnd,
    ed25519,
    event,
    signed,
    telnyx_answered,
    telnyx_connect,
    telnyx_post,
    telnyx_settings,
)
from trunkline.audio.codecs import pcma, pcmu
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError, SipError
from trunkline.events import HungUp
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carriers import CarrierSettings
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Complained, Heard, Opened, Pressed, Stopped
from trunkline.legs.telnyx import TelnyxSettings, TelnyxStream
from trunkline.legs.telnyx_calls import read_state, state

WIRE = json.loads((Path(__file__).parents[1] / "wire" / "carriers" / "telnyx.json").read_text())


def said(name: str) -> dict[str, Any]:
    value = deepcopy(WIRE["from_telnyx"][name])
    assert isinstance(value, dict)
    return value


# --- the messages -----------------------------------------------------------------------------------


def test_each_published_message_is_understood() -> None:
    stream = TelnyxStream(TelnyxSettings())
    assert stream.receive(json.dumps(said("connected"))) == []
    assert stream.receive(json.dumps(said("start"))) == [
        Opened(
            "32DE0DEA-53CB-4B21-89A4-9E1819C043BC",
            "v2:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ",
            "PCMU",
            8000,
            caller="+13122010094",
            callee="+13122123456",
            variables={"customer_id": "customer_123"},
        )
    ]
    (opened,) = stream.receive(json.dumps(said("start_old")))
    assert isinstance(opened, Opened)
    assert opened.codec == "PCMU"
    media = said("media")
    media["media"]["payload"] = b64encode(bytes(range(160))).decode()
    assert stream.receive(json.dumps(media)) == [Heard(pcmu.decode(bytes(range(160))), 2)]
    media["media"]["track"] = "outbound"
    assert stream.receive(json.dumps(media)) == []
    assert stream.receive(json.dumps(said("dtmf"))) == [Pressed("1")]
    assert stream.receive(json.dumps(said("stop"))) == [Stopped("hung up")]
    error = {"event": "error", "payload": {"code": 100004, "title": "invalid_media", "detail": "no"}}
    assert stream.receive(json.dumps(error)) == [Complained("100004")]
    error["payload"] = {"code": "she said: yes", "title": "she said: yes", "detail": "she said: yes"}
    assert stream.receive(json.dumps(error)) == [Complained("")], "a code is digits"


def start(encoding: str, rate: int) -> str:
    value = said("start")
    value["start"]["media_format"] = {"encoding": encoding, "sample_rate": rate, "channels": 1}
    return json.dumps(value)


def sent(stream: TelnyxStream, pcm: bytes) -> bytes:
    value = json.loads(str(stream.audio(pcm)))
    assert value["event"] == "media"
    return b64decode(value["media"]["payload"])


def test_each_codec_is_spoken_as_it_should_be() -> None:
    pcm = tone(8000)
    assert sent(TelnyxStream(TelnyxSettings()), pcm) == pcmu.encode(pcm)
    assert sent(TelnyxStream(TelnyxSettings(codec="PCMA")), pcm) == pcma.encode(pcm)
    assert sent(TelnyxStream(TelnyxSettings(codec="L16")), pcm) == pcm
    swapped = array("h", pcm)
    swapped.byteswap()
    big = TelnyxStream(TelnyxSettings(codec="L16", l16_byte_order="big"))
    assert sent(big, pcm) == swapped.tobytes()
    big.receive(start("L16", 16000))
    media = {"event": "media", "media": {"track": "inbound", "chunk": "1", "payload": ""}}
    media["media"] |= {"payload": b64encode(swapped.tobytes()).decode()}  # type: ignore[operator]
    assert big.receive(json.dumps(media)) == [Heard(pcm, 1)]


def test_a_caller_in_another_codec_and_at_another_rate_is_heard_at_ours() -> None:
    stream = TelnyxStream(TelnyxSettings(codec="L16", rate=16000))
    (opened,) = stream.receive(start("PCMA", 8000))
    assert isinstance(opened, Opened)
    assert (opened.codec, opened.rate) == ("PCMA", 16000)
    media = {"event": "media", "media": {"payload": b64encode(pcma.encode(tone(8000))).decode()}}
    (heard,) = stream.receive(json.dumps(media))
    assert isinstance(heard, Heard)
    assert len(heard.pcm) == 640
    assert loudness(heard.pcm) == pytest.approx(loudness(tone(8000)), rel=0.2)


@pytest.mark.parametrize(
    "message",
    [
        "{}",
        start("AMR-WB", 16000),
        start("PCMU", 16000),
        start("L16", 12345),
        json.dumps({**said("start"), "stream_id": ""}),
        '{"event": "media", "media": {"payload": "A"}}',
        '{"event": "error"}',
    ],
)
def test_what_is_no_message_is_an_error_of_its_own(message: str) -> None:
    with pytest.raises(ParseError):
        TelnyxStream(TelnyxSettings()).receive(message)


def test_half_a_sample_is_refused() -> None:
    stream = TelnyxStream(TelnyxSettings(codec="L16"))
    stream.receive(start("L16", 16000))
    with pytest.raises(ParseError):
        stream.receive('{"event": "media", "media": {"payload": "AAAA"}}')


def test_a_state_comes_back_as_it_was_given() -> None:
    assert read_state(state("transfer", "v3:a b")) == ("transfer", "v3:a b")


@given(st.text() | st.binary().map(lambda raw: b64encode(raw).decode()))
def test_a_state_of_anybody_else_is_none(carried: str) -> None:
    kind, _ = read_state(carried)
    assert kind in ("", "call", "transfer")


# --- webhooks and strangers -------------------------------------------------------------------------


@asynccontextmanager
async def here(times: StreamSettings | None = None, **settings: Any) -> AsyncIterator[World]:
    def make(api: str) -> CarrierSettings:
        return telnyx_settings(**{"api": api, **settings})

    async with asyncio.timeout(LIMIT), world(make, times) as one:
        yield one


INCOMING = {"direction": "incoming", "from": "+15551110000", "to": "+15550001111"}


async def test_a_call_is_answered_by_a_command_that_opens_its_stream() -> None:
    async with here() as one:
        end = await telnyx_answered(one)
        info = end.leg.info
        assert (info.call_id, info.caller, info.callee) == (CALL, "+15551110000", "+15550001111")
        assert info.variables == {"X-Campaign": "spring", "customer": "7"}
        assert one.api.headers[0]["Authorization"] == "Bearer KEY0123"
        await end.leg.hang_up()
        assert (await one.api.asked_for(f"/calls/{CALL}/actions/hangup")).keys() == {"command_id"}
        await end.close()


async def test_what_the_answer_asks_for_is_what_is_set() -> None:
    async with here(codec="L16", rate=24000) as one:
        await telnyx_post(one, event("call.initiated", **INCOMING))
        leg = await one.next_call()
        answering = asyncio.create_task(leg.answer())
        asked = await one.api.asked_for("/actions/answer")
        assert asked["stream_url"].startswith("wss://voice.example.com/telnyx/stream/")
        del asked["stream_url"], asked["command_id"]
        assert asked == {
            "stream_track": "inbound_track",
            "stream_codec": "L16",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "L16",
            "stream_bidirectional_sampling_rate": 24000,
        }
        leg.end("over")
        with pytest.raises(CallRefused):
            await answering


async def test_a_webhook_that_is_forged_old_or_unsigned_is_refused() -> None:
    async with here() as one:
        ringing = event("call.initiated", **INCOMING)
        body = json.dumps(ringing).encode()
        another = ed25519.Ed25519PrivateKey.generate()
        for headers in ({}, signed(body + b" "), signed(body, 1_000_000_000.0), signed(body, key=another)):
            assert await telnyx_post(one, ringing, headers) == 403
        assert one.carrying.board.active == 0


async def test_a_replayed_webhook_is_refused_and_a_repeated_event_is_nothing_new() -> None:
    async with here() as one:
        ringing = event("call.initiated", **INCOMING)
        headers = signed(json.dumps(ringing).encode())
        assert await telnyx_post(one, ringing, headers) == 200
        assert await telnyx_post(one, ringing, headers) == 403
        once_more = signed(json.dumps(ringing).encode(), int(headers["telnyx-timestamp"]) + 1)
        assert await telnyx_post(one, ringing, once_more) == 200
        assert one.carrying.board.active == 1


async def test_without_a_key_nothing_is_believed() -> None:
    async with here(public_key="") as one:
        assert await telnyx_post(one, event("call.initiated", **INCOMING)) == 403


async def test_rubbish_is_answered_and_survived() -> None:
    async with here() as one:
        assert await telnyx_post(one, {}) == 400
        assert await telnyx_post(one, {"data": {"id": "x", "payload": {}}}) == 400
        assert await telnyx_post(one, event("call.something.new")) == 200
        assert await telnyx_post(one, event("call.hangup", "v3:unknown")) == 200
        async with one.client.post(one.http + "/telnyx/other") as answer:
            assert answer.status == 404


@pytest.mark.parametrize("word", ["", "/guessed"])
async def test_a_stream_for_a_call_nobody_announced_is_refused_at_the_door(word: str) -> None:
    async with here() as one, one.client.get(one.http + "/telnyx/stream" + word) as answer:
        assert answer.status == 403


async def test_a_stream_of_another_call_is_closed() -> None:
    async with here() as one:
        await telnyx_post(one, event("call.initiated", **INCOMING))
        leg = await one.next_call()
        answering = asyncio.create_task(leg.answer())
        asked = await one.api.asked_for("/actions/answer")
        socket = await telnyx_connect(one, asked["stream_url"], "v3:another")
        assert (await socket.receive()).type.name.startswith("CLOS")
        leg.end("over")
        with pytest.raises(CallRefused):
            await answering


# --- the call ---------------------------------------------------------------------------------------


async def test_a_call_that_is_not_wanted_is_rejected_as_busy() -> None:
    async with here() as one:
        await telnyx_post(one, event("call.initiated", **INCOMING))
        leg = await one.next_call()
        await leg.hang_up("busy")
        assert (await one.api.asked_for(f"/calls/{CALL}/actions/reject"))["cause"] == "USER_BUSY"


async def test_a_call_while_the_service_stops_is_rejected_as_busy() -> None:
    async with here() as one:
        one.carrying.board.draining = True
        assert await telnyx_post(one, event("call.initiated", **INCOMING)) == 200
        assert (await one.api.asked_for(f"/calls/{CALL}/actions/reject"))["cause"] == "USER_BUSY"
        one.api.answers["/reject"] = (500, {})
        assert await telnyx_post(one, event("call.initiated", "v3:2", **INCOMING)) == 200


async def test_a_call_that_has_ended_already_is_hung_up_without_complaint() -> None:
    async with here() as one:
        end = await telnyx_answered(one)
        one.api.answers["/hangup"] = (422, {"errors": [{"code": "90018", "title": "Call has already ended"}]})
        await end.leg.hang_up()
        await end.close()


async def test_an_answer_that_is_refused_ends_the_call_with_what_was_said() -> None:
    async with here() as one:
        one.api.answers["/answer"] = (422, {"errors": [{"code": "90018", "detail": "too late"}]})
        await telnyx_post(one, event("call.initiated", **INCOMING))
        leg = await one.next_call()
        with pytest.raises(SipError, match="too late"):
            await leg.answer()
        assert leg.ended


async def test_a_stream_that_could_not_be_opened_ends_a_call_that_had_none() -> None:
    async with here() as one:
        await telnyx_post(one, event("call.initiated", **INCOMING))
        leg = await one.next_call()
        answering = asyncio.create_task(leg.answer())
        await one.api.asked_for("/actions/answer")
        await telnyx_post(one, event("streaming.failed"))
        with pytest.raises(CallRefused, match="could not open"):
            await answering


async def test_a_stream_that_broke_off_is_asked_for_again() -> None:
    async with here() as one:
        end = await telnyx_answered(one)
        end.leg.start(lambda _: None, lambda _: tone(8000))
        await end.close()
        asked = await one.api.asked_for("/actions/streaming_start")
        back = TelnyxEnd(await telnyx_connect(one, asked["stream_url"]), end.leg)
        await until(lambda: len(back.heard) > 1000)
        await back.close()


async def test_the_published_hang_up_ends_the_call_it_names() -> None:
    async with here() as one:
        hangup = WIRE["call_hangup"]
        call = hangup["data"]["payload"]["call_control_id"]
        await telnyx_post(one, event("call.initiated", call, **INCOMING))
        leg = await one.next_call()
        assert await telnyx_post(one, hangup) == 200
        events = [event async for event in leg.events()]
        assert [e.reason for e in events if isinstance(e, HungUp)] == ["declined"]


@pytest.mark.parametrize(
    ("kind", "payload", "result"),
    [
        ("call.answered", {}, TransferResult.TRANSFERRED),
        ("call.bridged", {}, TransferResult.TRANSFERRED),
        ("call.hangup", {"hangup_cause": "user_busy"}, TransferResult.BUSY),
        ("call.hangup", {"hangup_cause": "call_rejected"}, TransferResult.DECLINED),
        ("call.hangup", {"hangup_cause": "timeout"}, TransferResult.NO_ANSWER),
        ("call.hangup", {"hangup_cause": "not_found"}, TransferResult.FAILED),
        ("call.hangup", {}, TransferResult.FAILED),
    ],
)
async def test_a_transfer_ends_as_its_target_says(
    kind: str, payload: dict[str, str], result: TransferResult
) -> None:
    async with here() as one:
        end = await telnyx_answered(one)
        transferring = asyncio.create_task(end.leg.transfer("sip:sales@example.com"))
        asked = await one.api.asked_for(f"/calls/{CALL}/actions/transfer")
        assert (asked["to"], asked["from"]) == ("sip:sales@example.com", "+15550001111")
        carried = {"client_state": asked["target_leg_client_state"], **payload}
        await telnyx_post(one, event("call.initiated", "v3:new", direction="outgoing", **carried))
        assert not transferring.done()
        await telnyx_post(one, event(kind, "v3:new", **carried))
        assert await transferring is result
        assert not end.leg.ended
        await end.leg.hang_up()
        hung_up = [path for _, path, _ in one.api.asked if path.endswith("/hangup")]
        assert bool(hung_up) is (result is not TransferResult.TRANSFERRED)
        await end.close()


async def test_keys_are_a_command() -> None:
    async with here() as one:
        end = await telnyx_answered(one)
        await end.leg.send_dtmf("12#")
        assert (await one.api.asked_for("/actions/send_dtmf"))["digits"] == "12#"
        with pytest.raises(MediaError):
            await end.leg.send_dtmf("call me")
        await end.close()


async def test_an_outbound_call_streams_once_it_is_answered() -> None:
    async with here() as one:
        one.api.answers["/calls"] = (200, {"data": {"call_control_id": CALL, "is_alive": False}})
        leg = await one.carrying.dial("telnyx", "+1 555 777")
        asked = await one.api.asked_for("/calls")
        assert (asked["to"], asked["from"], asked["connection_id"]) == ("+1555777", "+15550001111", "7267")
        assert leg.info.call_id == CALL
        answering = asyncio.create_task(leg.answer())
        await telnyx_post(one, event("call.answered", client_state=asked["client_state"]))
        end = TelnyxEnd(await telnyx_connect(one, asked["stream_url"]), leg)
        await answering
        await end.hang_up()
        await end.closed.wait()
        await end.close()


async def test_an_outbound_call_that_nobody_takes_says_why() -> None:
    async with here() as one:
        one.api.answers["/calls"] = (200, {"data": {"call_control_id": CALL}})
        leg = await one.carrying.dial("telnyx", "+1555777")
        answering = asyncio.create_task(leg.answer())
        await telnyx_post(one, event("call.hangup", hangup_cause="user_busy"))
        with pytest.raises(CallRefused, match="busy"):
            await answering


@pytest.mark.parametrize("missing", ["api_key", "connection_id", "number"])
async def test_what_is_missing_for_calling_out_is_named(missing: str) -> None:
    lacking: dict[str, Any] = {missing: ""}
    async with here(**lacking) as one:
        with pytest.raises(ConfigError, match=f"telnyx.{missing}"):
            await one.carrying.dial("telnyx", "+1555777")


def test_wideband_that_nobody_asked_for_is_brought_to_our_rate() -> None:
    """A call in Opus that Telnyx cannot transcode, on a stream of ours in PCMU."""
    from trunkline.audio.codecs.registry import codec_named

    stream = TelnyxStream(TelnyxSettings())
    (opened,) = stream.receive(start("OPUS", 48000))
    assert isinstance(opened, Opened)
    assert (opened.codec, opened.rate) == ("OPUS", 8000)
    encode = codec_named("OPUS").make_encoder()
    heard = b""
    for number in range(5):
        payload = b64encode(encode(tone(16000))).decode()
        media = {"track": "inbound", "chunk": str(number), "payload": payload}
        (one,) = stream.receive(json.dumps({"event": "media", "media": media}))
        assert isinstance(one, Heard)
        heard += one.pcm
    assert len(heard) == 5 * 320
    assert loudness(heard[-320:]) > 0.1
