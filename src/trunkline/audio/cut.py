"""Cutting a stream of PCM pieces of any size into frames of exactly 20 ms."""

from __future__ import annotations

from trunkline.audio.frame import frame_bytes


class FrameCutter:
    """Takes PCM in pieces of any number of bytes, gives it back in whole 20 ms frames.

    Pieces need not even end between samples. What does not fill a frame waits for the next piece.
    """

    __slots__ = ("_rest", "size")

    def __init__(self, rate: int) -> None:
        self.size = frame_bytes(rate)
        """Bytes in a frame."""
        self._rest = b""

    @property
    def waiting(self) -> int:
        """How many bytes wait for the rest of their frame."""
        return len(self._rest)

    def push(self, pcm: bytes) -> list[bytes]:
        """The frames that this piece completes, in order."""
        size = self.size
        if not self._rest and len(pcm) == size:
            return [pcm]
        data = self._rest + pcm
        whole = len(data) - len(data) % size
        self._rest = data[whole:]
        return [data[start : start + size] for start in range(0, whole, size)]

    def flush(self) -> bytes | None:
        """What still waits, filled up with silence to a frame; None where nothing waits."""
        rest, self._rest = self._rest, b""
        return rest.ljust(self.size, b"\0") if rest else None
