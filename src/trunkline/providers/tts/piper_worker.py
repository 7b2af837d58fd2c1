"""The worker process of the Piper voice: `python -m trunkline.providers.tts.piper_worker FILE SPEAKER`."""

from __future__ import annotations

import base64
import sys
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


def serve(messages: BinaryIO, answers: BinaryIO, file: str, speaker: int) -> None:
    """Load, say so, and speak sentences until there are no more."""
    voice = load(file)
    from piper import SynthesisConfig

    def tell(kind: Kind, body: dict[str, Any]) -> None:
        answers.write(packed(kind, body))
        answers.flush()

    tell(Kind.READY, {})
    for kind, data in each_message(messages):
        if kind is Kind.SPEAK:
            body = unpacked(data)
            pace = voice.config.length_scale * float(body["pace"])
            settings = SynthesisConfig(
                speaker_id=speaker if voice.config.num_speakers > 1 else None, length_scale=pace
            )
            for chunk in voice.synthesize(str(body["text"]), settings):
                pcm, rate = chunk.audio_int16_bytes, chunk.sample_rate
                size = round(rate * _PIECE) * 2
                for at in range(0, len(pcm), size):
                    piece = base64.b64encode(pcm[at : at + size]).decode()
                    tell(Kind.SPOKEN, {"id": body["id"], "pcm": piece, "rate": rate})
        tell(Kind.DONE, {})


if __name__ == "__main__":
    sys.exit(run(lambda messages, answers: serve(messages, answers, sys.argv[1], int(sys.argv[2]))))
