"""Handing a call over: what the record says when the far end hangs up before the result is there."""

import asyncio

from calls.story import PLAIN_SETTINGS, SmallTalk
from trunkline.call.call import Call, Engines
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import HungUp
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.legs.leg import TransferResult
from trunkline.prompt import Message
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.stt.fake import FakeSpeechToText
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.actions import Action, CallBegan, Happening, Say, Transfer


class HandsOver(SmallTalk):
    """A play that hands the call over at once."""

    def step(
        self, state: tuple[Message, ...], happening: Happening
    ) -> tuple[tuple[Message, ...], list[Action]]:
        if isinstance(happening, CallBegan):
            return state, [Say("One moment."), Transfer("sip:sales@example.com")]
        return super().step(state, happening)


class SlowLeg:
    """Makes a leg's transfer take a second, and its far end hang up half a second before that."""

    def __init__(self, leg: MemoryLeg, clock: VirtualClock) -> None:
        self._leg, self._clock = leg, clock

    async def transfer(self, target: str) -> TransferResult:
        await self._clock.sleep(0.5)
        self._leg.deliver(HungUp(self._clock.now(), "BYE"))
        await self._clock.sleep(0.5)
        return TransferResult.TRANSFERRED


def test_a_transfer_that_went_through_is_no_hang_up() -> None:
    async def story(clock: VirtualClock) -> tuple[str, str]:
        near, far = MemoryLeg.pair(clock)
        far.transfer = SlowLeg(far, clock).transfer  # type: ignore[method-assign]
        engines = Engines(
            [FakeSpeechToText(clock=clock)], FakeLanguageModel(clock=clock), FakeTextToSpeech(clock=clock)
        )
        batch = VoiceBatch(clock, inline=True)
        call = Call(far, HandsOver(), engines, PLAIN_SETTINGS, clock, batch)
        near.start(lambda _: None, lambda _: None)
        async with asyncio.timeout(60):
            result = await call.run()
        await batch.close()
        return result.by, result.outcome

    assert run_virtual(story) == ("agent", "transferred")
