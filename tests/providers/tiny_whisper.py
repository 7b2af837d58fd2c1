"""A Whisper model of one layer with random weights, made on the spot: it knows no language, but loading,
streaming and ending are as with a real one. Needs `ctranslate2` and `tokenizers`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

DEPTH, HEADS, MELS = 16, 2, 80
WORDS = tuple(f" {a}{b}" for a in "bdgklmnprst" for b in ("a", "e", "i", "o", "u", "an", "or"))
LANGUAGES = ("en", "de")


def make(folder: Path) -> None:
    """Write the model's files into `folder`."""
    # Optional packages, imported by name so that this file can be checked where they are not there.
    specs = importlib.import_module("ctranslate2.specs")
    tokenizers = importlib.import_module("tokenizers")

    timestamps = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    marks = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{language}|>" for language in LANGUAGES),
        *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>"),
        "<|notimestamps|>",
    ]
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    plain = [*letters, *(word.replace(" ", "\u0120") for word in WORDS)]
    tokens = [*plain, *marks, *timestamps]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab={token: place for place, token in enumerate(plain)}, merges=[])
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens([*marks, *timestamps])
    tokenizer.save(str(folder / "tokenizer.json"))

    spec = specs.WhisperSpec(1, HEADS, 1, HEADS)
    chance = np.random.default_rng(7)
    _fill(spec, chance, len(tokens))
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [tokens.index(f"<|{language}|>") for language in LANGUAGES]
    spec.config.alignment_heads = [(0, 0), (0, 1)]
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.save(str(folder))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))


def _fill(spec: Any, chance: np.random.Generator, size: int) -> None:
    def some(*shape: int) -> Any:
        return (chance.standard_normal(shape) * 0.3).astype(np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(DEPTH, np.float32), np.zeros(DEPTH, np.float32)

    def linear(layer: Any, rows: int, columns: int) -> None:
        layer.weight, layer.bias = some(rows, columns), some(rows)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = some(DEPTH, MELS, 3), some(DEPTH)
    encoder.conv2.weight, encoder.conv2.bias = some(DEPTH, DEPTH, 3), some(DEPTH)
    encoder.position_encodings.encodings = some(1500, DEPTH)
    decoder.position_encodings.encodings = some(448, DEPTH)
    decoder.embeddings.weight = some(size, DEPTH)
    decoder.projection.weight = decoder.embeddings.weight
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in (encoder.layer[0], decoder.layer[0]):
        norm(layer.self_attention.layer_norm)
        linear(layer.self_attention.linear[0], 3 * DEPTH, DEPTH)
        linear(layer.self_attention.linear[1], DEPTH, DEPTH)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * DEPTH, DEPTH)
        linear(layer.ffn.linear_1, DEPTH, 4 * DEPTH)
    attention = decoder.layer[0].attention
    norm(attention.layer_norm)
    linear(attention.linear[0], DEPTH, DEPTH)
    linear(attention.linear[1], 2 * DEPTH, DEPTH)
    linear(attention.linear[2], DEPTH, DEPTH)
