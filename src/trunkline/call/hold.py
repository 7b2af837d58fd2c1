"""The caller has put us on hold: nobody listens, and what comes is music, if anything.

So the agent keeps its place in what it says, and the recogniser hears silence in place of the music.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trunkline.audio.frame import Frame
from trunkline.events import Event, HoldEnded, HoldStarted


@dataclass(slots=True)
class Hold:
    """Of one call."""

    on: bool = False

    def note(self, event: Event) -> None:
        """Everything that happens in the call."""
        if isinstance(event, HoldStarted | HoldEnded):
            self.on = isinstance(event, HoldStarted)

    def heard(self, frame: Frame) -> Frame:
        """The frame as whoever understands the caller is to hear it."""
        return replace(frame, pcm=bytes(len(frame.pcm)), concealed=True) if self.on else frame
