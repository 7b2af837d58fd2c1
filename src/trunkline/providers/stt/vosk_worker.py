"""The worker process of the Vosk engine: `python -m trunkline.providers.stt.vosk_worker FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

from trunkline.errors import EngineMissing
from trunkline.providers.stt.stream_worker import Words, serve_streams
from trunkline.providers.stt.worker_main import run

_WHERE = "stt vosk"


class VoskDecoder:
    """One stream. Word times count from its beginning, over all of its utterances."""

    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser
        recogniser.SetWords(True)
        recogniser.SetPartialWords(True)

    def hear(self, pcm: bytes) -> tuple[bool, Words]:
        if self._recogniser.AcceptWaveform(pcm):
            return True, _words(self._recogniser.Result(), "result")
        return False, _words(self._recogniser.PartialResult(), "partial_result")

    def finish(self) -> Words:
        return _words(self._recogniser.FinalResult(), "result")


def _words(told: str, key: str) -> Words:
    return [
        (word["word"], word["start"], word["end"], word.get("conf", 1.0))
        for word in json.loads(told).get(key, ())
        if word["word"] != "<unk>"
    ]


def load(folder: str) -> Any:
    """The model. Raises `EngineMissing` that says what is wrong."""
    try:
        import vosk
    except ImportError as error:
        raise EngineMissing(
            f"vosk cannot be loaded ({error})",
            where=_WHERE,
            hint="Install it: pip install 'trunkline[vosk]'",
        ) from error
    path = Path(folder).expanduser()
    hint = "Unpack one of alphacephei.com/vosk/models, and name its folder"
    if not path.is_dir():
        raise EngineMissing(f"there is no folder {folder}", where=_WHERE, hint=hint)
    vosk.SetLogLevel(-1)
    try:
        return vosk.Model(str(path))
    except Exception as error:
        # The library tells nothing but that it failed.
        raise EngineMissing(
            f"the folder {folder} holds no model of Vosk's", where=_WHERE, hint=hint
        ) from error


def serve(messages: BinaryIO, answers: BinaryIO, folder: str) -> None:
    """Load, and serve streams."""
    model = load(folder)
    import vosk

    def opened(rate: int, keyterms: list[str]) -> VoskDecoder:
        del keyterms  # its grammars shut out every other word
        return VoskDecoder(vosk.KaldiRecognizer(model, float(rate)))

    serve_streams(opened, messages, answers)


if __name__ == "__main__":
    sys.exit(run(lambda messages, answers: serve(messages, answers, sys.argv[1])))
