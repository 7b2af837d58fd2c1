"""Anthropic's Messages API as its pages publish it: `POST /v1/messages` streamed as named server-sent
events, and the model's card at `GET /v1/models/NAME`. Like the real one since API version 2026-10-21 it
refuses sampling settings under that version."""

from __future__ import annotations

import json
from typing import Any

from providers.servers.http_server import Asked, HttpServer, Reply, refused


def sse(*events: dict[str, Any] | bytes | float) -> list[bytes | float]:
    """Each event under its own name, as the vendor sends them; bytes and pauses as they are."""
    return [
        event
        if isinstance(event, bytes | float)
        else f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    ]


def start(input_tokens: int = 20, cached: int = 0, written: int = 0) -> dict[str, Any]:
    return {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "test",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": input_tokens,
                "cache_read_input_tokens": cached,
                "cache_creation_input_tokens": written,
                "output_tokens": 1,
            },
        },
    }


def text_start(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}


def text(piece: str, index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": piece}}


def thinking(piece: str, index: int = 0) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "thinking_delta", "thinking": piece},
    }


def tool_start(index: int, call_id: str, name: str) -> dict[str, Any]:
    block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    return {"type": "content_block_start", "index": index, "content_block": block}


def arguments(piece: str, index: int) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": index,
        "delta": {"type": "input_json_delta", "partial_json": piece},
    }


def block_stop(index: int = 0) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def stop(reason: str = "end_turn", output_tokens: int = 5) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": output_tokens},
        },
        {"type": "message_stop"},
    )


def hello() -> list[bytes | float]:
    ping = {"type": "ping"}
    return sse(start(4, 16), text_start(), ping, text("Hel"), text("lo."), block_stop(), *stop())


class AnthropicServer(HttpServer):
    """`stream(parts)` scripts the next message."""

    def __init__(self) -> None:
        super().__init__()
        card = {"id": "test", "type": "model", "display_name": "Test", "created_at": "2026-01-01T00:00:00Z"}
        self.cards["GET /v1/models/test"] = Reply([json.dumps(card).encode()])

    def stream(self, parts: list[bytes | float], end: str = "done") -> None:
        self.replies.append(Reply(parts, end, kind="text/event-stream"))

    def reply_to(self, asked: Asked) -> Reply:
        if asked.path == "/v1/messages":
            version = asked.headers["anthropic-version"]
            if version == "2026-10-21" and {"temperature", "top_p", "top_k"} & asked.json.keys():
                return refused(
                    400,
                    {"type": "error", "error": {"type": "invalid_request_error", "message": "temperature"}},
                )
        elif f"{asked.method} {asked.path}" not in self.cards:
            return refused(
                404,
                {"type": "error", "error": {"type": "not_found_error", "message": f"model: {asked.path}"}},
            )
        return super().reply_to(asked)
