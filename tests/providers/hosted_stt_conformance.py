"""What a hosted recogniser must do beside `stt_conformance`: its words are a service's, its failures ours."""

from __future__ import annotations

import asyncio

from providers.servers.hearing_sockets import HearingServer
from providers.stt_conformance import (
    LIMIT,
    RATE,
    Ear,
    assert_bounded_under_a_flood,
    assert_closes_at_any_time,
    assert_expects_at_any_time,
    assert_hears_without_hints,
    assert_reading_can_be_cancelled,
    assert_takes_odd_frames,
    assert_tells_in_order,
    listening,
    recording,
    speak,
)
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import EngineError
from trunkline.events import Final, Partial
from trunkline.providers.protocols import ListenOptions, SpeechToText

CLOCK = SystemClock()
LINE = "this-is-a-waste-of-my-time-you-idiot"


async def assert_conforms(engine: SpeechToText) -> None:
    """The whole suite that every recogniser passes."""
    pcm = recording(LINE)
    await assert_hears_without_hints(engine, pcm, CLOCK, paced=False)
    await assert_closes_at_any_time(engine, pcm, CLOCK)
    await assert_reading_can_be_cancelled(engine, pcm, CLOCK)
    await assert_takes_odd_frames(engine, CLOCK)
    await assert_expects_at_any_time(engine, pcm, CLOCK, paced=False)


async def assert_words_have_times(engine: SpeechToText) -> None:
    """Words carry the clock's times, and follow each other."""
    heard = await assert_tells_in_order(engine, recording(LINE), CLOCK, paced=False)
    assert any(isinstance(each, Partial) and each.words for each in heard)
    words = [word for each in heard if isinstance(each, Final) for word in each.words]
    assert words
    assert [word.start for word in words] == sorted(word.start for word in words)


async def assert_bounded(engine: SpeechToText, server: HearingServer) -> None:
    """A service that stops reading holds nothing up, and memory stays bounded."""
    server.faults.append("deaf")
    await assert_bounded_under_a_flood(engine, recording(LINE), CLOCK, 600)


async def failure_of(engine: SpeechToText, seconds: float = 0.0) -> EngineError:
    """The error that a call's recognition ends with. `seconds`: so much sound alone; 0: a line."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    ear = Ear()
    task = asyncio.create_task(ear.listen(recognition))
    if seconds:
        for number in range(round(seconds / 0.02)):
            recognition.push(Frame(bytes(RATE // 50 * 2), RATE, CLOCK.now() + number * 0.02))
    else:
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
    async with asyncio.timeout(LIMIT):
        await ear.ended.wait()
        await recognition.close()
        await task
    assert len(ear.errors) == 1
    return ear.errors[0]


async def assert_hears_again(engine: SpeechToText) -> None:
    """After a failure a new recognition of the same engine hears."""
    async with listening(engine) as (recognition, ear):
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
        recognition.finalise()
        await ear.until_finals(1)
    assert not ear.errors


async def assert_closing_tells_the_service(engine: SpeechToText, server: HearingServer) -> None:
    """The bill stops: the service learns at once that the call is over."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
    async with asyncio.timeout(LIMIT):
        await server.first_sound.wait()
        server.ended.clear()
        await recognition.close()
        await server.ended.wait()
