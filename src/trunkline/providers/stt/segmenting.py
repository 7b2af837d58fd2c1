"""Which frames belong to which utterance, for recognisers that do not find speech themselves. Pure.

Voice activity says where speech begins and pauses. It is not trusted with everything: loud sound that
it says nothing about becomes an utterance too, later, and no utterance is longer than `LONGEST`. No
frame of speech is lost between two utterances: what came after the last sound of one is kept, and
heard again at the beginning of the next.
"""

from __future__ import annotations

import audioop
from collections import deque
from dataclasses import dataclass

from trunkline.audio.frame import Frame

PRE_ROLL = 0.3
"""Seconds before the first sound that are heard too: a detector misses soft beginnings."""
LONGEST = 15.0
"""Seconds after which an utterance is cut; the next one begins at once."""
_KEPT = 1.5
"""Seconds of frames kept while nobody speaks: the latest that a detector may come with its news."""
_TAIL = 0.06
"""Seconds after the last sound that still belong to it alone."""
_ONSET_ALONE = 0.12
"""Seconds of loud sound that begin an utterance where no detector has ever said anything."""
_ONSET_BESIDE = 0.6
"""The same beside a detector that has been silent about it."""
_PAUSE = 0.4
"""Seconds of quiet that end an utterance which no detector began."""
_LOUD = 250
"""Root mean square that is loud on a silent line; on a noisy one, `_ABOVE_NOISE` times the noise."""
_ABOVE_NOISE = 3.5


@dataclass(frozen=True, slots=True)
class Begin:
    """An utterance begins; its first sample was heard at `at`. `own`: no detector said so."""

    at: float
    own: bool


@dataclass(frozen=True, slots=True)
class Sound:
    """The next piece of the utterance."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The utterance is over."""


Step = Begin | Sound | End


class Segmenter:
    """One call's frames, cut into utterances. Each method gives the steps that follow from it."""

    def __init__(self) -> None:
        self._kept: deque[Frame] = deque()
        self._began: float | None = None
        self._own = False
        self._detector = False
        self._noise = 30.0
        self._loud_for = 0.0
        self._quiet_for = 0.0

    @property
    def speaking(self) -> bool:
        """Whether an utterance is in progress."""
        return self._began is not None

    def push(self, frame: Frame) -> list[Step]:
        """The next frame."""
        self._weigh(frame)
        self._keep(frame)
        if self._began is None:
            if self._loud_for >= (_ONSET_BESIDE if self._detector else _ONSET_ALONE):
                return self._begin(frame.at - self._loud_for, own=True)
            return []
        steps: list[Step] = [Sound(frame.pcm)]
        if self._own and self._quiet_for >= _PAUSE:
            return steps + self._end(frame.at - self._quiet_for)
        if frame.at - self._began >= LONGEST:
            own = self._own
            return [*steps, *self._end(frame.at), *self._begin(frame.at + PRE_ROLL, own=own)]
        return steps

    def speech_started(self, since: float) -> list[Step]:
        """The detector heard speech begin."""
        self._detector = True
        if self._began is not None:
            self._own = False  # the detector will say when it ends
            return []
        return self._begin(since, own=False)

    def speech_stopped(self, until: float) -> list[Step]:
        """The detector heard speech pause."""
        self._detector = True
        return self._end(until) if self._began is not None else []

    def finalise(self, now: float) -> list[Step]:
        """The turn is over, whoever is still speaking."""
        return self._end(now) if self._began is not None else []

    def _begin(self, since: float, *, own: bool) -> list[Step]:
        frames = [frame for frame in self._kept if frame.at > since - PRE_ROLL]
        self._began = frames[0].at - frames[0].seconds if frames else since
        self._own = own
        self._quiet_for = 0.0
        return [Begin(self._began, own), *(Sound(frame.pcm) for frame in frames)]

    def _end(self, until: float) -> list[Step]:
        self._began = None
        self._loud_for = 0.0
        # What came later may be the beginning of the next utterance.
        while self._kept and self._kept[0].at <= until + _TAIL:
            self._kept.popleft()
        return [End()]

    def _keep(self, frame: Frame) -> None:
        self._kept.append(frame)
        while self._kept and self._kept[0].at < frame.at - _KEPT:
            self._kept.popleft()

    def _weigh(self, frame: Frame) -> None:
        rms = audioop.rms(frame.pcm[: len(frame.pcm) // 2 * 2], 2)
        # The noise floor falls at once and rises slowly: a word does not lift it, a fan does.
        self._noise = min(rms, self._noise * 1.004 + 0.05)
        if not frame.concealed and rms > max(_LOUD, _ABOVE_NOISE * self._noise):
            self._loud_for += frame.seconds
            self._quiet_for = 0.0
        else:
            self._loud_for = max(0.0, self._loud_for - 2 * frame.seconds)
            self._quiet_for += frame.seconds
