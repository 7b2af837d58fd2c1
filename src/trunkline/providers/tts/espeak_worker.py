"""The program that speaks with espeak-ng, run beside us: `python -m trunkline.providers.tts.espeak_worker`.

It imports nothing of ours, and we link nothing of it: espeak-ng is under the GPL, and this process
is the border. Requests come on standard input, sound goes to standard output, both as frames:

    frame = kind (1 byte) id (4 bytes, big-endian) length (4 bytes) payload

    in:   S  {"text", "voice", "rate"} as JSON: speak; rate is espeak's own "words a minute"
          C  cancel the request with this id
    out:  R  {"rate": samples a second}: ready, once, id 0
          W  [[milliseconds, first character counted from 1, length], ...]: words that begin
          A  16-bit little-endian PCM
          E  the request is done
          X  the request (id 0: the program) failed; the payload says why

It ends when its standard input does, so it never outlives the program that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import struct
import sys
import threading
from typing import Any, BinaryIO

HEADER = struct.Struct(">cII")

_SYNCHRONOUS = 2
_CHUNK_MS = 40
_DO_NOT_EXIT = 0x8000
_PARAMETER_RATE = 1
_BY_CHARACTER = 1
_UTF8 = 1
_EVENT_END, _EVENT_WORD = 0, 1
_GO_ON, _ABORT = 0, 1
_LONGEST_REQUEST = 100_000


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _Voice(ctypes.Structure):
    """espeak_VOICE of speak_lib.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


class Worker:
    """The library, and the pipe back."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._cancelled: set[int] = set()
        self._id = 0
        self._library, self.rate = _load()
        self._callback = _Callback(self._on_sound)  # kept: the library holds only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def send(self, kind: bytes, request: int, payload: bytes = b"") -> None:
        self._out.write(HEADER.pack(kind, request, len(payload)) + payload)
        self._out.flush()

    def cancel(self, request: int) -> None:
        """From the reading thread."""
        if request >= self._id:
            self._cancelled.add(request)

    def speak(self, request: int, wanted: dict[str, Any]) -> None:
        self._id = request
        if request not in self._cancelled:
            voice = str(wanted["voice"]).encode()
            by_language = ctypes.byref(_Voice(languages=voice))
            if (
                self._library.espeak_SetVoiceByName(voice) != 0
                and self._library.espeak_SetVoiceByProperties(by_language) != 0
            ):
                self.send(b"X", request, b"voice " + voice)
                return
            self._library.espeak_SetParameter(_PARAMETER_RATE, int(wanted["rate"]), 0)
            text = str(wanted["text"]).replace("\0", " ").encode("utf-8", "replace")
            self._library.espeak_Synth(text, len(text) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        self._cancelled = {other for other in self._cancelled if other > request}
        self.send(b"E", request)

    def _on_sound(self, wave: int | None, count: int, events: Any) -> int:
        if self._id in self._cancelled:
            return _ABORT
        words = []
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_WORD:
                event = events[index]
                words.append((event.audio_position, event.text_position, event.length))
            index += 1
        if words:
            self.send(b"W", self._id, json.dumps(words).encode())
        if wave and count > 0:
            self.send(b"A", self._id, ctypes.string_at(wave, 2 * count))
        return _GO_ON


def _load() -> tuple[ctypes.CDLL, int]:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_Synth.argtypes = (
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    data = str(espeakng_loader.get_data_path()).encode()
    rate: int = library.espeak_Initialize(_SYNCHRONOUS, _CHUNK_MS, data, _DO_NOT_EXIT)
    if rate <= 0:
        raise OSError("espeak-ng does not find its data")
    return library, rate


def _read_requests(
    source: BinaryIO, worker: Worker, requests: queue.Queue[tuple[int, dict[str, Any]]]
) -> None:
    """In a thread of its own, so that a cancel is seen while something is spoken."""
    with contextlib.suppress(ValueError):  # broken framing or JSON: as good as the end
        while len(header := source.read(HEADER.size)) == HEADER.size:
            kind, request, length = HEADER.unpack(header)
            if length > _LONGEST_REQUEST or len(payload := source.read(length)) < length:
                break
            if kind == b"C":
                worker.cancel(request)
            elif kind == b"S":
                requests.put((request, json.loads(payload)))
    os._exit(0)


def main() -> None:
    """Serve until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program that started this one
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the library prints is not a frame
    try:
        worker = Worker(out)
    except (ImportError, OSError) as error:
        out.write(HEADER.pack(b"X", 0, len(text := str(error).encode())) + text)
        out.flush()
        return
    worker.send(b"R", 0, json.dumps({"rate": worker.rate}).encode())
    requests: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue(1000)
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, worker, requests), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        while True:
            worker.speak(*requests.get())


if __name__ == "__main__":
    main()
