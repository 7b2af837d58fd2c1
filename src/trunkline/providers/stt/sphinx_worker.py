"""The worker process of the embedded recogniser: `python -m trunkline.providers.stt.sphinx_worker`.

Reads messages (`worker_wire.py`) from stdin and answers on stdout. Ends when stdin does, and so never
outlives the engine that started it. `--grammar-only` leaves the free language model out.
"""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

from trunkline.events import Answer, Expectation
from trunkline.providers.stt.grammar import Grammar
from trunkline.providers.stt.sphinx_decoders import FRAME, Decoders
from trunkline.providers.stt.verdict import Reading, Verdict
from trunkline.providers.stt.worker_main import each_message, run
from trunkline.providers.stt.worker_wire import Kind, packed, unpacked

_SETTLED = 30
"""Frames of 10 ms that a word must lie behind the newest one."""


class Worker:
    """Carries out messages, one after the other."""

    def __init__(self, answers: BinaryIO, decoders: Decoders) -> None:
        self._answers = answers
        self._decoders = decoders
        self._id = 0
        self._at = 0.0
        self._speaking = False
        self._last: list[str] = []
        self._next_grammar: Grammar | None = None

    def carry_out(self, kind: Kind, body: bytes) -> None:
        """One message."""
        if kind is Kind.SOUND:
            if self._speaking:
                self._decoders.hear(body)
                self._partial()
        elif kind is Kind.BEGIN:
            self._begin(unpacked(body))
        elif kind is Kind.END:
            self._end()
        elif kind is Kind.EXPECT:
            self._next_grammar = Grammar.expecting(_expectation(unpacked(body)))
            if not self._speaking:  # a decoder cannot change its grammar within an utterance
                self._take_grammar()
        elif kind is Kind.NEW_CALL:
            self._speaking = False
            self._next_grammar = None
            self._decoders.new_call(int(unpacked(body)["rate"]))
        self.tell(Kind.DONE, {})

    def tell(self, kind: Kind, body: dict[str, Any]) -> None:
        self._answers.write(packed(kind, body))
        self._answers.flush()

    def _take_grammar(self) -> None:
        grammar, self._next_grammar = self._next_grammar, None
        if grammar is not None:
            self._decoders.expect(grammar)

    def _begin(self, body: dict[str, Any]) -> None:
        self._id, self._at = int(body["id"]), float(body["at"])
        self._last = []
        self._speaking = True
        self._decoders.begin()

    def _partial(self) -> None:
        reading, sure = self._decoders.so_far()
        words = [each.word for each in reading.words]
        if not words or words == self._last:
            return
        # Both decoders take words back: what stood before, and is well behind, is called stable.
        settled = reading.segments[-1].last - _SETTLED
        same = 0
        while (
            same < min(len(words), len(self._last))
            and words[same] == self._last[same]
            and reading.words[same].last <= settled
        ):
            same += 1
        self._last = words
        body = {"id": self._id, "text": reading.text, "stable": same}
        self.tell(Kind.PARTIAL, {**body, "words": self._timed(reading, 0.8 if sure else 0.35)})

    def _end(self) -> None:
        if self._speaking:
            self._speaking = False
            self._decoders.end(self._final)
            self._take_grammar()

    def _final(self, verdict: Verdict) -> None:
        self.tell(
            Kind.FINAL,
            {
                "id": self._id,
                "text": verdict.reading.text,
                "words": self._timed(verdict.reading, verdict.confidence),
                "confidence": verdict.confidence,
                "rejected": verdict.source == "none",
            },
        )

    def _timed(self, reading: Reading, confidence: float) -> list[list[object]]:
        return [
            [each.word, self._at + each.first * FRAME, self._at + (each.last + 1) * FRAME, confidence]
            for each in reading.words
        ]


def _expectation(body: dict[str, Any]) -> Expectation:
    return Expectation(
        kind=Answer(body["kind"]), phrases=tuple(body["phrases"]), keyterms=tuple(body["keyterms"])
    )


def serve(messages: BinaryIO, answers: BinaryIO, *, free: bool) -> None:
    """Load, say so, and carry out messages until there are no more."""

    def log(text: str) -> None:
        answers.write(packed(Kind.LOG, {"text": text}))

    worker = Worker(answers, Decoders(free=free, log=log))
    worker.tell(Kind.READY, {})
    for kind, body in each_message(messages):
        worker.carry_out(kind, body)


if __name__ == "__main__":
    sys.exit(
        run(lambda messages, answers: serve(messages, answers, free="--grammar-only" not in sys.argv[1:]))
    )
