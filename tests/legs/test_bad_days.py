"""One suite over every stream that may break off, come back, and bring its messages in disorder.

Legs over RTP have theirs in `tests/rtp` and `tests/lab/test_bad_network.py`, and media of WebRTC that comes
back in `test_browser.py`; the end of an AudioSocket is the end of the call.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable

import pytest

from legs.far_ends import LIMIT, loudness, tone, until
from legs.rough_ends import (
    OpenRough,
    RoughCall,
    rough_asterisk,
    rough_browser,
    rough_telnyx,
    rough_twilio,
    rough_vonage,
)
from legs.test_audiosocket import audiosocket_call
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.events import HungUp
from trunkline.legs import arrivals
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.leg import LegEvent

STREAMS: dict[str, OpenRough] = {
    "twilio": rough_twilio,
    "telnyx": rough_telnyx(),
    "telnyx-pcma": rough_telnyx(codec="PCMA"),
    "telnyx-l16": rough_telnyx(codec="L16", rate=16000),
    "vonage": rough_vonage,
    "browser-websocket": rough_browser,
    "ari-websocket": rough_asterisk,
}
COUNTED = [name for name in STREAMS if name.startswith(("twilio", "telnyx"))]
"""Those whose messages have numbers."""


async def run(
    stream: str, check: Callable[[RoughCall], Awaitable[None]], times: StreamSettings | None = None
) -> None:
    """One check over one call, which leaves nothing running."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(LIMIT), STREAMS[stream](times) as call:
        await check(call)
    left = asyncio.all_tasks() - before
    assert not left, left


def level(number: int, rate: int) -> bytes:
    """20 ms that can be told from others by how loud they are."""
    return array("h", [1500 * number] * (rate // 50)).tobytes()


def level_of(frame: Frame) -> int:
    """The number of such a frame, whatever G.711 made of it."""
    return round(array("h", frame.pcm)[0] / 1500)


async def heard_of_odd_sizes(leg_rate: int, speak: Callable[[bytes], Awaitable[None]]) -> None:
    sound = tone(leg_rate, seconds=0.4)
    sizes = iter([2, 358, 34, 1200, 640, 6, 320, 4000, 10_000, 10_000])
    while sound:
        size = next(sizes)
        await speak(sound[:size])
        sound = sound[size:]


@pytest.mark.parametrize("stream", STREAMS)
async def test_sound_in_pieces_of_odd_sizes_becomes_whole_frames(stream: str) -> None:
    async def check(call: RoughCall) -> None:
        frames: list[Frame] = []
        leg = call.far.leg
        leg.start(frames.append, lambda _: None)
        await heard_of_odd_sizes(leg.rate, call.far.speak)
        await until(lambda: sum(loudness(frame.pcm) > 0.2 for frame in frames) >= 19)
        assert {len(frame.pcm) for frame in frames} == {frame_bytes(leg.rate)}
        assert leg.quality().packets_lost == 0

    await run(stream, check)


async def test_an_audiosockets_pieces_become_whole_frames_too() -> None:
    async with asyncio.timeout(LIMIT), audiosocket_call() as far:
        frames: list[Frame] = []
        far.leg.start(frames.append, lambda _: None)
        await heard_of_odd_sizes(far.leg.rate, far.speak)
        await until(lambda: sum(loudness(frame.pcm) > 0.2 for frame in frames) >= 19)
        assert {len(frame.pcm) for frame in frames} == {frame_bytes(far.leg.rate)}


@pytest.mark.parametrize("stream", COUNTED)
async def test_what_comes_doubled_late_and_out_of_order_is_heard_once_and_in_order(
    stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may take longer than usual over messages that are there already.
    monkeypatch.setattr(arrivals, "PATIENCE", 0.5)

    async def check(call: RoughCall) -> None:
        frames: list[Frame] = []
        leg = call.far.leg
        leg.start(frames.append, lambda _: None)
        assert call.speak_as is not None
        for number in (1, 2, 2, 4, 3, 5, 7, 6, 6, 9, 9, 8, 10):
            await call.speak_as(level(number, leg.rate), number)
        await until(lambda: any(level_of(frame) == 10 for frame in frames))
        assert [level_of(frame) for frame in frames if not frame.concealed] == list(range(1, 11))
        # One that never comes is given up, and too late when it does come.
        await call.speak_as(level(12, leg.rate), 12)
        await until(lambda: any(level_of(frame) == 12 for frame in frames))
        await call.speak_as(level(11, leg.rate), 11)
        await call.speak_as(level(13, leg.rate), 13)
        await until(lambda: any(level_of(frame) == 13 for frame in frames))
        assert not any(level_of(frame) == 11 for frame in frames)
        quality = leg.quality()
        assert (quality.packets_doubled, quality.packets_lost, quality.packets_late) == (3, 1, 1)

    await run(stream, check)


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_that_breaks_off_comes_back_to_the_same_call(stream: str) -> None:
    async def check(call: RoughCall) -> None:
        leg = call.far.leg
        frames: list[Frame] = []
        events: list[LegEvent] = []
        sound = tone(leg.rate)
        leg.start(frames.append, lambda _: sound)

        async def read() -> None:
            async for event in leg.events():
                events.append(event)  # noqa: PERF401 - they are looked at meanwhile

        reading = asyncio.create_task(read())
        await until(lambda: loudness(bytes(call.far.heard[-len(sound) :])) > 0.1)
        for _ in range(2):
            await call.far.speak(sound)
        await until(lambda: any(loudness(frame.pcm) > 0.1 for frame in frames))
        await call.break_off()
        back = await call.come_back()
        so_far = len(back.heard)
        await until(lambda: loudness(bytes(back.heard[so_far:][-len(sound) :])) > 0.1)
        frames.clear()
        await until(lambda: bool(frames) and loudness(frames[-1].pcm) < 0.01)
        for _ in range(3):
            await back.speak(sound)
        await until(lambda: any(loudness(frame.pcm) > 0.1 for frame in frames))
        assert not any(isinstance(event, HungUp) for event in events)
        await leg.hang_up()
        await reading

    await run(stream, check)


@pytest.mark.parametrize("stream", STREAMS)
async def test_a_stream_that_stays_away_ends_the_call(stream: str) -> None:
    async def check(call: RoughCall) -> None:
        leg = call.far.leg
        leg.start(lambda _: None, lambda _: None)
        call.stay_away()
        await call.break_off()
        events = [event async for event in leg.events()]
        assert isinstance(events[-1], HungUp)
        assert "broke off" in events[-1].reason
        assert [type(event) for event in events].count(HungUp) == 1

    await run(stream, check, StreamSettings(return_within=0.2))
