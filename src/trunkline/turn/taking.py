"""Turn-taking: who may speak. One `TurnTaking` for each call, pure: events in, decisions out.

Here stands what each event does. `turns.py` holds the state and decides what time alone decides; read
its `_decide` next. Facts of one turn live in `callers_turn.py`; each kind of decision has its own file:
`end_of_turn.py` (is the caller done), `barge_in.py` (does the agent stop), `silence.py` (does nobody
answer).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trunkline.events import (
    Answer,
    CallAnswered,
    CallEnded,
    CallRinging,
    CallStarted,
    Dtmf,
    EarlyWords,
    EngineEndOfTurn,
    Event,
    Expecting,
    Final,
    GenerationDone,
    GenerationDropped,
    GenerationStarted,
    HoldEnded,
    HoldStarted,
    HungUp,
    Partial,
    SoundedEnd,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    SpeechWeighed,
    SynthesisStarted,
    TransferDone,
    TransferStarted,
    TurnResumed,
)
from trunkline.turn.alike import same_words
from trunkline.turn.answering_machine import AnsweringMachine
from trunkline.turn.backchannel import is_backchannel
from trunkline.turn.callers_turn import FOREVER
from trunkline.turn.courtesy import adds_nothing
from trunkline.turn.echo import OwnWords
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.turns import Phase, Turns

_FORGET_NOISE = 1.0
"""Noises further apart than this do not add up to speech, seconds."""
_ENGINE_SURE = 0.5
_MOST_GENERATIONS = 32
_LATE = 3.0
"""For so long after a turn a final can still be that turn's, seconds."""
_EARLY_KINDS = frozenset({Answer.YES_NO, Answer.CHOICE})


class TurnTaking(Turns):
    """The decisions of one call.

    Every output carries the `at` of the input that caused it. The caller arranges for a `TimePassed`
    at `deadline()`, which may change with every event. The same events give the same decisions.
    """

    def __init__(self, policy: TurnPolicy | None = None) -> None:
        super().__init__(policy)
        self._machine = AnsweringMachine(self._policy)
        self._own = OwnWords()
        self._early: tuple[str, float] | None = None
        """A backchannel over the agent, and when: it may turn out to answer the question."""
        self._preparing: dict[int, None] = {}
        """Answers that were begun and are not audible yet."""

    @property
    def turn(self) -> int:
        """The number of the caller's latest turn; 0 before the first."""
        return self._turn

    @property
    def wants_tones(self) -> bool:
        """Whether a tone at the other end would say something: while it is open who took the call."""
        return self._machine.listening

    def handle(self, event: Event) -> list[Event]:
        """Take what happened; give what follows from it. Events that mean nothing here are ignored."""
        self._out = []
        if isinstance(event, HungUp | CallEnded):
            self._over = True
        if self._over or isinstance(event, CallStarted | CallRinging | EarlyWords):
            return [] if self._over else self._machine.handle(event)
        if not self._begun:
            self._begun = True
            self._patience.preparing(event.at)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        self._decide(event.at)
        self._out += self._machine.handle(event)
        return self._out

    def deadline(self) -> float | None:
        """When a `TimePassed` is wanted; None only before the call, after it, and while the agent
        sounds and nothing is in doubt."""
        if self._over or not self._begun:
            return None
        due = min(self._due(), self._machine.deadline())
        return due if due < FOREVER else None

    # --- listening ------------------------------------------------------------------------------

    def _speech_started(self, event: SpeechStarted) -> None:
        if self._speech is not None:
            return
        now = self._now
        self._speech, self._stale = event.since, False
        if self._phase is Phase.IDLE and now.until is not None and event.since - now.until > _FORGET_NOISE:
            now.voiced, now.began, now.until, now.sounded = 0.0, None, None, False
        if self._audible is not None:
            self._out += self._barge.sound(event.at, event.since)
        elif self._phase is Phase.OPEN:
            now.engine_done = False

    def _speech_weighed(self, event: SpeechWeighed) -> None:
        if self._speech is not None and not self._stale:
            self._barged(self._barge.weighed(event))

    def _speech_stopped(self, event: SpeechStopped) -> None:
        since, stale = self._speech, self._stale
        if since is None:
            return
        self._speech, self._stale = None, False
        if stale:
            return
        until = max(since, event.until)
        if self._audible is not None:
            # A short sound over the agent's voice: only its words can make it matter.
            self._out += self._barge.stopped(event.at, since, until)
            return
        if until <= since:
            return
        self._heard(event.at, since, until)

    def _heard(self, at: float, since: float, until: float) -> None:
        now, policy = self._now, self._policy
        match self._phase:
            case Phase.OPEN:
                if now.until is not None and now.likely_since != since:
                    self._rhythm.paused(since - now.until)
                now.heard(since, until, until - since)
            case Phase.ENDED:
                # Long enough to be the caller going on, and noticed only now that it is over.
                if not self._sealed and until - since >= policy.resume_sound:
                    self._speech = since
                    self._resume(at)
                    self._speech = None
                    now.heard(since, until, until - since)
            case Phase.IDLE:
                now.heard(since, until, until - max(since, self._quiet_at + policy.echo_tail))
                if now.voiced >= policy.least_speech:
                    self._open(at, since)
                else:
                    self._patience.noise(until)

    def _words(self, event: Partial | Final) -> None:
        text = event.text.strip()
        if isinstance(event, Partial) and text:
            self._partials = True
        # A slow recogniser's words are dated to when they sounded, where it says when that was.
        sounded = min(event.at, event.words[-1].end) if event.words else event.at
        near = self._audible is not None or sounded < self._quiet_at + self._policy.echo_tail
        if near and text and self._own.echoes(text):
            # Not a word of the caller's: but a final still closes what came before it.
            event = replace(event, text="")
            text = ""
        if self._is_late(event):
            # Whatever a final adds is said with the next turn; it does not make one.
            if isinstance(event, Final):
                self._now.carried = f"{self._now.carried} {self._now.words.unspent(text)}".strip()
            return
        before = self._now.text
        self._take_words(event)
        if self._audible is not None:
            self._words_over_agent(event)
        elif self._now.text and not same_words(before, self._now.text):
            self._words_changed(event)

    def _take_words(self, event: Partial | Final) -> None:
        now = self._now
        before = now.text
        if isinstance(event, Final):
            now.words.final(event)
            now.told_at = event.at
        else:
            now.words.partial(event)
            now.partials = now.partials or bool(event.text)
        if event.words:
            now.word_end = event.words[-1].end
        if not same_words(before, now.text):
            now.words_at = now.told_at = event.at
            now.engine_done = False
            if isinstance(event, Partial):
                now.word_lag = event.at - event.words[-1].end if event.words else 0.0

    def _is_late(self, event: Partial | Final) -> bool:
        """Words that come once the agent is audible, with no sound since its turn ended: a slow
        recogniser is still busy with that turn. Partials are its own as long as its final has not come."""
        words = self._now.words
        return (
            self._sealed
            and self._speech is None
            and self._now.until is None
            and not words.text
            and event.at <= self._ended_at + _LATE
            and (words.spent or (isinstance(event, Final) and not self._ended_text))
        )

    def _words_changed(self, event: Partial | Final) -> None:
        now = self._now
        if self._phase is Phase.ENDED:
            if self._sealed or same_words(now.text, self._ended_text):
                return
            self._resume(event.at)
        elif self._phase is Phase.IDLE:
            self._open_by_words(event)
        elif now.likely is not None and not adds_nothing(now.likely, now.text):
            now.likely = None
            self._out.append(TurnResumed(at=event.at, turn=self._turn))
        if not now.sounded and not self._is_speaking:
            # Voice activity missed it: the words themselves say when it was.
            now.until = max(now.until or -FOREVER, _spoken(event)[1])

    def _open_by_words(self, event: Partial | Final) -> None:
        since = self._speech if self._is_speaking else None
        self._open(event.at, _spoken(event)[0] if since is None else since)

    def _words_over_agent(self, event: Partial | Final) -> None:
        now = self._now
        text = now.words.text
        if not text:
            return
        if not self._is_speaking:
            began, until = self._barge.last_sound(event.at) or _spoken(event)
            now.began = began if now.began is None else now.began
            now.until = until if now.until is None else max(now.until, until)
        if not self._stale:
            self._barged(self._barge.words(event.at, text, final=isinstance(event, Final)))
        if self._audible is not None and isinstance(event, Final) and is_backchannel(text):
            self._early = (text, event.at)
            now.words.clear()
            if self._phase is not Phase.OPEN:
                now.began = now.until = None

    def _engine_end(self, event: EngineEndOfTurn) -> None:
        if event.probability >= _ENGINE_SURE and self._phase is Phase.OPEN:
            self._now.engine_done = True

    def _sounded_end(self, event: SoundedEnd) -> None:
        self._now.end_sound = (event.until, event.probability)

    def _key(self, event: Dtmf) -> None:
        if self._audible is not None:
            self._now.press(event.digit, event.at)
            self._barged(self._barge.taken(event.at, event.at, "keypad"))
            return
        if self._phase is Phase.ENDED and not self._sealed:
            self._resume(event.at)
        self._now.press(event.digit, event.at)
        if self._phase is Phase.IDLE:
            self._open(event.at, event.at)

    # --- the agent ------------------------------------------------------------------------------

    def _expecting(self, event: Expecting) -> None:
        self._asked = event.expectation
        self._patience.asked(event.silence)

    def _synthesis(self, event: SynthesisStarted) -> None:
        self._own.said(event.text)

    def _agent_started(self, event: SpeakingStarted) -> None:
        self._preparing.pop(event.generation, None)
        if self._phase is Phase.ENDED:
            if not self._sealed:
                self._seal()
            self._phase = Phase.IDLE
        self._audible, self._audible_at = event.generation, event.at
        self._early = None
        self._patience.over()
        self._barge.agent_started(event.at, event.generation, event.interruptible)
        if self._phase is Phase.OPEN:
            # The caller has the turn, and the agent did not know it yet: it yields.
            since = event.at if self._now.began is None else self._now.began
            self._barged(self._barge.taken(event.at, since, "the caller has the turn"))
        elif self._is_speaking:
            assert self._speech is not None
            self._out += self._barge.sound(event.at, self._speech)

    def _agent_stopped(self, event: SpeakingStopped) -> None:
        if self._audible is not None and self._audible == event.generation:
            self._agent_is_quiet(event.at)
        if self._phase is not Phase.IDLE or self._audible is not None:
            return
        if self._preparing:
            self._patience.preparing(event.at)
        else:
            self._patience.quiet(event.at)
        self._kept_words(event.at)

    def _kept_words(self, at: float) -> None:
        """What the caller said over the agent without stopping it counts now."""
        now = self._now
        if self._early is not None and not now.words.text:
            text, said_at = self._early
            if self._asked.kind in _EARLY_KINDS and at - said_at <= self._policy.early_answer:
                now.words.final(Final(at=said_at, text=text))
                now.until = said_at
        self._early = None
        if now.words.text or now.keys:
            since = at if now.began is None else now.began
            self._open(at, since if self._speech is None or self._stale else min(since, self._speech))

    def _generation_started(self, event: GenerationStarted) -> None:
        if event.speculative:
            return
        while len(self._preparing) >= _MOST_GENERATIONS:
            self._preparing.pop(next(iter(self._preparing)))
        self._preparing[event.generation] = None
        if self._audible is None and self._phase is not Phase.OPEN:
            self._patience.preparing(event.at)

    def _generation_done(self, event: GenerationDone) -> None:
        if not event.text.strip():
            self._nothing_comes(event.generation, event.at)

    def _generation_dropped(self, event: GenerationDropped) -> None:
        self._nothing_comes(event.generation, event.at)

    def _nothing_comes(self, generation: int, at: float) -> None:
        if generation not in self._preparing:
            return
        del self._preparing[generation]
        if not self._preparing and self._audible is None and self._phase is not Phase.OPEN:
            self._patience.quiet(at)

    def _answered(self, event: CallAnswered) -> None:
        self._patience.preparing(event.at)

    def _handing_over(self, _: TransferStarted) -> None:
        """The caller waits for somebody: nothing is asked of them."""
        self._patience.over()

    def _on_hold(self, _: HoldStarted) -> None:
        """The caller does not listen: their silence is none."""
        self._patience.over()

    def _off_hold(self, event: HoldEnded) -> None:
        if self._audible is None and self._phase is not Phase.OPEN:
            if self._preparing:
                self._patience.preparing(event.at)
            else:
                self._patience.quiet(event.at)

    def _handed_over(self, event: TransferDone) -> None:
        """They have waited, and not been silent; the agent will say how it went."""
        self._patience.answered()
        if event.result != "transferred":
            self._patience.preparing(event.at)


def _spoken(event: Partial | Final) -> tuple[float, float]:
    """When the words were said: by their own times where the engine gives them."""
    if not event.words:
        return event.at, event.at
    return min(event.words[0].start, event.at), min(event.words[-1].end, event.at)


_HANDLERS: dict[type[Event], Callable[[TurnTaking, Any], None]] = {
    SpeechStarted: TurnTaking._speech_started,
    SpeechWeighed: TurnTaking._speech_weighed,
    SpeechStopped: TurnTaking._speech_stopped,
    Partial: TurnTaking._words,
    Final: TurnTaking._words,
    EngineEndOfTurn: TurnTaking._engine_end,
    SoundedEnd: TurnTaking._sounded_end,
    Dtmf: TurnTaking._key,
    Expecting: TurnTaking._expecting,
    SpeakingStarted: TurnTaking._agent_started,
    SpeakingStopped: TurnTaking._agent_stopped,
    SynthesisStarted: TurnTaking._synthesis,
    GenerationStarted: TurnTaking._generation_started,
    GenerationDone: TurnTaking._generation_done,
    GenerationDropped: TurnTaking._generation_dropped,
    CallAnswered: TurnTaking._answered,
    TransferStarted: TurnTaking._handing_over,
    TransferDone: TurnTaking._handed_over,
    HoldStarted: TurnTaking._on_hold,
    HoldEnded: TurnTaking._off_hold,
}
"""One table for all calls: one of a call's own methods would hold the call after its end."""
