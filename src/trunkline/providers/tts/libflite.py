"""The few functions of libflite 2 that are needed, by ctypes, with the layouts of its C structs.

Everything here blocks; `flite.py` calls it from worker threads. Calls that synthesise release the
GIL; the quick ones that read a finished analysis keep it (`PyDLL`), because taking it back could
wait for the loop's thread.

Sources: flite 2.2, include/flite.h, cst_audio.h, cst_wave.h, cst_utterance.h.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from trunkline.errors import EngineDown, EngineMissing

VOICES = ("rms", "slt", "awb", "kal16", "kal")
"""Voices that distributions package, the best understood one first."""

_FIRST_SAMPLES = 400
_LATER_SAMPLES = 3200
"""How much sound flite gathers for a call of the callback: little at first, for a quick start."""
_STOP, _GO_ON = -1, 0
_Pointer = ctypes.c_void_p


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", _Pointer),
    )


class _Streaming(ctypes.Structure):
    pass


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.POINTER(_Wave),
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(_Streaming),
)
_Streaming._fields_ = (
    ("min_buffsize", ctypes.c_int),
    ("callback", _Callback),
    ("utterance", _Pointer),
    ("item", _Pointer),
    ("userdata", _Pointer),
)


class _Utterance(ctypes.Structure):
    _fields_ = (
        ("features", _Pointer),
        ("functions", _Pointer),
        ("relations", _Pointer),
        ("context", _Pointer),
    )


@dataclass(frozen=True, slots=True)
class Sound:
    """A piece of PCM at `rate`; `marks` (seconds, characters said by then) come with the first."""

    pcm: bytes
    rate: int
    marks: tuple[tuple[float, int], ...] = ()


class FliteLibrary:
    """The loaded library. One in a process: `load()`."""

    def __init__(self, soname: str) -> None:
        library, quick = ctypes.CDLL(soname), ctypes.PyDLL(soname)
        self._lock = threading.Lock()
        self._voices: dict[str, int] = {}
        self._new_utterance = _function(library.new_utterance, ctypes.POINTER(_Utterance))
        self._delete_utterance = _function(library.delete_utterance, None, _Pointer)
        self._set_text = _function(library.utt_set_input_text, ctypes.c_int, _Pointer, ctypes.c_char_p)
        self._new_streaming = _function(library.new_audio_streaming_info, ctypes.POINTER(_Streaming))
        self._streaming_value = _function(library.audio_streaming_info_val, _Pointer, _Pointer)
        self._set = _function(library.flite_feat_set, None, _Pointer, ctypes.c_char_p, _Pointer)
        self._set_float = _function(
            library.flite_feat_set_float, None, _Pointer, ctypes.c_char_p, ctypes.c_float
        )
        self._synthesise = _function(library.flite_do_synth, _Pointer, _Pointer, _Pointer, _Pointer)
        self._from_text = ctypes.cast(library.utt_synth, _Pointer)
        self._relation = _function(quick.utt_relation, _Pointer, _Pointer, ctypes.c_char_p)
        self._head = _function(quick.relation_head, _Pointer, _Pointer)
        self._next = _function(quick.item_next, _Pointer, _Pointer)
        self._int = _function(quick.flite_ffeature_int, ctypes.c_int, _Pointer, ctypes.c_char_p)
        self._float = _function(quick.flite_ffeature_float, ctypes.c_float, _Pointer, ctypes.c_char_p)
        library.flite_init()

    def voice(self, name: str) -> int:
        """The handle of a voice ("rms", "cmu_us_rms"); loads it once. Raises `EngineMissing`."""
        short = name.removeprefix("cmu_us_")
        with self._lock:
            if short not in self._voices:
                self._voices[short] = _register(short)
            return self._voices[short]

    def speak(self, voice: int, text: str, stretch: float, give: Callable[[Sound], bool]) -> None:
        """Synthesise printable ASCII `text`; blocks. `give` is called with each piece and says
        whether to go on. Raises `EngineDown`, and what `give` raises."""
        failure: list[BaseException] = []
        first = True

        def on_sound(wave: Any, start: int, size: int, _last: int, info: Any) -> int:
            nonlocal first
            try:
                marks: tuple[tuple[float, int], ...] = ()
                if first:
                    first = False
                    marks = self._read_marks(info.contents.utterance, len(text))
                    info.contents.min_buffsize = _LATER_SAMPLES
                pcm = ctypes.string_at(wave.contents.samples + 2 * start, 2 * size) if size > 0 else b""
                return _GO_ON if give(Sound(pcm, wave.contents.sample_rate, marks)) else _STOP
            except BaseException as error:  # noqa: BLE001 (nothing may unwind through C; raised below)
                failure.append(error)
                return _STOP

        callback = _Callback(on_sound)
        utterance = self._new_utterance()
        self._set_text(utterance, text.encode("ascii"))
        streaming = self._new_streaming()
        streaming.contents.min_buffsize = _FIRST_SAMPLES
        streaming.contents.callback = callback
        # The value owns the struct, the features own the value, the utterance owns the features.
        features = utterance.contents.features
        self._set(features, b"streaming_info", self._streaming_value(ctypes.cast(streaming, _Pointer)))
        self._set_float(features, b"duration_stretch", stretch)
        done = self._synthesise(utterance, voice, self._from_text)
        if done:
            self._delete_utterance(done)
        if failure:
            raise failure[0]
        if not done:
            raise EngineDown("flite could not speak a sentence", where="flite")

    def _read_marks(self, utterance: int | None, length: int) -> tuple[tuple[float, int], ...]:
        """The end of each word, from the analysis that is complete before the first sound."""
        relation = self._relation(utterance, b"Token") if utterance else None
        token = self._head(relation) if relation else None
        marks: list[tuple[float, int]] = []
        while token and len(marks) < length:
            end = self._float(token, b"daughtern.R:SylStructure.daughtern.daughtern.R:Segment.end")
            # The tokeniser's place is behind the white space after the token, but for the last.
            place = self._int(token, b"file_pos")
            token = self._next(token)
            said = min(length, place - 1) if token else length
            if end > 0 and said > 0:
                marks.append((end, said))
        return tuple(marks)


@cache
def load() -> FliteLibrary:
    """The library, loaded once. Raises `EngineMissing` where this machine has none."""
    for name in (ctypes.util.find_library("flite"), "libflite.so.1", "libflite.so", "libflite.dylib"):
        if name is not None and (library := _open(name)) is not None:
            del library
            return FliteLibrary(name)
    raise EngineMissing(
        "flite is not installed here",
        where="flite",
        hint="Install it (Debian: apt install libflite1) or use --tts espeak",
    )


def _register(short: str) -> int:
    if short.isalnum():
        for ending in (".so.1", ".so", ".dylib"):
            library = _open(f"libflite_cmu_us_{short}{ending}")
            register = getattr(library, f"register_cmu_us_{short}", None)
            if register is not None:
                handle = _function(register, _Pointer, ctypes.c_char_p)(None)
                if handle:
                    return int(handle)
    raise EngineMissing(
        f"flite has no voice {short!r} here", where="flite", hint=f"Known ones are {', '.join(VOICES)}"
    )


def _open(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None  # not here under this name; the caller tries the next and then says so


def _function(
    function: ctypes._NamedFuncPointer, result: object, *arguments: object
) -> ctypes._NamedFuncPointer:
    function.restype = result  # type: ignore[assignment]
    function.argtypes = arguments  # type: ignore[assignment]
    return function
