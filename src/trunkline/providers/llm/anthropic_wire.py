"""Our prompt as a Messages request, and its stream's events put together. Pure.

From the vendor's pages "Streaming messages" (platform.claude.com/docs/en/build-with-claude/streaming),
"Prompt caching", "Troubleshooting thinking" and the notes on API version 2026-10-21, which takes no
temperature any more, and from the SDK's own types.
"""

from __future__ import annotations

import json
import re
from typing import Any

from trunkline.errors import EngineDown, EngineRequest
from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage

_MOST_CALLS = 32
_LONGEST_ARGUMENTS = 100_000
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_VERSION_WITH_TEMPERATURE = "2023-06-01"

_LEAST_THINKING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}),
    ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}),
    ("claude-sonnet-5", {"thinking": {"type": "disabled"}}),
    ("claude-opus-5", {"output_config": {"effort": "low"}}),
    ("claude-fable-5", {"output_config": {"effort": "low"}}),
    ("claude-opus-4-6", {"thinking": {"type": "disabled"}}),
    ("claude-opus-4-7", {"thinking": {"type": "disabled"}}),
    ("claude-opus-4-8", {"thinking": {"type": "disabled"}}),
)
"""How each family of models is told to think as little as it can, longest prefix first: a caller waits
for the first word. Models that are not here think only when asked to."""


def request_of(
    prompt: Prompt, model: str, *, temperature: float = -1.0, max_tokens: int = -1, thinking: str = "least"
) -> dict[str, Any]:
    """The keyword arguments of the SDK's `messages.create`. The same prompt gives the same bytes.

    All system messages become the `system` blocks, in their order. The last of the prompt's `stable`
    leading messages carries the cache mark, which covers the tools too: they come before the system
    blocks in the order that the cache goes by.
    """
    system: list[dict[str, Any]] = []
    talk: list[dict[str, Any]] = []
    for number, message in enumerate(prompt.messages, 1):
        blocks = _blocks(message)
        if number == prompt.stable and blocks:
            blocks[-1]["cache_control"] = {"type": "ephemeral"}
        if message.role == "system":
            system += blocks
        elif blocks:
            _append(talk, "assistant" if message.role == "assistant" else "user", blocks)
    if not talk or talk[0]["role"] != "user":
        talk.insert(0, {"role": "user", "content": [{"type": "text", "text": "(the call begins)"}]})
    if talk[-1]["role"] != "user":  # what ends in the agent's words would be continued, or refused
        _append(talk, "user", [{"type": "text", "text": "(the caller says nothing)"}])
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": prompt.max_tokens if max_tokens < 0 else max_tokens,
        "messages": talk,
        "stream": True,
    }
    if system:
        request["system"] = system
    if prompt.tools:
        request["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.parameters or {"type": "object", "properties": {}},
            }
            for tool in prompt.tools
        ]
    if thinking == "least":
        request |= next((extra for prefix, extra in _LEAST_THINKING if model.startswith(prefix)), {})
    if temperature >= 0:
        # Only the older version of the protocol takes one, and only from older models.
        request["extra_headers"] = {"anthropic-version": _VERSION_WITH_TEMPERATURE}
        request["extra_body"] = {"temperature": temperature}
    return request


def _append(talk: list[dict[str, Any]], role: str, blocks: list[dict[str, Any]]) -> None:
    if talk and talk[-1]["role"] == role:
        talk[-1]["content"] += blocks
    else:
        talk.append({"role": role, "content": blocks})


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {
                "type": "tool_result",
                "tool_use_id": _safe_id(message.tool_call_id),
                "content": message.content or "(nothing)",
            }
        ]
    # A block of text must hold more than blanks.
    blocks: list[dict[str, Any]] = (
        [{"type": "text", "text": message.content}] if message.content.strip() else []
    )
    blocks += [
        {"type": "tool_use", "id": _safe_id(call.id), "name": call.name, "input": call.arguments}
        for call in message.tool_calls
    ]
    return blocks


def _safe_id(call_id: str) -> str:
    """Another engine may have named the call, with letters that this vendor refuses."""
    return _NOT_IN_AN_ID.sub("_", call_id)[:64] or "call"


class MessageReader:
    """One streamed message. Takes the SDK's raw events; blocks of thinking are left out."""

    def __init__(self, where: str) -> None:
        self.finished = False
        self.moved = 0
        self._where = where
        self._cut = False
        """The answer ended at its longest allowed length, perhaps in the middle of a call."""
        self._calls: dict[int, dict[str, str]] = {}
        self._input = 0
        self._cached = 0
        self._written = 0
        self._output = 0

    def feed(self, event: Any) -> list[Delta]:
        match event.type:
            case "message_start":
                self._count(event.message.usage)
            case "content_block_start" if event.content_block.type == "tool_use":
                block = event.content_block
                if len(self._calls) >= _MOST_CALLS:
                    raise EngineDown("the model's tool calls have no end", where=self._where)
                self._calls[event.index] = {"id": block.id, "name": block.name, "arguments": ""}
                self.moved += 1
            case "content_block_delta":
                return self._delta(event)
            case "message_delta":
                self._count(event.usage)
                return self._stopped(event.delta.stop_reason)
            case "message_stop":
                self.finished = True
        return []

    def _delta(self, event: Any) -> list[Delta]:
        kind = event.delta.type
        if kind == "text_delta" and event.delta.text:
            self.moved += 1
            return [Token(event.delta.text)]
        if kind == "input_json_delta":
            call = self._calls.get(event.index)
            if call is None:
                raise EngineDown("it sent arguments for no tool call", where=self._where)
            call["arguments"] += event.delta.partial_json
            if len(call["arguments"]) > _LONGEST_ARGUMENTS:
                raise EngineDown("the model's tool calls have no end", where=self._where)
            self.moved += 1
        return []

    def _stopped(self, reason: str | None) -> list[Delta]:
        if reason == "refusal":
            raise EngineRequest("the model refused to answer this", where=self._where)
        if reason == "model_context_window_exceeded":
            raise EngineRequest("the prompt is longer than the model can read", where=self._where)
        self._cut = reason == "max_tokens"
        self.finished = self.finished or reason is not None
        return []

    def _count(self, usage: Any) -> None:
        """Counts are cumulative; the later event replaces what the earlier one said."""
        for ours, theirs in (
            ("_input", "input_tokens"),
            ("_cached", "cache_read_input_tokens"),
            ("_written", "cache_creation_input_tokens"),
            ("_output", "output_tokens"),
        ):
            if (value := getattr(usage, theirs, None)) is not None:
                setattr(self, ours, int(value))

    def end(self) -> list[Delta]:
        given: list[Delta] = []
        for _, call in sorted(self._calls.items()):
            try:
                given.append(self._call(call))
            except EngineDown:
                if not self._cut:
                    raise  # half a call is no nonsense where the answer was cut: it is left out
        given.append(
            Usage(
                input_tokens=self._input + self._cached + self._written,
                output_tokens=self._output,
                cached_tokens=self._cached,
                details={"cache_written_tokens": self._written} if self._written else {},
            )
        )
        return given

    def _call(self, call: dict[str, str]) -> ToolCall:
        try:
            arguments = json.loads(call["arguments"] or ("" if self._cut else "{}"))
        except (ValueError, RecursionError) as error:
            raise self._nonsense(call["name"]) from error
        if not call["name"] or not isinstance(arguments, dict):
            raise self._nonsense(call["name"])
        return ToolCall(call["id"], call["name"], arguments)

    def _nonsense(self, name: str) -> EngineDown:
        return EngineDown(f"the model called {name or 'a tool'!r} with broken arguments", where=self._where)
