"""Gemini's Live API as it hears and speaks: answers to an activity's end or to text, each word a tone.

`replies` are the next answers; a session that is told to read aloud says what it is given.

`answer_faults` tells what befalls the next answers, one word each:

* "silent": it never begins; "slow": its sound takes its time;
* after the first sound "hang": it says no more; "cut": the connection breaks; "garbage", "odd": something
  comes that is no protocol; "rejected": its turn ends with a reason; "interrupted": by itself;
* "refused": the session ends with a reason; "nothing": a turn without a word; "text": no sound;
* "playing": its turn goes on after all was sent, as if it were played.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from contextlib import suppress
from itertools import pairwise
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from providers.servers.gemini_live_ears import PATH, GeminiEars, kind_of, sound_of
from providers.servers.voice_sounds import pieces_of

REPLY = "I can help with that. Shall I go on?"
USAGE_INPUT = 120
SLOW_SECONDS = 0.05
"""Between two pieces of sound of a slow answer."""


class GeminiSessions(GeminiEars):
    """Both kinds of sessions, by their model: one that transcribes, and one that speaks."""

    def __init__(self) -> None:
        super().__init__()
        for model in ("gemini-3.8-live", "gemini-3.1-flash-live-preview"):
            self.cards[f"/v1beta/models/{model}"] = {"name": f"models/{model}"}
        self.replies: deque[tuple[str, list[tuple[str, dict[str, Any]]]]] = deque()
        """Words, and the tools that are called after them."""
        self.answer_faults: deque[str] = deque()
        self.sessions: list[SpeakingTalk] = []
        """Those that speak, in the order in which they were begun."""
        self.strays = False
        """It puts words of its own before what it is to read."""

    @property
    def asked(self) -> list[SpeakingTalk]:
        """The sessions that were asked something."""
        return [talk for talk in self.sessions if talk.asked]

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        assert self.paths[-1] == PATH, self.paths[-1]
        kind, setup = kind_of(await connection.recv())
        assert kind == "setup"
        if "transcribe" in setup["model"]:
            await self.transcribe(connection, setup)
            return
        session = SpeakingTalk(self, connection, setup)
        self.sessions.append(session)
        try:
            await session.go()
        finally:
            await session.stop()


class SpeakingTalk:
    """One session. It notes what it was told."""

    def __init__(self, server: GeminiSessions, connection: ServerConnection, setup: dict[str, Any]) -> None:
        self.server = server
        self.connection = connection
        self.setup = setup
        self.turns: list[dict[str, Any]] = []
        self.sound = b""
        self.text = ""
        self.asked = False
        self.said = 0
        """Pieces of the answer in progress that were sent."""
        self.seeded = not setup.get("historyConfig", {}).get("initialHistoryInClientContent")
        self.active = False
        self.answering: asyncio.Task[None] | None = None

    @property
    def instruction(self) -> str:
        return "".join(part["text"] for part in self.setup["systemInstruction"]["parts"])

    @property
    def reads(self) -> bool:
        return "reads aloud" in self.instruction

    async def send(self, **message: Any) -> None:
        # The real one sends its JSON as binary messages.
        await self.connection.send(json.dumps(message).encode())

    async def go(self) -> None:
        detection = self.setup["realtimeInputConfig"]["automaticActivityDetection"]
        assert detection == {"disabled": True}
        assert self.setup["generationConfig"]["responseModalities"] == ["AUDIO"]
        await self.send(setupComplete={})
        await self.send(sessionResumptionUpdate={"newHandle": "h1", "resumable": True})
        async for message in self.connection:
            kind, body = kind_of(message)
            if kind == "clientContent":
                await self.history(body)
            elif kind == "realtimeInput":
                await self.input(body)
            else:
                raise AssertionError(f"nobody sends {kind}")

    async def history(self, body: dict[str, Any]) -> None:
        if self.seeded:  # newer models take no content but at the beginning
            await self.connection.close(1007, "Request contains an invalid argument.")
            return
        assert body["turnComplete"] is True
        roles = [each["role"] for each in body["turns"]]
        assert roles
        assert roles[0] == "user"
        assert all(one != other for one, other in pairwise(roles))
        self.turns = body["turns"]
        self.seeded = True

    async def input(self, body: dict[str, Any]) -> None:
        ((kind, value),) = body.items()
        assert self.seeded, "the history is waited for"
        if kind == "activityStart":
            await self.interrupt()
            self.active = True
        elif kind == "audio":
            assert self.active
            pcm, rate = sound_of(value)
            assert rate == 16000
            self.sound += pcm
        elif kind == "activityEnd":
            assert self.active
            self.active = False
            self.begin()
        else:
            assert kind == "text"
            self.text = value
            self.begin()

    def begin(self) -> None:
        self.asked = True
        fault = self.server.answer_faults.popleft() if self.server.answer_faults else ""
        self.answering = asyncio.create_task(self.answer(fault), name="Server. answer")

    async def stop(self) -> None:
        if self.answering is not None:
            self.answering.cancel()
            await asyncio.gather(self.answering, return_exceptions=True)

    async def interrupt(self) -> None:
        """Somebody speaks: what is being said ends, and is counted."""
        if self.answering is None or self.answering.done():
            return
        await self.stop()
        self.server.cancel(f"session {self.server.sessions.index(self) + 1}")
        await self.send(serverContent={"interrupted": True})
        await self.send(serverContent={"turnComplete": True}, usageMetadata=usage_of(self.said, 0))

    async def answer(self, fault: str) -> None:
        with suppress(ConnectionClosed):
            await self.speak(fault)

    async def speak(self, fault: str) -> None:
        words, calls = (
            (f"{'Sure. ' * self.server.strays}{self.text}", []) if self.reads else self.next_reply()
        )
        if fault == "silent":
            return
        if fault == "refused":
            await self.connection.close(1008, "Operation is not implemented, or supported, or enabled.")
            return
        if fault == "nothing":
            await self.send(serverContent={"turnComplete": True})
            return
        pieces = pieces_of(words, 24000, mulaw=False) if words and fault != "text" else []
        texts = words.split()
        for number, piece in enumerate(pieces):
            data = base64.b64encode(piece).decode()
            part = {"inlineData": {"data": data, "mimeType": "audio/pcm;rate=24000"}}
            await self.send(serverContent={"modelTurn": {"parts": [part]}})
            self.said += 1
            # Words run a little ahead of the sound, and the last come after all of it.
            while texts and len(words.split()) - len(texts) <= number and len(texts) > 1:
                await self.send(serverContent={"outputTranscription": {"text": f" {texts.pop(0)}"}})
            if number == 1 and await self.befall(fault):
                return
            await asyncio.sleep(SLOW_SECONDS if fault == "slow" else 0)
        for text in [] if pieces else texts:
            await self.send(serverContent={"outputTranscription": {"text": f" {text}"}})
        if calls:
            told = [{"id": f"call-{n}", "name": name, "args": args} for n, (name, args) in enumerate(calls)]
            await self.send(toolCall={"functionCalls": told}, usageMetadata=usage_of(self.said, 7))
            for text in texts if pieces else []:
                await self.send(serverContent={"outputTranscription": {"text": f" {text}"}})
            return  # it waits for what they give
        await self.send(serverContent={"generationComplete": True})
        if pieces and texts:
            await self.send(serverContent={"outputTranscription": {"text": f" {texts.pop(0)}"}})
        if fault != "playing":
            await self.send(serverContent={"turnComplete": True}, usageMetadata=usage_of(self.said, 7))
            return
        await asyncio.sleep(4 * SLOW_SECONDS + 0.3)
        await self.send(serverContent={"turnComplete": True}, usageMetadata=usage_of(self.said, 7))

    def next_reply(self) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
        return self.server.replies.popleft() if self.server.replies else (REPLY, [])

    async def befall(self, fault: str) -> bool:
        match fault:
            case "hang":
                await asyncio.Event().wait()
            case "cut":
                self.connection.transport.abort()
            case "garbage":
                await self.connection.send("{ not json")
            case "odd":
                await self.send(serverContent={"modelTurn": {"parts": "none"}})
            case "rejected":
                await self.send(
                    serverContent={"turnComplete": True, "turnCompleteReason": "GENERATED_AUDIO_SAFETY"}
                )
            case "interrupted":
                await self.send(serverContent={"interrupted": True})
            case _:
                return False
        return True


def usage_of(pieces: int, thoughts: int) -> dict[str, Any]:
    """As many tokens of sound as pieces."""
    return {
        "promptTokenCount": USAGE_INPUT,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": USAGE_INPUT - 20},
            {"modality": "AUDIO", "tokenCount": 20},
        ],
        "responseTokenCount": pieces,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": pieces}],
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": USAGE_INPUT + pieces + thoughts,
    }
