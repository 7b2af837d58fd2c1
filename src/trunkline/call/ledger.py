"""The ledger: one latency row for each turn, a fold over the call's events.

The console, the report, the stored call and the benchmarks all read this one fold, so they cannot
disagree. Times come from the events' own `at`; nothing here asks the clock.

The stages overlap by design (recognition runs while silence is waited out, synthesis while the
model still writes), so they do not add up to the total. Each is what that stage took by itself:

* end of turn: from the caller's last audible sound to the decision that they have finished;
* stt: from that last sound to the transcript that the decision used;
* llm: from asking the model to its first token;
* tts: from handing over the first sentence to its first audio;
* sip: from that first audio to the far end's ear (pacing, plus what the leg knows of the wire);
* total: from the caller's last audible sound to the first audible sound of the answer.

The budgets and the words for each total are the article's (docs/architecture.md, "The budget").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from trunkline.events import (
    CallEnded,
    Event,
    Final,
    FirstAudio,
    FirstToken,
    GenerationDropped,
    GenerationStarted,
    OpenerSaid,
    Partial,
    SpeakingStarted,
    SynthesisStarted,
    TurnEnded,
    TurnResumed,
)

STAGES = ("sip", "end_of_turn", "stt", "llm", "tts", "total")

BUDGET_MS = {"sip": 50.0, "end_of_turn": 100.0, "stt": 200.0, "llm": 300.0, "tts": 200.0, "total": 800.0}
"""What each stage may take, in milliseconds."""

TOO_SLOW = {
    "sip": "Audio quality degrades, echo appears",
    "end_of_turn": "AI interrupts or waits too long",
    "stt": "AI seems slow to understand",
    "llm": "Noticeable pause before AI responds",
    "tts": "Gap between intent and speech",
}
"""What a stage over its budget does to the call."""

FEELS = (
    (500.0, "Feels like talking to a fast-thinking human"),
    (800.0, "Feels natural"),
    (1200.0, "Slightly noticeable pauses"),
    (2000.0, "Clearly robotic"),
    (math.inf, "Unusable"),
)
"""Totals up to so many milliseconds, and what they feel like."""


def feels_like(total_ms: float) -> str:
    """The article's words for a total latency."""
    return next(words for limit, words in FEELS if total_ms < limit)


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile (`share` from 0 to 1) of at least one value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(slots=True)
class Row:
    """One turn's moments, in monotonic seconds; `None` where the moment did not come."""

    turn: int
    speech_end: float
    turn_ended: float
    why: str
    transcript: float | None = None
    generation: int = 0
    model: str = ""
    speculative: bool = False
    asked: float | None = None
    first_token: float | None = None
    synthesis: float | None = None
    first_audio: float | None = None
    audible: float | None = None
    opener: str = ""
    """The word that covered a slow model: `audible` is its sound, and `answer` says when the rest came."""
    answer: float | None = None
    """With an opener: when the first sound of what followed it was made."""
    incomplete: str = ""
    """Why the row has no audible answer; empty when it has."""

    def stages(self, wire_delay: float = 0.0) -> dict[str, float | None]:
        """Each stage's milliseconds (`wire_delay` in seconds, as the leg says)."""
        return {
            "sip": _ms(
                self.first_audio if self._released_before_audio() else self.turn_ended,
                self.audible,
                wire_delay,
            ),
            "end_of_turn": _ms(self.speech_end, self.turn_ended),
            "stt": _ms(self.speech_end, self.transcript),
            "llm": _ms(self.asked, self.first_token),
            "tts": _ms(self.synthesis, self.first_audio),
            "total": _ms(self.speech_end, self.audible, wire_delay),
        }

    def _released_before_audio(self) -> bool:
        # An answer prepared ahead has its audio ready before the turn ends: what the wire then
        # costs counts from the release, not from the audio.
        return self.first_audio is not None and self.first_audio >= self.turn_ended


def _ms(start: float | None, end: float | None, extra: float = 0.0) -> float | None:
    if start is None or end is None:
        return None
    return round((end - start + extra) * 1000, 1)


@dataclass(slots=True)
class _Answer:
    """The moments of one generation, until it is known which turn it answers."""

    turn: int
    model: str
    speculative: bool
    asked: float
    first_token: float | None = None
    synthesis: float | None = None
    first_audio: float | None = None
    opener: str = ""


@dataclass(slots=True)
class Ledger:
    """Folds events into rows. Feed it every event of one call, in order, with `add`."""

    wire_delay: float = 0.0
    rows: list[Row] = field(default_factory=list)
    _answers: dict[int, _Answer] = field(default_factory=dict)
    _transcript: float | None = None

    def add(self, event: Event) -> Row | None:
        """Take one event; gives the row that it completed, if it did."""
        match event:
            case Partial() | Final():
                self._transcript = event.at
            case TurnEnded():
                self._open(event)
            case TurnResumed():
                self._withdraw(event.turn)
            case GenerationStarted():
                self._answers[event.generation] = _Answer(
                    event.turn, event.model, event.speculative, event.at
                )
                while len(self._answers) > 16:
                    del self._answers[next(iter(self._answers))]
            case FirstToken() | SynthesisStarted() | FirstAudio():
                self._moment(event)
                self._after_opener(event)
            case OpenerSaid():
                if event.generation in self._answers:
                    self._answers[event.generation].opener = event.text
            case GenerationDropped():
                self._answers.pop(event.generation, None)
            case SpeakingStarted():
                return self._audible(event)
            case CallEnded():
                self._close()
        return None

    def _open(self, event: TurnEnded) -> None:
        last = self.rows[-1] if self.rows else None
        if last is not None and last.audible is None and not last.incomplete:
            last.incomplete = "the next turn came first"
        self.rows.append(Row(event.turn, event.speech_end, event.at, event.why, transcript=self._transcript))

    def _withdraw(self, turn: int) -> None:
        # The turn was not over after all: it will end again, with a row of its own.
        if self.rows and self.rows[-1].turn == turn and self.rows[-1].audible is None:
            self.rows.pop()

    def _moment(self, event: FirstToken | SynthesisStarted | FirstAudio) -> None:
        answer = self._answers.get(event.generation)
        if answer is None:
            return
        match event:
            case FirstToken() if answer.first_token is None:
                answer.first_token = event.at
            case SynthesisStarted() if answer.synthesis is None:
                answer.synthesis = event.at
            case FirstAudio() if answer.first_audio is None:
                answer.first_audio = event.at

    def _after_opener(self, event: Event) -> None:
        """What followed an opener comes when its row is complete already."""
        row = self.rows[-1] if self.rows else None
        if row is None or not row.opener:
            return
        match event:
            case FirstToken(generation=row.generation) if row.first_token is None:
                row.first_token = event.at
            case FirstAudio(generation=row.generation, sentence=sentence) if sentence and row.answer is None:
                row.answer = event.at

    def _audible(self, event: SpeakingStarted) -> Row | None:
        answer = self._answers.get(event.generation)
        row = self.rows[-1] if self.rows else None
        if answer is None or row is None or row.turn != answer.turn or row.audible is not None:
            return None
        row.generation = event.generation
        row.model = answer.model
        row.speculative = answer.speculative
        row.asked = answer.asked
        row.first_token = answer.first_token
        row.synthesis = answer.synthesis
        row.first_audio = answer.first_audio
        row.audible = event.at
        row.opener = answer.opener
        row.incomplete = ""
        return row

    def _close(self) -> None:
        for row in self.rows:
            if row.audible is None and not row.incomplete:
                row.incomplete = "the call ended first"

    def summary(self) -> list[dict[str, Any]]:
        """p50 and p95 of each stage over the complete rows, with its budget and the article's words."""
        table = []
        complete = [row.stages(self.wire_delay) for row in self.rows if row.audible is not None]
        for stage in STAGES:
            values = [ms for row in complete if (ms := row[stage]) is not None]
            p50 = percentile(values, 0.5) if values else None
            p95 = percentile(values, 0.95) if values else None
            table.append(
                {
                    "stage": stage,
                    "count": len(values),
                    "p50": p50,
                    "p95": p95,
                    "budget_ms": BUDGET_MS[stage],
                    "words": _words(stage, p95),
                }
            )
        return table

    def to_json(self, zero: float) -> dict[str, Any]:
        """All rows and the summary, with moments as seconds from `zero`."""
        return {
            "rows": [self._row_json(row, zero) for row in self.rows],
            "stages": self.summary(),
            "wire_delay_ms": round(self.wire_delay * 1000, 1),
        }

    def _row_json(self, row: Row, zero: float) -> dict[str, Any]:
        moments = {
            name: None if value is None else round(value - zero, 4)
            for name, value in (
                ("speech_end", row.speech_end),
                ("transcript", row.transcript),
                ("turn_ended", row.turn_ended),
                ("asked", row.asked),
                ("first_token", row.first_token),
                ("synthesis", row.synthesis),
                ("first_audio", row.first_audio),
                ("audible", row.audible),
                ("answer", row.answer),
            )
        }
        stages = {f"{stage}_ms": ms for stage, ms in row.stages(self.wire_delay).items()}
        return {
            "turn": row.turn,
            "generation": row.generation,
            "model": row.model,
            "speculative": row.speculative,
            "why": row.why,
            "incomplete": row.incomplete,
            "opener": row.opener,
            **moments,
            **stages,
        }


def _words(stage: str, p95: float | None) -> str:
    if p95 is None:
        return ""
    if stage == "total":
        return feels_like(p95)
    return "within budget" if p95 <= BUDGET_MS[stage] else TOO_SLOW[stage]
