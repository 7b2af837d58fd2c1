"""Our prompt as a chat-completions request, and its answer's pieces put together. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from trunkline.errors import EngineDown
from trunkline.prompt import Message, Prompt, ToolCall, Usage

_MOST_CALLS = 32
_LONGEST_ARGUMENTS = 100_000


def request_of(
    prompt: Prompt, model: str, limit_name: str, *, temperature: float = -1.0, max_tokens: int = -1
) -> dict[str, Any]:
    """The request's fields. The same prompt gives the same bytes, in the prompt's own order."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in prompt.messages],
        "temperature": prompt.temperature if temperature < 0 else temperature,
        limit_name: prompt.max_tokens if max_tokens < 0 else max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.tools:
        request["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in prompt.tools
        ]
    return request


def _message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        fields["content"] = message.content or None
        fields["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def usage_of(usage: Any) -> Usage:
    """The SDK's usage as ours; servers leave parts of it out."""
    details = getattr(usage, "prompt_tokens_details", None)
    reasoning = getattr(getattr(usage, "completion_tokens_details", None), "reasoning_tokens", None)
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cached_tokens=getattr(details, "cached_tokens", None) or 0,
        details={"reasoning_tokens": reasoning} if reasoning else {},
    )


class ToolCallPieces:
    """Tool calls come in pieces: the name first, then the arguments' text a few letters at a time,
    several calls told apart by `index`."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._calls: dict[int, dict[str, str]] = {}

    def add(self, pieces: Iterable[Any]) -> None:
        """Take the tool-call pieces of one chunk. Raises `EngineDown` for more than is sane."""
        for piece in pieces:
            index = piece.index
            if index is None:  # some servers give whole calls without numbering them
                index = len(self._calls) if piece.id or not self._calls else max(self._calls)
            call = self._calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
            call["id"] = call["id"] or piece.id or ""
            if piece.function is not None:
                call["name"] = call["name"] or piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
            if len(self._calls) > _MOST_CALLS or len(call["arguments"]) > _LONGEST_ARGUMENTS:
                raise EngineDown("the model's tool calls have no end", where=self._where)

    def finish(self) -> list[ToolCall]:
        """The calls, in their order. Raises `EngineDown` where one makes no sense."""
        calls = []
        for index, call in sorted(self._calls.items()):
            try:
                arguments = json.loads(call["arguments"] or "{}")
            except (ValueError, RecursionError) as error:
                raise self._nonsense(call["name"]) from error
            if not call["name"] or not isinstance(arguments, dict):
                raise self._nonsense(call["name"])
            calls.append(ToolCall(call["id"] or f"call_{index}", call["name"], arguments))
        return calls

    def _nonsense(self, name: str) -> EngineDown:
        return EngineDown(f"the model called {name or 'a tool'!r} with broken arguments", where=self._where)
