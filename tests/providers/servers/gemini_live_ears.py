"""Gemini's live transcription (`BidiGenerateContent` with a model that only hears), by a pretended ear."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.hearing_sockets import LATE_SECONDS, HearingServer
from providers.servers.pretend_ear import PretendEar

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
KINDS = {"setup", "clientContent", "realtimeInput", "toolResponse"}


def kind_of(message: str | bytes) -> tuple[str, dict[str, Any]]:
    """A client's message has exactly one field. Protobuf's JSON takes its names in both spellings."""
    ((kind, body),) = _camel(json.loads(message)).items()
    assert kind in KINDS, f"no message is called {kind}"
    return kind, body


def _camel(value: Any) -> Any:
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    first = {key: key.split("_") for key in value}
    return {
        parts[0] + "".join(part.title() for part in parts[1:]): _camel(value[key])
        for key, parts in first.items()
    }


def sound_of(blob: dict[str, Any]) -> tuple[bytes, int]:
    """The samples of a blob, in either alphabet of base64, and their rate."""
    kind, rate = blob["mimeType"].split(";rate=")
    assert kind == "audio/pcm"
    return base64.b64decode(blob["data"].replace("-", "+").replace("_", "/"), validate=True), int(rate)


class GeminiEars(HearingServer):
    """Interim words while they come; final ones when the activity ends, or when the stream is said to have
    ended. `leave_after`: utterances after which it announces that it will leave."""

    def __init__(self) -> None:
        super().__init__()
        self.cards["/v1beta/models/gemini-3.5-transcribe-live"] = {
            "name": "models/gemini-3.5-transcribe-live"
        }
        self.setups: list[dict[str, Any]] = []
        self.leave_after = 0
        self.without_last_message = False

    def odd(self) -> Any:
        return {"serverContent": {"inputTranscription": {"text": 5}}}

    def error(self) -> Any:
        return {"serverContent": {"turnComplete": True, "turnCompleteReason": "PROHIBITED_INPUT_CONTENT"}}

    async def talk(self, connection: ServerConnection, query: dict[str, str]) -> None:
        assert self.paths[-1] == PATH, self.paths[-1]
        kind, setup = kind_of(await connection.recv())
        assert kind == "setup"
        await self.transcribe(connection, setup)

    async def transcribe(self, connection: ServerConnection, setup: dict[str, Any]) -> None:
        fault = self.fault()
        self.received.append(0.0)
        number = len(self.received) - 1
        self.setups.append(setup)
        if fault == "late":
            await asyncio.sleep(LATE_SECONDS)
        try:
            await EarsTalk(self, connection, setup, fault, number).go()
        finally:
            self.ended.set()


class EarsTalk:
    def __init__(
        self, server: GeminiEars, connection: ServerConnection, setup: dict[str, Any], fault: str, number: int
    ) -> None:
        assert setup["generationConfig"]["responseModalities"] == ["TEXT"]
        detection = setup.get("realtimeInputConfig", {}).get("automaticActivityDetection", {})
        self.automatic = not detection.get("disabled")
        self.server = server
        self.connection = connection
        self.fault = fault
        self.number = number
        self.ear = PretendEar(16000, gap=1e9)
        self.active = False
        self.done = 0
        self.mute = False

    async def content(self, **content: Any) -> None:
        await self.send({"serverContent": content})

    async def send(self, message: dict[str, Any]) -> None:
        if not self.mute:
            # The real one sends its JSON as binary messages.
            await self.connection.send(json.dumps(message).encode())

    async def go(self) -> None:
        await self.send({"setupComplete": {}})
        await self.send({"serverContent": {}})  # it sends empty ones too
        async for message in self.connection:
            kind, body = kind_of(message)
            assert kind == "realtimeInput"
            await self.input(body)

    async def input(self, body: dict[str, Any]) -> None:
        if "audio" in body:
            assert self.automatic or self.active, "sound outside of an activity"
            pcm, rate = sound_of(body["audio"])
            assert rate == 16000
            await self.hear(pcm)
        elif "activityStart" in body:
            assert not self.active
            self.active = True
        elif "activityEnd" in body or "audioStreamEnd" in body:
            self.active = False
            await self.over()

    async def hear(self, pcm: bytes) -> None:
        self.server.heard(self.number, len(pcm) / 2 / 16000)
        for told in self.ear.hear(pcm):
            if told.kind != "partial":
                continue
            if self.fault:
                self.mute = await self.server.befall(self.connection, self.fault) or self.mute
                self.fault = ""
            await self.content(interimInputTranscription={"text": f" {told.text}"})

    async def over(self) -> None:
        forced = self.ear.force()
        await self.send({"serverContent": {}, "voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "1s"}})
        if forced is None or not forced.text:
            return
        words = forced.text.split(" ")
        await self.content(inputTranscription={"text": f" {words[0]}"})
        await self.content(inputTranscription={"text": "".join(f" {word}" for word in words[1:])})
        if not self.server.without_last_message:
            await self.content(generationComplete=True)
        self.done += 1
        if self.done == self.server.leave_after:
            await self.send({"goAway": {"timeLeft": "50s"}})
