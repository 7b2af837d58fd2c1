"""What a language model is given, and what it gives back. Imports nothing of ours.

The scenario assembles a `Prompt`; a `LanguageModel` turns it into a stream of `Token`, `ToolCall`
and one last `Usage`. Hosted models read `messages` and `tools`; the local brain, which understands
with typed parsers instead of statistics, reads `situation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool: `id` ties the result to it."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation as a model sees it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    """Of an assistant's message."""
    tool_call_id: str = ""
    """Of a tool's message: which call it answers."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may call in this step. `parameters` is a JSON Schema object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything a model gets for one answer. The stable part comes first, byte-identical from turn
    to turn, so that providers' prompt caches hit; `stable` counts the leading messages that are it."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    temperature: float = 0.4
    max_tokens: int = 200
    stable: int = 1
    situation: object = None
    """A `trunkline.scenario.situation.Situation`, for the local brain alone."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text, as it came."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answer cost, where the provider says it. The last thing of a stream."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    """Which model of a list answered, where it was not the first one."""
    audio_input_tokens: int = 0
    """How many of `input_tokens` were sound, which is priced otherwise than text; the next two the same."""
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0

    @property
    def counts(self) -> tuple[int, int, int, int, int, int]:
        """Input, output and cached tokens, and how many of each were sound."""
        return (
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.audio_input_tokens,
            self.audio_output_tokens,
            self.audio_cached_tokens,
        )

    def __add__(self, other: Usage) -> Usage:
        """Both together, without their details and models."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            audio_input_tokens=self.audio_input_tokens + other.audio_input_tokens,
            audio_output_tokens=self.audio_output_tokens + other.audio_output_tokens,
            audio_cached_tokens=self.audio_cached_tokens + other.audio_cached_tokens,
        )


Delta = Token | ToolCall | Usage
