"""The language model at work on an answer, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.events.event import Event


@dataclass(frozen=True, slots=True)
class GenerationStarted(Event):
    """An answer is asked of `model` ("scenario" where the words are fixed)."""

    generation: int
    turn: int
    model: str
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class FirstToken(Event):
    """The model's first token (text or tool call) of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class GenerationDone(Event):
    """The model has said all it will for this generation."""

    generation: int
    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    audio_input_tokens: int = 0
    """How many of `input_tokens` were sound; the next two the same."""
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0
    others: dict[str, list[int]] = field(default_factory=dict)
    """The same six counts of other models than `GenerationStarted` names; they are in the sums above."""


@dataclass(frozen=True, slots=True)
class GenerationDropped(Event):
    """Nothing of this generation will be spoken (any more)."""

    generation: int
    why: str


@dataclass(frozen=True, slots=True)
class ModelUsed(Event):
    """A model was used beside its answers. `purpose`: "recap"; where it speaks by itself, "line" (it read one
    word for word) or "cut" (an answer that was closed before it was whole)."""

    model: str
    purpose: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TurnDecided(Event):
    """What a caller's turn leads to was decided. `by`: "scenario" (typed understanding alone), or the
    model that was asked. `agreed`: whether a model called the very tools that typed understanding would
    have called; None where that was not sure, or decided itself."""

    turn: int
    by: str
    simple: bool
    agreed: bool | None = None


@dataclass(frozen=True, slots=True)
class GuardrailBlocked(Event):
    """A sentence was replaced before it was spoken. A rule that begins with "judge: " is one that a second
    model found broken, a sentence behind: it may have been heard, and is taken back."""

    generation: int
    rule: str
    sentence: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Economised(Event):
    """A stage was over its budget for `turns` turns running: the call goes on with a cheaper choice
    ("short-context", "fast-model" or "cached-lines")."""

    choice: str
    stage: str
    mean_ms: float
    """What the stage took in those turns."""
    budget_ms: float
    turns: int
