"""Transfers to a person over real SIP and RTP: three user agents of ours on loopback."""

from __future__ import annotations

import asyncio
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from calls.story import PLAIN_SETTINGS
from calls.test_bridged_transfer import HandsOver
from legs.far_ends import loudness, until
from legs.test_sip_calls import address, next_call
from legs.test_sip_in_call import Ear, named, phones
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.record import RunRecorder
from trunkline.call.settings import CallSettings
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import SystemClock
from trunkline.events import Event, TransferDone
from trunkline.legs.sip_leg import SipLeg
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.actions import Transfer

SHORT = replace(PLAIN_SETTINGS, whisper="{known} Press one.", person_answer_time=5.0)


class To(HandsOver):
    """Hands over to the phone at this address."""

    target = ""

    def step(self, state, happening):  # type: ignore[no-untyped-def]
        state, actions = super().step(state, happening)
        return state, [
            replace(action, target=self.target, summary="name: Ann")
            if isinstance(action, Transfer)
            else action
            for action in actions
        ]


@asynccontextmanager
async def handed_over(
    how: str,
    *,
    caller_refers: bool = False,
    settings: CallSettings = SHORT,
    folder: Path | None = None,
) -> AsyncIterator[tuple[SipLeg, SipLeg, asyncio.Task[CallResult], list[Event]]]:
    """A caller whom the agent hands over: the caller's leg, the person's, who rings, the agent's call."""
    clock = SystemClock()
    who = named("caller", accept_refer=caller_refers), named("agent"), named("person")
    async with phones(*who) as (caller, agent, person):
        engines = Engines(
            [FakeSpeechToText(clock=clock, script=[])],
            FakeLanguageModel(clock=clock),
            FakeTextToSpeech(clock=clock, rate=8000, speed=0, delay_ms=0),
        )
        batch = VoiceBatch(clock, inline=True)
        events: list[Event] = []
        play = To(how=how, greeting="Hello.")
        play.target = address(person, "person")
        calling = await caller.dial(address(agent, "agent"))
        recorder = RunRecorder(folder / "run", lambda _: None) if folder is not None else None
        if recorder is not None:
            recorder.start()
        call = Call(
            await next_call(agent),
            play,
            engines,
            settings,
            clock,
            batch,
            recorder,
            listeners=[events.append],
            dial=agent.dial,
        )
        running = asyncio.create_task(call.run())
        try:
            await calling.answer()
            calling.start(lambda _: None, lambda _: None)
            yield calling, await next_call(person), running, events
        finally:
            for leg in (calling,):
                await leg.hang_up()
            await asyncio.wait((running,), timeout=10)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await batch.close()


def result(events: list[Event]) -> str:
    return next((event.result for event in events if isinstance(event, TransferDone)), "")


async def test_caller_and_person_talk_through_the_bridge_until_the_person_leaves(tmp_path: Path) -> None:
    settings = replace(SHORT, record_joined=True)
    async with handed_over("bridged", settings=settings, folder=tmp_path) as (
        caller,
        person,
        running,
        events,
    ):
        await person.answer()
        whispered = Ear(person, level=0.0)
        await whispered.hears_sound()
        assert result(events) == ""
        await person.send_dtmf("1")
        await until(lambda: result(events) == "transferred")
        one, other = Ear(caller, level=0.5), Ear(person, level=0.5)
        await one.hears_sound()
        await other.hears_sound()
        # A key that the caller presses is for the person now.
        await caller.send_dtmf("7")
        await until(lambda: any(getattr(event, "digit", "") == "7" for event in person._waiting))
        await person.hang_up()
        done = await running
        assert (done.by, done.outcome) == ("person", "transferred")
        await until(lambda: caller.ended)
    with wave.open(str(tmp_path / "run" / "recording.wav")) as recording:
        assert recording.getnchannels() == 2
        sound = recording.readframes(recording.getnframes())
    both = array("h", sound)
    caller_side, person_side = (
        [loudness(side[at : at + 160].tobytes()) for at in range(0, len(side), 160)]
        for side in (both[0::2], both[1::2])
    )
    # The caller was silent until they were joined; the person is where the agent was, to the end.
    assert max(caller_side) > 0.1
    assert max(person_side[-50:]) > 0.1


async def test_a_caller_who_hangs_up_takes_the_person_off_the_line() -> None:
    async with handed_over("bridged") as (caller, person, running, events):
        await person.answer()
        Ear(person)
        await person.send_dtmf("1")
        await until(lambda: result(events) == "transferred")
        await caller.hang_up()
        assert (await running).by == "caller"
        await until(lambda: person.ended)


@pytest.mark.parametrize(("reason", "told"), [("busy", "busy"), ("declined", "declined")])
async def test_a_person_who_will_not_leaves_the_caller_with_the_agent(reason: str, told: str) -> None:
    async with handed_over("bridged") as (caller, person, running, events):
        ear = Ear(caller)
        await person.hang_up(reason)
        await until(lambda: result(events) == told)
        await ear.hears_sound()
        assert not running.done()
        await caller.hang_up()


async def test_an_attended_transfer_takes_the_agent_out_of_it() -> None:
    async with handed_over("attended", caller_refers=True) as (caller, person, running, events):
        await person.answer()
        Ear(person)
        await person.send_dtmf("1")
        done = await running
        assert (done.by, done.outcome, result(events)) == ("agent", "transferred", "transferred")
        one, other = Ear(caller, level=0.5), Ear(person, level=0.5)
        await one.hears_sound()
        await other.hears_sound()
        assert caller.media is not None
        assert person.media is not None
        assert caller.media.remote == ("127.0.0.1", person.media.local_port)
        await person.hang_up()


async def test_an_attended_transfer_that_the_caller_s_end_refuses_joins_them_here() -> None:
    async with handed_over("attended") as (caller, person, running, events):
        await person.answer()
        Ear(person)
        await person.send_dtmf("1")
        await until(lambda: result(events) == "transferred")
        one, other = Ear(caller, level=0.5), Ear(person, level=0.5)
        await one.hears_sound()
        await other.hears_sound()
        assert not running.done()
        await person.hang_up()
        assert (await running).by == "person"
