"""Callers' turns out of recorded calls, with the pauses that they made: what `pause_trial.py` tells again.

Pure: a call's events in, its turns out; `turns_of_runs` alone touches files. A pause is a silence after which
the caller went on, whether the agent had begun to speak by then or not: who speaks again within `_REACTION`
of the agent's first sound had not heard it yet. Any later speech is a turn of its own.

What it cannot know: a caller who was answered may have had more to say, and kept it back. Such a pause counts
as an end, so recorded calls show fewer wrong starts than there were. And a turn is told as one of a call of
its own, so what a speaker's rhythm teaches is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from trunkline.errors import ConfigError, ParseError, TrunklineError
from trunkline.events import (
    Answer,
    AnsweredBy,
    Answerer,
    Dtmf,
    Event,
    Expecting,
    Final,
    HoldEnded,
    HoldStarted,
    Interrupted,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SpeechStarted,
    SpeechStopped,
    TransferDone,
    TransferStarted,
)
from trunkline.lab.pause_trial import Broken
from trunkline.lab.replay import read_log

_REACTION = 0.25
"""Seconds that people take at least to react to what they hear."""
_SHORTEST = 0.15
"""Less silence lies within words, seconds."""
_LAG = 0.2
"""Words without times of their own sounded about this long before they were recognised, seconds."""

_Timed = tuple[str, float]
"""A word, and when it sounded."""


def turns_of_runs(where: Path, most: int) -> tuple[list[Broken], list[TrunklineError]]:
    """The turns of the calls recorded in `where` (a folder of run folders, or one of them), of the newest
    first, until there are `most`; and why logs were left out: one of a call in progress may be empty, or
    end within a line. Raises `ConfigError` where there is no turn, or the one log cannot be read, and
    `ParseError` where that one is none."""
    if (where / "events.jsonl").is_file():
        return _some(recorded_turns(read_log(where)), where, "no caller said a word in this call")[:most], []
    found: list[Broken] = []
    unread: list[TrunklineError] = []
    for run in _newest_first(where):
        try:
            found += recorded_turns(read_log(run))
        except (ConfigError, ParseError) as error:
            unread.append(error)
        if len(found) >= most:
            break
    return _some(found, where, "there is no recorded call in it with a word of the caller's")[:most], unread


def _some(turns: list[Broken], where: Path, why_not: str) -> list[Broken]:
    if not turns:
        raise ConfigError(
            why_not, where=str(where), hint="Give the folder in which calls are kept, such as runs"
        )
    return turns


def _newest_first(where: Path) -> list[Path]:
    runs = (log.parent for log in where.glob("*/events.jsonl"))
    return sorted(runs, key=lambda run: run.name, reverse=True)


def recorded_turns(events: Sequence[Event]) -> list[Broken]:
    """What the caller of one call said, turn by turn. Empty where a machine took the call. Turns that nobody
    answered, that were given on the keypad, or of which no word was understood, are left out."""
    listened = _Listened()
    for event in events:
        if isinstance(event, AnsweredBy) and event.who is not Answerer.HUMAN:
            return []
        listened.take(event)
    listened.close()
    return listened.turns


@dataclass(slots=True)
class _Said:
    """One turn as it was heard: when there was sound, and the words with their times."""

    asked: Answer
    spans: list[tuple[float, float]] = field(default_factory=list)
    finals: list[_Timed] = field(default_factory=list)
    partial: list[_Timed] = field(default_factory=list)
    spoiled: bool = False
    """Keys were pressed, or the call was on hold or with a person."""

    def words(self, event: Partial | Final) -> None:
        timed = _timed(event, self.partial)
        if isinstance(event, Final):
            self.finals += timed
            self.partial = []
        else:
            self.partial = timed

    def broken(self) -> Broken | None:
        """The turn in pieces, where there are words in it."""
        spans = list(self._joined())
        if not spans or self.spoiled:
            return None
        words = [word for word in (*self.finals, *self.partial) if word[1] >= spans[0][0]]
        bounds = [float("-inf"), *(since for since, _ in spans[1:]), float("inf")]
        pieces = [" ".join(word for word, at in words if low < at <= high) for low, high in pairwise(bounds)]
        # Sound without a word (a breath, a cough) is part of the pause.
        told = [(piece, span) for piece, span in zip(pieces, spans, strict=True) if piece]
        if not told:
            return None
        pauses = tuple(after[0] - before[1] for (_, before), (_, after) in pairwise(told))
        return Broken(self.asked, tuple(piece for piece, _ in told), pauses)

    def _joined(self) -> Iterator[tuple[float, float]]:
        current: tuple[float, float] | None = None
        for since, until in self.spans:
            if current is not None and since - current[1] < _SHORTEST:
                current = (current[0], max(current[1], until))
                continue
            if current is not None:
                yield current
            current = (since, until)
        if current is not None:
            yield current


def _timed(event: Partial | Final, before: Sequence[_Timed]) -> list[_Timed]:
    tokens = event.text.split()
    if len(event.words) == len(tokens):
        return [(token, word.end) for token, word in zip(tokens, event.words, strict=True)]
    first_seen = [at for _, at in before[: len(tokens)]]
    first_seen += [event.at - _LAG] * (len(tokens) - len(first_seen))
    return list(zip(tokens, first_seen, strict=True))


class _Listened:
    """Goes through a call's events and cuts it into turns."""

    def __init__(self) -> None:
        self.turns: list[Broken] = []
        self._asked = Answer.FREE
        self._said = _Said(self._asked)
        self._since: float | None = None
        """Since when the caller sounds."""
        self._over = False
        """That sound began over the agent's voice: it counts only once it has interrupted."""
        self._audible: float | None = None
        self._answered: float | None = None
        """When the agent was first audible after the turn in progress."""
        self._elsewhere = False
        """On hold, or with a person."""

    def take(self, event: Event) -> None:
        match event:
            case Expecting():
                self._asked = event.expectation.kind
            case SpeakingStarted():
                self._audible = event.at
                if self._answered is None and (self._said.spans or self._said.spoiled):
                    self._answered = event.at
            case SpeakingStopped():
                self._audible = None
            case SpeechStarted():
                self._speech(event.since)
            case Interrupted() if self._over:
                self._over = False
                self._begin()
            case SpeechStopped():
                self._silence(event.until)
            case Partial() | Final():
                if not self._over and (self._since is not None or self._answered is None):
                    self._said.words(event)
            case Dtmf():
                self._spoil()
            case TransferStarted() | HoldStarted():
                self._elsewhere = True
                self._spoil()
            case TransferDone() | HoldEnded():
                self._elsewhere = False
            case _:
                pass

    def _speech(self, since: float) -> None:
        if self._since is not None:
            return
        self._since = since
        heard = self._audible is not None and since - self._audible >= _REACTION
        self._over = heard
        if heard:
            return
        if self._answered is not None and since - self._answered >= _REACTION:
            self._begin()
        else:
            self._answered = None  # the agent began in a pause

    def _silence(self, until: float) -> None:
        since, self._since = self._since, None
        if since is None or self._over:
            self._over = False
            return
        if not self._said.spans:
            self._said.asked = self._asked
        self._said.spans.append((since, max(since, until)))
        self._said.spoiled |= self._elsewhere

    def _spoil(self) -> None:
        if self._answered is not None:
            self._begin()
        self._said.spoiled = True

    def _begin(self) -> None:
        self.close()
        self._said = _Said(self._asked)
        self._answered = None

    def close(self) -> None:
        """The turn in progress is over, if it was answered."""
        broken = self._said.broken() if self._answered is not None else None
        if broken is not None:
            self.turns.append(broken)
        self._said.spoiled = True  # told once
