"""Utterances that a service answers with text alone, each in its own time. Pure.

Finals keep the order of the utterances, whatever order the answers come in. The text's words are spread over
the time in which the utterance was said, since such services tell no times.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from trunkline.events import Final, Partial
from trunkline.providers.stt.hearing import final, partial, spread

MOST_WAITING = 16


@dataclass
class Utterance:
    """`own`: no voice activity detector had heard it. `asked`: when its last words were asked for."""

    began: float
    own: bool
    ended: float | None = None
    asked: float | None = None
    key: str = ""
    """What the service calls it, once that is known."""
    text: str = ""
    done: bool = False
    seconds: float = 0.0
    """Of sound that was sent."""


@dataclass
class Utterances:
    """Those that are not final yet, the oldest first."""

    waiting: deque[Utterance] = field(default_factory=deque)
    _gone: deque[str] = field(default_factory=lambda: deque(maxlen=64))
    """What the service called those that are final: it may repeat itself."""

    def begin(self, at: float, *, own: bool) -> None:
        if len(self.waiting) >= MOST_WAITING:
            del self.waiting[0]
        self.waiting.append(Utterance(at, own))

    @property
    def open(self) -> Utterance | None:
        """The one that is being said."""
        return self.waiting[-1] if self.waiting and self.waiting[-1].ended is None else None

    def called(self, key: str) -> Utterance | None:
        """The one that the service calls `key`; a new name is the oldest's that has none."""
        for utterance in self.waiting:
            if utterance.key == key:
                return utterance
        for utterance in self.waiting if key not in self._gone else ():
            if not utterance.key:
                utterance.key = key
                return utterance
        return None

    def heard_so_far(self, utterance: Utterance, now: float) -> Partial | None:
        """Its words so far; of the first one that waits alone, since partials have no order."""
        if not utterance.text.strip() or utterance is not self.waiting[0]:
            return None
        end = min(now, utterance.ended if utterance.ended is not None else now)
        return partial(now, spread(utterance.text, min(utterance.began, now), end))

    def finished(self, now: float) -> list[Final]:
        """The finals of those that are done and have nobody before them."""
        told = []
        while self.waiting and self.waiting[0].done:
            one = self.waiting.popleft()
            self._gone.append(one.key)
            if one.own and not one.text.strip():
                continue  # a noise, which nobody had taken for speech
            begin, end = min(one.began, now), min(now, one.ended if one.ended is not None else now)
            told.append(final(now, spread(one.text, begin, end)))
        return told

    def overdue(self, now: float, limit: float) -> bool:
        """Whether the first one's last words were asked for and have not come within `limit` seconds."""
        first = self.waiting[0] if self.waiting else None
        return first is not None and first.asked is not None and now - first.asked > limit
