"""What a caller hears while a person is rung for them: that somebody is rung, and not silence.

425 Hz for one second in five, as ITU-T E.180 recommends for ringing, quieter than speech.
"""

from __future__ import annotations

import math
from array import array

_HERTZ = 425
_ON_FRAMES, _CYCLE_FRAMES = 50, 250
"""Of 20 ms each: one second of sound in five."""
_PEAK = 2_600
"""Of 32,767: about -19 dBm0."""


class Ringback:
    """The tone at one rate; `next_frame` gives 20 ms of it."""

    def __init__(self, rate: int) -> None:
        count = rate // 50
        samples = (round(_PEAK * math.sin(2 * math.pi * _HERTZ * n / rate)) for n in range(2 * count))
        # 425 Hz is whole periods in 40 ms: two frames that go on into each other without a seam.
        sound = array("h", samples).tobytes()
        self._frames = sound[: 2 * count], sound[2 * count :]
        self._place = 0

    def next_frame(self) -> bytes | None:
        """None in the pauses."""
        place, self._place = self._place, (self._place + 1) % _CYCLE_FRAMES
        return self._frames[place % 2] if place < _ON_FRAMES else None
