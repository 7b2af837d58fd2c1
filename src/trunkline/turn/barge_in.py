"""The caller makes a sound while the agent speaks: go quieter, hold, go on, or stop.

The agent goes quieter at once (`Ducked`). As soon as the sound is a voice, about 0.1 s after it
began, the agent falls silent but keeps its place (`Ducked` with `hold`): to the caller it has stopped.
Whether it was an interruption shows within the next half second, by whichever proof comes first:

* words that are more than a backchannel, or speech longer than one: `Interrupted`;
* the sound ends: `Resumed`, from where the agent was.

So an interruption is obeyed at once, and "mm-hm" or a cough costs a hesitation, not the sentence.
`call/speak.py` carries the decisions out.
"""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events import (
    Backchannel,
    Ducked,
    Event,
    Interrupted,
    Resumed,
    SpeechWeighed,
)
from trunkline.turn.backchannel import is_backchannel, may_become_backchannel
from trunkline.turn.callers_turn import FOREVER
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.wording import plain_words

_WORDS_BEHIND = 1.5
"""Words may follow their sound by this long, seconds: they are still dated to it."""


_HUM_SHARE = 0.25
_MUCH = 0.25
"""Seconds of clear speech that are probably words."""
_TICK = 1e-6


@dataclass(slots=True)
class _Doubt:
    """A sound whose nature is not known yet."""

    since: float
    counted_from: float
    """Sound counts against the agent only while both sound."""
    held: bool = False
    listening: bool = False
    """Its words are a backchannel so far."""
    hum: bool = False
    clear: float = 0.0
    weighed: bool = False
    quiet_since: float | None = None
    """The sound stopped, and it is not settled that it was nothing."""
    again: float = -FOREVER
    """When sound began again after that: it may be taken back."""

    def settled_at(self, policy: TurnPolicy) -> float:
        """When time alone decides."""
        if self.quiet_since is not None:
            return self.quiet_since + self._words_wanted(policy)
        return min(self.hold_at(policy), self.cut_at(policy))

    def _words_wanted(self, policy: TurnPolicy) -> float:
        """How long after the sound its words are waited for."""
        if self.listening:
            return 0.0
        return policy.transcript_grace if self.clear >= _MUCH else policy.resume_after

    def hold_at(self, policy: TurnPolicy) -> float:
        if self.held:
            return FOREVER
        # It is weighed only once it is known to be a voice.
        return self.counted_from + (policy.hold_sound if self.weighed else policy.hold_unsure)

    def cut_at(self, policy: TurnPolicy) -> float:
        lasting = policy.backchannel_sound if self.listening or self.hum else policy.cut_sound
        return max(self.counted_from + lasting, self.again + policy.hold_unsure)


class BargeIn:
    """The decisions about one agent's sound after the other."""

    __slots__ = ("_doubt", "_generation", "_interruptible", "_last_sound", "_policy", "_started", "_told")

    def __init__(self, policy: TurnPolicy) -> None:
        self._policy = policy
        self._generation: int | None = None
        self._interruptible = False
        self._doubt: _Doubt | None = None
        self._last_sound: tuple[float, float] | None = None
        self._started = 0.0
        self._told: list[str] = []

    @property
    def listening(self) -> bool:
        """Whether the agent sounds and may be interrupted."""
        return self._generation is not None and self._interruptible

    def agent_started(self, at: float, generation: int, interruptible: bool) -> None:
        self._started = at
        self._generation, self._interruptible = generation, interruptible
        self._doubt, self._last_sound, self._told = None, None, []

    def agent_stopped(self) -> None:
        self._generation, self._doubt = None, None

    def sound(self, at: float, since: float) -> list[Event]:
        """Voice activity began."""
        if not self.listening:
            return []
        self._told = []
        if self._doubt is not None:
            self._doubt.quiet_since, self._doubt.again = None, at
            return []
        assert self._generation is not None
        self._doubt = _Doubt(since, max(since, self._started))
        return [Ducked(at=at, generation=self._generation, since=since)]

    def weighed(self, event: SpeechWeighed) -> list[Event]:
        """Voice activity knows more of the sound."""
        doubt, policy = self._doubt, self._policy
        if doubt is None:
            return []
        doubt.weighed, doubt.clear = True, event.clear
        doubt.hum = event.clear < _HUM_SHARE * event.voiced
        if event.clear >= policy.cut_clear and not doubt.listening:
            return self._stop(event.at, "clear speech")
        return self.passed(event.at)

    def stopped(self, at: float, since: float, until: float) -> list[Event]:
        """Voice activity ended without having decided anything: it was short."""
        if until > since:
            self._last_sound = (since, until)
        if self._doubt is None:
            return []
        self._doubt.quiet_since = until
        # A sound too short to have stopped the agent need not be waited for.
        return self.passed(at) if self._doubt.held else self._go_on(at)

    def _go_on(self, at: float) -> list[Event]:
        assert self._generation is not None
        self._doubt = None
        return [Resumed(at=at, generation=self._generation)]

    def words(self, at: float, text: str, *, final: bool = True) -> list[Event]:
        """The recogniser gave these words, all of them since the agent began to sound; with `final` it
        will give no more of this utterance."""
        if not self.listening or not text:
            return []
        assert self._generation is not None
        heard = self._doubt is not None or self.last_sound(at) is not None
        if is_backchannel(text):
            return self._backchannel(at, text)
        if not final and may_become_backchannel(text):
            return []
        if heard or len(plain_words(text)) >= self._policy.unheard_words:
            return self._stop(at, "words")
        return []

    def passed(self, at: float) -> list[Event]:
        """Time went by."""
        doubt = self._doubt
        if doubt is None:
            return []
        if at < doubt.settled_at(self._policy) - _TICK:
            return []
        if doubt.quiet_since is not None:
            return self._go_on(at)
        if at >= doubt.cut_at(self._policy) - _TICK:
            return self._stop(at, "long sound")
        return self._hold(at, doubt)

    def _hold(self, at: float, doubt: _Doubt) -> list[Event]:
        if doubt.held:
            return []
        assert self._generation is not None
        doubt.held = True
        return [Ducked(at=at, generation=self._generation, since=doubt.since, hold=True)]

    def taken(self, at: float, since: float, why: str) -> list[Event]:
        """The caller has the turn already, or pressed a key: nothing is in doubt."""
        if not self.listening:
            return []
        return self._stop(at, why, since)

    def deadline(self) -> float:
        return FOREVER if self._doubt is None else self._doubt.settled_at(self._policy)

    def _backchannel(self, at: float, text: str) -> list[Event]:
        assert self._generation is not None
        if self._doubt is not None:
            self._doubt.listening = True
        words = plain_words(text)
        if words == self._told:
            return []
        self._told = words
        return [Backchannel(at=at, generation=self._generation, text=text), *self.passed(at)]

    def last_sound(self, at: float) -> tuple[float, float] | None:
        """From when to when the caller last sounded over the agent, if that was just now."""
        if self._last_sound is None or at - self._last_sound[1] > _WORDS_BEHIND:
            return None
        return self._last_sound

    def _stop(self, at: float, why: str, since: float | None = None) -> list[Event]:
        assert self._generation is not None
        if since is None:
            recent = self.last_sound(at)
            since = self._doubt.since if self._doubt is not None else at if recent is None else recent[0]
        generation = self._generation
        self.agent_stopped()
        return [Interrupted(at=at, generation=generation, since=since, why=why)]
