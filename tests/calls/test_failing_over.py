"""A call whose first voice dies: the caller hears all of it, and the record says why and what it cost."""

import asyncio
from typing import Any

import pytest

from calls.story import Says, Told, tell
from trunkline.clock import SystemClock
from trunkline.events import CallAnswered, Trouble
from trunkline.providers.failover import FailoverLanguageModel, FailoverTextToSpeech
from trunkline.providers.llm.fake import FakeLanguageModel
from trunkline.providers.tts.fake import FakeTextToSpeech

REPLY = "one two three four"


class LoopClock(SystemClock):
    """The time of whatever loop runs: made before the story's own virtual loop is."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


def voice(**options: Any) -> FakeTextToSpeech:
    return FakeTextToSpeech(clock=LoopClock(), rate=16000, speed=0, delay_ms=0, **options)


def test_the_next_voice_takes_over_and_the_reason_is_in_the_events() -> None:
    broken, good = voice(fail_after=0), voice()
    told = tell(voice=FailoverTextToSpeech([broken, good], LoopClock()), lasts=8)
    assert told.said()
    assert good.said == broken.said, "nothing is lost and nothing is said twice"
    (trouble,) = {(e.where, e.error) for e in told.events if isinstance(e, Trouble)}
    assert trouble == ("fake", "EngineDown")


def test_a_sentence_that_breaks_off_is_gone_on_with() -> None:
    broken, good = voice(fail_after=5), voice()
    told = tell(voice=FailoverTextToSpeech([broken, good], LoopClock()), lasts=8)
    whole = broken.said[0]
    assert whole.endswith(good.said[0])
    assert good.said[0] != whole
    assert told.said()[0].split() == whole.split()


def used(told: Told, kind: str) -> dict[str, dict[str, float]]:
    return {row["name"]: row["used"] for row in told.result.record["costs"]["engines"] if row["kind"] == kind}


def test_each_voice_is_paid_for_what_it_was_given() -> None:
    broken, good = voice(fail_after=5), voice()
    broken.name, good.name = "dear", "cheap"
    told = tell(voice=FailoverTextToSpeech([broken, good], LoopClock()), lasts=8)
    characters = {name: counted["characters"] for name, counted in used(told, "tts").items()}
    assert characters == {"dear": sum(map(len, broken.said)), "cheap": sum(map(len, good.said))}
    assert characters["cheap"] > 0


def test_the_model_that_answered_is_paid() -> None:
    broken = FakeLanguageModel(clock=LoopClock(), delay_ms=0, fail_after=0)
    good = FakeLanguageModel(clock=LoopClock(), delay_ms=0, reply=REPLY)
    broken.name, good.name = "dear", "cheap"
    told = tell(
        Says(2.0, "what is the price"),
        model=FailoverLanguageModel([broken, good], LoopClock()),
        lasts=8,
    )
    assert REPLY in " ".join(told.said())
    counted = used(told, "llm")
    assert counted.keys() == {"cheap"}
    assert counted["cheap"]["output"] > 0


class Cold(FakeLanguageModel):
    """Takes its time to be warmed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(clock=LoopClock(), delay_ms=0, reply=REPLY, **options)
        self.warmed: list[tuple[float, int]] = []
        """When it was, and what it had been asked by then."""

    async def warm(self) -> None:
        self.warmed.append((self._clock.now(), len(self.prompts)))
        await self._clock.sleep(60)


@pytest.mark.parametrize("listed", [False, True])
def test_a_model_is_warm_before_it_is_asked_and_nobody_waits_for_it(listed: bool) -> None:
    cold = Cold()
    model = FailoverLanguageModel([cold, FakeLanguageModel(clock=LoopClock())], LoopClock())
    told = tell(Says(2.0, "what is the price"), model=model if listed else cold, lasts=8)
    answered = next(event.at for event in told.events if isinstance(event, CallAnswered))
    assert cold.warmed == [(answered, 0)]
    assert REPLY in " ".join(told.said())
    assert told.result.by == "caller"


def test_what_a_call_cost_is_in_its_record() -> None:
    told = tell(lasts=4)
    costs = told.result.record["costs"]
    assert costs["total"] == 0.0, "fakes are free"
    used = {row["kind"]: row["used"] for row in costs["engines"]}
    assert used["tts"]["characters"] > 0
    assert used["stt"]["seconds"] > 0
