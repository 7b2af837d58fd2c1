"""Vosk on this machine: `--stt vosk,model=FOLDER`, a folder from alphacephei.com/vosk/models, unpacked.

Kaldi models, streamed, with word times and confidence (github.com/alphacep/vosk-api). They live in worker
processes, which calls share.
"""

from __future__ import annotations

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.providers.stt.local_streams import LocalStreams


class Vosk(LocalStreams):
    """`model`: the folder. `workers`: processes, each with the model."""

    def __init__(self, *, clock: Clock, model: str = "", workers: int = 1) -> None:
        if not model.strip() or model.startswith("-"):
            raise ConfigError("no model is given", where="stt vosk", hint="Write vosk,model=FOLDER")
        worker = "trunkline.providers.stt.vosk_worker"
        super().__init__(clock, "vosk", "vosk", worker, (model,), workers)
