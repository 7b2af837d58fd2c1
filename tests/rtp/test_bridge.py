"""Two calls joined on loopback: packets go across as they are where they can, else they are coded anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from trunkline.audio.codecs.registry import codec_named
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.clock import SystemClock
from trunkline.errors import MediaError
from trunkline.rtp.bridge import Bridge
from trunkline.rtp.outgoing import Outgoing
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.packet import Packet
from trunkline.rtp.port import MediaPort
from trunkline.rtp.srtp import suites
from trunkline.rtp.stream import Keys, Stream

PCMU = Stream("PCMU", 0, dtmf_payload_type=101)
PCMA = Stream("PCMA", 8, dtmf_payload_type=96)
L16 = Stream("L16", 97, dtmf_payload_type=102)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is awaited is seen in plain lists
            await asyncio.sleep(0.005)


def tone(rate: int, pitch: float = 400.0) -> Callable[[float], bytes]:
    """Gives 20 ms of it after 20 ms of it."""
    size, place = frame_bytes(rate) // 2, 0

    def next_frame(_: float) -> bytes:
        nonlocal place
        time = (place + np.arange(size)) / rate
        place += size
        return bytes((9000 * np.sin(2 * np.pi * pitch * time)).astype("<i2").data)

    return next_frame


class Phone:
    """A far end: it sends a tone and keeps what it hears."""

    def __init__(self, port: MediaPort, stream: Stream) -> None:
        self.port = port
        self.stream = stream
        self.heard: list[Frame] = []
        self.keys: list[str] = []
        port.on_dtmf = self.keys.append

    def start(self, pitch: float) -> None:
        self.port.start(self.heard.append, tone(self.port.rate, pitch))

    def loud(self) -> list[Frame]:
        return [f for f in self.heard if not f.concealed and np.abs(np.frombuffer(f.pcm, "<i2")).max() > 6000]


def pitch_in(frames: list[Frame]) -> float:
    sound = np.frombuffer(b"".join(frame.pcm for frame in frames), "<i2")
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * frames[0].rate / len(sound))


@asynccontextmanager
async def two_calls(one: Stream, other: Stream) -> AsyncIterator[tuple[Phone, MediaPort, MediaPort, Phone]]:
    """Alice, our port to her, our port to Bob, Bob; everybody speaks, the agent's tone is 1000 Hz."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    ports = [await MediaPort.open(pacer, clock) for _ in range(4)]
    alice, to_alice, to_bob, bob = ports
    try:
        for here, there, stream in (
            (alice, to_alice, turned(one)),
            (to_alice, alice, one),
            (to_bob, bob, other),
            (bob, to_bob, turned(other)),
        ):
            here.configure(stream, remote=("127.0.0.1", there.local_port))
        for port in (to_alice, to_bob):
            port.start(lambda _: None, tone(port.rate, 1000))
        yield Phone(alice, one), to_alice, to_bob, Phone(bob, other)
    finally:
        for port in ports:
            await port.close()
        await pacer.close()


def turned(stream: Stream) -> Stream:
    """The same, as the other end has it."""
    keys = stream.keys
    return replace(stream, keys=replace(keys, send=keys.receive, receive=keys.send) if keys else None)


async def test_the_same_codec_goes_across_undecoded_and_the_agent_comes_back_afterwards() -> None:
    async with two_calls(PCMU, replace(PCMU, dtmf_payload_type=96)) as (alice, to_alice, to_bob, bob):
        alice.start(400)
        bob.start(600)
        await until(lambda: len(bob.loud()) > 5 and len(alice.loud()) > 5)
        bridge = Bridge(to_alice, to_bob)
        alice.heard.clear()
        bob.heard.clear()
        await until(lambda: len(bob.loud()) > 30 and len(alice.loud()) > 30)
        assert pitch_in(bob.loud()[8:28]) == pytest.approx(400, abs=6)
        assert pitch_in(alice.loud()[8:28]) == pytest.approx(600, abs=6)
        assert bridge.decoded == 0
        assert bridge.forwarded > 40
        await alice.port.send_dtmf("4")
        await bob.port.send_dtmf("7")
        await until(lambda: bob.keys == ["4"] and alice.keys == ["7"])
        bridge.close()
        bridge.close()
        bob.heard.clear()
        await until(lambda: len(bob.loud()) > 30)
        assert pitch_in(bob.loud()[8:28]) == pytest.approx(1000, abs=6)
        assert bob.port.quality().packets_lost == 0
        assert bob.port.quality().malformed == 0


@pytest.mark.parametrize(("one", "other"), [(PCMU, PCMA), (PCMU, L16)])
async def test_other_codecs_and_rates_are_coded_anew(one: Stream, other: Stream) -> None:
    async with two_calls(one, other) as (alice, to_alice, to_bob, bob):
        bridge = Bridge(to_alice, to_bob)
        alice.start(400)
        bob.start(600)
        await until(lambda: len(bob.loud()) > 40 and len(alice.loud()) > 40)
        assert pitch_in(bob.loud()[10:40]) == pytest.approx(400, abs=6)
        assert pitch_in(alice.loud()[10:40]) == pytest.approx(600, abs=6)
        assert bridge.forwarded == 0
        assert bridge.decoded > 60
        await alice.port.send_dtmf("42")
        await until(lambda: bob.keys == ["4", "2"])
        bridge.close()


async def test_more_keys_than_anybody_presses_are_not_kept_for_later() -> None:
    async with two_calls(PCMU, L16) as (_, to_alice, to_bob, bob):
        bridge = Bridge(to_alice, to_bob)
        to_bob.configure(replace(L16, send=False), remote=("127.0.0.1", bob.port.local_port))
        for _ in range(100):
            bridge._ways[0].digit("5")
        assert to_bob.session.sending_dtmf
        bridge.close()


async def test_encrypted_calls_keep_each_its_own_keys() -> None:
    try:
        usable = suites()
    except MediaError as error:
        pytest.skip(str(error))
    suite = "AES_CM_128_HMAC_SHA1_80"
    assert suite in usable
    keys = [Keys(suite, bytes([n]) * 30, bytes([n + 1]) * 30) for n in (1, 3)]
    async with two_calls(replace(PCMU, keys=keys[0]), replace(PCMU, keys=keys[1])) as (a, to_a, to_b, b):
        bridge = Bridge(to_a, to_b)
        a.start(400)
        b.start(600)
        await until(lambda: len(b.loud()) > 30 and len(a.loud()) > 30)
        assert bridge.decoded == 0
        assert (a.port.quality().refused, b.port.quality().refused) == (0, 0)
        bridge.close()


async def test_who_records_hears_both_while_packets_go_across_as_they_are() -> None:
    async with two_calls(PCMU, PCMU) as (alice, to_alice, to_bob, bob):
        from_alice: list[Frame] = []
        from_bob: list[Frame] = []
        bridge = Bridge(to_alice, to_bob, hear_one=from_alice.append, hear_other=from_bob.append)
        alice.start(400)
        bob.start(600)
        await until(lambda: len(from_alice) > 40 and len(from_bob) > 40)
        assert pitch_in([f for f in from_alice if not f.concealed][10:30]) == pytest.approx(400, abs=6)
        assert pitch_in([f for f in from_bob if not f.concealed][10:30]) == pytest.approx(600, abs=6)
        assert bridge.decoded == 0
        bridge.close()


async def test_a_re_invite_to_another_codec_while_joined() -> None:
    async with two_calls(PCMU, PCMU) as (alice, to_alice, to_bob, bob):
        bridge = Bridge(to_alice, to_bob)
        alice.start(400)
        bob.start(600)
        await until(lambda: bridge.forwarded > 20)
        to_bob.configure(PCMA, remote=("127.0.0.1", bob.port.local_port))
        bob.port.configure(PCMA, remote=("127.0.0.1", to_bob.local_port))
        bob.heard.clear()
        await until(lambda: bridge.decoded > 60 and len(bob.loud()) > 30)
        assert pitch_in(bob.loud()[10:30]) == pytest.approx(400, abs=6)
        bridge.close()


async def test_on_hold_nothing_goes_across_to_who_is_held() -> None:
    async with two_calls(PCMU, PCMU) as (alice, to_alice, to_bob, bob):
        bridge = Bridge(to_alice, to_bob)
        to_bob.configure(replace(PCMU, send=False), remote=("127.0.0.1", bob.port.local_port))
        before = to_bob.quality().packets_sent
        alice.start(400)
        bob.start(600)
        await until(lambda: to_alice.quality().packets_received > 10 and len(alice.loud()) > 5)
        assert to_bob.quality().packets_sent == before
        bridge.close()


async def test_from_who_is_held_nothing_goes_across() -> None:
    async with two_calls(PCMU, PCMU) as (alice, to_alice, to_bob, bob):
        bridge = Bridge(to_alice, to_bob)
        to_alice.configure(replace(PCMU, receive=False), remote=("127.0.0.1", alice.port.local_port))
        before = to_bob.quality().packets_sent
        alice.start(400)
        bob.start(600)
        await until(lambda: to_alice.quality().packets_received > 10 and len(alice.loud()) > 5)
        assert to_bob.quality().packets_sent == before
        bridge.close()


async def test_what_cannot_be_joined_is_refused_and_left_as_it_was() -> None:
    async with two_calls(PCMU, PCMU) as (alice, to_alice, to_bob, _):
        with pytest.raises(MediaError, match="itself"):
            Bridge(to_alice, to_alice)
        with pytest.raises(MediaError, match="no media"):
            Bridge(to_alice, alice.port)  # was never started
        bridge = Bridge(to_alice, to_bob)
        with pytest.raises(MediaError, match="joined"):
            Bridge(to_bob, to_alice)
        await to_bob.close()
        bridge.close()


# --- the numbers of what is forwarded -------------------------------------------------------------


def outgoing() -> Outgoing:
    made = Outgoing(ssrc=7, sequence=65_530, timestamp=1000)
    made.configure(PCMU, codec_named("PCMU"))
    return made


def went(made: Outgoing, sequence: int, timestamp: int, ssrc: int = 1) -> Packet:
    sent = made.forward(Packet(0, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, bytes(160)), 0)
    assert sent is not None
    return Packet.parse(sent)


def test_losses_and_order_of_a_forwarded_stream_are_kept() -> None:
    made = outgoing()
    first = Packet.parse(made.tick(None) or b"")
    made.idle()
    out = [went(made, n, n * 160) for n in (65_000, 65_001, 65_003, 65_002, 65_007)]
    assert [(p.sequence - first.sequence) & 0xFFFF for p in out] == [1, 2, 4, 3, 8]
    begun = out[0].timestamp
    assert [(p.timestamp - begun) // 160 for p in out] == [0, 1, 3, 2, 7]
    assert begun - first.timestamp == 2 * 160  # a tick passed in which nothing left
    assert [p.marker for p in out] == [True, False, False, False, False]
    assert {p.ssrc for p in out} == {7}
    made.idle()
    made.resume()
    own = Packet.parse(made.tick(None) or b"")
    assert (own.sequence - first.sequence) & 0xFFFF == 9
    assert own.timestamp == begun + 9 * 160
    assert own.marker


def test_another_source_or_a_jump_goes_on_where_the_one_before_ended() -> None:
    made = outgoing()
    one = went(made, 100, 0)
    other = went(made, 9000, 12345, ssrc=2)
    jumped = went(made, 40_000, 99, ssrc=2)
    assert [(p.sequence - one.sequence) & 0xFFFF for p in (other, jumped)] == [1, 2]
    assert [p.timestamp - one.timestamp for p in (other, jumped)] == [160, 320]


def test_our_own_keys_come_before_what_is_forwarded() -> None:
    made = outgoing()
    went(made, 1, 160)
    made.send_dtmf("5")
    assert made.forward(Packet(0, 2, 320, 1, bytes(160)), 0) is None
    assert Packet.parse(made.tick(None) or b"").payload_type == 101
    assert made.say(bytes(320)) == []
