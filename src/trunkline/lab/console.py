"""The call as it happens, in a terminal: words, marks, and each answer's latency as a bar.

`Console.on_event` takes every event of the call. On a terminal the words still in progress are
shown in grey below what is settled; elsewhere only settled lines are printed, as plain text.
`finish` prints the outcome, the fields and the table of stages from the call's record.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console as Terminal
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trunkline.call.ledger import BUDGET_MS, Ledger, Row, feels_like
from trunkline.events import (
    Backchannel,
    CallAnswered,
    CallbackAgreed,
    CallEnded,
    CallerSilent,
    CallStarted,
    Ducked,
    Event,
    FieldSet,
    Final,
    GuardrailBlocked,
    Interrupted,
    ObjectionRaised,
    OptedOut,
    Partial,
    Resumed,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
    TransferDone,
    TransferStarted,
    Trouble,
    TurnEnded,
)

BAR_CELLS = 30
BAR_MS = 1200.0
STAGE_NAMES = {
    "sip": "SIP",
    "end_of_turn": "End of turn",
    "stt": "STT",
    "llm": "LLM first token",
    "tts": "TTS first audio",
    "total": "Total",
}
_NAME_CELLS = 8


def printable(text: object) -> str:
    """What people and engines said, without characters that would steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def shown(value: object) -> str:
    """A field's value as people write it: 20 rather than 20.0."""
    return f"{value:g}" if isinstance(value, float) else printable("" if value is None else value)


def latency_bar(total_ms: float) -> Text:
    """One answer's latency against the budget, with its words."""
    budget = BUDGET_MS["total"]
    colour = "green" if total_ms <= budget else "yellow" if total_ms <= 1.5 * budget else "red"
    filled = min(BAR_CELLS, round(total_ms / BAR_MS * BAR_CELLS))
    mark = round(budget / BAR_MS * BAR_CELLS)
    bar = Text(" " * _NAME_CELLS)
    for cell in range(BAR_CELLS):
        if cell < filled:
            bar.append("█", colour)
        else:
            bar.append("│" if cell == mark else "·", "dim")
    return bar.append(f" {total_ms:4.0f} ms  {feels_like(total_ms)}", colour)


class Console:
    """A live view of one call. Use it as a context manager around the call."""

    def __init__(self, terminal: Terminal | None = None) -> None:
        self.terminal = terminal if terminal is not None else Terminal()
        self._live = (
            Live(console=self.terminal, refresh_per_second=12, transient=True)
            if self.terminal.is_terminal
            else None
        )
        self._ledger = Ledger()
        self._zero: float | None = None
        self._partial = ""
        self._settled = ""
        self._speaking = 0
        self._spoke_at = 0.0
        self._in_doubt = False
        self._sentences: dict[int, list[str]] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def on_event(self, event: Event) -> None:
        """Show this event, if it is one that people want to see."""
        row = self._ledger.add(event)
        match event:
            case CallStarted():
                who = f"{printable(event.caller)} → {printable(event.callee)}"
                engines = ", ".join(f"{kind} {name}" for kind, name in event.engines.items())
                self._line(
                    event.at, "", Text(f"{who}  ({event.direction}, {event.scenario}; {engines})", "bold")
                )
            case CallAnswered():
                self._zero = event.at
                self._note(event.at, f"answered, {event.codec} at {event.rate} Hz")
            case Partial():
                self._partial = event.text
            case Final():
                self._settled, self._partial = f"{self._settled} {event.text}".strip(), ""
            case TurnEnded():
                self._caller_turn(event)
            case SynthesisStarted():
                self._sentences.setdefault(event.generation, []).append(event.text)
                while len(self._sentences) > 8:
                    del self._sentences[next(iter(self._sentences))]
            case SpeakingStarted():
                self._speaking = event.generation
                self._spoke_at = event.at
                if row is not None:
                    self._answered(row)
            case SpeakingStopped():
                self._agent_turn(event)
            case _:
                self._remark(event)
        self._refresh()

    def finish(self, record: Mapping[str, Any], remarks: tuple[str, ...] = ()) -> None:
        """The outcome, the fields and the stages, from what `call.json` holds."""
        out = self.terminal
        out.print()
        outcome = printable(record.get("outcome") or "none")
        out.print(
            Text(f"Outcome: {outcome}", "bold"), Text(f"({printable(record.get('reason', ''))})", "dim")
        )
        fields = record.get("fields") or {}
        if fields:
            out.print(_fields_table(fields))
        out.print(stages_table((record.get("ledger") or {}).get("stages", []), record.get("ear")))
        for remark in remarks:
            out.print(Text(printable(remark)))

    def _caller_turn(self, event: TurnEnded) -> None:
        self._partial = self._settled = ""
        words = event.text or (f"[keys {event.keys}]" if event.keys else "[speech, no words understood]")
        self._line(event.speech_end, "Caller", Text(printable(words), "bright_yellow"))

    def _agent_turn(self, event: SpeakingStopped) -> None:
        self._speaking = 0
        words = Text(printable(event.heard), "bright_cyan")
        if not event.complete:
            words.append(f" ▌{printable(event.unheard)}", "dim strike").append("  ✂ interrupted", "red")
        self._line(self._spoke_at, "Agent", words)

    def _answered(self, row: Row) -> None:
        total = row.stages(self._ledger.wire_delay)["total"]
        if total is not None:
            self._print(latency_bar(total))

    def _remark(self, event: Event) -> None:
        match event:
            case Interrupted():
                self._in_doubt = False
                self._note(event.at, f"✂ the caller interrupts ({event.why})", "red")
            case Backchannel():
                self._in_doubt = False
                self._note(
                    event.at,
                    f"“{printable(event.text) or 'mm-hm'}”: a backchannel, the agent goes on",
                    "green",
                )
            case Ducked():
                self._in_doubt = True
            case Resumed() if self._in_doubt:
                self._in_doubt = False
                self._note(event.at, "a sound in passing (“mm-hm”, a cough): the agent goes on", "green")
            case CallerSilent():
                self._note(event.at, f"{event.seconds:.0f} s of silence, asking again", "yellow")
            case FieldSet():
                self._note(event.at, f"{event.name} = {shown(event.value)} ({event.status})", "magenta")
            case ObjectionRaised():
                self._note(event.at, f"objection or question: {event.name}", "magenta")
            case CallbackAgreed():
                self._note(event.at, f"to be called back {event.when}", "magenta")
            case OptedOut():
                self._note(event.at, "does not want to be called again", "magenta")
            case TransferStarted():
                self._note(event.at, f"handing over to {printable(event.target)}", "magenta")
            case TransferDone():
                self._note(event.at, f"hand-over: {event.result}", "magenta")
            case GuardrailBlocked():
                self._note(event.at, f"not said ({event.rule}): {printable(event.sentence)}", "red")
            case Trouble():
                self._note(event.at, f"trouble in {event.where}: {printable(event.what)}", "red")
            case CallEnded():
                self._note(event.at, f"ended by {event.by}: {printable(event.reason)}")

    def _note(self, at: float, text: str, style: str = "dim") -> None:
        self._line(at, "", Text(text, style))

    def _line(self, at: float, who: str, words: Text) -> None:
        seconds = max(0.0, at - self._zero) if self._zero is not None else 0.0
        # An empty first piece: the style of a Text's own words would colour all that is appended.
        line = Text().append(f"{int(seconds // 60)}:{seconds % 60:04.1f}  ", "dim")
        line.append(f"{who:<{_NAME_CELLS}}", "bold yellow" if who == "Caller" else "bold cyan")
        self._print(line.append_text(words))

    def _print(self, line: Text) -> None:
        self.terminal.print(line)

    def _refresh(self) -> None:
        if self._live is None:
            return
        view = Text()
        said = " ".join(self._sentences.get(self._speaking, ())) if self._speaking else ""
        if said:
            view.append("Agent   ", "bold cyan").append(printable(said), "grey62")
        hearing = f"{self._settled} {self._partial}".strip()
        if hearing:
            view.append("\n" if said else "").append("Caller  ", "bold yellow")
            view.append(printable(hearing), "grey62 italic")
        self._live.update(view)


def _fields_table(fields: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(title="Fields", title_justify="left", header_style="bold")
    for name in ("field", "value", "status", "from the words"):
        table.add_column(name)
    for name, field in fields.items():
        cells = (name, field.get("value"), field.get("status"), field.get("evidence"))
        table.add_row(*(Text(shown(cell)) for cell in cells))
    return table


def stages_table(stages: list[dict[str, Any]], ear: Mapping[str, Any] | None = None) -> Table:
    """p50 and p95 of each stage beside its budget; the ear's figures below the ledger's."""
    table = Table(title="Latency in ms", title_justify="left", header_style="bold")
    table.add_column("stage")
    for name in ("p50", "p95", "budget"):
        table.add_column(name, justify="right")
    table.add_column("")
    for stage in stages:
        p95, budget = stage.get("p95"), stage.get("budget_ms")
        style = "" if p95 is None or budget is None else "green" if p95 <= budget else "yellow"
        table.add_row(
            STAGE_NAMES.get(stage["stage"], stage["stage"]),
            _ms(stage.get("p50")),
            Text(_ms(p95), style),
            _ms(budget),
            printable(stage.get("words", "")),
        )
    if ear:
        answer, stopped, apart = ear["answer"], ear["interruption"], ear["agreement"]
        table.add_section()
        table.add_row(
            "Total, at the ear", _ms(answer["p50"]), _ms(answer["p95"]), "800", answer.get("words", "")
        )
        table.add_row(
            "Interrupted to silent, at the ear", _ms(stopped["p50"]), _ms(stopped["p95"]), "250", ""
        )
        table.add_row("Ledger and ear apart", _ms(apart["p50"]), _ms(apart["p95"]), "25", "")
    return table


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"
