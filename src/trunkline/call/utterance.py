"""One answer's sound: frames in from synthesis, frames out to the leg, and how far it has got.

An utterance belongs to one generation. It may be `held` (prepared before the caller's turn is
decided) and is then released or dropped; it is `sealed` when no more sentences will come.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from trunkline.call.heard import Piece, heard_and_unheard

AHEAD_SECONDS = 20.0
"""How much sound synthesis may be ahead of playout before it waits."""


@dataclass(slots=True)
class Utterance:
    """Frames hold 20 ms of 16-bit PCM at `rate`; `pieces` are its sentences in order."""

    generation: int
    rate: int
    interruptible: bool = True
    held: bool = False
    pieces: list[Piece] = field(default_factory=list)
    audible: bool = False
    """Its first audible frame has left."""
    sealed: bool = False
    """No sentence will be added."""
    made: bool = False
    """All of its sentences have been synthesised (or given up)."""
    dropped: bool = False
    failure: str = ""
    """Why some of it could not be synthesised."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """It was played to its end, cut, or dropped."""
    sentences: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(64))
    room: asyncio.Event = field(default_factory=asyncio.Event)
    _frames: deque[tuple[Piece | None, bytes]] = field(default_factory=deque)

    def add_frame(self, piece: Piece | None, pcm: bytes) -> None:
        """20 ms that belong to `piece` (None: a pause between sentences)."""
        self._frames.append((piece, pcm))
        if len(self._frames) * 0.02 >= AHEAD_SECONDS:
            self.room.clear()

    def take_frame(self) -> bytes | None:
        """The next 20 ms, or None where nothing is ready (yet)."""
        if not self._frames:
            return None
        piece, pcm = self._frames.popleft()
        if piece is not None:
            piece.played += len(pcm) // 2
        if len(self._frames) * 0.02 < AHEAD_SECONDS:
            self.room.set()
        return pcm

    @property
    def exhausted(self) -> bool:
        """Nothing is left to play and nothing will come."""
        return self.made and not self._frames

    def drop_frames(self) -> None:
        self._frames.clear()
        self.room.set()

    def heard(self) -> tuple[str, str]:
        """The words the caller heard of it, and those they did not."""
        # A typical pace until the sentence in question is whole: 14 characters a second.
        return heard_and_unheard(self.pieces, self._samples_per_character() or self.rate / 14)

    def _samples_per_character(self) -> float:
        whole = [piece for piece in self.pieces if piece.complete and piece.spoken]
        characters = sum(len(piece.spoken) for piece in whole)
        return sum(piece.made for piece in whole) / characters if characters else 0.0
