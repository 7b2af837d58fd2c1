"""What is said over a bad network is still understood: 5 % of the packets lost, and 40 ms of jitter."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from legs.test_sip_calls import connected
from providers.stt_conformance import LIMIT, listening, recording, speak
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.events import Answer, Expectation
from trunkline.lab.link import LinkModel, LossyLink, Weather
from trunkline.legs.sip import SipService, SipSettings
from trunkline.providers.stt.pocketsphinx import PocketSphinx
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream

CLOCK = SystemClock()
BAD = Weather(loss=0.05, jitter=0.04, double=0.01)
WORSE = Weather(loss=0.02, burst=0.01, burst_length=3, jitter=0.04, reorder=0.02, drift_ppm=200)
LINES = {
    "about-twelve-people": "about twelve people",
    "thursday-at-four": "thursday at four",
    "are-you-a-robot": "are you a robot",
    "i-am-not-interested": "i am not interested",
    "stop-calling-me": "stop calling me",
}
QUESTION = Expectation(
    Answer.YES_NO,
    ("about <number> people", "<day> at <time>", "i am not interested", "are you a robot", "stop calling me"),
)


def session(ssrc: int) -> RtpSession:
    made = RtpSession(ssrc=ssrc, sequence=65_500, timestamp=4_294_960_000, cname=b"test")
    made.configure(Stream("PCMU", 0), remote=("192.0.2.1", 4_000))
    made.start(0.0)
    return made


def carried(pcm: bytes, weather: Weather, seed: int) -> tuple[bytes, RtpSession]:
    """Sound after a network, in virtual time: sent as RTP, carried, put in order, concealed; and who did."""
    sender, receiver = session(1), session(2)
    link = LinkModel(weather, seed)
    under_way: list[tuple[float, int, bytes]] = []
    whole = pcm + bytes(320 * 15)
    frames: list[Frame] = []
    for number in range(len(whole) // 320):
        at = number * 0.02
        datagram = sender.send(whole[number * 320 : (number + 1) * 320])
        assert datagram is not None
        for when in link.deliveries(at):
            heapq.heappush(under_way, (when, len(under_way) + number, datagram))
        while under_way and under_way[0][0] <= at + 0.02:
            when, _, arrived = heapq.heappop(under_way)
            frames += receiver.receive(arrived, ("192.0.2.1", 4_000), when)
        frames += receiver.advance(at + 0.02)
    return b"".join(frame.pcm for frame in frames), receiver


@pytest.mark.parametrize("weather", [BAD, WORSE], ids=["loss and jitter", "bursts, order and drift"])
async def test_the_recogniser_understands_what_came_over_it(weather: Weather) -> None:
    made = PocketSphinx(clock=CLOCK, free=False, workers=2, ready=1)
    await made.start()
    try:
        understood, lost = 0, 0
        for seed in range(3):
            async with listening(made) as (recognition, ear):
                recognition.expect(QUESTION)
                at = CLOCK.now()
                for name in LINES:
                    heard, receiver = carried(recording(name), weather, seed)
                    lost += receiver.quality().packets_lost
                    at = await speak(recognition, heard, CLOCK, at, paced=False)
                await ear.until_finals(len(LINES))
                finals = [final.text for final in ear.finals]
            understood += sum(text == wanted for text, wanted in zip(finals, LINES.values(), strict=False))
        assert lost > 15, "the network was not bad"
        assert understood >= 0.8 * 3 * len(LINES)
    finally:
        async with asyncio.timeout(LIMIT):
            await made.close()


@asynccontextmanager
async def two_phones() -> AsyncIterator[tuple[SipService, SipService]]:
    pacer = Pacer(CLOCK)
    pacer.start()
    one = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="one"), CLOCK, pacer)
    two = await SipService.open(SipSettings(bind="udp:127.0.0.1:0", user="two"), CLOCK, pacer)
    try:
        async with asyncio.timeout(120):
            yield one, two
    finally:
        await one.close()
        await two.close()
        await pacer.close()


@pytest.mark.timeout(180)
async def test_a_call_over_it_is_understood() -> None:
    """Over real sockets, through the lossy proxy. A machine that is busy adds to the weather, so the line is
    said again until it is understood."""
    made = PocketSphinx(clock=CLOCK, free=False, workers=2, ready=1)
    await made.start()
    link: LossyLink | None = None
    try:
        async with listening(made) as (recognition, ear), two_phones() as (one, two):
            calling, called = await connected(one, two)
            assert called.media is not None
            assert calling.media is not None
            there, back = LinkModel(BAD, 1), LinkModel(BAD, 2)
            link = LossyLink(CLOCK, ("127.0.0.1", called.media.local_port), there, back)
            calling.media.configure(calling.media.stream, remote=link.local, symmetric=False)
            recognition.expect(QUESTION)
            said = asyncio.Event()
            calling.start(lambda _: None, line(recording("thursday-at-four"), said))
            called.start(recognition.push, lambda _: bytes(320))
            for _ in range(5):
                said.clear()
                begun = CLOCK.now()
                recognition.speech_started(begun)
                await said.wait()
                recognition.speech_stopped(CLOCK.now())
                count = len(ear.finals)
                await ear.until_finals(count + 1)
                if "thursday at four" in [final.text for final in ear.finals]:
                    break
            assert "thursday at four" in [final.text for final in ear.finals]
            assert there.lost > 0
            assert called.quality().packets_received > 50
            await calling.hang_up()
    finally:
        if link is not None:
            await link.close()
        async with asyncio.timeout(LIMIT):
            await made.close()


def line(pcm: bytes, said: asyncio.Event) -> Callable[[float], bytes]:
    """Half a second of silence, the line, half a second of silence, over and over; `said` at each end."""
    whole = bytes(8_000) + pcm + bytes(8_000)
    pieces = [whole[start : start + 320].ljust(320, b"\0") for start in range(0, len(whole), 320)]
    place = 0

    def speak_on(_: float) -> bytes:
        nonlocal place
        place += 1
        if place % len(pieces) == 0:
            said.set()
        return pieces[place % len(pieces)]

    return speak_on
