"""libopus, loaded by `ctypes`: the one that PyAV's wheel carries, or the system's.

PyAV's own way to Opus goes through FFmpeg, which decodes to 48 kHz only, knows no forward error
correction on the receiving side and no concealment; libopus has all three.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from trunkline.errors import MediaError

OK = 0
APPLICATION_VOIP = 2048
SET_BITRATE, SET_MAX_BANDWIDTH, SET_VBR, SET_COMPLEXITY = 4002, 4004, 4006, 4010
SET_INBAND_FEC, SET_PACKET_LOSS_PERC = 4012, 4014
BANDWIDTHS = {8000: 1101, 12000: 1102, 16000: 1103}
"""What `SET_MAX_BANDWIDTH` takes, by the rate that can carry it."""

_SYSTEM = ("libopus.so.0", "libopus.0.dylib", "libopus-0.dll")


@cache
def library() -> ctypes.CDLL:
    """Loads it once. Raises `MediaError` where there is none."""
    for name in (*_in_wheel(), *_SYSTEM):
        try:
            loaded = ctypes.CDLL(name)
            _declare(loaded)
        except (OSError, AttributeError):
            continue
        return loaded
    raise MediaError(
        "libopus is not installed",
        where="codec OPUS",
        hint="pip install 'trunkline[av]', or the system's package (Debian: libopus0)",
    )


def _in_wheel() -> list[str]:
    """Where the tools that make wheels put a library that a package needs."""
    spec = find_spec("av")
    if spec is None or not spec.submodule_search_locations:
        return []
    package = Path(spec.submodule_search_locations[0])
    folders = (package.parent / "av.libs", package / ".dylibs")
    return [
        str(file) for folder in folders for file in sorted(folder.glob("*opus*")) if "ogg" not in file.name
    ]


def _declare(loaded: ctypes.CDLL) -> None:
    """The types of what is called (opus.h); the control's further arguments are variadic."""
    pointer, number, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
    error = ctypes.POINTER(ctypes.c_int)
    for name, result, arguments in (
        ("opus_encoder_create", pointer, (number, ctypes.c_int, ctypes.c_int, error)),
        ("opus_encoder_ctl", ctypes.c_int, (pointer, ctypes.c_int)),
        ("opus_encoder_destroy", None, (pointer,)),
        ("opus_encode", number, (pointer, text, ctypes.c_int, pointer, number)),
        ("opus_decoder_create", pointer, (number, ctypes.c_int, error)),
        ("opus_decoder_destroy", None, (pointer,)),
        ("opus_decode", ctypes.c_int, (pointer, text, number, pointer, ctypes.c_int, ctypes.c_int)),
        ("opus_strerror", text, (ctypes.c_int,)),
    ):
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = list(arguments)


def said(code: int) -> str:
    """What an error code of libopus means."""
    return str(library().opus_strerror(code).decode())
