"""Who took the call: a person, a machine that records, a menu, a fax, a full mailbox. Pure.

The agent greets at once, as to a person; meanwhile evidence is gathered, each piece with a weight, machines'
above zero and people's below: words, how long the greeting goes on without a pause, tones, and when they
come. Enough of it is told as `AnsweredBy`, and may be taken back by more. A machine that records is listened
to until it beeps (`MailboxReady`). `call/` carries out what follows; the scenario says what that is.

Asterisk's app_amd calls a greeting of more than 1.5 s a machine's: that is a person with two names at the
telephone. Here length alone decides only beyond ten seconds; words and beeps decide before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from trunkline.events import (
    AnsweredBy,
    Answerer,
    CallAnswered,
    CallRinging,
    CallStarted,
    EarlyWords,
    Event,
    Final,
    MailboxReady,
    Partial,
    SpeakingStarted,
    SpeechStarted,
    SpeechStopped,
    ToneHeard,
)
from trunkline.turn.callers_turn import FOREVER
from trunkline.turn.greeting_words import Sign, a_person_waits, signs_in
from trunkline.turn.policy import TurnPolicy

_MACHINE, _HUMAN = 3.0, -2.0
"""Balances from which it is told."""
_PAUSE = 1.0
"""A longer one ends an utterance, seconds."""
_SHORT = 2.5
"""A greeting of a person's is hardly longer, seconds."""
_LONG = ((4.0, 0.7), (7.0, 1.5), (10.0, 3.0))
"""Greetings that go on for so many seconds, and their weight."""
_WAITS = 1.5
"""After a short greeting a person is silent for this long: they wait for an answer. Seconds."""
_LONG_RING = 20.0
"""Seconds of ringing after which a mailbox usually takes over."""
_MENU_PAUSE, _MENU_LIMIT = 1.2, 8.0
"""A menu is told in its next pause, or so long after its first words: a mailbox may offer keys too."""
_BEEP_AFTER = 5.0
"""A beep comes within so many seconds of the greeting's last word."""
_BEEP_IS_NEW = 3.0
"""For so long after a beep its machine may turn out to be one, and is recording."""
_CNG_EVERY = (3.0, 4.0)
"""Seconds from one CNG to the next (3.5 in ITU-T T.30)."""
_LEAST_SOUND = 0.08
_TICK = 1e-6
_MOST_TEXT = 2000


class AnsweringMachine:
    """One for each call. `handle` every event of the call, in order, and give it time at `deadline()`."""

    def __init__(self, policy: TurnPolicy) -> None:
        self._policy = policy
        self._open = False
        self._answered: float | None = None
        self._ringing: float | None = None
        self._evidence: dict[str, float] = {}
        self._who: Answerer | None = None
        self._who_at = 0.0
        # --- what was heard
        self._speech: float | None = None
        """Since when it sounds."""
        self._began: float | None = None
        """When the latest utterance began; it goes on over short pauses."""
        self._until: float | None = None
        self._utterances = 0
        self._agent_spoke = False
        """Since the latest utterance began."""
        self._early = ""
        """Words before the answer: no person's, and a menu's only if they are said again after it."""
        self._finals = ""
        self._partial = ""
        self._words_at = -FOREVER
        self._menu_at: float | None = None
        self._beep: ToneHeard | None = None
        self._cng_at: float | None = None

    @property
    def listening(self) -> bool:
        """Whether it still looks for evidence: whether tones are worth looking for."""
        return self._open and self._answered is not None

    def handle(self, event: Event) -> list[Event]:
        """Take what happened; give what is known from it."""
        handler = _HANDLERS.get(type(event))
        if handler is not None and (self._open or isinstance(event, CallStarted)):
            handler(self, event)
        return self._decide(event.at) if self.listening else []

    def deadline(self) -> float:
        """When time alone may tell something; infinite where it can not."""
        if not self.listening:
            return FOREVER
        assert self._answered is not None
        if self._who is Answerer.MACHINE:
            silent = FOREVER if self._speech is not None else self._heard_at + self._policy.machine_silence
            return min(silent, self._who_at + self._policy.machine_limit)
        due = [FOREVER if self._speech is not None else self._answered + self._policy.machine_window]
        if self._speech is not None:
            due += [
                self._start + long for long, _ in _LONG if f"greeting of {long:g} s" not in self._evidence
            ]
        elif self._until is not None and "short greeting" not in self._evidence:
            due.append(self._until + _WAITS)
        if self._menu_at is not None:
            pause = FOREVER if self._speech is not None else self._heard_at + _MENU_PAUSE
            due.append(min(pause, self._menu_at + _MENU_LIMIT))
        return min(due)

    # --- what happens -----------------------------------------------------------------------------

    def _call_started(self, event: CallStarted) -> None:
        wanted = self._policy.machines
        self._open = wanted == "always" or (wanted == "outbound" and event.direction == "outbound")

    def _call_rings(self, event: CallRinging) -> None:
        self._ringing = event.at if self._ringing is None else self._ringing

    def _words_while_it_rang(self, event: EarlyWords) -> None:
        if self._answered is None:
            self._early = f"{self._early} {event.text}".strip()[-_MOST_TEXT:]
            self._weigh_machines(signs_in(self._early))

    def _call_answered(self, event: CallAnswered) -> None:
        if self._answered is None:
            self._answered = event.at
            if self._ringing is not None and event.at - self._ringing >= _LONG_RING:
                self._evidence["long ringing"] = 0.7

    def _sound_began(self, event: SpeechStarted) -> None:
        if self._speech is None:
            self._speech = event.since

    def _sound_ended(self, event: SpeechStopped) -> None:
        since, self._speech = self._speech, None
        if since is None or event.until - since < _LEAST_SOUND or self._is_the_beep(since, event.until):
            return
        if self._continues(since):
            self._until = event.until
        else:
            self._utterances += 1
            if self._utterances > 1 and self._agent_spoke and event.until - since <= _SHORT:
                # It answers what the agent said. A recording goes on without regard to it.
                self._evidence["answers"] = max(-3.0, self._evidence.get("answers", 0.0) - 1.5)
            self._began, self._until, self._agent_spoke = since, event.until, False
        if self._beep is not None and since > self._beep.until + 0.2:
            self._beep = None  # it goes on: that was no sign that it records

    def _words(self, event: Partial | Final) -> None:
        text = event.text.strip()
        if text:
            self._words_at = event.at
        if isinstance(event, Partial):
            self._partial = text
        else:
            self._finals, self._partial = f"{self._finals} {text}".strip()[-_MOST_TEXT:], ""
            if a_person_waits(text):
                self._a_person_speaks()
        said = f"{self._finals} {self._partial}"
        # What began before the answer goes on after it: "... after the / tone".
        self._weigh_machines(signs_in(f"{self._early} {said}"))
        signs = signs_in(said)
        self._weigh("words of a person", -3.0 * min(1, signs.get(Sign.PERSON, 0)))
        if Sign.MENU not in signs:
            self._menu_at = None
        elif self._menu_at is None:
            self._menu_at = event.at

    def _weigh_machines(self, signs: Mapping[Sign, int]) -> None:
        self._weigh("words", 5.0 * min(1, signs.get(Sign.RECORDS, 0)))
        self._weigh("words of somebody away", 1.2 * min(2, signs.get(Sign.AWAY, 0)))
        self._weigh("full", 1.0 * min(1, signs.get(Sign.FULL, 0)))

    def _a_person_speaks(self) -> None:
        if self._who is Answerer.MACHINE:
            # Somebody picks up: what was said before was the machine's.
            self._evidence = {"picked up": _HUMAN}
            self._early = self._finals = self._partial = ""
            self._menu_at = self._beep = None
            self._began = self._until = None
            self._utterances = 1

    def _tone(self, event: ToneHeard) -> None:
        if event.kind == "ced":
            self._evidence["fax tone"] = 1.0
            return
        if event.kind == "cng":
            last, self._cng_at = self._cng_at, event.since
            again = last is not None and _CNG_EVERY[0] <= event.since - last <= _CNG_EVERY[1]
            if again or (self._until is None and not self._finals and not self._partial):
                self._evidence["fax tone"] = 1.0
                return
        self._beep = event
        # Whoever spoke before the answer has greeted, too.
        before = self._until is not None or bool(self._early)
        greeted = before or (self._speech is not None and event.since - self._speech > _PAUSE)
        if greeted and event.since - self._heard_at <= _BEEP_AFTER:
            self._evidence["beep"] = 3.5

    def _agent_speaks(self, _: SpeakingStarted) -> None:
        self._agent_spoke = True

    # --- what follows -----------------------------------------------------------------------------

    def _decide(self, at: float) -> list[Event]:
        assert self._answered is not None
        self._by_time(at)
        balance = sum(weight for name, weight in self._evidence.items() if name not in ("full", "fax tone"))
        if "fax tone" in self._evidence:
            return self._told(at, Answerer.FAX, "tone", 5.0)
        if "full" in self._evidence:
            return self._told(at, Answerer.MAILBOX_FULL, "words", 5.0)
        told: list[Event] = []
        if balance >= _MACHINE:
            told = self._told(at, Answerer.MACHINE, self._strongest(machine=True), balance)
        elif self._menu_is_over(at):
            return self._told(at, Answerer.IVR, "words", 4.0)
        elif balance <= _HUMAN:
            told = self._told(at, Answerer.HUMAN, self._strongest(machine=False), balance)
        if self._who is Answerer.MACHINE:
            return [*told, *self._ready(at)]
        if self._speech is None:
            self._open = at < self._answered + self._policy.machine_window - _TICK
        return told

    def _by_time(self, at: float) -> None:
        if self._speech is not None:
            for long, weight in _LONG:
                if at >= self._start + long - _TICK:
                    self._evidence.setdefault(f"greeting of {long:g} s", 0.0)
                    self._evidence["long greeting"] = weight
        elif self._until is not None and self._began is not None and at >= self._until + _WAITS - _TICK:
            short = self._utterances == 1 and self._until - self._began <= _SHORT
            self._evidence.setdefault("short greeting", _HUMAN if short else 0.0)

    def _menu_is_over(self, at: float) -> bool:
        if self._menu_at is None:
            return False
        if at >= self._menu_at + _MENU_LIMIT - _TICK:
            return True
        return self._speech is None and at >= self._heard_at + _MENU_PAUSE - _TICK

    def _told(self, at: float, who: Answerer, why: str, balance: float) -> list[Event]:
        if who is self._who:
            return []
        self._who, self._who_at = who, at
        if who in (Answerer.FAX, Answerer.MAILBOX_FULL, Answerer.IVR):
            self._open = False
        return [AnsweredBy(at, who, why, round(1 / (1 + math.exp(-abs(balance))), 2))]

    def _ready(self, at: float) -> list[Event]:
        why = ""
        if self._beep is not None and self._nothing_but_the_beep() and at <= self._beep.until + _BEEP_IS_NEW:
            why = "beep"
        elif self._speech is None and at >= self._heard_at + self._policy.machine_silence - _TICK:
            why = "silence"
        elif at >= self._who_at + self._policy.machine_limit - _TICK:
            why = "limit"
        if not why:
            return []
        self._open = False
        return [MailboxReady(at, why)]

    def _nothing_but_the_beep(self) -> bool:
        """Whether what sounds now, if anything, began with the beep or before it."""
        assert self._beep is not None
        return self._speech is None or self._speech <= self._beep.until + 0.05

    # --- small questions --------------------------------------------------------------------------

    @property
    def _start(self) -> float:
        """When the utterance that sounds now began."""
        assert self._speech is not None
        return self._began if self._began is not None and self._continues(self._speech) else self._speech

    @property
    def _heard_at(self) -> float:
        """When the other side was last heard, by its sound or by its words."""
        return max(self._until or -FOREVER, self._words_at, self._answered or -FOREVER)

    def _continues(self, since: float) -> bool:
        return self._until is not None and since - self._until <= _PAUSE

    def _is_the_beep(self, since: float, until: float) -> bool:
        beep = self._beep
        return beep is not None and since >= beep.since - 0.15 and until <= beep.until + 0.25

    def _weigh(self, name: str, weight: float) -> None:
        """The words so far weigh this much; recognisers change their minds about partial ones."""
        self._evidence.pop(name, None)
        if weight:
            self._evidence[name] = weight

    def _strongest(self, *, machine: bool) -> str:
        sign = 1 if machine else -1
        return max(self._evidence, key=lambda name: sign * self._evidence[name])


_HANDLERS: dict[type[Event], Callable[[AnsweringMachine, Any], None]] = {
    CallStarted: AnsweringMachine._call_started,
    CallRinging: AnsweringMachine._call_rings,
    EarlyWords: AnsweringMachine._words_while_it_rang,
    CallAnswered: AnsweringMachine._call_answered,
    SpeechStarted: AnsweringMachine._sound_began,
    SpeechStopped: AnsweringMachine._sound_ended,
    Partial: AnsweringMachine._words,
    Final: AnsweringMachine._words,
    ToneHeard: AnsweringMachine._tone,
    SpeakingStarted: AnsweringMachine._agent_speaks,
}
"""One table for all calls: one of a call's own methods would hold the call after its end."""
