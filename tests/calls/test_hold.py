"""The caller puts the agent on hold in the middle of its words, and comes back."""

from __future__ import annotations

import asyncio
import math
from array import array

from calls.story import PLAIN_SETTINGS, SmallTalk
from trunkline.audio.frame import Frame
from trunkline.call.call import Call, Engines
from trunkline.call.loss import LossLimit
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import (
    CallerSilent,
    Event,
    HoldEnded,
    HoldStarted,
    Interrupted,
    MediaBack,
    MediaLost,
    SpeakingStopped,
    SpeechStarted,
)
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech

GREETING = "Hello, this is Maya, and I would like to tell you something that takes a little while to say."


def held(*, at: float, until: float, music: bool) -> tuple[list[Event], list[Frame], float]:
    async def story(clock: VirtualClock) -> tuple[list[Event], list[Frame], float]:
        near, far = MemoryLeg.pair(clock)
        zero = clock.now()
        events: list[Event] = []
        heard: list[Frame] = []
        sound = array("h", (int(9000 * math.sin(2 * math.pi * 300 * n / 8000)) for n in range(160))).tobytes()

        def plays(now: float) -> bytes | None:
            return sound if music and at + 0.1 <= now - zero < until - 0.1 else None

        engines = Engines(
            [FakeSpeechToText(clock=clock, script=[])],
            FakeLanguageModel(clock=clock, reply="I see."),
            FakeTextToSpeech(clock=clock, rate=8000, speed=0, delay_ms=0),
        )
        batch = VoiceBatch(clock, inline=True)
        call = Call(
            far, SmallTalk(GREETING), engines, PLAIN_SETTINGS, clock, batch, listeners=[events.append]
        )
        near.start(heard.append, plays)
        clock.call_at(zero + at, lambda: far.deliver(HoldStarted(clock.now())))
        clock.call_at(zero + until, lambda: far.deliver(HoldEnded(clock.now())))

        async def leave() -> None:
            await clock.sleep(until + 12.0)
            await near.hang_up()

        leaving = asyncio.create_task(leave())
        await call.run()
        await leaving
        await batch.close()
        return events, heard, zero

    return run_virtual(story)


def test_the_agent_keeps_its_place_while_nobody_listens() -> None:
    events, heard, zero = held(at=1.5, until=40.0, music=True)
    loud = [frame.at - zero for frame in heard if max(array("h", frame.pcm), default=0) > 400]
    assert any(at < 1.5 for at in loud)
    assert not any(1.6 < at < 40.0 for at in loud)
    assert any(at > 40.0 for at in loud)
    (stopped,) = [e for e in events if isinstance(e, SpeakingStopped) and e.heard.startswith("Hello")]
    assert stopped.complete
    assert stopped.heard == GREETING
    # The music was nobody's speech, and the silence nobody's silence.
    assert not [e for e in events if isinstance(e, SpeechStarted | Interrupted)]
    assert not [e for e in events if isinstance(e, CallerSilent) and e.at - zero < 44.0]


def test_after_a_hold_the_caller_is_waited_for_anew() -> None:
    events, _, zero = held(at=15.0, until=40.0, music=False)
    silent = [event.at - zero for event in events if isinstance(event, CallerSilent)]
    assert not [at for at in silent if 15.0 < at < 40.0]
    assert [at for at in silent if at > 40.0]


def test_a_loss_that_proves_to_be_a_hold_does_not_end_the_call() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        ended: list[float] = []
        begun = clock.now()
        with LossLimit(clock, 20.0, lambda: ended.append(clock.now() - begun)) as loss:
            loss.note(MediaLost(clock.now(), 5.0))
            loss.note(MediaLost(clock.now(), 6.0))
            loss.note(HoldStarted(clock.now()))
            await clock.sleep(100.0)
            assert not ended
            loss.note(HoldEnded(clock.now()))
            loss.note(MediaLost(clock.now(), 5.0))
            await clock.sleep(14.0)
            loss.note(MediaBack(clock.now()))
            await clock.sleep(50.0)
            assert not ended
            loss.note(MediaLost(clock.now(), 5.0))
            await clock.sleep(16.0)
            loss.note(MediaLost(clock.now(), 21.0))
        await clock.sleep(100.0)
        return ended

    assert run_virtual(story) == [179.0]
