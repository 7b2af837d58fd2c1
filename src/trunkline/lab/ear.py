"""The judge: what a person at the far end of the call would have measured with a stopwatch.

The ear knows two lines alone: what the prospect sent and what the prospect received. From them it
finds, for each of the prospect's utterances, how long the agent took to answer, and for each
interruption, how long the agent went on. It sees nothing of the agent: no events, no ledger.

Where a moment lies (docs/decisions/0007-the-ear.md):

* A sample of a sent frame was spoken while the frame was being filled: the frame that left at `at`
  holds the 20 ms before `at`. So the time a telephone takes to fill a packet counts.
* A sample of a received frame is heard from its arrival on: sample `i` at `at + i / rate`. A
  telephone's own jitter buffer would add the same to every answer and is not the agent's doing.

Pure: frames and times in, a report out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.lab.audible import AudibleSpans, Span

UTTERANCE_GAP = 0.9
"""Silence of the prospect that ends an utterance, if the agent stays silent too."""
BRIEF = 0.06
"""Sound of the prospect shorter than this is a click, not an utterance."""
STOP_WITHIN = 2.0
"""An agent that falls silent this long after the prospect began has given way; later it has not."""
GOES_ON_GAP = 0.6
"""An agent that sounds again this soon, while the prospect still speaks, had only paused."""
LONGEST_WAIT = 15.0
"""An answer that takes longer is none."""


@dataclass(frozen=True, slots=True)
class HeardAnswer:
    """The agent's answer to one utterance. `ms`: from the prospect's last audible sample to the
    agent's first; None where none came before the prospect spoke again."""

    utterance: int
    name: str
    speech_start: float
    speech_end: float
    audible: float | None
    ms: float | None


@dataclass(frozen=True, slots=True)
class HeardInterruption:
    """The prospect spoke while the agent did. `ms`: from the prospect's first audible sample to the
    agent's last; None where the agent went on."""

    utterance: int
    name: str
    began: float
    stopped: float | None
    ms: float | None


@dataclass(frozen=True, slots=True)
class EarReport:
    """What the ear found. Times in seconds on the clock of the frames, durations in milliseconds."""

    answers: tuple[HeardAnswer, ...] = ()
    interruptions: tuple[HeardInterruption, ...] = ()
    talked_over: tuple[HeardInterruption, ...] = ()
    """Backchannels: the prospect made a sound, the agent went on, as it should."""
    sent: tuple[tuple[float, float], ...] = ()
    received: tuple[tuple[float, float], ...] = ()

    @property
    def answer_ms(self) -> list[float]:
        return [answer.ms for answer in self.answers if answer.ms is not None]

    @property
    def interruption_ms(self) -> list[float]:
        return [found.ms for found in self.interruptions if found.ms is not None]

    def to_json(self, zero: float = 0.0) -> dict[str, Any]:
        """Plain data; times are given relative to `zero`."""

        def row(item: HeardAnswer | HeardInterruption) -> dict[str, Any]:
            times = {"speech_start", "speech_end", "audible", "began", "stopped"}
            return {
                key: round(value - zero, 4) if key in times and value is not None else value
                for key, value in asdict(item).items()
            }

        return {
            "answers": [row(item) for item in self.answers],
            "interruptions": [row(item) for item in self.interruptions],
            "talked_over": [row(item) for item in self.talked_over],
            "answer": summary(self.answer_ms),
            "interruption": summary(self.interruption_ms),
        }


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The value below which `percent` of the values lie, between neighbours in proportion."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def summary(values: Sequence[float]) -> dict[str, float | int | None]:
    """Count, p50, p95 and the worst, in the unit of the values, to a tenth."""

    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 1)

    return {
        "count": len(values),
        "p50": rounded(percentile(values, 50)),
        "p95": rounded(percentile(values, 95)),
        "max": rounded(max(values, default=None)),
    }


@dataclass(frozen=True, slots=True)
class _Intent:
    at: float
    name: str
    kind: str


@dataclass(slots=True)
class _Utterance:
    start: float
    end: float
    intent: _Intent | None

    @property
    def name(self) -> str:
        return self.intent.name if self.intent is not None else ""

    @property
    def kind(self) -> str:
        return self.intent.kind if self.intent is not None else "say"


class Ear:
    """Listens to both lines of one call as the prospect has them."""

    def __init__(self) -> None:
        self._sent = AudibleSpans()
        self._received = AudibleSpans()
        self._intents: list[_Intent] = []

    @property
    def agent(self) -> AudibleSpans:
        """The received line so far; the prospect asks it whether the agent is speaking."""
        return self._received

    def sent(self, pcm: bytes, rate: int, at: float) -> None:
        """A frame left the prospect at `at`."""
        self._sent.feed(pcm, rate, at - len(pcm) / (2 * rate))

    def received(self, frame: Frame) -> None:
        """A frame reached the prospect."""
        self._received.feed(frame.pcm, frame.rate, frame.at)

    def meant(self, at: float, name: str, kind: str = "say") -> None:
        """From `at` on the prospect sends `name`, meant as "say", "interrupt" or "backchannel".

        Optional: it names the rows, and tells a backchannel, after which no answer is due, from an
        interruption that was ignored. It moves no figure.
        """
        self._intents.append(_Intent(at, name, kind))

    def judge(self) -> EarReport:
        """All that was found so far."""
        received = self._received.finish()
        utterances = self._utterances(self._sent.finish(), received)
        answers: list[HeardAnswer] = []
        interruptions: list[HeardInterruption] = []
        talked_over: list[HeardInterruption] = []
        for number, spoken in enumerate(utterances):
            until = utterances[number + 1].start if number + 1 < len(utterances) else float("inf")
            over = _sounding(received, spoken)
            gave_way = over is not None and over - spoken.start <= STOP_WITHIN and over < until
            if over is not None:
                stopped = over if gave_way else None
                ms = None if stopped is None else (stopped - spoken.start) * 1000
                found = HeardInterruption(number, spoken.name, spoken.start, stopped, ms)
                if spoken.kind == "backchannel" or (spoken.kind == "say" and not gave_way):
                    talked_over.append(found)
                else:
                    interruptions.append(found)
            if spoken.kind == "backchannel" or (over is not None and not gave_way):
                continue
            onset = next((span.start for span in received if span.start >= spoken.end), None)
            if onset is not None and (onset >= until or onset - spoken.end > LONGEST_WAIT):
                onset = None
            wait = None if onset is None else (onset - spoken.end) * 1000
            answers.append(HeardAnswer(number, spoken.name, spoken.start, spoken.end, onset, wait))
        return EarReport(
            tuple(answers),
            tuple(interruptions),
            tuple(talked_over),
            tuple((span.start, span.end) for span in self._sent.spans),
            tuple((span.start, span.end) for span in received),
        )

    def _utterances(self, sent: Sequence[Span], received: Sequence[Span]) -> list[_Utterance]:
        utterances: list[_Utterance] = []
        for span in sent:
            intent = self._intent(span)
            last = utterances[-1] if utterances else None
            if last is not None and last.intent is intent and self._goes_on(last, span, received):
                last.end = span.end
            elif span.end - span.start >= BRIEF:
                utterances.append(_Utterance(span.start, span.end, intent))
        return utterances

    def _goes_on(self, last: _Utterance, span: Span, received: Sequence[Span]) -> bool:
        answered = any(last.end <= heard.start < span.start for heard in received)
        return span.start - last.end < UTTERANCE_GAP and not answered

    def _intent(self, span: Span) -> _Intent | None:
        before = [intent for intent in self._intents if intent.at <= span.start + FRAME_SECONDS + 0.001]
        return before[-1] if before else None


def _sounding(spans: Sequence[Span], spoken: _Utterance) -> float | None:
    """Until when the agent's sound went on that was there when the utterance began; None if silent."""
    until: float | None = None
    for span in spans:
        if until is None:
            if span.start <= spoken.start <= span.end:
                until = span.end
        elif span.start - until < GOES_ON_GAP and span.start < spoken.end:
            until = span.end
    return until
