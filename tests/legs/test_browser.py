"""Browsers: who may open calls, offers and answers, sockets, media that breaks off and comes back."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legs.browser_ends import (
    WORD,
    PageSocket,
    browser_settings,
    browsers,
    from_answer,
    offer_text,
    offering,
    page_peer,
    post_offer,
    socket_answered,
    start,
    without_candidates,
)
from legs.far_ends import loudness, tone, until
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError
from trunkline.events import HungUp, MediaBack, MediaLost
from trunkline.legs import browser_calls, webrtc
from trunkline.legs.browser import BrowserSettings, BrowserStream
from trunkline.legs.browser_door import TICKET_SECONDS, Door, Facts, Knock
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Heard, Opened, Played, Pressed, Stopped
from trunkline.legs.webrtc_sdp import Candidate, Ends, answer, parse_offer
from trunkline.rtp.pacer import Pacer
from trunkline.sip.sdp import parse_sdp

OFFER = (Path(__file__).parents[1] / "wire" / "browser" / "chromium-offer.sdp").read_bytes()
OURS = Ends("user", "p" * 24, (("sha-256", "AA:BB"),), (Candidate("1", 1, 99, "192.0.2.7", 4000, "host"),))
SHOP = "https://shop.example.com"
TOKEN = "the page's server knows it"


# --- the messages of the WebSocket ------------------------------------------------------------------


def test_the_messages_of_a_page_are_understood() -> None:
    stream = BrowserStream()
    assert stream.receive(start(ticket="T")) == [Opened("", WORD, "L16", 16000, token="T")]
    assert stream.receive(start(again=True)) == [Opened("again", WORD, "L16", 16000)]
    assert stream.receive(bytes(640)) == [Heard(bytes(640))]
    assert stream.receive('{"type": "key", "digit": "#"}') == [Pressed("#")]
    assert stream.receive('{"type": "played", "mark": "t1"}') == [Played("t1")]
    assert stream.receive('{"type": "stop"}') == [Stopped("hung up")]


@pytest.mark.parametrize(
    "message",
    [
        b"\0",
        bytes(200_000),
        "{}",
        "[]",
        "x",
        '{"type": "key", "digit": "x"}',
        '{"type": "start", "call": "short"}',
    ],
)
def test_what_no_page_says_is_an_error_of_its_own(message: str | bytes) -> None:
    with pytest.raises(ParseError):
        BrowserStream().receive(message)


@given(
    st.one_of(
        st.binary(max_size=200), st.text(max_size=200), st.dictionaries(st.text(), st.text()).map(json.dumps)
    )
)
def test_any_message_at_all_is_understood_or_refused(message: str | bytes) -> None:
    with suppress(ParseError):
        BrowserStream().receive(message)


# --- offers and answers -----------------------------------------------------------------------------


def test_a_browsers_offer_is_understood() -> None:
    offer = parse_offer(OFFER)
    assert offer.mid == "0"
    assert offer.theirs.username == "18gd"
    assert [one.host for one in offer.theirs.candidates] == ["127.0.0.1", "192.0.2.2", "::1", "fd00::2"]
    assert offer.theirs.fingerprints[0][0] == "sha-256"
    stream = offer.stream
    assert (stream.codec, stream.payload_type, stream.fmtp) == ("OPUS", 111, "minptime=10;useinbandfec=1")
    assert (stream.dtmf_payload_type, stream.dtmf_clock) == (110, 48000)
    assert stream.receivable == ((126, "TELEPHONE-EVENT"),)


def test_the_answer_says_what_was_taken_and_how_to_reach_us() -> None:
    offer = parse_offer(OFFER)
    media = parse_sdp(answer(offer, OURS, 7)).media[0]
    assert media.formats == ("111", "110")
    assert media.attribute("setup") == "active"
    assert media.attribute("candidate") == "1 1 udp 99 192.0.2.7 4000 typ host"
    assert media.attribute("fingerprint") == "sha-256 AA:BB"


def test_streams_that_are_not_sound_are_turned_down() -> None:
    video = b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
    said = parse_sdp(answer(parse_offer(OFFER + video), OURS, 7))
    assert [(one.kind, one.port) for one in said.media] == [("audio", 9), ("video", 0)]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"opus/48000/2", b"speex/48000"),
        (b"a=rtcp-mux\r\n", b""),
        (b"setup:actpass", b"setup:active"),
        (b"a=ice-ufrag:18gd\r\n", b""),
        (b"a=ice-pwd:MNT8/18yRUrCbJl6NU48Beat", b"a=ice-pwd:short"),
        (b"a=fingerprint", b"a=fingertip"),
        (b"UDP/TLS/RTP/SAVPF", b"RTP/AVP"),
        (b"m=audio 53755", b"m=audio 0"),
        (b"m=audio", b"m=video"),
        (b"v=0", b"v=1"),
    ],
)
def test_an_offer_that_cannot_be_taken_is_an_error_of_its_own(was: bytes, now: bytes) -> None:
    assert was in OFFER
    with pytest.raises(ParseError):
        parse_offer(OFFER.replace(was, now))


@given(st.integers(0, len(OFFER)), st.integers(0, 40), st.binary(max_size=40))
def test_whatever_is_done_to_an_offer_it_is_understood_or_refused(at: int, length: int, put: bytes) -> None:
    changed = OFFER[:at] + put + OFFER[at + length :]
    with suppress(ParseError):
        answer(parse_offer(changed), OURS, 1)


# --- who may open calls -----------------------------------------------------------------------------


def door(**settings: Any) -> Door:
    return Door(BrowserSettings(**{"bind": "127.0.0.1:8080", **settings}))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", "anything"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://localhost:8080", "localhost:8080"),
        (SHOP, "voice.example.com"),
        (SHOP.upper(), "voice.example.com"),
    ],
)
def test_our_own_page_and_the_pages_named_may_open_calls(origin: str, host: str) -> None:
    assert door(origins=(SHOP,)).admit(Knock(origin, host, "127.0.0.1", local=True), "", 0.0) == Facts()


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "voice.example.com"),
        ("https://shop.example.com.evil.example", "voice.example.com"),
        ("http://shop.example.com", "voice.example.com"),
        ("null", "127.0.0.1:8080"),
        ("http://localhost:9999", "localhost:8080"),
        # A name of a stranger's that leads to this machine: the page and the request agree, and yet.
        ("http://evil.example:8080", "evil.example:8080"),
    ],
)
def test_other_pages_may_not(origin: str, host: str) -> None:
    with pytest.raises(CallRefused):
        door(origins=(SHOP,)).admit(Knock(origin, host, "127.0.0.1", local=True), "", 0.0)


def test_without_a_token_only_this_machine_may() -> None:
    assert door().admit(Knock(local=True), "", 0.0) == Facts()
    with pytest.raises(CallRefused):
        door().admit(Knock(local=False), "", 0.0)


def test_a_ticket_is_good_once_and_for_a_minute() -> None:
    one = door(token=TOKEN)
    facts = Facts("Ada", {"cart": "7"})
    ticket = one.ticket(Knock(), TOKEN, facts, 0.0)
    late = one.ticket(Knock(), TOKEN, facts, 0.0)
    assert one.admit(Knock(local=True), ticket, 1.0) == facts
    for word, at in ((ticket, 1.0), (late, TICKET_SECONDS + 1), ("", 0.0), ("guess", 0.0)):
        with pytest.raises(CallRefused):
            one.admit(Knock(local=True), word, at)
    assert one.admit(Knock(), TOKEN, 1.0) == Facts()


@pytest.mark.parametrize("knock", [Knock(), Knock(SHOP)])
def test_who_does_not_know_the_token_and_every_page_gets_no_ticket(knock: Knock) -> None:
    one = door(token=TOKEN, origins=(SHOP,))
    with pytest.raises(CallRefused):
        one.ticket(knock, TOKEN if knock.origin else "guess", Facts(), 0.0)
    with pytest.raises(CallRefused):
        door().ticket(Knock(), "", Facts(), 0.0)


@pytest.mark.parametrize("origin", ["shop.example.com", "https://", "https://a/b", "*", "ftp://a"])
def test_what_is_no_origin_is_the_owners_mistake(origin: str) -> None:
    with pytest.raises(ConfigError):
        door(origins=(origin,))


# --- over real sockets ------------------------------------------------------------------------------


async def test_the_page_and_the_snippet_are_served() -> None:
    async with browsers() as here:
        for path, kind in (
            ("talk", "text/html"),
            ("talk.js", "text/javascript"),
            ("trunkline.js", "text/javascript"),
        ):
            async with here.client.get(f"{here.http}/browser/{path}") as reply:
                assert (reply.status, reply.content_type) == (200, kind)
                assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        async with here.client.get(f"{here.http}/browser/secrets") as reply:
            assert reply.status == 404
        async with here.client.get(f"{here.http}/") as reply:  # The address alone leads to the page.
            assert (reply.status, reply.url.path) == (200, "/browser/talk")


async def test_pages_of_strangers_are_refused_everywhere() -> None:
    async with browsers() as here:
        evil = {"Origin": "https://evil.example"}
        assert (await post_offer(here, OFFER.decode(), **evil))[0] == 403
        async with here.client.options(f"{here.http}/browser/calls", headers=evil) as reply:
            assert reply.status == 403
            assert "Access-Control-Allow-Origin" not in reply.headers
        with pytest.raises(Exception, match="403"):
            await here.socket("/browser/stream", headers=evil)
        assert here.carrying.board.active == 0


async def test_a_page_that_is_allowed_may_read_the_answers() -> None:
    async with (
        browsers(origins=(SHOP,)) as here,
        here.client.options(f"{here.http}/browser/calls", headers={"Origin": SHOP}) as reply,
    ):
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Origin"] == SHOP


async def test_a_ticket_carries_who_calls_into_the_call() -> None:
    async with browsers(token=TOKEN) as here:
        asked = {"Authorization": f"Bearer {TOKEN}"}
        facts = {"caller": "Ada", "variables": {"cart": "7"}}
        async with here.client.post(f"{here.http}/browser/tickets", json=facts, headers=asked) as reply:
            ticket = (await reply.json())["ticket"]
        socket = await here.socket("/browser/stream")
        await socket.send_str(start(ticket=ticket))
        leg = await here.next_call()
        assert leg.info.caller == "Ada"
        assert leg.info.variables == {"cart": "7"}
        stranger = await here.socket("/browser/stream")
        await stranger.send_str(start(call="x" * 30))
        assert (await stranger.receive()).data == 1008
        async with here.client.post(f"{here.http}/browser/tickets", json=facts) as reply:
            assert reply.status == 403


@pytest.mark.parametrize("limits", [{"max_calls": 1}, {"per_address": 1}])
async def test_there_are_never_more_calls_than_may_be(limits: dict[str, Any]) -> None:
    async with browsers(**limits) as here:
        end = await socket_answered(here)
        assert (await post_offer(here, OFFER.decode()))[0] == 503
        another = await here.socket("/browser/stream")
        await another.send_str(start(call="x" * 30))
        assert (await another.receive()).data == 1008
        await end.hang_up()
        await until(lambda: bool(end.leg.ended))
        third = await here.socket("/browser/stream")
        await third.send_str(start(call="y" * 30))
        await here.next_call()
        await end.close()


async def test_offers_that_make_no_sense_and_calls_that_are_none() -> None:
    async with browsers() as here:
        assert (await post_offer(here, "v=0\r\n"))[0] == 400
        assert (await post_offer(here, OFFER.decode(), "/browser/calls/guess"))[0] == 404
        assert (await post_offer(here, OFFER.decode(), Authorization="Basic x"))[0] == 400
        async with here.client.delete(f"{here.http}/browser/calls/guess") as reply:
            assert reply.status == 200
        async with here.client.put(f"{here.http}/browser/calls/guess") as reply:
            assert reply.status == 405
        assert here.carrying.board.active == 0
    async with browsers(webrtc=False) as here:
        assert (await post_offer(here, OFFER.decode()))[0] == 501


async def test_a_call_that_is_turned_away_is_told_so() -> None:
    async with browsers() as here:
        posting = asyncio.create_task(post_offer(here, OFFER.decode()))
        leg = await here.next_call()
        await leg.hang_up("busy")
        assert (await posting)[0] == 503


async def test_an_offer_that_no_agent_takes_is_answered_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_calls, "TAKEN_WITHIN", 0.05)
    async with browsers() as here:
        assert (await post_offer(here, OFFER.decode()))[0] == 503
        assert here.carrying.board.active == 0


async def test_a_browser_that_cannot_be_reached_is_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webrtc, "CONNECT_WITHIN", 0.2)
    async with browsers() as here:
        pacer = Pacer(SystemClock())
        async with offering(here, pacer) as (_, offer):
            posting = asyncio.create_task(post_offer(here, without_candidates(offer)))
            leg = await here.next_call()
            answering = asyncio.create_task(leg.answer())
            assert (await posting)[0] == 201
            with pytest.raises(CallRefused, match="could not be reached"):
                await answering
        await pacer.close()


async def test_nothing_is_left_of_a_call_that_ends_while_it_is_connected() -> None:
    async with browsers() as here:
        pacer = Pacer(SystemClock())
        async with offering(here, pacer) as (_, offer):
            posting = asyncio.create_task(post_offer(here, offer))
            leg = await here.next_call()
            answering = asyncio.create_task(leg.answer())
            assert (await posting)[0] == 201
            await leg.hang_up("changed their mind")
            with pytest.raises(CallRefused):
                await answering
        await pacer.close()


async def test_a_wrong_certificate_is_no_call() -> None:
    async with browsers() as here:
        pacer = Pacer(SystemClock())
        pacer.start()
        async with offering(here, pacer) as (connection, _):
            ends = await connection.gather()
            forged = Ends(
                ends.username, ends.password, (("sha-256", ":".join(["00"] * 32)),), ends.candidates
            )
            posting = asyncio.create_task(post_offer(here, offer_text(forged).decode()))
            leg = await here.next_call()
            answering = asyncio.create_task(leg.answer())
            _, said, _ = await posting
            connection.agree(from_answer(said))
            with suppress(MediaError):  # whether we learn of it depends on who finishes first
                await connection.connect(controlling=True)
            with pytest.raises(CallRefused):
                await answering
        await pacer.close()


async def test_browsers_are_not_called_and_calls_are_not_handed_over() -> None:
    async with browsers() as here:
        with pytest.raises(ConfigError):
            await here.carrying.dial("browser", "+15551110000")
        end = await socket_answered(here)
        assert await end.leg.transfer("sip:x@y") is TransferResult.NOT_SUPPORTED
        with pytest.raises(MediaError):
            await end.leg.send_dtmf("1")
        await end.close()


# --- media that breaks off and comes back -----------------------------------------------------------


async def test_a_socket_that_breaks_off_comes_back_to_the_same_call() -> None:
    async with browsers(StreamSettings(return_within=30.0)) as here:
        end = await socket_answered(here)
        frames: list[bytes] = []
        end.leg.start(lambda frame: frames.append(frame.pcm), lambda _: tone(16000))
        await end.close()
        await until(lambda: end.leg.phase.value == "away")
        socket = await here.socket("/browser/stream")
        await socket.send_str(start(again=True))
        back = PageSocket(socket, end.leg)
        await until(lambda: loudness(bytes(back.heard)) > 0.1)
        frames.clear()
        await back.speak(tone(16000))
        await until(lambda: any(loudness(frame) > 0.1 for frame in frames))
        await back.close()


@pytest.mark.parametrize("first", [start(again=True), start(call="x" * 30, again=True)])
async def test_nobody_comes_back_to_a_call_that_never_was(first: str) -> None:
    async with browsers() as here:
        socket = await here.socket("/browser/stream")
        await socket.send_str(first)
        assert (await socket.receive()).data == 1008


async def test_a_word_is_for_one_call() -> None:
    async with browsers() as here:
        end = await socket_answered(here)
        socket = await here.socket("/browser/stream")
        await socket.send_str(start())
        assert (await socket.receive()).data == 1008
        assert not end.leg.ended
        await end.close()


async def test_a_page_that_lost_its_media_offers_anew_for_the_same_call() -> None:
    async with browsers() as here, page_peer(here) as end:
        end.leg.start(lambda _: None, lambda _: tone(end.leg.rate))
        await until(lambda: loudness(bytes(end.heard[-640:])) > 0.1)
        pacer = Pacer(SystemClock())
        pacer.start()
        async with offering(here, pacer) as (again, offer):
            status, said, _ = await post_offer(here, offer, end.location)
            assert status == 200
            again.agree(from_answer(said))
            await again.connect(controlling=True)
            end.heard.clear()
            end.listen(again)
            await until(lambda: loudness(bytes(end.heard[-640:])) > 0.1)
            assert not end.leg.ended  # type: ignore[attr-defined]
            await end.hang_up()
            last = [event async for event in end.leg.events()][-1]
            assert isinstance(last, HungUp)
        await pacer.close()


async def test_a_page_that_closes_its_connection_has_hung_up() -> None:
    async with browsers() as here, page_peer(here) as end:
        end.leg.start(lambda _: None, lambda _: None)
        await end.connection.close()
        last = [event async for event in end.leg.events()][-1]
        assert isinstance(last, HungUp)
        assert last.reason == "hung up"


async def test_silence_of_the_network_is_told_and_so_is_its_end() -> None:
    async with browsers(StreamSettings(lost_after=0.1)) as here, page_peer(here) as end:
        media = end.connection.media
        assert media is not None
        end.leg.start(lambda _: None, lambda _: None)
        events = end.leg.events()
        media._ticket.remove()  # type: ignore[union-attr]  # the page's packets stop
        async for event in events:
            if isinstance(event, MediaLost):
                break
        media._ticket = media._pacer.add(media._tick)
        async for event in events:
            if isinstance(event, MediaBack):
                break


def test_the_settings_are_a_carriers() -> None:
    assert browser_settings().in_use()
    assert not browser_settings(bind="").in_use()
