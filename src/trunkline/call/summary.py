"""A call in plain words and figures: a fold over its events, for `call.json` and `transcript.txt`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from trunkline.call.ledger import Ledger
from trunkline.events import (
    AnsweredBy,
    Backchannel,
    CallAnswered,
    CallbackAgreed,
    CallEnded,
    CallerSilent,
    CallStarted,
    Dtmf,
    Ducked,
    EarlyWords,
    Event,
    FieldSet,
    GuardrailBlocked,
    Interrupted,
    ObjectionRaised,
    OptedOut,
    OutcomeDecided,
    Resumed,
    SpeakingStarted,
    SpeakingStopped,
    StepEntered,
    TransferDone,
    Trouble,
    TurnDecided,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)
from trunkline.providers.costs import CostMeter, prices_in_force


@dataclass(slots=True)
class Turn:
    """One side's turn. Times are monotonic seconds."""

    who: str  # "caller" or "agent"
    start: float
    end: float
    text: str
    turn: int = 0
    generation: int = 0
    unheard: str = ""
    interrupted: bool = False
    garbled: bool = False
    keys: str = ""


@dataclass(slots=True)
class CallSummary:
    """Feed it every event of one call, in order, with `add`; `to_json` gives `call.json`."""

    ledger: Ledger = field(default_factory=Ledger)
    costs: CostMeter = field(default_factory=CostMeter)
    started: CallStarted | None = None
    answered: float | None = None
    codec: str = ""
    answered_by: str = ""
    early_words: list[str] = field(default_factory=list)
    ended: CallEnded | None = None
    outcome: str = ""
    outcome_reason: str = ""
    callback: str = ""
    opted_out: bool = False
    transfer: dict[str, str] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)
    objections: dict[str, int] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    backchannels: list[tuple[float, str]] = field(default_factory=list)
    interruptions: list[tuple[float, str]] = field(default_factory=list)
    silences: list[tuple[float, int]] = field(default_factory=list)
    troubles: list[tuple[float, str, str]] = field(default_factory=list)
    blocked: list[tuple[float, str, str]] = field(default_factory=list)
    keys: str = ""
    decided: list[TurnDecided] = field(default_factory=list)
    _since: float = 0.0
    _speaking: float = 0.0
    _sound: float | None = None

    def add(self, event: Event) -> None:
        """Take one event."""
        self.ledger.add(event)
        self.costs.add(event)
        match event:
            case CallStarted():
                self.started = event
            case CallAnswered():
                self.answered = event.at
                self.codec = event.codec
            case EarlyWords():
                self.early_words.append(event.text)
            case CallEnded():
                self.ended = event
            case TurnStarted():
                self._since = event.since
            case TurnEnded():
                self._caller_turn(event)
            case TurnResumed():
                if self.turns and self.turns[-1].who == "caller" and self.turns[-1].turn == event.turn:
                    self.turns.pop()
            case SpeakingStarted():
                self._speaking = event.at
            case SpeakingStopped():
                self._agent_turn(event)
            case _:
                self._note(event)

    def _caller_turn(self, event: TurnEnded) -> None:
        start = min(self._since or event.speech_end, event.speech_end)
        self.turns.append(
            Turn(
                "caller",
                start,
                event.speech_end,
                event.text,
                turn=event.turn,
                garbled=event.garbled,
                keys=event.keys,
            )
        )

    def _agent_turn(self, event: SpeakingStopped) -> None:
        self.turns.append(
            Turn(
                "agent",
                self._speaking,
                event.at,
                event.heard,
                generation=event.generation,
                unheard=event.unheard,
                interrupted=not event.complete,
            )
        )
        self.turns.sort(key=lambda turn: turn.start)

    def _note(self, event: Event) -> None:
        match event:
            case FieldSet():
                self._field(event)
            case StepEntered():
                self.steps.append(event.step)
            case ObjectionRaised():
                self.objections[event.name] = event.count
            case OutcomeDecided():
                self.outcome, self.outcome_reason = event.outcome, event.reason
            case CallbackAgreed():
                self.callback = event.when
            case OptedOut():
                self.opted_out = True
            case AnsweredBy():
                self.answered_by = event.who.value
            case TransferDone():
                self.transfer = {"target": event.target, "result": event.result}
            case Ducked():
                self._sound = event.since
            case Backchannel():
                self._backchannel(event.at, event.text)
            case Resumed():
                # A sound without words in the agent's speech: "mm-hm", or a cough. It went on.
                self._backchannel(event.at, "")
            case Interrupted():
                self._sound = None
                self.interruptions.append((event.at, event.why))
            case CallerSilent():
                self.silences.append((event.at, event.count))
            case GuardrailBlocked():
                self.blocked.append((event.at, event.rule, event.sentence))
            case Trouble():
                self.troubles.append((event.at, event.where, event.what))
            case Dtmf():
                self.keys += event.digit
            case TurnDecided():
                self.decided.append(event)

    def _backchannel(self, at: float, text: str) -> None:
        """One sign of listening, whether it was told by its words, by its sound, or by both."""
        if self._sound is None and not text:
            return
        self.backchannels.append((self._sound or at, text))
        self._sound = None

    def _field(self, event: FieldSet) -> None:
        if event.status == "cleared":
            self.fields.pop(event.name, None)
            return
        held = self.fields.get(event.name)
        if event.status == "confirmed" and held is not None and held["value"] == event.value:
            held["status"] = event.status  # the words that it came from are worth more than the "yes"
            return
        self.fields[event.name] = {
            "value": event.value,
            "status": event.status,
            "turn": event.turn,
            "evidence": event.evidence,
        }

    def to_json(self, zero: float, media: dict[str, Any] | None = None) -> dict[str, Any]:
        """The whole record; `zero` is the monotonic time at which the recording begins."""
        started, ended = self.started, self.ended
        end_at = ended.at if ended else zero
        return {
            "version": 1,
            "zero": zero,
            "call_id": started.call_id if started else "",
            "direction": started.direction if started else "",
            "caller": started.caller if started else "",
            "callee": started.callee if started else "",
            "variables": started.variables if started else {},
            "leg": started.leg if started else "",
            "scenario": started.scenario if started else "",
            "engines": started.engines if started else {},
            "started": started.wall if started else "",
            "codec": self.codec,
            "answered_by": self.answered_by,
            "early_words": " ".join(self.early_words),
            "duration": round(end_at - (self.answered or end_at), 3),
            "ended_by": ended.by if ended else "",
            "reason": ended.reason if ended else "",
            "outcome": ended.outcome if ended else self.outcome,
            "outcome_reason": self.outcome_reason,
            "fields": self.fields,
            "callback": self.callback,
            "opted_out": self.opted_out,
            "transfer": self.transfer,
            "objections": self.objections,
            "steps": self.steps,
            "keys": self.keys,
            "turns": [_turn_json(turn, zero) for turn in self._in_order()],
            "backchannels": [{"at": _since(at, zero), "text": text} for at, text in self.backchannels],
            "interruptions": [{"at": _since(at, zero), "why": why} for at, why in self.interruptions],
            "silences": [{"at": _since(at, zero), "count": count} for at, count in self.silences],
            "blocked": [
                {"at": _since(at, zero), "rule": rule, "sentence": sentence}
                for at, rule, sentence in self.blocked
            ],
            "ledger": self.ledger.to_json(zero),
            "decisions": _decisions(self.decided),
            "costs": self.costs.to_json(prices_in_force()),
            "media": media or {},
            "troubles": [
                {"at": _since(at, zero), "where": where, "what": what} for at, where, what in self.troubles
            ],
        }

    def _in_order(self) -> list[Turn]:
        """The turns as they began: what a caller said under the agent's last words is known after them."""
        return sorted(self.turns, key=lambda turn: turn.start)

    def transcript(self, zero: float) -> str:
        """The conversation as people read it, a line a turn."""
        lines = []
        for turn in self._in_order():
            minutes, seconds = divmod(max(0.0, turn.start - zero), 60)
            text = turn.text or ("[keys " + turn.keys + "]" if turn.keys else "")
            if turn.interrupted and turn.unheard:
                text = f"{text} -- [not heard: {turn.unheard}]".lstrip()
            text = text or ("[not understood]" if turn.who == "caller" else "[nothing heard]")
            lines.append(f"{int(minutes):02d}:{seconds:04.1f}  {turn.who + ':':7} {text}")
        return "\n".join(lines) + ("\n" if lines else "")


def _decisions(decided: list[TurnDecided]) -> dict[str, Any]:
    """Who decided what the caller's turns led to, and how often a model and typed understanding agreed."""
    by: dict[str, int] = {}
    for event in decided:
        by[event.by] = by.get(event.by, 0) + 1
    local = sum(count for name, count in by.items() if name in ("scenario", "brain"))
    compared = [event.agreed for event in decided if event.agreed is not None]
    return {
        "turns": len(decided),
        "by": by,
        "local_share": round(local / len(decided), 3) if decided else None,
        "compared": len(compared),
        "agreed": sum(compared),
    }


def _since(at: float, zero: float) -> float:
    return round(at - zero, 3)


def _turn_json(turn: Turn, zero: float) -> dict[str, Any]:
    plain = asdict(turn)
    plain["start"] = _since(turn.start, zero)
    plain["end"] = _since(turn.end, zero)
    return plain
