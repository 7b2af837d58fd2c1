"""A folder of recordings with what was said in them: WAV files, and a text file of the same name beside each.

PCM of 16 bits, mu-law and A-law (RFC 2361) at any rate that a leg has; of several channels the first one
counts, which is the caller's in our own records.
"""

from __future__ import annotations

import audioop
import struct
from dataclasses import dataclass
from pathlib import Path

from trunkline.audio.resample import RATES, resampled
from trunkline.errors import ConfigError, ParseError

_PCM, _ALAW, _MULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_LONGEST = 600.0
"""Seconds; a longer recording is cut into turns before engines are compared on it."""


@dataclass(frozen=True, slots=True)
class ToHear:
    """One recording: 16-bit mono PCM, and the words that were said in it."""

    name: str
    pcm: bytes
    rate: int
    reference: str

    @property
    def seconds(self) -> float:
        return len(self.pcm) / 2 / self.rate


def recordings_in(folder: Path, rate: int) -> list[ToHear]:
    """The recordings in `folder`, by name, at `rate`. Raises `ConfigError` or `ParseError`."""
    files = sorted(folder.glob("*.wav")) if folder.is_dir() else []
    if not files:
        raise ConfigError(
            "there are no WAV files", where=str(folder), hint="Put NAME.wav and NAME.txt there, in pairs"
        )
    return [_to_hear(file, rate) for file in files]


def _to_hear(file: Path, rate: int) -> ToHear:
    text = file.with_suffix(".txt")
    try:
        reference = text.read_text(encoding="utf-8")
        data = file.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            "nothing says what was said in it", where=str(file), hint=f"Write it into {text.name}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(file)) from error
    pcm, source = pcm_of(data, str(file))
    if len(pcm) / 2 / source > _LONGEST:
        raise ConfigError(f"it is longer than {_LONGEST:g} s", where=str(file))
    return ToHear(file.stem, resampled(pcm, source, rate), rate, " ".join(reference.split()))


def pcm_of(data: bytes, where: str) -> tuple[bytes, int]:
    """16-bit samples of a WAV file's first channel, and their rate. Raises `ParseError`."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ParseError("this is not a WAV file", where=where)
    chunks: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        # A recording that was broken off has a size of nothing, or of more than there is.
        chunks.setdefault(name, data[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    form, sound = chunks.get(b"fmt ", b""), chunks.get(b"data", b"")
    if len(form) < 16:
        raise ParseError("its format is missing", where=where)
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        (tag,) = struct.unpack_from("<H", form, 24)
    if rate not in RATES or not 1 <= channels <= 16:
        raise ParseError(f"it has {channels} channels at {rate} Hz", where=where, hint=f"Rates are {RATES}")
    if (tag, bits) == (_PCM, 16):
        width = 2
    elif tag in (_MULAW, _ALAW) and bits == 8:
        width = 1
    else:
        raise ParseError(f"its format {tag} of {bits} bits is not known here", where=where)
    first = _first_channel(sound, width, channels)
    if tag == _MULAW:
        return audioop.ulaw2lin(first, 2), rate
    return (audioop.alaw2lin(first, 2) if tag == _ALAW else first), rate


def _first_channel(sound: bytes, width: int, channels: int) -> bytes:
    whole = sound[: len(sound) // (width * channels) * width * channels]
    if channels == 1:
        return whole
    return b"".join(whole[at : at + width] for at in range(0, len(whole), width * channels))
