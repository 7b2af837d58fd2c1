"""sherpa-onnx on this machine: `--stt sherpa,model=FOLDER`, a streaming transducer's folder from
github.com/k2-fsa/sherpa-onnx/releases (asr-models), unpacked.

The folder holds `tokens.txt` and the ONNX files of encoder, decoder and joiner; where there are several of a
kind, one with int8 in its name is taken with `int8=yes`. Models live in worker processes, which calls share.
"""

from __future__ import annotations

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.providers.stt.local_streams import LocalStreams


class Sherpa(LocalStreams):
    """`model`: the folder. `int8`: the smaller files, where the folder has both. `threads`: processors for
    one decoding. `beam`: 1 decodes greedily; more can listen for key terms, where the model has a
    `bpe.vocab`. `silence_s`: silence that ends an utterance by itself. `workers`: processes, each with the
    model."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "",
        int8: bool = True,
        threads: int = 1,
        beam: int = 1,
        silence_s: float = 0.8,
        workers: int = 1,
    ) -> None:
        if not model.strip() or model.startswith("-"):
            raise ConfigError("no model is given", where="stt sherpa", hint="Write sherpa,model=FOLDER")
        if not 1 <= threads <= 64 or not 1 <= beam <= 16 or not 0.1 <= silence_s <= 10:
            raise ConfigError("threads is 1 to 64, beam 1 to 16, silence_s 0.1 to 10", where="stt sherpa")
        arguments = (model, str(int(int8)), str(threads), str(beam), str(silence_s))
        worker = "trunkline.providers.stt.sherpa_worker"
        super().__init__(clock, "sherpa", "sherpa_onnx", worker, arguments, workers)
