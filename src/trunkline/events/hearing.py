"""What is heard of the caller: sound, words, tones."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events.event import Event
from trunkline.events.values import Word


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """Voice activity: known at `at`, begun at `since`."""

    since: float


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """Voice activity ended: known at `at`, last speech heard at `until` (dated back, not waited out)."""

    until: float


@dataclass(frozen=True, slots=True)
class SpeechWeighed(Event):
    """What the sound that began at `since` has proved to be so far. Given a few times in the first
    half second of speech, so that an interruption is told from a hum or a cough."""

    since: float
    voiced: float
    """Seconds of it that a voice made."""
    clear: float
    """Seconds of that which were loud, open speech: no hum, cough, echo or noise."""


@dataclass(frozen=True, slots=True)
class Partial(Event):
    """What the recogniser believes so far of the utterance in progress. Replaces the last Partial."""

    text: str
    words: tuple[Word, ...] = ()
    stable: int = 0
    """How many leading words will no longer change, as far as the engine says."""


@dataclass(frozen=True, slots=True)
class Final(Event):
    """A piece of transcript that will not change. Follows and replaces the Partials before it."""

    text: str
    words: tuple[Word, ...] = ()
    confidence: float = 1.0
    rejected: bool = False
    """The engine heard speech but trusts none of its readings: the caller has to be asked again."""


@dataclass(frozen=True, slots=True)
class ToneHeard(Event):
    """A single steady tone in the caller's sound, from `since` to `until`: no voice makes one.

    `kind`: "beep", "cng" (a fax calls: 1100 Hz for half a second) or "ced" (a fax or modem answers: 2100 Hz;
    told while it still sounds)."""

    kind: str
    hertz: float
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class EngineEndOfTurn(Event):
    """The STT engine itself believes that the caller has finished (Deepgram Flux and its like)."""

    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class SoundedEnd(Event):
    """How the speech that was last heard at `until` sounded: how probably it was the end of a turn."""

    probability: float
    until: float
