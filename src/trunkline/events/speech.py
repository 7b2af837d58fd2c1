"""The agent's voice: from a sentence that is handed to an engine to what the caller heard of it."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class SynthesisStarted(Event):
    """A sentence was handed to text-to-speech."""

    generation: int
    sentence: int
    text: str
    cached: bool = False
    """Its sound is there already: nothing is synthesised, nor paid."""


@dataclass(frozen=True, slots=True)
class EngineAsked(Event):
    """One engine of a list was given work. `kind`: "tts", for the sentence whose `SynthesisStarted` came
    last; "stt", which listens from now on; "early", which listened before the answer."""

    kind: str
    engine: str
    characters: int = 0
    """To speak."""
    seconds: float = 0.0
    """Of sound from before, which it is given once more; or that was heard before the answer."""


@dataclass(frozen=True, slots=True)
class LinesPrepared(Event):
    """Fixed lines were synthesised ahead, for this call and those that come."""

    lines: int
    characters: int


@dataclass(frozen=True, slots=True)
class OpenerSaid(Event):
    """The model is slow: these few words are said first, as sentence 0 of the answer."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class FirstAudio(Event):
    """The first audio of a sentence came from text-to-speech."""

    generation: int
    sentence: int


@dataclass(frozen=True, slots=True)
class SpeakingStarted(Event):
    """The first audible frame of a generation left; `at` is the instant the sound itself begins."""

    generation: int
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class SpeakingStopped(Event):
    """The agent's sound ended: all of it (`complete`), or cut."""

    generation: int
    heard: str
    """The words the caller heard, as far as playout tells."""
    complete: bool
    unheard: str = ""
