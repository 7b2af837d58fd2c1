"""Gemini's API as ai.google.dev publishes it: `:streamGenerateContent?alt=sse`, and the model's card.

Like the real one with its newer models it refuses a tool call in the current turn that comes back
without a signature."""

from __future__ import annotations

import json
from typing import Any

from providers.servers.http_server import Asked, HttpServer, Reply, refused


def chunk(
    *parts: dict[str, Any], finish: str = "", usage: tuple[int, int, int, int] | None = None
) -> dict[str, Any]:
    """`usage`: tokens of the prompt, the answer, the cache and the thoughts."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    whole: dict[str, Any] = {"candidates": [candidate], "modelVersion": "test", "responseId": "r"}
    if usage:
        prompt, answer, cached, thoughts = usage
        whole["usageMetadata"] = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "cachedContentTokenCount": cached,
            "thoughtsTokenCount": thoughts,
            "totalTokenCount": prompt + answer + thoughts,
        }
    return whole


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"text": words, **more}


def call(name: str, arguments: dict[str, Any], signature: str = "") -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments}}
    return part | ({"thoughtSignature": signature} if signature else {})


HELLO = (chunk(text("Hel")), chunk(text("lo."), finish="STOP", usage=(20, 2, 16, 3)))


class GeminiServer(HttpServer):
    def __init__(self) -> None:
        super().__init__()
        self.cards["GET /v1beta/models/test"] = Reply([b'{"name": "models/test"}'])

    def stream(self, *events: dict[str, Any] | bytes, end: str = "done") -> None:
        lines: list[bytes | float] = [
            event if isinstance(event, bytes) else f"data: {json.dumps(event)}\r\n\r\n".encode()
            for event in events
        ]
        self.replies.append(Reply(lines, end, kind="text/event-stream"))

    def reply_to(self, asked: Asked) -> Reply:
        if asked.path == "/v1beta/models/test:streamGenerateContent":
            assert asked.query == {"alt": "sse"}
            parts = [part for content in asked.json["contents"] for part in content["parts"]]
            if any("functionCall" in part and "thoughtSignature" not in part for part in parts):
                message = "Function call is missing a thought_signature in functionCall parts."
                return refused(
                    400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
                )
        elif f"{asked.method} {asked.path}" not in self.cards:
            return refused(404, {"error": {"code": 404, "message": f"{asked.path} is not found"}})
        return super().reply_to(asked)
