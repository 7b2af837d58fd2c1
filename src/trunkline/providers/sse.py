"""Server-sent events, as far as vendors use them (WHATWG HTML, section 9.2.6): bytes in, `data` out. Pure."""

from __future__ import annotations

from trunkline.errors import EngineDown

_LONGEST = 2_000_000
"""Bytes of one event; a longer one is no answer to a question asked on the phone."""


class EventStream:
    """Push the body's bytes as they come, cut anywhere; gives the data of each event that is complete."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._pending = b""
        self._data: list[str] = []
        self._size = 0

    def push(self, piece: bytes) -> list[str]:
        """Raises `EngineDown` for what is not text, or has no end."""
        self._pending += piece
        *lines, self._pending = self._pending.split(b"\n")
        given = []
        for raw in lines:
            line = self._text(raw.removesuffix(b"\r"))
            if line.startswith("data:"):
                self._size += len(line)
                self._data.append(line.removeprefix("data:").removeprefix(" "))
            elif not line and self._data:
                given.append("\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._pending) > _LONGEST:
            raise EngineDown("an event of the answer has no end", where=self._where)
        return given

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise EngineDown("it answered what is not text", where=self._where) from error
