"""OpenAI's Realtime WebSocket as it hears and speaks: answers to `response.create`, each word a tone.

`replies` are the next answers; a text between <text> marks is read. `answer_faults` tells what befalls the
next answers, one word each: "silent" (it never begins), "hang" (it says no more after the first sound), "cut"
(the connection breaks there), "garbage" and "odd" (there something comes that is no protocol), "failed" (it
fails there), "refused" (an error instead of an answer), "text" (no sound, as the service is known to do),
"arguments" (a tool called with half a JSON), "cancelled" (by the service), "slow" (its sound takes its time).
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections import deque
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from providers.servers.openai_ears import OpenAIEars, Talk
from providers.servers.voice_sounds import pieces_of

REPLY = "I can help with that. Shall I go on?"
USAGE_INPUT = 120
SLOW_SECONDS = 0.05
"""Between two pieces of sound of a slow answer."""
_READ = re.compile(r"<text>(.*)</text>", re.DOTALL)


class OpenAISessions(OpenAIEars):
    """`/v1/realtime?model=…` with turn detection off."""

    def __init__(self) -> None:
        super().__init__()
        for model in ("gpt-realtime-2", "gpt-realtime-1.5"):
            self.cards[f"/v1/models/{model}"] = {"id": model, "object": "model"}
        self.replies: deque[tuple[str, list[tuple[str, dict[str, Any]]]]] = deque()
        """Words, and the tools that are called after them."""
        self.answer_faults: deque[str] = deque()
        self.asked: list[dict[str, Any]] = []
        """The `response` of each `response.create`."""
        self.strays = False
        """It puts words of its own before what it is to read."""
        self.responses: dict[str, str] = {}
        """How each answer ended."""

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        assert query["model"].startswith("gpt-realtime")
        talk = SessionTalk(self, connection, fault, number)
        try:
            await talk.go()
        finally:
            for task in talk.answers.values():
                task.cancel()
            await asyncio.gather(*talk.answers.values(), return_exceptions=True)


class SessionTalk(Talk):
    server: OpenAISessions

    def __init__(self, server: OpenAISessions, connection: ServerConnection, fault: str, number: int) -> None:
        super().__init__(server, connection, fault, number)
        self.answers: dict[str, asyncio.Task[None]] = {}
        self.items: set[str] = set()

    async def take(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "response.create":
                await self.create(said)
            case "response.cancel":
                await self.cancel(said)
            case _:
                await super().take(said)

    async def update(self, session: dict[str, Any]) -> None:
        assert session["type"] == "realtime"
        assert session["output_modalities"] == ["audio"]
        assert session["audio"]["output"]["format"] == session["audio"]["input"]["format"]
        await super().update(session)

    async def commit(self) -> None:
        item = f"item_{self.item}"
        await super().commit()
        if self.item_is_past(item):
            self.items.add(item)

    def item_is_past(self, item: str) -> bool:
        return item != f"item_{self.item}"

    async def refuse(self, event: Any, code: str, words: str) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": words, "event_id": event}
        await self.send("error", error=error)

    async def create(self, said: dict[str, Any]) -> None:
        asked = said["response"]
        self.server.asked.append(asked)
        assert asked["conversation"] == "none"
        assert 1 <= asked["max_output_tokens"] <= 4096
        assert all(tool["type"] == "function" for tool in asked["tools"])
        for item in asked["input"]:
            if item["type"] == "item_reference" and item["id"] not in self.items:
                await self.refuse(said.get("event_id"), "item_not_found", f"Item {item['id']} not found")
                return
            assert item["type"] in ("item_reference", "message", "function_call", "function_call_output")
        fault = self.server.answer_faults.popleft() if self.server.answer_faults else ""
        if fault == "refused":
            await self.refuse(said.get("event_id"), "invalid_value", "Invalid tool")
            return
        if fault == "silent":
            return
        name = f"resp_{len(self.server.asked)}"
        self.answers[name] = asyncio.create_task(self.answer(name, asked, fault), name="Server. answer")

    async def cancel(self, said: dict[str, Any]) -> None:
        name = said["response_id"]
        task = self.answers.get(name)
        if task is None or task.done():
            event = said.get("event_id")
            await self.refuse(event, "response_cancel_not_active", "Cancellation failed: no active response")
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.server.cancel(name)

    async def answer(self, name: str, asked: dict[str, Any], fault: str) -> None:
        with suppress(ConnectionClosed):
            said = 0
            head: dict[str, Any] = {"id": name, "object": "realtime.response", "output": []}
            head["metadata"] = asked.get("metadata")
            try:
                await self.send("response.created", response={**head, "status": "in_progress", "usage": None})
                words, calls = self.words_of(asked)
                if words:
                    async for _ in self.speak(name, words, fault):
                        said += 1
                for number, (tool, arguments) in enumerate(calls):
                    await self.call(name, number + bool(words), tool, arguments, fault)
            except asyncio.CancelledError:
                await self.done(head, "cancelled", said, {"type": "cancelled", "reason": "client_cancelled"})
                raise
            except _FailedError:
                error = {"type": "server_error", "code": "server_error", "message": "It had an error"}
                await self.done(head, "failed", said, {"type": "failed", "error": error})
            else:
                status = "cancelled" if fault == "cancelled" else "completed"
                await self.done(head, status, said, None)

    async def done(
        self, head: dict[str, Any], status: str, said: int, details: dict[str, Any] | None
    ) -> None:
        self.server.responses[head["id"]] = status
        usage = {
            "total_tokens": USAGE_INPUT + 10 + 5 * said,
            "input_tokens": USAGE_INPUT,
            "output_tokens": 10 + 5 * said,
            "input_token_details": {
                "text_tokens": 100,
                "audio_tokens": 20,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0},
            },
            "output_token_details": {"text_tokens": 10, "audio_tokens": 5 * said},
        }
        response = {**head, "status": status, "status_details": details, "usage": usage}
        await self.send("response.done", response=response)
        await self.send("rate_limits.updated", rate_limits=[])

    def words_of(self, asked: dict[str, Any]) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
        last = asked["input"][-1] if asked["input"] else {}
        text = last["content"][0].get("text", "") if last.get("type") == "message" else ""
        if "reads aloud" in asked["instructions"] and (line := _READ.search(text)):
            return ("Of course! " if self.server.strays else "") + line[1], []
        return self.server.replies.popleft() if self.server.replies else (REPLY, [])

    async def speak(self, name: str, words: str, fault: str) -> Any:
        """The transcript runs ahead of the sound, as it does at the service."""
        place = {"response_id": name, "item_id": f"{name}_0", "output_index": 0, "content_index": 0}
        item = {"id": f"{name}_0", "type": "message", "role": "assistant", "content": []}
        await self.send("response.output_item.added", response_id=name, output_index=0, item=item)
        part = {"type": "text" if fault == "text" else "audio", "transcript": ""}
        await self.send("response.content_part.added", **place, part=part)
        kind = "output_text" if fault == "text" else "output_audio_transcript"
        tokens = re.findall(r"\s*\S+", words)
        pieces = [] if fault == "text" else pieces_of(words, 8000 if self.mulaw else 24000, mulaw=self.mulaw)
        for number in range(max(len(tokens), len(pieces))):
            for token in tokens[3 * number : 3 * number + 3]:
                await self.send(f"response.{kind}.delta", **place, delta=token)
            if 3 * number >= len(tokens) - 3 and 3 * (number - 1) < len(tokens) - 3:
                done = {"text": words} if fault == "text" else {"transcript": words}
                await self.send(f"response.{kind}.done", **place, **done)
            if number < len(pieces):
                data = base64.b64encode(pieces[number]).decode()
                await self.send("response.output_audio.delta", **place, delta=data)
                yield number
            if number == 0:
                await self.mishaps(name, place, fault)
            if fault == "slow":
                await asyncio.sleep(SLOW_SECONDS)
        if fault != "text":
            await self.send("response.output_audio.done", **place)
        await self.send("response.content_part.done", **place, part=part)
        await self.send("response.output_item.done", response_id=name, output_index=0, item=item)

    async def mishaps(self, name: str, place: dict[str, Any], fault: str) -> None:
        """What happens after an answer's first sound."""
        match fault:
            case "hang":
                await self.server._stopping.wait()
            case "cut":
                self.connection.transport.abort()
            case "garbage":
                await self.connection.send("{ not json")
            case "odd":
                await self.send("response.output_audio.delta", **place, delta=5)
            case "failed":
                raise _FailedError

    async def call(self, name: str, index: int, tool: str, arguments: dict[str, Any], fault: str) -> None:
        text = json.dumps(arguments)
        item = f"{name}_{index}"
        place = {"response_id": name, "item_id": item, "output_index": index, "call_id": f"call_{item}"}
        whole = {"id": item, "type": "function_call", "name": tool, "call_id": f"call_{item}"}
        await self.send(
            "response.output_item.added",
            response_id=name,
            output_index=index,
            item={**whole, "arguments": "", "status": "in_progress"},
        )
        await self.send("response.function_call_arguments.delta", **place, delta=text)
        if fault == "arguments":
            text = text[: len(text) // 2]
        await self.send("response.function_call_arguments.done", **place, name=tool, arguments=text)
        await self.send(
            "response.output_item.done",
            response_id=name,
            output_index=index,
            item={**whole, "arguments": text, "status": "completed"},
        )


class _FailedError(Exception):
    """The answer fails."""
