"""The record of a call on disk: events as they happen, the recording, and `call.json` at the end.

One thread for each call's folder does the writing, so that a slow or full disk never holds the
audio. Its queue is bounded: when the disk cannot follow, audio is dropped first (the gap is written
as silence), and the failure is told once.
"""

from __future__ import annotations

import errno
import json
import queue
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.errors import RecordError
from trunkline.events import Event, to_json

FLUSH_FRAMES = 50
"""How many 20 ms frames of both sides are written at a time."""
QUEUE_LIMIT = 400
"""Pieces waiting for the disk: over five minutes of audio, or a flood of events."""
AUDIO_LIMIT = 300
"""So many waiting pieces are too many for more audio: events have the rest of the room."""
_SILENCE = 80_000
"""Samples of a gap that are written at a time."""
ODD = "backslashreplace"
"""What an engine gave that is no character (half a surrogate pair) is written as its number."""


class _Track:
    """One side of the recording: 20 ms frames laid end to end on the call's time line.

    The frames of one side follow each other without gaps, so each is placed right behind the last;
    only where its own time says that it belongs more than 60 ms elsewhere (nothing came for a
    while, or the far end's clock runs fast) is the track moved.
    """

    __slots__ = ("_position", "_rate", "data")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._position = 0
        self.data = bytearray()

    def add(self, seconds: float, pcm: bytes) -> None:
        """`seconds`: where on the time line the piece begins."""
        slip = round(seconds * self._rate) - self._position
        limit = self._rate * 6 // 100
        if slip > limit:
            self.data += bytes(2 * slip)
            self._position += slip
        elif slip < -limit:
            return
        self.data += pcm
        self._position += len(pcm) // 2


class RunRecorder:
    """Writes one run folder. `on_trouble` is told once, on the writing thread, what failed."""

    def __init__(self, folder: Path, on_trouble: Callable[[RecordError], None]) -> None:
        self.folder = folder
        self.zero: float | None = None
        """The monotonic time of the recording's first sample."""
        self._on_trouble = on_trouble
        self._caller = _Track(8000)
        self._agent = _Track(8000)
        self._queue: queue.Queue[tuple[str, Any] | None] = queue.Queue(QUEUE_LIMIT)
        self._frames = 0
        self._lost = 0
        """Samples of each side that the disk had no time for, since the last piece that it takes."""
        self._failed = False
        self._thread = threading.Thread(target=self._write_all, name=f"record {folder.name}", daemon=True)

    def start(self) -> None:
        """Make the folder and begin. Raises `RecordError` when the folder cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordError(
                f"cannot make the folder {self.folder}: {error.strerror or error}", where="record"
            ) from error
        self._thread.start()

    # --- on the event loop ------------------------------------------------------------------------

    def begin_audio(self, at: float, rate: int) -> None:
        """The recording's first sample is at `at`; both sides come at `rate` samples a second."""
        self.zero = at
        self._caller = _Track(rate)
        self._agent = _Track(rate)
        self._put("rate", rate)

    def event(self, event: Event) -> None:
        self._put("event", to_json(event))

    def caller(self, frame: Frame) -> None:
        """A caller's frame: it began `frame.seconds` before it arrived."""
        if self.zero is not None:
            self._caller.add(frame.at - frame.seconds - self.zero, frame.pcm)

    def agent(self, at: float, pcm: bytes) -> None:
        """20 ms of the agent that leave at `at`."""
        if self.zero is None:
            return
        self._agent.add(at - self.zero, pcm)
        self._frames += 1
        if self._frames % FLUSH_FRAMES == 0:
            self._flush()

    def _flush(self, *, last: bool = False) -> None:
        caller, agent = self._caller.data, self._agent.data
        if last:
            longest = max(len(caller), len(agent))
            caller += bytes(longest - len(caller))
            agent += bytes(longest - len(agent))
        ready = min(len(caller), len(agent))
        if ready:
            if last or self._queue.qsize() < AUDIO_LIMIT:
                self._put("audio", (self._lost, bytes(caller[:ready]), bytes(agent[:ready])))
                self._lost = 0
            else:
                self._lost += ready // 2
                self._fail(RecordError("the disk cannot follow; some sound is lost", where="record"))
            del caller[:ready]
            del agent[:ready]

    def _put(self, kind: str, what: Any) -> None:
        try:
            self._queue.put_nowait((kind, what))
        except queue.Full:
            self._fail(RecordError("the disk cannot follow; part of the record is lost", where="record"))

    def finish(self, record: dict[str, Any], transcript: str) -> None:
        """Write what is left. Blocks until it is on disk: call it from a thread."""
        self._flush(last=True)
        for item in (("record", record), ("transcript", transcript), None):
            try:
                self._queue.put(item, timeout=10)
            except queue.Full:
                self._fail(
                    RecordError("the disk does not answer; the record is not complete", where="record")
                )
                return
        self._thread.join(timeout=30)

    def amend(self, values: dict[str, Any]) -> None:
        """Put these into `call.json` after all, once `finish` is through. Blocks; raises `RecordError`."""
        path = self.folder / "call.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            _write_whole(path, json.dumps({**record, **values}, ensure_ascii=False, indent=2) + "\n")
        except (OSError, ValueError) as error:
            raise RecordError(f"cannot be amended: {error}", where=str(path)) from error

    # --- on the writing thread --------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            with (
                (self.folder / "events.jsonl").open("w", encoding="utf-8", errors=ODD) as events,
                (self.folder / "recording.wav").open("wb") as recording,
                wave.open(recording, "wb") as sound,
            ):
                sound.setnchannels(2)
                sound.setsampwidth(2)
                sound.setframerate(8000)
                while (item := self._queue.get()) is not None:
                    self._write(item, events, sound)
        except (OSError, wave.Error, TypeError, ValueError) as error:
            self._fail(RecordError(f"cannot write {self.folder}: {error}", where="record"))
            self._drain_after_failure()

    def _write(self, item: tuple[str, Any], events: Any, sound: wave.Wave_write) -> None:
        kind, what = item
        if kind == "event":
            events.write(json.dumps(what, ensure_ascii=False, separators=(",", ":")) + "\n")
            if self._queue.empty():
                events.flush()
        elif kind == "rate":
            sound.setframerate(what)
        elif kind == "audio":
            lost, left, right = what
            for begin in range(0, lost, _SILENCE):
                sound.writeframes(bytes(4 * min(_SILENCE, lost - begin)))
            sound.writeframes(_interleave(left, right))
        else:
            self._write_text(kind, what)

    def _drain_after_failure(self) -> None:
        """What the call came to is small, and worth more than its sound: where the disk is full, the
        recording gives its place to the record."""
        while (item := self._queue.get()) is not None:
            kind, what = item
            if kind not in ("record", "transcript"):
                continue
            for last_try in (False, True):
                try:
                    self._write_text(kind, what)
                    break
                except OSError as error:
                    if last_try or error.errno != errno.ENOSPC:
                        self._fail(RecordError(f"cannot write {self.folder}: {error}", where="record"))
                        break
                    (self.folder / "recording.wav").unlink(missing_ok=True)

    def _write_text(self, kind: str, what: Any) -> None:
        if kind == "record":
            text = json.dumps(what, ensure_ascii=False, indent=2) + "\n"
            _write_whole(self.folder / "call.json", text)
        else:
            _write_whole(self.folder / "transcript.txt", what)

    def _fail(self, error: RecordError) -> None:
        if not self._failed:
            self._failed = True
            self._on_trouble(error)


def _interleave(left: bytes, right: bytes) -> bytes:
    import numpy as np

    both = np.empty(len(left), dtype="<i2")
    both[0::2] = np.frombuffer(left, dtype="<i2")
    both[1::2] = np.frombuffer(right, dtype="<i2")
    return both.tobytes()


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or the one before."""
    beside = path.with_suffix(path.suffix + ".part")
    try:
        beside.write_text(text, encoding="utf-8", errors=ODD)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
