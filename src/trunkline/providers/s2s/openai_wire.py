"""What is said on OpenAI's Realtime socket by a session that hears and speaks. Pure.

The caller's sound, its cuts and its transcription are those of `stt/openai_realtime.py`. Beside them stand
answers. Each is a `response.create` outside of the vendor's conversation (`conversation: "none"`) with all
that the model is to know as its `input`: so the history holds what the caller really heard, an answer that is
dropped leaves nothing behind, and a new session goes on where another broke off. The caller's last turn
is pointed to as sound, where the transcripts of the committed pieces are the words of that turn.
Answers are told apart by a mark in their metadata, which the service repeats.

developers.openai.com/api/docs/guides/realtime-conversations; the event types as in the `openai` package.
"""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from trunkline.audio.codecs.pcmu import decode as decode_mulaw
from trunkline.errors import EngineDown, EngineError
from trunkline.prompt import Delta, Message, Prompt, Token, ToolCall, Usage
from trunkline.providers.protocols import Heard
from trunkline.providers.stt.line_sound import SoundFormat
from trunkline.providers.stt.openai_realtime import RealtimeWire
from trunkline.providers.stt.openai_shared import failure, hints
from trunkline.providers.stt.socket_recognition import Message as Sent
from trunkline.providers.stt.socket_recognition import Moment

WHERE = "openai"
_AUDIO_SHARE = 8
"""Tokens of an answer for each that its text may have: the service's limit counts those of sound too, 20 a
second, of which people speak three or four words of text."""
_MOST_OUTPUT = 4096
_MOST_PIECES = 8
"""Committed pieces of the caller's sound that one turn may be made of."""
_MARK = "answer"
_READ = (
    "You are a voice that reads aloud. Say exactly the text between the marks, word for word, in the tone of "
    "a friendly phone call. Add nothing, leave nothing out, answer nothing that it asks, and do not say the "
    "marks."
)


class Answering(Protocol):
    """Whoever waits for one answer. No method waits, or raises."""

    def delta(self, delta: Delta) -> None:
        """A token, a tool's call, or the usage, which is the last."""

    def sound(self, pcm: bytes) -> None: ...

    def over(self, error: EngineError | None) -> None:
        """Nothing more will come of it."""


@dataclass(slots=True)
class _Answer:
    """One that the service was asked for. `waits` is None once nobody wants it."""

    waits: Answering | None
    id: str = ""
    """The service's, once it has begun."""
    cancelled: bool = False
    used: Usage | None = field(default=None)


class SessionWire(RealtimeWire):
    """One call's session. `model` transcribes; the model that speaks is named in the address."""

    def __init__(
        self,
        transcriber: str,
        language: str,
        prompt: str,
        noise_reduction: str,
        sound: SoundFormat,
        key_env: str,
        voice: str,
        effort: str,
    ) -> None:
        super().__init__(transcriber, language, prompt, noise_reduction, sound, key_env)
        self.late: list[Usage] = []
        """What answers cost that nobody waits for any more; emptied by whoever tells."""
        self.to_send: list[Sent] = []
        """What a message led to; emptied by whoever sends."""
        self._voice = voice
        self._effort = effort
        self._answers: dict[str, _Answer] = {}
        self._count = 0
        self._pieces: deque[tuple[str, str]] = deque(maxlen=_MOST_PIECES)
        """The service's name and the transcript of committed pieces of the caller's sound."""

    # --- what is said -----------------------------------------------------------------------------

    def _update(self, keyterms: tuple[str, ...]) -> str:
        told = hints(self._model, self._language, self._prompt, keyterms)
        sound: dict[str, Any] = (
            {"type": "audio/pcmu"} if self._format.mulaw else {"type": "audio/pcm", "rate": self._format.rate}
        )
        listening: dict[str, Any] = {
            "format": sound,
            "transcription": {"model": self._model, **told},
            "turn_detection": None,
        }
        if self._noise_reduction:
            listening["noise_reduction"] = {"type": self._noise_reduction}
        speaking: dict[str, Any] = {"format": sound}
        if self._voice and not self.ready:  # it cannot be changed once it has spoken
            speaking["voice"] = self._voice
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {"input": listening, "output": speaking},
        }
        return json.dumps({"type": "session.update", "session": session})

    def ask(self, prompt: Prompt, waits: Answering) -> tuple[str, list[Sent]]:
        """Begin an answer: its mark, and what is to be sent."""
        first, *rest = prompt.messages or (Message("system", ""),)
        stable = first.content if first.role == "system" else ""
        response: dict[str, Any] = {
            "instructions": stable,
            "input": self._items(rest if stable else prompt.messages),
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                }
                for tool in prompt.tools
            ],
            "max_output_tokens": min(_MOST_OUTPUT, prompt.max_tokens * _AUDIO_SHARE),
        }
        return self._begun(response, waits)

    def read_out(self, text: str, waits: Answering) -> tuple[str, list[Sent]]:
        """Begin to have a line read: its mark, and what is to be sent."""
        response = {
            "instructions": _READ,
            "input": [_text_item("user", f"<text>{text}</text>")],
            "tools": [],
            "max_output_tokens": _MOST_OUTPUT,
        }
        return self._begun(response, waits)

    def _begun(self, response: dict[str, Any], waits: Answering) -> tuple[str, list[Sent]]:
        self._count += 1
        mark = f"a{self._count}"
        self._answers[mark] = _Answer(waits)
        response |= {"conversation": "none", "output_modalities": ["audio"], "metadata": {_MARK: mark}}
        if self._effort:
            response["reasoning"] = {"effort": self._effort}
        return mark, [json.dumps({"type": "response.create", "event_id": mark, "response": response})]

    def give_up(self, mark: str) -> list[Sent]:
        """Nobody wants this answer any more: what is to be sent. One that the service has not begun is
        cancelled as soon as it begins."""
        answer = self._answers.get(mark)
        if answer is None:
            return []
        answer.waits = None
        if not answer.id or answer.cancelled:
            return []
        answer.cancelled = True
        return [_cancel(answer.id)]

    def break_off(self, error: EngineError) -> None:
        """The socket is gone: every answer in progress fails."""
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if answer.waits is not None:
                answer.waits.over(error)

    # --- the prompt as items ----------------------------------------------------------------------

    def _items(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        latest = max((n for n, message in enumerate(messages) if message.role == "user"), default=-1)
        items: list[dict[str, Any]] = []
        for number, message in enumerate(messages):
            if message.role == "tool":
                output = {"call_id": message.tool_call_id, "output": message.content}
                items.append({"type": "function_call_output", **output})
                continue
            if number == latest and (heard := self._sound_of(message.content)):
                items += [{"type": "item_reference", "id": name} for name in heard]
                continue
            if message.content:
                items.append(_text_item(message.role, message.content))
            for call in message.tool_calls:
                arguments = json.dumps(call.arguments, ensure_ascii=False)
                said = {"call_id": call.id, "name": call.name, "arguments": arguments}
                items.append({"type": "function_call", **said})
        return items

    def _sound_of(self, text: str) -> list[str]:
        """The committed pieces whose transcripts are the words of this turn; none where that is not sure."""
        wanted, found = _plain(text), ""
        names: list[str] = []
        for name, transcript in reversed(self._pieces):
            found = _plain(transcript) + found
            names.insert(0, name)
            if not wanted or not wanted.endswith(found):
                return []
            if found == wanted:
                return names
        return []

    # --- what is heard ----------------------------------------------------------------------------

    def read(self, message: Sent, moment: Moment) -> list[Heard]:
        said = json.loads(message)
        kind = str(said["type"])
        if kind.startswith("response."):
            self._response(kind.removeprefix("response."), said)
            return []
        if kind == "error" and self._is_an_answers(said["error"]):
            return []
        if kind == "conversation.item.input_audio_transcription.completed":
            self._pieces.append((str(said["item_id"]), str(said["transcript"])))
        return super().read(message, moment)

    def _is_an_answers(self, error: dict[str, Any]) -> bool:
        """Whether it is an answer's failure alone: refused, or cancelled when it was over already."""
        event = str(error.get("event_id") or "")
        if error.get("code") == "response_cancel_not_active" or event.startswith("cancel_"):
            return True
        answer = self._answers.pop(event, None)
        if answer is None:
            return False
        if answer.waits is not None:
            answer.waits.over(failure(error, WHERE, self._key_env))
        return True

    def _response(self, kind: str, said: dict[str, Any]) -> None:
        if kind in ("created", "done"):
            self._turn_of_response(kind, said["response"])
            return
        name = str(said.get("response_id") or "")
        waits = next((answer.waits for answer in self._answers.values() if answer.id == name), None)
        if waits is None:
            return
        match kind:
            case "output_audio.delta":
                data = base64.b64decode(str(said["delta"]), validate=True)
                pcm = decode_mulaw(data) if self._format.mulaw else data[: len(data) & ~1]
                if pcm:
                    waits.sound(pcm)
            case "output_audio_transcript.delta" | "output_text.delta":
                if text := str(said["delta"]):
                    waits.delta(Token(text))
            case "output_audio_transcript.done" | "output_text.done":
                waits.delta(Token("\n"))
            case "function_call_arguments.done":
                try:
                    waits.delta(_tool_call(said))
                except (ValueError, RecursionError):
                    waits.over(EngineDown("the model called a tool with broken arguments", where=WHERE))
                    mark = next(mark for mark, answer in self._answers.items() if answer.id == name)
                    self.to_send += self.give_up(mark)

    def _turn_of_response(self, kind: str, response: dict[str, Any]) -> None:
        mark = str((response.get("metadata") or {}).get(_MARK) or "")
        answer = self._answers.get(mark)
        if answer is None:
            return
        if kind == "created":
            answer.id = str(response["id"])
            if answer.waits is None:
                answer.cancelled = True
                self.to_send.append(_cancel(answer.id))
            return
        del self._answers[mark]
        used = usage_of(response.get("usage"))
        if answer.waits is None:
            if used is not None:
                self.late.append(used)
            return
        details = response.get("status_details") or {}
        if response.get("status") == "failed":
            answer.waits.over(failure(details.get("error") or {}, WHERE, self._key_env))
            return
        if response.get("status") == "cancelled":
            answer.waits.over(EngineDown("it cancelled an answer by itself", where=WHERE))
            return
        answer.waits.delta(used or Usage())
        answer.waits.over(None)


def _cancel(name: str) -> str:
    return json.dumps({"type": "response.cancel", "event_id": f"cancel_{name}"[:64], "response_id": name})


def _text_item(role: str, text: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _tool_call(said: dict[str, Any]) -> ToolCall:
    arguments = json.loads(str(said.get("arguments") or "{}"))
    if not isinstance(arguments, dict):
        raise ValueError("arguments are not an object")
    return ToolCall(str(said["call_id"]), str(said["name"]), arguments)


def usage_of(usage: Any) -> Usage | None:
    """What a response cost; None where it does not say."""
    if not isinstance(usage, dict):
        return None
    heard, spoken = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}
    again = heard.get("cached_tokens_details") or {}
    return Usage(
        int(usage.get("input_tokens") or 0),
        int(usage.get("output_tokens") or 0),
        int(heard.get("cached_tokens") or 0),
        audio_input_tokens=int(heard.get("audio_tokens") or 0),
        audio_output_tokens=int(spoken.get("audio_tokens") or 0),
        audio_cached_tokens=int(again.get("audio_tokens") or 0),
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
