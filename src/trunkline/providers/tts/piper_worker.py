"""The worker process of the Piper voice: `python -m trunkline.providers.tts.piper_worker FILE SPEAKER`."""

from __future__ import annotations

import base64
import queue
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO

from trunkline.errors import EngineMissing
from trunkline.providers.stt.worker_main import each_message, run
from trunkline.providers.stt.worker_wire import Kind, packed, unpacked

_WHERE = "tts piper"
_PIECE = 0.25
"""Seconds of sound in a message."""


def load(file: str) -> Any:
    """The voice. Raises `EngineMissing` that says what is wrong."""
    try:
        from piper import PiperVoice
    except ImportError as error:
        raise EngineMissing(
            f"piper-tts cannot be loaded ({error})",
            where=_WHERE,
            hint="Install it: pip install 'trunkline[piper]'",
        ) from error
    try:
        return PiperVoice.load(Path(file).expanduser())
    except Exception as error:
        # Its loaders raise whatever their libraries do.
        raise EngineMissing(
            f"the voice {file} cannot be loaded ({error})",
            where=_WHERE,
            hint=f"Its settings belong beside it, in {Path(file).name}.json",
        ) from error


class Inbox:
    """Messages as they come, read by a thread of their own: a text can be cut while it is spoken."""

    def __init__(self, messages: BinaryIO) -> None:
        self._waiting: queue.SimpleQueue[tuple[Kind, dict[str, Any]] | None] = queue.SimpleQueue()
        self._cut: set[int] = set()
        threading.Thread(target=self._read, args=(messages,), daemon=True).start()

    def next(self) -> tuple[Kind, dict[str, Any]] | None:
        """The next one; None when there are no more."""
        return self._waiting.get()

    def is_cut(self, number: int) -> bool:
        return number in self._cut

    def forget(self, number: int) -> None:
        self._cut.discard(number)

    def _read(self, messages: BinaryIO) -> None:
        try:
            for kind, data in each_message(messages):
                body = unpacked(data)
                if kind is Kind.CLOSE:
                    self._cut.add(int(body["id"]))
                self._waiting.put((kind, body))
        finally:  # nonsense ends it too: who speaks nonsense is no engine of ours
            self._waiting.put(None)


def serve(messages: BinaryIO, answers: BinaryIO, file: str, speaker: int) -> None:
    """Load, say so, and speak texts until there are no more. One that is cut ends with the sentence that is
    being computed, as Piper divides them."""
    voice = load(file)
    from piper import SynthesisConfig

    def tell(kind: Kind, body: dict[str, Any]) -> None:
        answers.write(packed(kind, body))
        answers.flush()

    tell(Kind.READY, {})
    inbox = Inbox(messages)
    while (message := inbox.next()) is not None:
        kind, body = message
        number = int(body["id"])
        if kind is Kind.SPEAK:
            pace = voice.config.length_scale * float(body["pace"])
            settings = SynthesisConfig(
                speaker_id=speaker if voice.config.num_speakers > 1 else None, length_scale=pace
            )
            # The text is divided at the first step, which is quick; each sentence is computed when asked for.
            pieces = iter(voice.synthesize(str(body["text"]), settings))
            while not inbox.is_cut(number) and (chunk := next(pieces, None)) is not None:
                pcm, rate = chunk.audio_int16_bytes, chunk.sample_rate
                size = round(rate * _PIECE) * 2
                for at in range(0, len(pcm), size):
                    piece = base64.b64encode(pcm[at : at + size]).decode()
                    tell(Kind.SPOKEN, {"id": number, "pcm": piece, "rate": rate})
            tell(Kind.SPOKEN, {"id": number, "last": True})
        elif kind is Kind.CLOSE:
            inbox.forget(number)
        tell(Kind.DONE, {})


if __name__ == "__main__":
    sys.exit(run(lambda messages, answers: serve(messages, answers, sys.argv[1], int(sys.argv[2]))))
