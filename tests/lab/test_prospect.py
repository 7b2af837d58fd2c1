"""A prospect on a leg: it answers, interrupts, hums and falls silent as its persona says."""

import asyncio
from dataclasses import dataclass, field

import numpy as np
import pytest

from trunkline.audio.frame import Frame
from trunkline.clock import VirtualClock, run_virtual
from trunkline.lab.ear import EarReport
from trunkline.lab.memory_leg import MemoryLeg
from trunkline.lab.persona import parse_persona
from trunkline.lab.prospect import Prospect, ProspectReport
from trunkline.lab.recordings import Recordings

SCRIPT = """
name: test
about: says little
scenario: lead_qualification
intends: {outcome: [qualified]}
patience: 1.5
cues:
  - {name: hello, say: "Yes, I have a minute."}
  - {name: price, say: "Wait, how much does it cost?", interrupt_after: 1.0, follows: hello}
  - {name: hum, say: "mm-hm", backchannel_after: 1.0, follows: price}
  - {name: thinking, stay_silent: true}
  - {name: bye, say: "Yes, that's right.", hang_up: true}
"""


TONE = bytes((8000 * np.sin(np.arange(160) * 0.35)).astype("<i2").tobytes())


@dataclass
class ToneAgent:
    """Speaks a tone of `speech` seconds, answers `wait` seconds after the caller fell silent, stops
    `give_way` seconds after being spoken over for longer than `patience`."""

    speech: float = 3.0
    wait: float = 0.4
    give_way: float = 0.2
    speaking_since: float | None = None
    heard_until: float = 0.0
    overlap_since: float | None = None
    owes: bool = True
    zero: float = 0.0
    stops: list[float] = field(default_factory=list)

    def on_frame(self, frame: Frame) -> None:
        loud = max(np.frombuffer(frame.pcm, np.int16), default=0) > 500
        if not loud:
            if frame.at - self.heard_until > 0.3:
                self.overlap_since = None
            return
        self.heard_until = frame.at
        if self.speaking_since is None:
            self.owes = True
        elif self.overlap_since is None:
            self.overlap_since = frame.at - 0.02
        elif frame.at - self.overlap_since > 0.4:
            self.speaking_since = None
            self.owes = True

    def next_frame(self, now: float) -> bytes | None:
        if self.speaking_since is not None and now - self.speaking_since >= self.speech:
            self.speaking_since = None
            self.stops.append(now)
        quiet = now - self.heard_until
        nudge = bool(self.stops) and not self.owes and now - max(self.stops[-1], self.heard_until) > 5
        if self.speaking_since is None and ((self.owes and quiet >= self.wait) or nudge):
            self.speaking_since = now
            self.owes = False
        if self.speaking_since is None:
            return None
        return TONE


def hold(script: str = SCRIPT, *, called: bool = False) -> tuple[ProspectReport, EarReport, list[str]]:
    async def story(clock: VirtualClock) -> tuple[ProspectReport, EarReport, list[str]]:
        outbound, inbound = MemoryLeg.pair(clock)
        ours, theirs = (inbound, outbound) if called else (outbound, inbound)
        prospect = Prospect(parse_persona(script, "test"), ours, clock, Recordings())
        agent = ToneAgent()
        theirs.start(agent.on_frame, agent.next_frame)
        if not called:
            await theirs.answer()
        report = await prospect.run()
        return report, prospect.ear.judge(), [type(event).__name__ async for event in theirs.events()]

    return run_virtual(story)


@pytest.mark.parametrize("called", [False, True])
def test_a_persona_is_played_to_its_end(called: bool) -> None:
    report, _, events = hold(called=called)
    said = [(line.cue, line.kind) for line in report.lines]
    assert said == [
        ("hello", "say"),
        ("price", "interrupt"),
        ("hum", "backchannel"),
        ("thinking", "silent"),
        ("bye", "say"),
    ]
    assert report.ended == "prospect hung up"
    assert report.unspoken == ()
    assert events[-1] == "HungUp"


def test_the_ear_of_the_prospect_times_the_agent() -> None:
    _, ear, _ = hold()
    # The toy agent counts from the frame it hears: 20 ms of filling and one tick are on top.
    assert [round(answer.ms or 0) for answer in ear.answers if answer.name == "hello"] == pytest.approx(
        [420], abs=25
    )
    (stopped,) = ear.interruptions
    assert stopped.name == "price"
    assert stopped.ms == pytest.approx(420, abs=40)
    assert [found.name for found in ear.talked_over] == ["hum"]


def test_a_silent_agent_is_not_waited_for_without_end() -> None:
    async def story(clock: VirtualClock) -> tuple[ProspectReport, float]:
        outbound, inbound = MemoryLeg.pair(clock)
        prospect = Prospect(parse_persona(SCRIPT, "test"), outbound, clock, Recordings())
        inbound.start(lambda _: None, lambda _: None)
        await inbound.answer()
        began = clock.now()
        return await prospect.run(), clock.now() - began

    report, took = run_virtual(story)
    assert report.ended == "prospect hung up"
    assert took < 30


def test_the_persona_sets_the_longest_call() -> None:
    report, _, _ = hold(SCRIPT + "limit: 4\n")
    assert report.ended == "the persona's time limit"
    assert "bye" in report.unspoken


def test_the_agent_hanging_up_ends_it() -> None:
    async def story(clock: VirtualClock) -> ProspectReport:
        outbound, inbound = MemoryLeg.pair(clock)
        prospect = Prospect(parse_persona(SCRIPT, "test"), outbound, clock, Recordings())

        inbound.start(lambda _: None, lambda _: None)
        await inbound.answer()
        ending = asyncio.ensure_future(prospect.run())
        await clock.sleep(2)
        await inbound.hang_up("goodbye")
        return await ending

    assert run_virtual(story).ended == "goodbye"
