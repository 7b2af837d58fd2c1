"""The worker process of the sherpa-onnx engine: `python -m trunkline.providers.stt.sherpa_worker FOLDER INT8
THREADS BEAM SILENCE`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trunkline.errors import EngineMissing
from trunkline.providers.stt.stream_worker import Words, serve_streams
from trunkline.providers.stt.worker_main import run

_WHERE = "stt sherpa"
_TAIL = 0.5
"""Seconds of silence after which the model has given all that it holds back."""
_WORD = "\u2581"
"""Begins a token that begins a word (SentencePiece)."""
_LAST_TOKEN = 0.1
"""Seconds that a word's last token is taken to last; only beginnings are told."""


class SherpaDecoder:
    """One stream, of which each utterance has a stream of the library's: times begin anew with each."""

    def __init__(self, recogniser: Any, rate: int, keyterms: list[str]) -> None:
        self._recogniser = recogniser
        self._rate = rate
        self._hotwords = "/".join(keyterms)
        self._stream = self._opened()
        self._begins = 0.0
        """Second of all sound at which the present stream of the library's begins."""
        self._heard = 0.0

    def _opened(self) -> Any:
        return self._recogniser.create_stream(self._hotwords or None)

    def hear(self, pcm: bytes) -> tuple[bool, Words]:
        self._accept(np.frombuffer(pcm, "<i2").astype(np.float32) / 32768)
        self._heard += len(pcm) / 2 / self._rate
        words = self._words()
        if self._recogniser.is_endpoint(self._stream):
            self._begin_anew()
            return bool(words), words
        return False, words

    def finish(self) -> Words:
        self._accept(np.zeros(round(_TAIL * self._rate), np.float32))
        words = self._words()
        self._begin_anew()
        return words

    def _begin_anew(self) -> None:
        self._stream = self._opened()
        self._begins = self._heard

    def _accept(self, samples: Any) -> None:
        self._stream.accept_waveform(self._rate, samples)
        while self._recogniser.is_ready(self._stream):
            self._recogniser.decode_stream(self._stream)

    def _words(self) -> Words:
        tokens = self._recogniser.tokens(self._stream)
        times = self._recogniser.timestamps(self._stream)
        words: list[tuple[str, float, float, float]] = []
        for token, at in zip(tokens, times, strict=False):
            begin = self._begins + max(0.0, float(at))
            if words and not token.startswith((_WORD, " ")):
                text, start, _, sure = words[-1]
                words[-1] = (text + token, start, begin + _LAST_TOKEN, sure)
            else:
                words.append((token.lstrip(f"{_WORD} "), begin, begin + _LAST_TOKEN, 1.0))
        return [word for word in words if word[0].strip()]


def files_in(folder: Path, int8: bool) -> dict[str, str]:
    """The four files of a streaming transducer. Raises `EngineMissing`."""
    hint = "Unpack a streaming transducer of github.com/k2-fsa/sherpa-onnx/releases, and name its folder"
    if not folder.is_dir():
        raise EngineMissing(f"there is no folder {folder}", where=_WHERE, hint=hint)
    found = {"tokens": str(folder / "tokens.txt")}
    if not (folder / "tokens.txt").is_file():
        raise EngineMissing(f"{folder} holds no tokens.txt", where=_WHERE, hint=hint)
    for part in ("encoder", "decoder", "joiner"):
        files = sorted(file for file in folder.glob("*.onnx") if part in file.name)
        if not files:
            raise EngineMissing(f"{folder} holds no {part}", where=_WHERE, hint=hint)
        fitting = [file for file in files if ("int8" in file.name) == int8]
        found[part] = str((fitting or files)[0])
    return found


def load(folder: str, int8: bool, threads: int, beam: int, silence: float) -> Any:
    """The recogniser. Raises `EngineMissing` that says what is wrong."""
    try:
        import sherpa_onnx
    except ImportError as error:
        raise EngineMissing(
            f"sherpa-onnx cannot be loaded ({error})",
            where=_WHERE,
            hint="Install it: pip install 'trunkline[sherpa]'",
        ) from error
    path = Path(folder).expanduser()
    files = files_in(path, int8)
    more: dict[str, Any] = {}
    if beam > 1:
        more = {"decoding_method": "modified_beam_search", "max_active_paths": beam}
        if (path / "bpe.vocab").is_file():
            more |= {"modeling_unit": "bpe", "bpe_vocab": str(path / "bpe.vocab")}
    try:
        return sherpa_onnx.OnlineRecognizer.from_transducer(
            **files,
            num_threads=threads,
            enable_endpoint_detection=True,
            rule1_min_trailing_silence=30.0,  # nobody has said anything: nothing ends
            rule2_min_trailing_silence=silence,
            rule3_min_utterance_length=20.0,
            **more,
        )
    except Exception as error:
        # Its loaders raise whatever the model makes them stumble over.
        raise EngineMissing(f"the model in {folder} cannot be loaded ({error})", where=_WHERE) from error


def serve(messages: BinaryIO, answers: BinaryIO, arguments: list[str]) -> None:
    """Load, and serve streams."""
    folder, int8, threads, beam, silence = arguments
    recogniser = load(folder, int8 == "1", int(threads), int(beam), float(silence))

    def opened(rate: int, keyterms: list[str]) -> SherpaDecoder:
        listens = int(beam) > 1 and (Path(folder).expanduser() / "bpe.vocab").is_file()
        return SherpaDecoder(recogniser, rate, keyterms if listens else [])

    serve_streams(opened, messages, answers)


if __name__ == "__main__":
    sys.exit(run(lambda messages, answers: serve(messages, answers, sys.argv[1:])))
