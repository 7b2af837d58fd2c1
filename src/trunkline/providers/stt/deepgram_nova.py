"""Nova's protocol, `/v1/listen`: what is said and heard on its socket. Pure."""

from __future__ import annotations

from typing import Any

from trunkline.events import EngineEndOfTurn, Word
from trunkline.providers.protocols import Heard
from trunkline.providers.stt.deepgram_messages import failure, said, told
from trunkline.providers.stt.hearing import final, partial, seconds, trust
from trunkline.providers.stt.socket_recognition import Message, Moment

_A_GAP = 0.3
"""`UtteranceEnd` counts a second without words and understands none of them: noted, and not gone by."""


class NovaWire:
    """`finalise_on_pause`: every pause asks for the final words. `configures`: key terms can be changed."""

    ready = True
    piece = 0.04
    least = 0.0
    idle = 4.0  # it hangs up after ten seconds without sound or a KeepAlive

    def __init__(self, *, finalise_on_pause: bool, configures: bool) -> None:
        self._on_pause = finalise_on_pause
        self._configures = configures
        self._unfinished = False
        """There is sound that no `Finalize` has followed."""
        self._asked = 0
        """How many `Finalize` are not answered yet."""

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
        self._unfinished = False
        self._asked += 1
        return [told("Finalize")]

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        return [told("Configure", keyterms=list(keyterms))] if self._configures else []

    def keep(self) -> list[Message]:
        return [told("KeepAlive")]

    def end(self) -> list[Message]:
        return [told("CloseStream")]

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        answer = said(message)
        match answer["type"]:
            case "Results":
                return self._results(answer, moment)
            case "UtteranceEnd":
                return [EngineEndOfTurn(moment.now, _A_GAP)]
            case "Error":
                raise failure(answer)
            case _:
                # Metadata, SpeechStarted (our own voice activity is earlier), ConfigureSuccess, and
                # ConfigureFailure: key terms are a help that a region or a model may not have.
                return []

    def _results(self, answer: dict[str, Any], moment: Moment) -> list[Heard]:
        best = answer["channel"]["alternatives"][0]
        words = [_word(each, moment) for each in best["words"]]
        if not answer.get("is_final"):
            return [partial(moment.now, words)] if words else []
        asked_for = bool(answer.get("from_finalize")) and self._asked > 0
        self._asked -= asked_for
        if not words and not asked_for:
            return []
        return [final(moment.now, words, trust(best.get("confidence")) if words else 1.0)]


def _word(word: dict[str, Any], moment: Moment) -> Word:
    return Word(
        str(word.get("punctuated_word") or word["word"]),
        moment.at(seconds(word["start"])),
        moment.at(seconds(word["end"])),
        trust(word.get("confidence")),
    )
