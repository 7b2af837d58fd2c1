"""Our prompt as a Gemini `streamGenerateContent` request, and its answer put together. Pure.

From ai.google.dev: "Generating content" (api/generate-content), "Function calling", "Thought
signatures" and "Gemini thinking", and the types of the vendor's SDK (`google-genai`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from trunkline.errors import EngineDown, EngineRequest
from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage

_MOST_CALLS = 32
_MOST_SIGNATURES = 4096
_UNSIGNED = "skip_thought_signature_validator"
"""What the vendor takes in place of a signature for calls that it did not make itself."""
_BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL"}
)


class Signatures:
    """Newer models sign each tool call, and refuse the answer to a call whose signature does not come
    back with it. Kept by the call's id, for the latest 4096 calls; an older one goes back unsigned."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, str] = OrderedDict()

    def keep(self, call_id: str, signature: str) -> None:
        self._kept[call_id] = signature
        while len(self._kept) > _MOST_SIGNATURES:
            self._kept.popitem(last=False)

    def of(self, call_id: str) -> str:
        return self._kept.get(call_id, _UNSIGNED)


def request_of(
    prompt: Prompt,
    model: str,
    signatures: Signatures,
    *,
    temperature: float = -1.0,
    max_tokens: int = -1,
    thinking: str = "least",
) -> dict[str, Any]:
    """The request's JSON. The same prompt gives the same bytes; the vendor caches prefixes by itself."""
    names = {call.id: call.name for message in prompt.messages for call in message.tool_calls}
    system: list[dict[str, Any]] = []
    contents: list[dict[str, Any]] = []
    for message in prompt.messages:
        if message.role == "system":
            system += [{"text": message.content}] if message.content else []
            continue
        parts = _parts(message, names, signatures)
        role = "model" if message.role == "assistant" else "user"
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    if not contents or contents[0]["role"] != "user":
        contents.insert(0, {"role": "user", "parts": [{"text": "(the call begins)"}]})
    if contents[-1]["role"] != "user":
        contents.append({"role": "user", "parts": [{"text": "(the caller says nothing)"}]})
    settings: dict[str, Any] = {
        "temperature": prompt.temperature if temperature < 0 else temperature,
        "maxOutputTokens": prompt.max_tokens if max_tokens < 0 else max_tokens,
    }
    if config := _thinking(model, thinking):
        settings["thinkingConfig"] = config
    request: dict[str, Any] = {"contents": contents, "generationConfig": settings}
    if system:
        request["systemInstruction"] = {"parts": system}
    if prompt.tools:
        request["tools"] = [
            {
                "functionDeclarations": [
                    {"name": tool.name, "description": tool.description}
                    | ({"parametersJsonSchema": tool.parameters} if tool.parameters else {})
                    for tool in prompt.tools
                ]
            }
        ]
    return request


def _parts(message: Message, names: dict[str, str], signatures: Signatures) -> list[dict[str, Any]]:
    if message.role == "tool":
        answer = {"name": names.get(message.tool_call_id, "unknown"), "response": {"result": message.content}}
        return [{"functionResponse": answer}]
    parts: list[dict[str, Any]] = [{"text": message.content}] if message.content else []
    parts += [
        {
            "functionCall": {"name": call.name, "args": call.arguments},
            "thoughtSignature": signatures.of(call.id),
        }
        for call in message.tool_calls
    ]
    return parts


def _thinking(model: str, thinking: str) -> dict[str, Any]:
    """As little thinking as the model allows: a caller waits for the first word."""
    if thinking == "default":
        return {}
    if thinking != "least":
        return {"thinkingLevel": thinking}
    if model.startswith("gemini-2.5"):
        return {"thinkingBudget": 128 if "pro" in model else 0}
    if model.startswith("gemini-3"):
        return {
            "thinkingLevel": "minimal" if model.startswith("gemini-3-flash") or "lite" in model else "low"
        }
    return {"thinkingLevel": "low"} if model.startswith("gemini-4") else {}


class ContentReader:
    """One streamed answer. Takes the data of each server-sent event; thoughts are left out."""

    def __init__(self, where: str, signatures: Signatures, answer_id: str) -> None:
        self.finished = False
        self.moved = 0
        self._where = where
        self._signatures = signatures
        self._answer_id = answer_id
        self._calls: list[ToolCall] = []
        self._usage = Usage()

    def feed(self, event: Any) -> list[Delta]:
        try:
            chunk = json.loads(event)
        except (ValueError, RecursionError) as error:
            raise EngineDown("it answered what is not its protocol", where=self._where) from error
        if not isinstance(chunk, dict):
            raise EngineDown("it answered what is not its protocol", where=self._where)
        if "error" in chunk:
            said = str((chunk["error"] or {}).get("message", ""))[:200]
            raise EngineDown(f"it broke off: {said}", where=self._where)
        if reason := (chunk.get("promptFeedback") or {}).get("blockReason"):
            raise EngineRequest(f"it refused the prompt: {reason}", where=self._where)
        if counts := chunk.get("usageMetadata"):
            self._usage = _usage(counts)
        given: list[Delta] = []
        for candidate in (chunk.get("candidates") or [])[:1]:
            for part in (candidate.get("content") or {}).get("parts") or []:
                given += self._part(part)
            if reason := candidate.get("finishReason"):
                if reason in _BLOCKED:
                    raise EngineRequest(f"it refused to go on: {reason}", where=self._where)
                self.finished = True
        return given

    def _part(self, part: dict[str, Any]) -> list[Delta]:
        if part.get("thought"):
            return []
        if call := part.get("functionCall"):
            self._take_call(call, part.get("thoughtSignature"))
            return []
        if text := part.get("text"):
            self.moved += 1
            return [Token(str(text))]
        return []

    def _take_call(self, call: dict[str, Any], signature: str | None) -> None:
        if len(self._calls) >= _MOST_CALLS:
            raise EngineDown("the model's tool calls have no end", where=self._where)
        arguments = call.get("args") or {}
        if not call.get("name") or not isinstance(arguments, dict):
            raise EngineDown("the model called a tool with broken arguments", where=self._where)
        # The vendor often gives calls no id; ours must not repeat within a conversation.
        call_id = str(call.get("id") or f"{self._answer_id}_{len(self._calls)}")
        if signature:
            self._signatures.keep(call_id, signature)
        self._calls.append(ToolCall(call_id, str(call["name"]), arguments))
        self.moved += 1

    def end(self) -> list[Delta]:
        return [*self._calls, self._usage]


def _usage(counts: dict[str, Any]) -> Usage:
    thoughts = int(counts.get("thoughtsTokenCount") or 0)
    return Usage(
        input_tokens=int(counts.get("promptTokenCount") or 0),
        # Thoughts are billed like the answer, and counted beside it.
        output_tokens=int(counts.get("candidatesTokenCount") or 0) + thoughts,
        cached_tokens=int(counts.get("cachedContentTokenCount") or 0),
        details={"thought_tokens": thoughts} if thoughts else {},
    )
