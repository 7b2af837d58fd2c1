"""AssemblyAI's streaming recognition: `--stt assemblyai`, the key in `ASSEMBLYAI_API_KEY`.

Its version 3 WebSocket (assemblyai.com/docs/streaming/message-sequence): each `Turn` message has all words of
the turn so far; the last one has `end_of_turn`, by the service's own judgement or because `ForceEndpoint`
asked for it. Telephone sound goes out as mu-law at 8 kHz.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from trunkline.clock import Clock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
)
from trunkline.events import EngineEndOfTurn, Word
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.hearing import final, keyterms_of, partial, seconds, trust
from trunkline.providers.stt.line_sound import line_format
from trunkline.providers.stt.socket_recognition import Message, Moment, SocketRecognition

_OFFICIAL = "https://streaming.assemblyai.com"
_WHERE = "assemblyai"


class AssemblyAI(HostedEngine):
    """`model`: universal-streaming-english, universal-streaming-multilingual, universal-3-6-pro, …

    `formatted`: wait for punctuation (slower). `end_of_turn_confidence` (0 to 1), `min_silence_ms`,
    `max_silence_ms`: when it believes that a turn is over; below 0: the model's own. `finalise_on_pause`: ask
    for the final words as soon as our own voice activity hears a pause. `keyterms`: separated by `|`, beside
    the scenario's."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "universal-streaming-english",
        keyterms: str = "",
        formatted: bool = False,
        finalise_on_pause: bool = True,
        end_of_turn_confidence: float = -1.0,
        min_silence_ms: int = -1,
        max_silence_ms: int = -1,
        base_url: str = _OFFICIAL,
        key_env: str = "ASSEMBLYAI_API_KEY",
        connect_s: float = 5.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, f"assemblyai/{model}", _WHERE, base_url, key_env, connect_s, verify)
        self._model = model
        self._keyterms = tuple(keyterms.split("|"))
        self._formatted = formatted
        self._on_pause = finalise_on_pause
        self._thresholds = {
            "end_of_turn_confidence_threshold": end_of_turn_confidence,
            "min_turn_silence": min_silence_ms,
            "max_turn_silence": max_silence_ms,
        }

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": key}

    def _card(self) -> str:
        # A token of one minute costs nothing and is thrown away.
        return "/v3/token?expires_in_seconds=60"

    def _check(self) -> None:
        if self._thresholds["end_of_turn_confidence_threshold"] > 1:
            raise ConfigError("end_of_turn_confidence is at most 1", where=_WHERE)

    async def open(self, options: ListenOptions) -> SocketRecognition:
        key = self._key_when_started()
        sound = line_format(options.rate, _WHERE)
        keyterms = keyterms_of(self._keyterms, options.keyterms)
        language = options.language.split("-")[0]
        query: dict[str, Any] = {
            "sample_rate": sound.rate,
            "encoding": "pcm_mulaw" if sound.mulaw else "pcm_s16le",
            "speech_model": self._model,
            "format_turns": str(self._formatted).lower(),
            **{name: value for name, value in self._thresholds.items() if value >= 0},
        }
        if self._model.startswith("universal-3"):
            query["language_codes"] = json.dumps([language])
        if keyterms:
            query["keyterms_prompt"] = json.dumps(keyterms)
        url = f"{self._base_url.replace('http', 'ws', 1)}/v3/ws?{urlencode(query)}"
        line = SocketLine(_WHERE, url, self._headers(key), self._key_env, _WHERE, connect_s=self._connect)
        wire = AssemblyAIWire(formatted=self._formatted, on_pause=self._on_pause)
        heard = ListenOptions(options.rate, options.language, keyterms)
        return await self._opened(SocketRecognition(line, wire, self._clock, heard, sound))


class AssemblyAIWire:
    """One call's turns."""

    piece = 0.05
    least = 0.05  # shorter pieces end the session (error 3007)
    idle = 30.0

    def __init__(self, *, formatted: bool, on_pause: bool) -> None:
        self.ready = False
        self._formatted = formatted
        self._on_pause = on_pause
        self._unfinished = False
        """There is sound that no `ForceEndpoint` has followed."""
        self._forced = False
        """The next end of a turn is ours, and no judgement of the service."""
        self._done = -1
        """The last turn whose final words were given."""

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:  # noqa: ARG002 - they stand in the address
        return []

    def sound(self, data: bytes) -> list[Message]:
        self._unfinished = True
        return [data]

    def pause(self) -> list[Message]:
        return self.finalise() if self._on_pause else []

    def finalise(self) -> list[Message]:
        if not self._unfinished:
            return []
        self._unfinished, self._forced = False, True
        return [json.dumps({"type": "ForceEndpoint"})]

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        return [json.dumps({"type": "UpdateConfiguration", "keyterms_prompt": list(keyterms)})]

    def keep(self) -> list[Message]:
        return []  # it has no limit on silence unless one is asked for

    def end(self) -> list[Message]:
        return [json.dumps({"type": "Terminate"})]

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        said = json.loads(message)
        match said["type"]:
            case "Begin":
                self.ready = True
            case "Turn":
                return self._turn(said, moment)
            case "Error":
                raise failure(said)
            case "Termination":
                raise EngineNetwork("it ended the session", where=_WHERE)
            case _:
                pass  # SpeechStarted (our own voice activity is earlier), Warning, …
        return []

    def _turn(self, said: dict[str, Any], moment: Moment) -> list[Heard]:
        turn = int(said["turn_order"])
        if turn <= self._done:
            return []
        words = [
            Word(
                str(each["text"]),
                moment.at(seconds(each["start"]) / 1000),
                moment.at(seconds(each["end"]) / 1000),
                trust(each.get("confidence")),
            )
            for each in said["words"]
        ]
        over = bool(said["end_of_turn"])
        if not over or (self._formatted and not said.get("turn_is_formatted")):
            stable = sum(bool(each.get("word_is_final")) for each in said["words"])
            return [partial(moment.now, words, stable)] if words else []
        self._done = turn
        least = min((word.confidence for word in words), default=1.0)
        heard: list[Heard] = [final(moment.now, words, least)]
        if not self._forced:
            sure = trust(said.get("end_of_turn_confidence"), 0.5)
            heard.append(EngineEndOfTurn(moment.now, max(sure, 0.5)))
        self._forced = False
        return heard


def failure(said: dict[str, Any]) -> EngineError:
    """What an `Error` means. Codes: assemblyai.com/docs/streaming/common-errors."""
    words = " ".join(str(said.get("error") or "it told of an error").split())[:200]
    match said.get("error_code"):
        case 4001 | 1008:
            return EngineKeyWrong(words, where=_WHERE, hint="Check ASSEMBLYAI_API_KEY")
        case 4002 | 4003:
            return EngineQuota(words, where=_WHERE, hint="Look at its billing page")
        case 3009 | 4029 | 4102:
            return EngineRate(words, where=_WHERE)
        case 3006 | 3007 | 4000 | 4100 | 4101:
            return EngineRequest(words, where=_WHERE)
        case _:
            return EngineDown(words, where=_WHERE)
