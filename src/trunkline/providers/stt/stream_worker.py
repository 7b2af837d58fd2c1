"""The loop of a worker process that keeps streams of several calls: sound in, words out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from trunkline.providers.stt.worker_main import each_message
from trunkline.providers.stt.worker_wire import Kind, packed, unpacked

Words = list[tuple[str, float, float, float]]
"""Text, start and end in seconds of the stream, and the model's trust in it."""


class Decoder(Protocol):
    """One stream."""

    def hear(self, pcm: bytes) -> tuple[bool, Words]:
        """The next sound; gives the words so far, and whether they are final."""

    def finish(self) -> Words:
        """The final words of what was heard; the stream goes on."""


def serve_streams(
    open_decoder: Callable[[int, list[str]], Decoder], messages: BinaryIO, answers: BinaryIO
) -> None:
    """Say that the model is loaded, and serve streams until there are no more messages. `open_decoder` is
    given a rate and key terms."""
    decoders: dict[int, Decoder] = {}
    told: dict[int, Words] = {}
    stream = 0

    def tell(kind: Kind, body: dict[str, Any]) -> None:
        answers.write(packed(kind, body))
        answers.flush()

    def final(number: int, words: Words) -> None:
        told.pop(number, None)
        tell(Kind.FINAL, {"id": number, "words": words})

    tell(Kind.READY, {})
    for kind, data in each_message(messages):
        if kind is Kind.SOUND:
            if (decoder := decoders.get(stream)) is not None:
                over, words = decoder.hear(data)
                if over:
                    final(stream, words)
                elif words and words != told.get(stream):
                    told[stream] = words
                    tell(Kind.PARTIAL, {"id": stream, "words": words})
        else:
            body = unpacked(data)
            stream = int(body["id"])
            match kind:
                case Kind.OPEN:
                    decoders[stream] = open_decoder(int(body["rate"]), list(body["keyterms"]))
                case Kind.FINISH if stream in decoders:
                    final(stream, decoders[stream].finish())
                case Kind.CLOSE:
                    decoders.pop(stream, None)
                    told.pop(stream, None)
                case _:
                    pass
        tell(Kind.DONE, {})
