"""`report.html`: one page that shows a call, made from its run folder. No network, no framework.

The page's parts lie in `report_page/`; this puts them, the record and the recording together. What
people and engines said is hostile: it is carried as JSON, escaped so that it cannot leave its
element, and the page's script puts it in as text only. A content policy forbids all loading.
"""

from __future__ import annotations

import base64
import json
import wave
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from trunkline.call.ledger import BUDGET_MS
from trunkline.errors import RecordError
from trunkline.lab.recordings import encode

SCRIPTS = ("sound.js", "timeline.js", "page.js", "latency.js")
RATE = 8000
LARGEST_RECORD = 64 * 1024 * 1024
LONGEST_SOUND = 3600.0
"""Seconds of sound that are put into the page; what is beyond stays in `recording.wav`."""

_EMPTY: dict[str, Any] = {
    "turns": [],
    "backchannels": [],
    "troubles": [],
    "fields": {},
    "duration": 0,
    "caller": "",
    "callee": "",
}


def write_report(folder: Path) -> Path:
    """Make `report.html` of what is recorded in `folder`, in it.

    Raises `RecordError` where the record cannot be read or the page not written.
    """
    path = folder / "report.html"
    write_page(path, page_of(folder))
    return path


def page_of(folder: Path) -> str:
    """The page of `call.json` and, where there is one, `recording.wav`. Raises `RecordError`."""
    return report_page(read_record(folder), read_recording(folder / "recording.wav"))


def write_page(path: Path, page: str) -> None:
    """Raises `RecordError`."""
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def read_record(folder: Path) -> dict[str, Any]:
    """The run folder's `call.json`. Raises `RecordError`."""
    path = folder / "call.json"
    try:
        if path.stat().st_size > LARGEST_RECORD:
            raise RecordError(f"is larger than {LARGEST_RECORD} bytes", where=str(path))
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(record, dict):
        raise RecordError("is not the record of a call", where=str(path))
    return record


def read_recording(path: Path) -> np.ndarray | None:
    """The recording's samples, shape (n, 2) at 8 kHz, caller first; None where there is none.

    A rate that is a multiple of 8 kHz is averaged down: the page's copy is for listening.
    Raises `RecordError` where there is a file that is not a stereo 16-bit WAV.
    """
    if not path.exists():
        return None
    try:
        with wave.open(str(path)) as sound:
            if sound.getnchannels() != 2 or sound.getsampwidth() != 2 or sound.getframerate() % RATE:
                raise RecordError("is not 16-bit stereo at 8 kHz", where=str(path))
            times = sound.getframerate() // RATE
            data = sound.readframes(min(sound.getnframes(), round(LONGEST_SOUND * RATE * times)))
    except (OSError, EOFError, wave.Error) as error:
        raise RecordError(f"cannot be read: {error}", where=str(path)) from error
    samples = np.frombuffer(data[: len(data) // 4 * 4], "<i2").reshape(-1, 2)
    if times > 1:
        kept = len(samples) // times * times
        samples = samples[:kept].reshape(-1, times, 2).mean(axis=1).astype(np.int16)
    return samples


def report_page(record: dict[str, Any], sound: np.ndarray | None) -> str:
    """The whole page as HTML. `sound`: samples of shape (n, 2) at 8 kHz."""
    ledger = {"rows": [], "stages": [], **record.get("ledger", {})}
    data = {**_EMPTY, **record, "ledger": ledger, "page": {"rate": RATE, "budget_ms": BUDGET_MS}}
    # Inside a script element only "</" and "<!" can do harm; "<" as an escape ends both.
    words = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    spoken = "" if sound is None else base64.b64encode(encode(sound.reshape(-1))).decode("ascii")
    script = "\n".join(_part(name) for name in SCRIPTS) + "\nstart();\n"
    page = _part("page.html")
    for mark, content in (
        ("/*STYLE*/", _part("style.css")),
        ("/*SCRIPT*/", script),
        ("/*SOUND*/", spoken),
        ("/*CALL*/", words),
    ):
        before, _, after = page.partition(mark)
        page = f"{before}{content}{after}"
    return page


def _part(name: str) -> str:
    return (resources.files("trunkline.lab") / "report_page" / name).read_text("utf-8")
