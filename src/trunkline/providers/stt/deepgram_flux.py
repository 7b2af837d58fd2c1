"""Flux's protocol, `/v2/listen`: what is said and heard on its socket. Pure.

Its state machine (developers.deepgram.com/docs/flux/state): a turn begins, is updated, may seem over
(`EagerEndOfTurn`), may go on after all (`TurnResumed`), and ends (`EndOfTurn`). Each message has all words of
the turn.
"""

from __future__ import annotations

from typing import Any

from trunkline.events import EngineEndOfTurn, Word
from trunkline.providers.protocols import Heard
from trunkline.providers.stt.deepgram_messages import failure, said, told
from trunkline.providers.stt.hearing import final, partial, seconds, trust
from trunkline.providers.stt.socket_recognition import Message, Moment


class FluxWire:
    """One call's turns."""

    piece = 0.08  # what the vendor recommends
    least = 0.0
    idle = 30.0

    def __init__(self) -> None:
        self.ready = False
        self._words = False
        """The turn in progress has words."""
        self._done = -1
        """The last turn that is over."""

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:  # noqa: ARG002 - they stand in the address
        return []

    def sound(self, data: bytes) -> list[Message]:
        return [data]

    def pause(self) -> list[Message]:
        return []

    def finalise(self) -> list[Message]:
        return [told("ForceEndTurn")] if self._words else []

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        return [told("Configure", keyterms=list(keyterms))]

    def keep(self) -> list[Message]:
        return []

    def end(self) -> list[Message]:
        return [told("CloseStream")]

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        answer = said(message)
        match answer["type"]:
            case "Connected":
                self.ready = True
            case "TurnInfo":
                return self._turn(answer, moment)
            case "Error":
                raise failure(answer)
            case _:
                pass  # ConfigureSuccess, ConfigureFailure, Warning
        return []

    def _turn(self, answer: dict[str, Any], moment: Moment) -> list[Heard]:
        turn = int(answer["turn_index"])
        if turn <= self._done:
            return []
        begins, ends = seconds(answer["audio_window_start"]), seconds(answer["audio_window_end"])
        words = [
            Word(
                str(each["word"]),
                moment.at(seconds(each.get("start", begins))),
                moment.at(seconds(each.get("end", ends))),
                trust(each.get("confidence")),
            )
            for each in answer["words"]
        ]
        self._words = bool(words)
        sure = trust(answer.get("end_of_turn_confidence"), 0.0)
        match answer["event"]:
            case "EndOfTurn":
                self._done, self._words = turn, False
                heard: list[Heard] = [final(moment.now, words, _least(words))]
                if answer.get("trigger") != "manual":  # new causes may be added, says the vendor
                    heard.append(EngineEndOfTurn(moment.now, max(sure, 0.5)))
                return heard
            case "EagerEndOfTurn":
                # Below one half it is a thought, not a decision: the log has it, turn-taking waits.
                return [
                    partial(moment.now, words, len(words)),
                    EngineEndOfTurn(moment.now, min(sure, 0.49)),
                ]
            case _:
                return [partial(moment.now, words)] if words else []


def _least(words: list[Word]) -> float:
    return min((word.confidence for word in words), default=1.0)
