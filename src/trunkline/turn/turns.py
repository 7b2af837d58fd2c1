"""The state of the turns in a call, and what time decides in it. `taking.py` says what events do to it.

The caller's turn is in one of three phases:

    IDLE   no turn of the caller's: the agent speaks, or silence runs
    OPEN   the caller has the turn
    ENDED  the turn was given to the agent, who is not audible yet: the caller may still go on

A turn that goes on after its end is resumed (`TurnResumed`), keeps its number and ends again with all
of its words. Once the agent is audible, new speech is an interruption and the next turn.
"""

from __future__ import annotations

from enum import StrEnum

from trunkline.events import (
    Event,
    Expectation,
    Interrupted,
    TurnEnded,
    TurnLikely,
    TurnResumed,
    TurnStarted,
)
from trunkline.turn.asked import answered
from trunkline.turn.barge_in import BargeIn
from trunkline.turn.callers_turn import FOREVER, CallersTurn
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.silence import Patience

_TICK = 1e-6
"""Clocks wake a hair early: a deadline this near has come. Seconds."""
_SPOKE_INTO_A_PAUSE = 1.0
"""A caller who goes on this soon after the agent began had only paused. Seconds."""
_NOTICED = 0.15
"""A sound that goes on may have ended this long ago, for all a detector says. Seconds."""


class Phase(StrEnum):
    IDLE = "idle"
    OPEN = "open"
    ENDED = "ended"


class Turns:
    """Whose turn it is; every state has a time at which it ends by itself."""

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        self._policy = policy or TurnPolicy()
        self._out: list[Event] = []
        self._phase = Phase.IDLE
        self._turn = 0
        self._now = CallersTurn()
        self._sealed = False
        """The turn that ended cannot be resumed: `_now` is already the next one."""
        self._ended_text = ""
        self._ended_at = -FOREVER
        self._speech: float | None = None
        """Since when voice activity goes on."""
        self._stale = False
        """That sound was already given up on (a limit): it is no speech until it stops."""
        self._audible: int | None = None
        self._audible_at = -FOREVER
        self._quiet_at = -FOREVER
        """When the agent's sound last ended."""
        self._asked = Expectation()
        self._rhythm = Rhythm()
        self._barge = BargeIn(self._policy)
        self._patience = Patience(self._policy)
        self._partials = False
        self._begun = False
        self._over = False

    # --- deciding -----------------------------------------------------------------------------

    def _due(self) -> float:
        if self._audible is not None:
            return self._barge.deadline()
        policy = self._policy
        if self._is_speaking:
            assert self._speech is not None
            match self._phase:
                case Phase.IDLE:
                    return self._proof_from + policy.least_speech + _NOTICED
                case Phase.ENDED:
                    if self._sealed:
                        return self._patience.due
                    return self._speech + policy.resume_sound
                case Phase.OPEN:
                    due = self._limit()
                    if self._likely_is_open:
                        due = min(due, self._speech + policy.resume_sound)
                    return due
        if self._phase is Phase.OPEN:
            over = self._now.over_at(self._asked, self._rhythm, policy)[0]
            return min(over, self._likely_due)
        return self._patience.due

    def _decide(self, at: float) -> None:
        """What time alone decides, and what the last event made due."""
        if self._audible is not None:
            self._barged(self._barge.passed(at))
            if self._audible is not None:
                return
        if self._is_speaking:
            self._decide_speaking(at)
        if self._phase is Phase.OPEN:
            due, why = self._now.over_at(self._asked, self._rhythm, self._policy)
            is_over = not self._is_speaking and at >= due - _TICK
            self._decide_likely(at, is_over=is_over)
            if is_over:
                self._end(at, why)
        elif not (self._is_speaking and self._phase is Phase.IDLE) and at >= self._patience.due - _TICK:
            self._out.append(self._patience.fire(at))

    def _decide_speaking(self, at: float) -> None:
        assert self._speech is not None
        policy = self._policy
        if self._phase is Phase.IDLE and at >= self._proof_from + policy.least_speech + _NOTICED - _TICK:
            self._open(at, self._speech)
        proved = at >= self._speech + policy.resume_sound - _TICK
        if proved and ((self._phase is Phase.ENDED and not self._sealed) or self._likely_is_open):
            self._resume(at)
        if self._phase is Phase.OPEN and at >= self._limit() - _TICK:
            self._stale = True
            self._now.until = at
            self._end(at, "limit")

    def _decide_likely(self, at: float, *, is_over: bool) -> None:
        now, policy = self._now, self._policy
        text = now.text
        if not self._may_be_likely:
            return
        if at >= self._likely_due - _TICK and not is_over:
            self._likely(at)
            return
        if self._is_speaking and text == now.passed:
            # The caller goes on after just these words.
            return
        # Final words say that the recogniser hears a pause, often before the detector does.
        goes_on = self._is_speaking and now.words.pending
        enough = policy.likely_speaking if goes_on else policy.likely
        if answered(now.sentence, self._asked) >= enough:
            self._likely(at)

    def _likely(self, at: float) -> None:
        now = self._now
        now.likely, now.likely_since = now.text, self._speech
        now.likelies += 1
        self._out.append(TurnLikely(at=at, turn=self._turn, text=now.text))

    @property
    def _may_be_likely(self) -> bool:
        now = self._now
        return bool(now.text) and now.likely is None and now.likelies < self._policy.likely_limit

    @property
    def _likely_due(self) -> float:
        """When an answer is prepared even to words that are not likely all: silence may yet end the turn."""
        if self._is_speaking or self._now.until is None or not self._may_be_likely:
            return FOREVER
        return self._now.until + self._policy.likely_after

    @property
    def _is_speaking(self) -> bool:
        return self._speech is not None and not self._stale

    @property
    def _likely_is_open(self) -> bool:
        """New sound since an answer was prepared: nobody knows yet what it is."""
        now = self._now
        return self._phase is Phase.OPEN and now.likely is not None and now.likely_since != self._speech

    @property
    def _proof_from(self) -> float:
        """Sound proves speech from here on: what may be the agent's own echo proves nothing."""
        assert self._speech is not None
        return max(self._speech - self._now.voiced, self._quiet_at + self._policy.echo_tail)

    def _limit(self) -> float:
        now = self._now
        limit = now.limit(self._policy)
        if self._partials and not now.text:
            assert now.began is not None
            limit = min(limit, now.began + self._policy.wordless_limit)
        return limit

    # --- the turn's own moves -------------------------------------------------------------------

    def _open(self, at: float, since: float) -> None:
        now = self._now
        self._turn += 1
        self._phase = Phase.OPEN
        now.began = since if now.began is None else min(now.began, since)
        now.until = since if now.until is None else now.until
        self._patience.over()
        self._patience.answered()
        self._out.append(TurnStarted(at=at, turn=self._turn, since=now.began))

    def _resume(self, at: float) -> None:
        now = self._now
        if self._speech is not None and now.until is not None and not self._stale:
            self._rhythm.paused(self._speech - now.until)
        self._phase = Phase.OPEN
        now.likely, now.engine_done, now.passed = None, False, now.text
        self._patience.over()
        self._out.append(TurnResumed(at=at, turn=self._turn))

    def _end(self, at: float, why: str) -> None:
        now = self._now
        text = now.text
        assert now.until is not None
        garbled = not text and not now.keys
        self._out.append(
            TurnEnded(
                at=at,
                turn=self._turn,
                text=text,
                speech_end=now.until,
                why=why,
                confidence=0.0 if garbled else now.words.confidence,
                garbled=garbled,
                keys=now.keyed,
            )
        )
        self._phase = Phase.ENDED
        self._ended_text, self._ended_at = text, at
        self._patience.preparing(at)
        if self._stale:
            self._seal()

    def _seal(self) -> None:
        """The turn that ended stays as it is; what comes now is the next one's."""
        words = self._now.words
        words.spend()
        self._now = CallersTurn(words=words)
        self._sealed = True

    def _barged(self, decisions: list[Event]) -> None:
        """Pass decisions on; an interruption gives the caller the turn."""
        for decision in decisions:
            self._out.append(decision)
            if not isinstance(decision, Interrupted):
                continue
            self._agent_is_quiet(decision.at)
            now = self._now
            if decision.since - self._audible_at <= _SPOKE_INTO_A_PAUSE:
                now.led_in = self._ended_text
            if now.until is None and not self._is_speaking:
                now.until = decision.at
            if self._phase is Phase.IDLE:
                self._open(decision.at, decision.since)

    def _agent_is_quiet(self, at: float) -> None:
        self._audible = None
        self._quiet_at = at
        self._sealed = False
        self._barge.agent_stopped()
