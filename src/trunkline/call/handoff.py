"""Handing the call to a person, in one of three ways, and saying how it went.

| kind | what happens |
| --- | --- |
| blind | the caller's own end is asked to call the person (REFER), and we are out of it |
| attended | the person is asked first; then both are told to talk with each other, without us |
| bridged | the person is asked first; then both are joined here, and the sound goes through us |

A person who declines, is busy, does not answer or says nothing leaves the caller with the agent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trunkline.call.consult import Asking, Consultation, result_of
from trunkline.call.joined import Joined
from trunkline.call.record import RunRecorder
from trunkline.call.ringback import Ringback
from trunkline.clock import Clock
from trunkline.errors import ParseError, TrunklineError
from trunkline.events import Event, TransferDone, TransferStarted, Trouble
from trunkline.legs.leg import Can, Leg, NextFrame, OnFrame, TransferResult
from trunkline.legs.sip_leg import SipLeg
from trunkline.scenario.actions import Transfer
from trunkline.sip.not_taken import CallNotTaken
from trunkline.sip.uri import parse_uri

TRANSFER_LIMIT = 60.0
"""How long a transfer by REFER may take until it counts as failed."""

Dial = Callable[[str], Awaitable[Leg]]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a hand-over that went through ended the call: by whom, and why."""

    by: str
    reason: str


class HandOff:
    """One hand-over of the call on `leg`. `run` it; it leaves nothing behind, be it cancelled or not."""

    def __init__(
        self,
        leg: Leg,
        action: Transfer,
        clock: Clock,
        emit: Callable[[Event], None],
        *,
        dial: Dial | None = None,
        asking: Asking | None = None,
        agent: tuple[OnFrame, NextFrame] | None = None,
        recorder: RunRecorder | None = None,
    ) -> None:
        self._leg = leg
        self._action = action
        self._clock = clock
        self._emit = emit
        self._dial = dial
        self._asking = asking
        self._agent = agent
        self._recorder = recorder
        self._tone: Ringback | None = None
        self._together: Joined | None = None
        self._farewell = "declined"
        self.leaving = False
        """Whether the caller's end may hang up because the transfer went through."""
        self.joined = False
        """Whether caller and person talk with each other."""

    def next_frame(self) -> bytes | None:
        """What the caller hears meanwhile."""
        return self._tone.next_frame() if self._tone is not None else None

    def key(self, key: str) -> None:
        """The caller pressed a key, and talks with the person."""
        if self._together is not None:
            self._together.caller_pressed(key)

    async def run(self) -> tuple[TransferResult, Ending | None]:
        """Try it; both its beginning and its result are in the log. Where it went through, this returns
        when the call is over for us, and says by whom."""
        self._emit(TransferStarted(self._clock.now(), self._action.target))
        try:
            if self._action.how == "blind":
                result = await self._refer(lambda: self._leg.transfer(self._action.target))
                self._done(result)
                return result, self._gone() if result is TransferResult.TRANSFERRED else None
            return await self._with_person()
        except TrunklineError as error:
            self._trouble(error)
            self._done(TransferResult.FAILED)
            return TransferResult.FAILED, None

    async def _refer(self, refer: Callable[[], Awaitable[TransferResult]]) -> TransferResult:
        if Can.TRANSFER not in self._leg.can:
            return TransferResult.NOT_SUPPORTED
        self.leaving = True
        try:
            async with asyncio.timeout(TRANSFER_LIMIT):
                return await refer()
        except TimeoutError:
            return TransferResult.NO_ANSWER
        except TrunklineError as error:
            self._trouble(error)
            return TransferResult.FAILED
        finally:
            self.leaving = False

    async def _with_person(self) -> tuple[TransferResult, Ending | None]:
        asking, dial = self._asking, self._dial
        if dial is None or asking is None:
            self._done(TransferResult.NOT_SUPPORTED)
            return TransferResult.NOT_SUPPORTED, None
        self._tone = Ringback(self._leg.rate)
        person: Leg | None = None
        consultation: Consultation | None = None
        try:
            try:
                person = await dial(self._action.target)
            except CallNotTaken as error:
                result = result_of(error.why)
                self._done(result)
                return result, None
            consultation = Consultation(person, asking)
            result = await consultation.ask(self._whisper(asking))
            if result is not TransferResult.TRANSFERRED:
                self._done(result)
                return result, None
            return await self._connect(person, consultation, asking)
        finally:
            self._tone = None
            if consultation is not None:
                await consultation.close()
            if person is not None:
                await person.hang_up(self._farewell)

    def _whisper(self, asking: Asking) -> str:
        info = self._leg.info
        other = info.caller if info.direction == "inbound" else info.callee
        try:
            who = parse_uri(other).number or other
        except ParseError:
            who = other
        known = self._action.summary.replace("; ", ". ").rstrip(".")
        told = asking.settings.whisper.replace("{caller}", who)
        return told.replace("{known}", f"{known}." if known else "")

    async def _connect(
        self, person: Leg, consultation: Consultation, asking: Asking
    ) -> tuple[TransferResult, Ending | None]:
        """The person takes the call."""
        if self._action.how == "attended" and isinstance(self._leg, SipLeg) and isinstance(person, SipLeg):
            one, other = self._leg, person
            if await self._refer(lambda: one.transfer_to(other)) is TransferResult.TRANSFERRED:
                self._farewell = "transferred"
                self._done(TransferResult.TRANSFERRED)
                return TransferResult.TRANSFERRED, self._gone()
            # The caller's end will not (most trunks will not): the person waits, so they are joined here.
        if consultation.left.done():  # They took the call, and did not wait for it.
            self._done(TransferResult.DECLINED)
            return TransferResult.DECLINED, None
        joined = Joined(self._leg, person, self._agent, self._recorder, self._trouble)
        self.joined, self._together, self._tone = True, joined, None
        self._farewell = "the caller left"
        consultation.on_key = joined.person_pressed
        self._done(TransferResult.TRANSFERRED)
        try:
            async with asyncio.timeout(asking.settings.joined_limit):
                by, reason = await consultation.left
            return TransferResult.TRANSFERRED, Ending(by, reason)
        except TimeoutError:
            return TransferResult.TRANSFERRED, Ending("agent", "the longest talk with a person")
        finally:
            self._together = None
            await joined.close()

    def _gone(self) -> Ending:
        return Ending("agent", f"transferred to {self._action.target}")

    def _done(self, result: TransferResult) -> None:
        self._emit(TransferDone(self._clock.now(), self._action.target, result))

    def _trouble(self, error: TrunklineError) -> None:
        now = self._clock.now()
        self._emit(Trouble(now, "transfer", type(error).__name__, str(error), error.verdict))
