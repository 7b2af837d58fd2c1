"""Calls with an acoustic model of end of turn, in virtual time: it weighs what the words leave open."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from calls.story import Says, Told, tell
from trunkline.audio.frame import Frame
from trunkline.call.settings import CallSettings
from trunkline.call.sounded_end import MOST_WAITING, SoundedEnds, ends_for
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, TrunklineError
from trunkline.events import SoundedEnd, TurnEnded
from trunkline.lab.replay import as_line, parse_line, replay_turns
from trunkline.turn.policy import TurnPolicy

SETTINGS = CallSettings(vad="energy", speculate=False, turn=TurnPolicy(silence=0.9))
OPEN = "I live in Boston"
"""Words that may be all and may not."""
WHOLE = "we need it by tomorrow please"


class Judge:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, answer: float = 0.9) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []

    def probability(self, pcm: bytes, rate: int) -> float:
        self.asked.append((len(pcm), rate))
        return self.answer


def call(judge: Judge | None, *lines: Says) -> Told:
    told = tell(
        *lines,
        settings=SETTINGS,
        ends=None if judge is None else lambda clock: SoundedEnds(lambda: judge, clock, inline=True),
        lasts=14,
    )
    events = [parse_line(as_line(event)) for event in told.events]
    assert replay_turns(events).difference is None
    return told


def whys(told: Told) -> list[str]:
    return [event.why for event in told.of(TurnEnded) if isinstance(event, TurnEnded)]


def test_a_pause_that_sounds_like_the_end_is_shorter() -> None:
    line = Says(3.0, OPEN)
    judge = Judge(0.95)
    with_sound, without = call(judge, line), call(None, line)
    assert whys(with_sound) == ["sound"]
    assert with_sound.answer_after(line) < without.answer_after(line) - 0.05
    # It is asked once for a pause, and hears at most the last eight seconds.
    assert len(judge.asked) == 1
    assert judge.asked[0][0] <= 8 * 2 * 8000


def test_a_voice_that_hangs_gets_plain_silence_though_the_words_look_whole() -> None:
    line = Says(3.0, WHOLE)
    sure, hanging = call(None, line), call(Judge(0.05), line)
    assert sure.answer_after(line) < hanging.answer_after(line) <= 0.9 + 0.1


@pytest.mark.parametrize("words", ["I would like to", "my number is oh two oh seven and"])
def test_words_that_can_not_be_the_end_are_given_time_however_they_sound(words: str) -> None:
    line = Says(3.0, words)
    assert call(Judge(1.0), line).answer_after(line) == pytest.approx(call(None, line).answer_after(line))


def test_going_on_after_a_pause_makes_the_judgement_void() -> None:
    first, second = Says(3.0, OPEN), Says(4.45, "and the blue one")
    told = call(Judge(0.95), first, second)
    assert told.caller_words()[-1].endswith("and the blue one")
    assert len(told.of(SoundedEnd)) == 2


# --- the worker ---------------------------------------------------------------------------------------


class Slow:
    """Waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked = 0

    def probability(self, pcm: bytes, rate: int) -> float:
        self.asked += 1
        self.go.wait(30)
        return 0.5


async def test_the_queue_is_bounded_and_nothing_comes_after_the_end() -> None:
    slow, told = Slow(), list[SoundedEnd]()
    ends = SoundedEnds(lambda: slow, SystemClock())
    await ends.start()
    ear = ends.ear(8000, told.append)
    ear.push(Frame(bytes(320), 8000, 1.0))
    for _ in range(3 * MOST_WAITING):
        ear.paused(0.0, 1.0)
    ear.paused(0.0, 0.1)  # too short to be judged
    assert len(ends._waiting) == MOST_WAITING
    ear.close()
    slow.go.set()
    await ends.close()
    await ends.close()
    assert slow.asked <= MOST_WAITING
    assert told == []


async def test_an_answer_comes_back_on_the_loop() -> None:
    ends = SoundedEnds(lambda: Judge(0.75), SystemClock())
    await ends.start()
    answered: asyncio.Future[SoundedEnd] = asyncio.get_running_loop().create_future()
    ear = ends.ear(8000, answered.set_result)
    ear.push(Frame(bytes(320), 8000, 1.0))
    ear.paused(0.2, 0.9)
    event = await answered
    assert (event.probability, event.until) == (0.75, 0.9)
    await ends.close()


async def test_a_model_that_fails_is_told_once_and_not_asked_again() -> None:
    class Broken:
        def probability(self, pcm: bytes, rate: int) -> float:
            raise EngineDown("broken", where="test")

    failed: asyncio.Future[TrunklineError] = asyncio.get_running_loop().create_future()
    ends = SoundedEnds(Broken, SystemClock(), failed.set_result)
    await ends.start()
    ear = ends.ear(8000, lambda event: pytest.fail(f"{event}"))
    ear.paused(0.0, 1.0)
    assert "broken" in str(await failed)
    ear.paused(0.0, 1.0)
    assert not ends._waiting
    await ends.close()


def test_settings_name_a_file_or_nothing(tmp_path: Path) -> None:
    assert ends_for("off", SystemClock(), lambda _: None) is None
    with pytest.raises(ConfigError, match="is no file"):
        ends_for(str(tmp_path / "none.onnx"), SystemClock(), lambda _: None)
