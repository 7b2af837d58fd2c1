"""A voice makes its sound in bursts; what leaves for the other end is one packet every 20 ms all the same."""

from __future__ import annotations

import asyncio
from itertools import groupby, pairwise

import pytest

from trunkline.call.settings import CallSettings
from trunkline.call.speak import Speaker
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import Event
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Stream

SENTENCES = ("We open at nine in the morning.", "On Sundays we are closed.")
SILENCE = b"\xff" * 160


@pytest.mark.parametrize("speed", [0.0, 30.0, 1.5], ids=["all at once", "fast", "hardly in time"])
def test_bursts_of_the_voice_are_neither_bursts_nor_gaps_on_the_wire(speed: float) -> None:
    async def story(clock: VirtualClock) -> tuple[list[Packet], list[Event]]:
        engine = FakeTextToSpeech(clock=clock, speed=speed, chunk_ms=700, rate=8000)
        voice = await engine.open(VoiceOptions("", 150, "en", 8000))
        events: list[Event] = []
        speaker = Speaker(voice, 8000, CallSettings(), clock, events.append, lambda: None)
        answer = speaker.open(1, held=False)
        for sentence in SENTENCES:
            speaker.say(answer, sentence)
        speaker.seal(answer)
        making = asyncio.create_task(speaker.synthesise(answer))
        media = RtpSession(ssrc=1, sequence=7, timestamp=0, cname=b"here")
        media.configure(Stream("PCMU", 0), remote=("192.0.2.7", 4000))
        media.start(clock.now())
        packets = []
        while not answer.ended.is_set():
            datagram = media.send(speaker.next_frame(clock.now()))
            assert datagram is not None
            packets.append(Packet.parse(datagram))
            await clock.sleep(0.02)
        await making
        return packets, events

    packets, events = run_virtual(story)
    assert {later.sequence - earlier.sequence for earlier, later in pairwise(packets)} == {1}
    assert {later.timestamp - earlier.timestamp for earlier, later in pairwise(packets)} == {160}
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
    said = [list(run) for loud, run in groupby(packets, lambda one: one.payload != SILENCE) if loud]
    words = [len(sentence.split()) for sentence in SENTENCES]
    assert [len(run) for run in said] == [round(count * 0.4 / 0.02) for count in words]
    assert not any(type(event).__name__ == "Trouble" for event in events)
