"""AssemblyAI's `/v3/ws`, by a pretended ear."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.hearing_sockets import HearingServer
from providers.servers.pretend_ear import HeardWord, PretendEar
from trunkline.audio.codecs.pcmu import decode as decode_mulaw

SHORTEST, LONGEST = 0.05, 1.0
"""Seconds that a piece of sound may last."""


class AssemblyAIEars(HearingServer):
    """Ends the session with code 3007 where a piece of sound is too short or too long."""

    def __init__(self) -> None:
        super().__init__()
        self.cards["/v3/token"] = {"token": "t", "expires_in_seconds": 60}

    def odd(self) -> Any:
        return {"type": "Turn", "turn_order": 0, "end_of_turn": True, "words": [{"text": "yes"}]}

    def error(self) -> Any:
        return {"type": "Error", "error_code": 3005, "error": "Server error"}

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        talk = _Talk(self, connection, query, number)
        await talk.send(type="Begin", id="s", expires_at=1795000000)
        async for message in connection:
            if isinstance(message, bytes):
                pcm = decode_mulaw(message) if query["encoding"] == "pcm_mulaw" else message
                length = len(pcm) / 2 / talk.rate
                if not SHORTEST - 1e-6 <= length <= LONGEST:
                    await connection.close(3007, "Input duration violation")
                    return
                self.heard(number, length)
                for told in talk.ear.hear(pcm):
                    if fault and told.kind == "partial":
                        talk.mute = await self.befall(connection, fault) or talk.mute
                        fault = ""
                    if told.kind == "began":
                        await talk.send(type="SpeechStarted", timestamp=round(talk.ear.position * 1000))
                    else:
                        await talk.turn(told.words, over=told.kind == "final")
                continue
            said = json.loads(message)
            self.messages.append(said)
            match said["type"]:
                case "ForceEndpoint":
                    if forced := talk.ear.force():
                        await talk.turn(forced.words, over=True)
                case "Terminate":
                    self.goodbyes += 1
                    if forced := talk.ear.force():
                        await talk.turn(forced.words, over=True)
                    await talk.send(type="Termination", audio_duration_seconds=1, session_duration_seconds=1)
                    return


class _Talk:
    def __init__(
        self, server: HearingServer, connection: ServerConnection, query: dict[str, str], number: int
    ) -> None:
        self.connection = connection
        self.query = query
        self.rate = int(query["sample_rate"])
        self.ear = PretendEar(self.rate)
        self.order = 0
        self.mute = False

    async def send(self, **message: Any) -> None:
        if not self.mute:
            await self.connection.send(json.dumps(message))

    async def turn(self, words: list[HeardWord], *, over: bool) -> None:
        await self._turn(words, over=over, formatted=False)
        if over:
            if self.query["format_turns"] == "true":
                await self._turn(words, over=True, formatted=True)
            self.order += 1

    async def _turn(self, words: list[HeardWord], *, over: bool, formatted: bool) -> None:
        final = len(words) if over else max(0, len(words) - 1)
        await self.send(
            type="Turn",
            turn_order=self.order,
            turn_is_formatted=formatted,
            end_of_turn=over,
            transcript=" ".join(word.text for word in words[:final]),
            end_of_turn_confidence=0.8 if over else 0.1,
            words=[
                {
                    "text": word.text.capitalize() if formatted and not n else word.text,
                    "start": round(word.start * 1000),
                    "end": round(word.end * 1000),
                    "confidence": 0.9,
                    "word_is_final": n < final,
                }
                for n, word in enumerate(words)
            ],
        )
