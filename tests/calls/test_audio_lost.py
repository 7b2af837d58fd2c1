"""The caller's sound stays away: the path is refreshed, the agent asks, and in the end the call ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from calls.story import PLAIN_SETTINGS, SmallTalk, tell
from legs.far_ends import until
from legs.test_sip_calls import address, all_events, connected, next_call, two_phones
from trunkline.audio.frame import Frame
from trunkline.call.call import Call, Engines
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import SystemClock
from trunkline.events import CallAnswered, Event, HungUp, MediaBack, MediaLost
from trunkline.legs.sip import SipSettings
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech

# --- told in virtual time -------------------------------------------------------------------------


def test_the_agent_asks_and_the_call_ends_with_that_reason() -> None:
    told = tell(
        settings=replace(PLAIN_SETTINGS, media_lost_limit=12.0),
        lasts=60,
        leg_says=[MediaLost(4.0, 2.0), MediaLost(9.0, 7.0)],
    )
    assert told.said()[1] == "Can you hear me?"
    assert (told.result.by, told.result.reason) == ("network", "no audio came any more")
    assert told.result.outcome == "audio_lost"
    assert told.result.record["outcome"] == "audio_lost"


def test_where_the_sound_comes_back_the_call_goes_on() -> None:
    told = tell(
        settings=replace(PLAIN_SETTINGS, media_lost_limit=12.0),
        lasts=40,
        leg_says=[MediaLost(4.0, 2.0), MediaBack(6.0)],
    )
    assert (told.result.by, told.result.reason) == ("caller", "hung up")
    assert told.said()[1] == "Can you hear me?"


# --- over real sockets ----------------------------------------------------------------------------

IMPATIENT = SipSettings(bind="udp:127.0.0.1:0", user="two", media_lost_after=0.2)


async def test_a_silent_path_is_refreshed_once_and_noticed_again_when_it_is_back() -> None:
    async with two_phones(second=IMPATIENT) as (one, two):
        calling, called = await connected(one, two)
        events: list[Event] = []

        async def listen() -> None:
            async for event in called.events():
                events.append(event)  # noqa: PERF401 - each is looked at as it comes

        listening = asyncio.create_task(listen())
        called.start(lambda frame: None, lambda at: None)
        await until(lambda: any(isinstance(event, MediaLost) for event in events))
        # Their dialog has seen our INVITE number 1, the first request of this end.
        await until(lambda: calling.session.dialog is not None and calling.session.dialog.remote_seq == 1)
        calling.start(lambda frame: None, lambda at: None)
        await until(lambda: any(isinstance(event, MediaBack) for event in events))
        await calling.hang_up()
        await listening
        # On a machine that stalls the sound may stay away once more in between.
        assert [type(event) for event in events[:3]] == [CallAnswered, MediaLost, MediaBack]
        assert isinstance(events[-1], HungUp)


async def test_a_phone_that_moved_is_found_by_the_refresh() -> None:
    async with two_phones(second=IMPATIENT) as (one, two):
        calling, called = await connected(one, two)
        heard: list[Frame] = []
        called.start(heard.append, lambda at: None)
        # Its old port is gone without a word; only its answer to our re-INVITE tells of the new one.
        assert calling.media is not None
        await calling.media.close()
        moved = await one._ports.open(calling.session.hop)
        calling._sound.adopt(moved)
        calling._terms = one._ports.terms(calling.session.hop, moved)
        port = moved.local_port
        assert called.media is not None
        media = called.media
        await until(lambda: media.remote == ("127.0.0.1", port))
        calling.start(lambda frame: None, lambda at: b"\x00\x20" * 160)
        await until(lambda: any(not frame.concealed for frame in heard))
        await calling.hang_up()
        assert isinstance((await all_events(called))[-1], HungUp)


async def test_a_call_over_sip_whose_sound_never_comes_ends_with_that_reason() -> None:
    clock = SystemClock()
    async with two_phones(second=IMPATIENT) as (one, two):
        calling = await one.dial(address(two))
        called = await next_call(two)
        play = SmallTalk()
        listens, thinks = FakeSpeechToText(clock=clock), FakeLanguageModel(clock=clock)
        speaks = FakeTextToSpeech(clock=clock, delay_ms=0, rate=8000, speed=0)
        engines = Engines([listens], thinks, speaks)
        settings = replace(PLAIN_SETTINGS, media_lost_limit=1.0)
        await listens.start()
        await thinks.start()
        await speaks.start()
        batch = VoiceBatch(clock, inline=True)
        call = asyncio.create_task(Call(called, play, engines, settings, clock, batch).run())
        await calling.answer()
        result = await call
        await listens.close()
        await thinks.close()
        await speaks.close()
        await batch.close()
        assert (result.by, result.outcome) == ("network", "audio_lost")
        assert isinstance((await all_events(calling))[-1], HungUp)
