"""Deepgram's two listening protocols, `/v1/listen` (Nova) and `/v2/listen` (Flux), by a pretended ear."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.server import ServerConnection

from providers.servers.hearing_sockets import HearingServer
from providers.servers.pretend_ear import HeardWord, PretendEar, Told
from trunkline.audio.codecs.pcmu import decode as decode_mulaw


def pcm_of(data: bytes, query: dict[str, str]) -> bytes:
    return decode_mulaw(data) if query.get("encoding") == "mulaw" else data


class DeepgramEars(HearingServer):
    """Both addresses on one host, as the vendor has them."""

    def __init__(self) -> None:
        super().__init__()
        self.cards["/v1/models"] = {"stt": [], "tts": []}

    def odd(self) -> Any:
        if self.paths[-1] == "/v2/listen":
            return {"type": "TurnInfo", "event": "Update", "turn_index": "many", "words": 5}
        return {"type": "Results", "is_final": True, "channel": {"alternatives": []}}

    def error(self) -> Any:
        if self.paths[-1] == "/v2/listen":
            return {
                "type": "Error",
                "sequence_id": 3,
                "code": "INTERNAL_SERVER_ERROR",
                "description": "no more",
            }
        return {"type": "Error", "variant": "InternalError", "description": "no more"}

    async def listen(
        self, connection: ServerConnection, query: dict[str, str], fault: str, number: int
    ) -> None:
        talk = _Flux if self.paths[-1] == "/v2/listen" else _Nova
        await talk(self, connection, query, fault, number).go()


class _Talk:
    def __init__(
        self,
        server: DeepgramEars,
        connection: ServerConnection,
        query: dict[str, str],
        fault: str,
        number: int,
    ) -> None:
        self.server = server
        self.connection = connection
        self.query = query
        self.fault = fault
        self.number = number
        self.rate = int(query["sample_rate"])
        self.ear = PretendEar(self.rate, gap=0.3)
        self.mute = False

    async def go(self) -> None:
        await self.greet()
        async for message in self.connection:
            if isinstance(message, bytes):
                pcm = pcm_of(message, self.query)
                self.server.heard(self.number, len(pcm) / 2 / self.rate)
                for told in self.ear.hear(pcm):
                    if self.fault and told.kind == "partial":
                        self.mute = await self.server.befall(self.connection, self.fault) or self.mute
                        self.fault = ""
                    if not self.mute:
                        await self.tell(told)
                continue
            said = json.loads(message)
            self.server.messages.append(said)
            if said["type"] == "CloseStream":
                self.server.goodbyes += 1
                await self.leave()
                return
            if not self.mute:
                await self.obey(said)

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def greet(self) -> None:
        """What is said first."""

    async def tell(self, told: Told) -> None:
        raise NotImplementedError

    async def obey(self, said: dict[str, Any]) -> None:
        raise NotImplementedError

    async def leave(self) -> None:
        """What is said last."""


class _Nova(_Talk):
    last_words: float | None = None

    async def tell(self, told: Told) -> None:
        if told.kind == "began":
            await self.send(type="SpeechStarted", channel=[0, 1], timestamp=self.ear.position)
            return
        await self.results(told.words, final=told.kind == "final")

    async def results(self, words: list[HeardWord], *, final: bool, asked: bool = False) -> None:
        begins = words[0].start if words else self.ear.position
        await self.send(
            type="Results",
            channel_index=[0, 1],
            duration=round(self.ear.position - begins, 3),
            start=begins,
            is_final=final,
            speech_final=final and not asked,
            from_finalize=asked,
            channel={
                "alternatives": [
                    {
                        "transcript": " ".join(word.text for word in words),
                        "confidence": 0.97 if words else 0.0,
                        "words": [
                            {
                                "word": word.text,
                                "punctuated_word": word.text.capitalize() if n == 0 else word.text,
                                "start": word.start,
                                "end": word.end,
                                "confidence": 0.9,
                            }
                            for n, word in enumerate(words)
                        ],
                    }
                ]
            },
            metadata={
                "request_id": "r",
                "model_uuid": "m",
                "model_info": {"name": self.query["model"], "version": "1", "arch": "nova"},
            },
        )
        if final and words:
            await self.send(type="UtteranceEnd", channel=[0, 1], last_word_end=words[-1].end)

    async def obey(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "Finalize":
                forced = self.ear.force()
                await self.results(forced.words if forced else [], final=True, asked=True)
            case "Configure" if self.query["model"].startswith("nova-3"):
                await self.send(type="ConfigureSuccess", request_id="r", keyterms=said["keyterms"])
            case "Configure":
                await self.send(
                    type="ConfigureFailure", request_id="r", code="CONFIGURE_KEYTERMS_NOT_SUPPORTED"
                )
            case "KeepAlive":
                pass
            case other:
                await self.send(type="Error", variant="SchemaError", description=other, message="")

    async def leave(self) -> None:
        if forced := self.ear.force():
            await self.results(forced.words, final=True)
        await self.send(
            type="Metadata",
            transaction_key="deprecated",
            request_id="r",
            sha256="0",
            created="2026-11-25T00:00:00.000Z",
            duration=self.ear.position,
            channels=1,
        )


class _Flux(_Talk):
    sequence = 0
    turn = 0
    eager = False

    async def send(self, **message: Any) -> None:
        await super().send(sequence_id=self.sequence, request_id="r", **message)
        self.sequence += 1

    async def greet(self) -> None:
        await self.send(type="Connected")

    async def tell(self, told: Told) -> None:
        match told.kind:
            case "began":
                await self.info("StartOfTurn", [], 0.1)
            case "partial":
                if self.eager:
                    await self.info("TurnResumed", told.words, 0.1)
                self.eager = len(told.words) > 1 and "eager_eot_threshold" in self.query
                await self.info("EagerEndOfTurn" if self.eager else "Update", told.words, 0.45)
            case "final":
                await self.over(told.words, "model")

    async def over(self, words: list[HeardWord], trigger: str) -> None:
        await self.info("EndOfTurn", words, 0.9, trigger=trigger)
        self.turn, self.eager = self.turn + 1, False

    async def info(self, event: str, words: list[HeardWord], sure: float, **more: Any) -> None:
        await self.send(
            type="TurnInfo",
            event=event,
            turn_index=self.turn,
            audio_window_start=0.0,
            audio_window_end=self.ear.position,
            transcript=" ".join(word.text for word in words),
            words=[
                {"word": word.text, "confidence": 0.9, "start": word.start, "end": word.end} for word in words
            ],
            end_of_turn_confidence=sure,
            **more,
        )

    async def obey(self, said: dict[str, Any]) -> None:
        match said["type"]:
            case "ForceEndTurn":
                if forced := self.ear.force():
                    await self.over(forced.words, "manual")
            case "Configure":
                await self.send(type="ConfigureSuccess", thresholds={}, keyterms=said.get("keyterms", []))
            case other:
                await self.send(type="Error", code="UNPARSABLE_CLIENT_MESSAGE", description=other)
