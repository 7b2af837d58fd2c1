"""Smart Turn, the acoustic model of end of turn: does it sound as if the speaker has finished?

It hears the last 8 s and gives a probability. The ONNX file comes with Pipecat's package (`pip install
'trunkline[smart-turn]'`), of which nothing else is loaded: the file alone is looked up among what is
installed. One run takes some 55 ms of processor and cannot be batched, so it is asked once for each pause,
off the loop (`call/sounded_end.py`).
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from trunkline.audio.resample import resampled
from trunkline.errors import EngineDown, EngineMissing
from trunkline.turn.whisper_features import RATE, SECONDS, features

PACKAGE = "pipecat-ai"
_HINT = "Type: pip install 'trunkline[smart-turn]'"


def installed_model() -> Path | None:
    """The model's file where the package is installed; None where it is not."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return None
    models = (file for file in files if file.match("smart_turn/data/smart-turn-*.onnx"))
    found = sorted(models, key=lambda file: file.name)
    return Path(str(found[-1].locate())) if found else None


class SmartTurn:
    """The loaded model. Loading and running take long and release the interpreter: use a worker thread."""

    __slots__ = ("_session",)

    def __init__(self, path: Path | None = None) -> None:
        """`path`: an ONNX file of one's own. Raises `EngineMissing` where there is none."""
        path = path or installed_model()
        if path is None:
            raise EngineMissing(f"the package {PACKAGE} is not installed", where="smart turn", hint=_HINT)
        try:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self._session: Any = onnxruntime.InferenceSession(
                str(path), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise EngineMissing(f"cannot be loaded: {error}", where=str(path), hint=_HINT) from error

    def probability(self, pcm: bytes, rate: int) -> float:
        """How likely it is, 0 to 1, that who spoke last has finished. `pcm`: 16 bits, up to 8 s of it are
        heard. Raises `EngineDown` where the model fails."""
        pcm = resampled(pcm[-2 * SECONDS * rate :], rate, RATE)
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768.0
        try:
            (answers, *_) = self._session.run(None, {"input_features": features(samples)[None]})
        except Exception as error:  # as above
            raise EngineDown(f"the model failed: {error}", where="smart turn") from error
        return float(np.ravel(answers)[0])
