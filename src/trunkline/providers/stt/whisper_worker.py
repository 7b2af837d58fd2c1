"""The worker process of the Whisper engine: `python -m trunkline.providers.stt.whisper_worker
MODEL DEVICE COMPUTE_TYPE THREADS BEAM`.

Each window it is sent is decoded from its beginning; what two decodings agree on is for the engine to
find out. Needs `faster-whisper`; never goes to the network.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from trunkline.errors import EngineDown, EngineMissing
from trunkline.providers.stt.worker_main import each_message, run
from trunkline.providers.stt.worker_wire import Kind, packed, unpacked

_WHERE = "stt whisper"
MOST_TOKENS = 200
"""In fifteen seconds nobody says more; a model that loops is stopped there."""
_SHORTEST = 2 * 16000 // 20
"""Bytes of a twentieth of a second, in which there is no word."""
_NO_SPEECH = 0.6
_UNLIKELY = -1.0
"""A window is taken for silence where the model thinks so and its words are this unlikely (nats a token)."""


def load(name: str, device: str, compute_type: str, threads: int) -> Any:
    """The model. Raises `EngineMissing` that says what to type."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise EngineMissing(
            f"faster-whisper cannot be loaded ({error})",
            where=_WHERE,
            hint="Install it: pip install 'trunkline[whisper]'",
        ) from error
    folder = Path(name).expanduser()
    if not folder.is_dir() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise EngineMissing(
            f"there is no folder {name}",
            where=_WHERE,
            hint="model= is the folder of a model converted for CTranslate2, or a name such as small.en",
        )
    try:
        return WhisperModel(
            str(folder) if folder.is_dir() else name,
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            local_files_only=True,
        )
    except Exception as error:
        # Its loaders raise whatever their libraries do: OSError, RuntimeError, ValueError, hub errors.
        fetch = f"python -c 'from faster_whisper import download_model; download_model(\"{name}\")'"
        hint = "Is it a model converted for CTranslate2?" if folder.is_dir() else f"Fetch it once: {fetch}"
        raise EngineMissing(
            f"the model {name!r} cannot be loaded ({error})", where=_WHERE, hint=hint
        ) from error


def decode(model: Any, pcm: bytes, language: str, hotwords: str, beam: int) -> dict[str, Any]:
    """The words in 16 kHz samples: [text, start, end, confidence], times in seconds from the first."""
    if len(pcm) < _SHORTEST:
        return {"words": []}
    sound = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    segments, _ = model.transcribe(
        sound,
        language=language,
        beam_size=beam,
        # One temperature: the retries at higher ones would take several times as long.
        temperature=0.0,
        condition_on_previous_text=False,
        word_timestamps=True,
        max_new_tokens=MOST_TOKENS,
        hotwords=hotwords or None,
    )
    words = []
    for segment in segments:
        if segment.no_speech_prob > _NO_SPEECH and segment.avg_logprob < _UNLIKELY:
            continue
        for word in segment.words or ():
            text = word.word.strip()
            if text:
                words.append([text, float(word.start), float(word.end), float(word.probability)])
    return {"words": words}


def serve(messages: BinaryIO, answers: BinaryIO, arguments: list[str]) -> None:
    """Load, say so, and decode windows until there are no more."""
    name, device, compute_type, threads, beam = arguments
    model = load(name, device, compute_type, int(threads))

    def tell(kind: Kind, body: dict[str, Any]) -> None:
        answers.write(packed(kind, body))
        answers.flush()

    tell(Kind.READY, {})
    window: dict[str, Any] = {}
    for kind, body in each_message(messages):
        if kind is Kind.WINDOW:
            window = unpacked(body)
        elif kind is Kind.SOUND:
            try:
                heard = decode(model, body, window["language"], window["hotwords"], int(beam))
            except ValueError as error:  # a language that this model does not know
                raise EngineDown(f"the model refused the sound ({error})", where=_WHERE) from error
            tell(Kind.FINAL, {"id": window["id"], **heard})
        tell(Kind.DONE, {})


if __name__ == "__main__":
    sys.exit(run(lambda messages, answers: serve(messages, answers, sys.argv[1:])))
