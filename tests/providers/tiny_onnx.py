"""A voice for Piper and a streaming transducer for sherpa-onnx, of one layer with random weights, made on the
spot: they know no language, but loading, streaming and ending are as with real ones. Needs `onnx`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np

RATE = 22050
HOP = 256
_DEPTH, _MELS, _STATES = 16, 80, 8
TOKENS = (
    "<blk>",
    "<sos/eos>",
    "<unk>",
    "\u2581yes",
    "\u2581no",
    "s",
    "\u2581ma",
    "ny",
    "\u2581two",
    "\u2581a",
)


def _graph(
    name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any], weights: dict[str, Any]
) -> Any:
    onnx = importlib.import_module("onnx")
    kept = [onnx.numpy_helper.from_array(value, key) for key, value in weights.items()]
    graph = onnx.helper.make_graph(nodes, name, inputs, outputs, kept)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model


def _value(name: str, kind: str, shape: list[Any]) -> Any:
    onnx = importlib.import_module("onnx")
    return onnx.helper.make_tensor_value_info(name, getattr(onnx.TensorProto, kind), shape)


def _node(kind: str, inputs: list[str], output: str, **more: Any) -> Any:
    return importlib.import_module("onnx").helper.make_node(kind, inputs, [output], **more)


def _save(model: Any, file: Path, **notes: object) -> None:
    for key, value in notes.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    file.write_bytes(model.SerializeToString())


def make_voice(folder: Path) -> Path:
    """A voice whose every phoneme is 256 samples of its own tone; gives its file."""
    ids = importlib.import_module("piper.phoneme_ids").DEFAULT_PHONEME_ID_MAP
    count = max(number for numbers in ids.values() for number in numbers) + 1
    pitch = np.arange(count)[:, None] % 20 + 2
    tones = (np.sin(2 * np.pi * pitch * np.arange(HOP)[None, :] / HOP) * 0.4).astype(np.float32)
    nodes = [
        _node("Gather", ["tones", "input"], "found"),
        _node("Reshape", ["found", "flat"], "output"),
    ]
    inputs = [
        _value("input", "INT64", [1, "phonemes"]),
        _value("input_lengths", "INT64", [1]),
        _value("scales", "FLOAT", [3]),
    ]
    weights = {"tones": tones, "flat": np.array([1, 1, -1], np.int64)}
    file = folder / "tiny.onnx"
    model = _graph("voice", nodes, inputs, [_value("output", "FLOAT", [1, 1, "samples"])], weights)
    file.write_bytes(model.SerializeToString())
    settings = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "num_symbols": count,
        "num_speakers": 1,
        "phoneme_id_map": ids,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
    }
    Path(f"{file}.json").write_text(json.dumps(settings))
    return file


def make_transducer(folder: Path) -> None:
    """An LSTM transducer (by its shapes; its state never changes) that hears something in every sound."""
    chance = np.random.default_rng(3)

    def some(*shape: int) -> Any:
        return chance.standard_normal(shape).astype(np.float32)

    state = ["layers", "N", _STATES]
    one = _graph(
        "encoder",
        [
            _node("Slice", ["x", "from", "to", "axis"], "first"),
            _node("MatMul", ["first", "w"], "encoder_out"),
            _node("Identity", ["h"], "next_h"),
            _node("Identity", ["c"], "next_c"),
        ],
        [_value("x", "FLOAT", ["N", 9, _MELS]), _value("h", "FLOAT", state), _value("c", "FLOAT", state)],
        [
            _value("encoder_out", "FLOAT", ["N", 1, _DEPTH]),
            _value("next_h", "FLOAT", state),
            _value("next_c", "FLOAT", state),
        ],
        {
            "w": some(_MELS, _DEPTH),
            "from": np.array([0], np.int64),
            "to": np.array([1], np.int64),
            "axis": np.array([1], np.int64),
        },
    )
    _save(
        one,
        folder / "encoder-tiny.onnx",
        model_type="lstm",
        num_encoder_layers=1,
        T=9,
        decode_chunk_len=4,
        rnn_hidden_size=_STATES,
        d_model=_STATES,
    )
    two = _graph(
        "decoder",
        [
            _node("Gather", ["embedding", "y"], "found"),
            _node("ReduceMean", ["found"], "decoder_out", axes=[1], keepdims=0),
        ],
        [_value("y", "INT64", ["N", 2])],
        [_value("decoder_out", "FLOAT", ["N", _DEPTH])],
        {"embedding": some(len(TOKENS), _DEPTH)},
    )
    _save(two, folder / "decoder-tiny.onnx", vocab_size=len(TOKENS), context_size=2)
    three = _graph(
        "joiner",
        [
            _node("Add", ["encoder_out", "decoder_out"], "both"),
            _node("Tanh", ["both"], "bent"),
            _node("MatMul", ["bent", "w"], "logit"),
        ],
        [_value("encoder_out", "FLOAT", ["N", _DEPTH]), _value("decoder_out", "FLOAT", ["N", _DEPTH])],
        [_value("logit", "FLOAT", ["N", len(TOKENS)])],
        {"w": some(_DEPTH, len(TOKENS))},
    )
    _save(three, folder / "joiner-tiny.onnx", joiner_dim=_DEPTH)
    (folder / "tokens.txt").write_text("".join(f"{token} {n}\n" for n, token in enumerate(TOKENS)))
