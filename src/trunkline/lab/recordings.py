"""Recorded lines: small telephone-band WAV files (8 kHz, mono, mu-law) and the index that names them.

`voices/index.json` maps a line's words to its file. The lines of the shipped personas are in the
package, so that a machine without any speech synthesis can hold the demonstration call.
"""

from __future__ import annotations

import json
import re
import struct
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from trunkline.errors import ConfigError, ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE = 8000
MU_LAW = 7
"""The WAVE format tag of ITU-T G.711 mu-law (RFC 2361, section A.5)."""


def _table() -> np.ndarray:
    codes = ~np.arange(256, dtype=np.uint8)
    exponent = (codes >> 4 & 7).astype(np.int32)
    mantissa = (codes & 15).astype(np.int32)
    size = ((mantissa << 3) + 132 << exponent) - 132
    return np.where(codes & 0x80, -size, size).astype(np.int16)


DECODED = _table()
"""The 16-bit value of each mu-law code (ITU-T G.711, table 2)."""
_ORDER = np.argsort(DECODED, kind="stable")
_EDGES = (DECODED[_ORDER][:-1].astype(np.int32) + DECODED[_ORDER][1:]) / 2


def encode(samples: np.ndarray) -> bytes:
    """The nearest mu-law code of each 16-bit sample."""
    return bytes(_ORDER[np.searchsorted(_EDGES, samples)].astype(np.uint8))


def write_wav(samples: np.ndarray) -> bytes:
    """A mu-law WAV file of these 16-bit samples at 8 kHz."""
    data = encode(samples)
    form = struct.pack("<HHIIHHH", MU_LAW, 1, RATE, RATE, 1, 8, 0)
    fact = struct.pack("<I", len(data))
    padding = b"\0" * (len(data) % 2)
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body for name, body in ((b"fmt ", form), (b"fact", fact))
    )
    chunks += b"data" + struct.pack("<I", len(data)) + data + padding
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def read_wav(data: bytes, where: str = "recording") -> np.ndarray:
    """The 16-bit samples of a mono mu-law WAV file at 8 kHz. Raises `ParseError` for anything else."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ParseError("is not a WAV file", where=where)
    place, known = 12, False
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        body = data[place + 8 : place + 8 + size]
        if len(body) < size:
            raise ParseError(f"ends within its {name!r} chunk", where=where)
        if name == b"fmt ":
            if len(body) < 16 or struct.unpack("<HHI", body[:8]) != (MU_LAW, 1, RATE):
                raise ParseError("is not mono mu-law at 8 kHz", where=where)
            known = True
        elif name == b"data":
            if not known:
                raise ParseError("has data before its format", where=where)
            return DECODED[np.frombuffer(body, np.uint8)]
        place += 8 + size + size % 2
    raise ParseError("holds no sound", where=where)


def file_name(words: str) -> str:
    """The name of the file for a line: its first words, safe on any file system."""
    plain = re.sub(r"[^a-z0-9]+", "-", words.lower().replace("'", "")).strip("-")
    return f"{plain[:60].rstrip('-')}.wav"


class Recordings:
    """The recorded lines of the package."""

    def __init__(self, index: Mapping[str, str] | None = None) -> None:
        folder = resources.files("trunkline.lab") / "voices"
        self._folder = folder
        try:
            shipped = json.loads((folder / "index.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"the index of recordings cannot be read: {error}", where="voices") from error
        self._index: dict[str, str] = dict(index if index is not None else shipped)

    @property
    def lines(self) -> frozenset[str]:
        return frozenset(self._index)

    def samples(self, words: str) -> np.ndarray:
        """The line, 16 bits at 8 kHz. Raises `ConfigError` where nobody has recorded it."""
        name = self._index.get(words)
        if name is None:
            raise ConfigError(
                f"nobody has recorded {words!r}",
                where="voices",
                hint="Run python -m trunkline.lab.record_voices where flite is installed",
            )
        return read_wav((self._folder / name).read_bytes(), where=f"voices/{name}")
