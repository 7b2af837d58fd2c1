"""Messages of Gemini's Live API (`BidiGenerateContent`), written and read. Pure.

From ai.google.dev: "Live API - WebSockets API reference" (api/live), "Capabilities", "Tool use", "Session
management" and "Live transcription", and the types of the vendor's SDK (`google-genai`, live.py). A client's
message has exactly one of `setup`, `clientContent`, `realtimeInput` and `toolResponse`; a server's may tell
several things at once, and often tells none."""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass, field
from typing import Any

from trunkline.errors import EngineError, EngineNetwork, EngineRequest
from trunkline.prompt import ToolCall, Usage
from trunkline.providers.socket_line import SocketLine, closing

OFFICIAL = "https://generativelanguage.googleapis.com"
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
SPEECH_RATE = 24000
"""Samples a second of what the service says, whoever listens."""
HEARING_RATE = 16000
"""Samples a second that it hears natively; it resamples others."""
_LARGEST_PIECE = 32000
"""Bytes of sound in one message: a second at 16 kHz."""
_MOST_CALLS = 32
_LONGEST_TEXT = 100_000
"""Characters of one transcript's piece; nobody says so much at once."""
_OUR_TURNS = {"automaticActivityDetection": {"disabled": True}}
_REFUSED_BY_CODE = (1003, 1007, 1008)
"""Close codes with which the service says that our request is wrong (RFC 6455 section 7.4.1)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one message of the server tells. Fields that it does not speak of are empty."""

    ready: bool = False
    sound: bytes = b""
    """16-bit samples at `SPEECH_RATE`; never half a sample."""
    said: str = ""
    """The next piece of the transcript of what it says."""
    heard: str = ""
    """The next piece of what it heard, final."""
    hearing: str = ""
    """What it has heard since the last final piece, all of it, which may still change."""
    calls: tuple[ToolCall, ...] = ()
    """Their ids are empty where the service gave none."""
    taken_back: tuple[str, ...] = ()
    """Ids of calls that it does not want carried out any more."""
    interrupted: bool = False
    generated: bool = False
    """All that it wanted to say was sent, though its own notion of the playout may go on."""
    turn_over: bool = False
    reason: str = ""
    """Why its turn is over, where it says so."""
    silence_ended: bool = False
    """It has taken note that our activity ended."""
    leaves_in: float | None = None
    """Seconds until it ends the connection."""
    handle: str = ""
    """With which the session could be resumed."""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Sounds:
    """How a piece of sound is said to be made."""

    rate: int = HEARING_RATE

    def messages(self, pcm: bytes) -> list[str]:
        """The sound, in as many messages as it needs."""
        return [
            _client("realtimeInput", {"audio": self._blob(pcm[at : at + _LARGEST_PIECE])})
            for at in range(0, len(pcm), _LARGEST_PIECE)
        ]

    def _blob(self, pcm: bytes) -> dict[str, str]:
        return {"data": base64.b64encode(pcm).decode(), "mimeType": f"audio/pcm;rate={self.rate}"}


def setup(model: str, fields: dict[str, Any]) -> str:
    """The first message. Our turn-taking decides: the service's own detection of speech is off."""
    named = {"model": f"models/{model.removeprefix('models/')}"}
    return _client("setup", {**named, "realtimeInputConfig": _OUR_TURNS, **fields})


def history(turns: list[dict[str, Any]]) -> str:
    """The conversation so far; needs `initialHistoryInClientContent`, and leads to no answer."""
    return _client("clientContent", {"turns": turns, "turnComplete": True})


def turn(role: str, *texts: str) -> dict[str, Any]:
    """One turn of the history: `role` is "user" or "model"."""
    return {"role": role, "parts": [{"text": text} for text in texts]}


def activity_start() -> str:
    """Somebody begins to speak, which also breaks off what the service says."""
    return _client("realtimeInput", {"activityStart": {}})


def activity_end() -> str:
    """They have finished: answer."""
    return _client("realtimeInput", {"activityEnd": {}})


def text_input(text: str) -> str:
    """Answer this text."""
    return _client("realtimeInput", {"text": text})


def _client(kind: str, body: dict[str, Any]) -> str:
    return json.dumps({kind: body})


def read(message: str | bytes) -> Told:
    """What the server's message tells. Raises `ValueError`, `LookupError`, `TypeError`, `AttributeError` or
    `RecursionError` for what is not the protocol."""
    whole = json.loads(message)
    if not isinstance(whole, dict):
        raise TypeError("a message is no object")
    content = _object(whole, "serverContent")
    going = whole.get("goAway")
    resumption = _object(whole, "sessionResumptionUpdate")
    parts = _list(_object(content, "modelTurn"), "parts")
    return Told(
        ready="setupComplete" in whole,
        sound=b"".join(_sound(part) for part in parts),
        said=_transcript(content, "outputTranscription"),
        heard=_transcript(content, "inputTranscription"),
        hearing=_transcript(content, "interimInputTranscription"),
        calls=_calls(_object(whole, "toolCall")),
        taken_back=tuple(str(each) for each in _list(_object(whole, "toolCallCancellation"), "ids")),
        interrupted=bool(content.get("interrupted")),
        generated=bool(content.get("generationComplete")),
        turn_over=bool(content.get("turnComplete")),
        reason=str(content.get("turnCompleteReason") or ""),
        silence_ended=str(_object(whole, "voiceActivity").get("type", "")).endswith("ACTIVITY_END"),
        leaves_in=None if going is None else _seconds(going.get("timeLeft")),
        handle=str(resumption.get("newHandle") or "") if resumption.get("resumable") else "",
        usage=_usage(_object(whole, "usageMetadata")) if whole.get("usageMetadata") else None,
    )


def ended(error: Any, line: SocketLine) -> EngineError:
    """What the end of the socket means: the service tells in its last words what was wrong with a request."""
    known = closing(error, line)
    close = getattr(error, "rcvd", None)
    if not isinstance(known, EngineNetwork) or getattr(close, "code", 0) not in _REFUSED_BY_CODE:
        return known
    said = " ".join(str(getattr(close, "reason", "") or "").split())[:200]
    return EngineRequest(
        f"it refused the session{f': {said}' if said else ''}",
        where=line.where,
        hint="Check the model, its voice and base_url",
    )


@dataclass(slots=True)
class Samples:
    """Puts pieces of sound together again that were cut within a sample."""

    _odd: bytes = field(default=b"")

    def push(self, pcm: bytes) -> bytes:
        pcm = self._odd + pcm
        whole = len(pcm) & ~1
        self._odd = pcm[whole:]
        return pcm[:whole]


def _object(tree: dict[str, Any], key: str) -> dict[str, Any]:
    found = tree.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise TypeError(f"{key} is no object")
    return found


def _list(tree: dict[str, Any], key: str) -> list[Any]:
    found = tree.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list")
    return found


def _sound(part: Any) -> bytes:
    """A part's sound. Thoughts and text are nothing that is heard."""
    if part.get("thought"):
        return b""
    blob = _object(part, "inlineData")
    kind = str(blob.get("mimeType") or "audio/pcm")
    if not kind.startswith("audio/"):
        return b""
    if f"rate={SPEECH_RATE}" not in kind and "rate=" in kind:
        raise ValueError(f"sound as {kind}")
    try:
        return base64.b64decode(blob.get("data") or "", validate=True)
    except binascii.Error as error:
        raise ValueError("sound that is not base64") from error


def _transcript(content: dict[str, Any], key: str) -> str:
    text = _object(content, key).get("text")
    if text is None:
        return ""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError(f"{key} is no text")
    return text


def _calls(told: dict[str, Any]) -> tuple[ToolCall, ...]:
    listed = _list(told, "functionCalls")
    if len(listed) > _MOST_CALLS:
        raise ValueError("the model's tool calls have no end")
    calls = []
    for call in listed:
        arguments = call.get("args") or {}
        if not call.get("name") or not isinstance(arguments, dict):
            raise ValueError("a tool call with broken arguments")
        calls.append(ToolCall(str(call.get("id") or ""), str(call["name"]), arguments))
    return tuple(calls)


def _seconds(value: Any) -> float:
    """A protobuf duration, "9.5s"; 0 where none is told."""
    seconds = float(str(value or "0s").removesuffix("s"))
    if not math.isfinite(seconds):
        raise ValueError("a duration is no number")
    return max(0.0, seconds)


def _usage(counts: dict[str, Any]) -> Usage:
    """Counts of the turn: what came in, the tools' results among it, and what went out, the thoughts among
    it, which are billed as output is."""
    thoughts = _count(counts.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=_count(counts.get("promptTokenCount")) + _count(counts.get("toolUsePromptTokenCount")),
        output_tokens=_count(counts.get("responseTokenCount")) + thoughts,
        cached_tokens=_count(counts.get("cachedContentTokenCount")),
        details={"thought_tokens": thoughts} if thoughts else {},
        audio_input_tokens=_of_sound(counts, "promptTokensDetails"),
        audio_output_tokens=_of_sound(counts, "responseTokensDetails"),
        audio_cached_tokens=_of_sound(counts, "cacheTokensDetails"),
    )


def _count(value: Any) -> int:
    count = value or 0
    if not isinstance(count, int) or count < 0:
        raise ValueError("a count is no number")
    return count


def _of_sound(counts: dict[str, Any], key: str) -> int:
    details = _list(counts, key)
    return sum(_count(each.get("tokenCount")) for each in details if each.get("modality") == "AUDIO")
