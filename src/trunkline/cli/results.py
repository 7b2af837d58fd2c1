"""Telling how calls ended: a line for people on standard error, JSON for machines on standard output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.call.call import CallResult


class ResultPrinter:
    """Notes always go to standard error, so that standard output is nothing but results."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def note(self, text: str) -> None:
        print(f"trunkline: {text}", file=sys.stderr, flush=True)

    def result(self, result: CallResult) -> None:
        """One call ended. The JSON is what the run folder's `call.json` holds, and which `folder` that is."""
        folder = None if result.folder is None else str(result.folder)
        if self._as_json:
            print(json.dumps({**result.record, "folder": folder}), flush=True)
            return
        told = f"call ended by {result.by}: {result.reason}; outcome: {result.outcome or 'none'}"
        print(told if folder is None else f"{told}; record: {folder}", flush=True)
