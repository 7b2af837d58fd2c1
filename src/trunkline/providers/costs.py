"""What a call cost: a fold over its events, and a table of prices that people can edit.

Tokens come from `GenerationDone` (what the model said it used), characters from `SynthesisStarted`,
seconds of recognition from the call's own length, since most hosted recognisers bill the open stream, or from
the caller's speech for those that are sent nothing else, and the carrier's minutes from the answer to the
end. What an engine or a carrier costs that is not in the table is
unknown, and said to be so: a sum with a hole in it is no sum.

Counted where they are spent: turn by turn, an answer that was dropped included. Where another engine of a
list took over, each is counted for what it was given (`EngineAsked`, `GenerationDone.others`). Of an engine
that hears and speaks by itself all is in its tokens, of which those of sound have prices of their own. What
a model had read before it failed is told by nobody, and not counted.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from trunkline.errors import ConfigError
from trunkline.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    EngineAsked,
    Event,
    GenerationDone,
    GenerationStarted,
    LinesPrepared,
    ModelUsed,
    SpeechStarted,
    SpeechStopped,
    SynthesisStarted,
)

PRICES_VARIABLE = "TRUNKLINE_PRICES"
_SHIPPED = Path(__file__).with_name("prices.toml")
_UNITS = {
    "llm": {
        "input": 1e6,
        "cached": 1e6,
        "output": 1e6,
        "audio_input": 1e6,
        "audio_cached": 1e6,
        "audio_output": 1e6,
    },
    "tts": {"characters": 1e6},
    "stt": {"hours": 3600.0, "speech_hours": 3600.0},
    "carrier": {"minutes": 60.0, "begun_minutes": 1.0},
}
"""What is counted for each kind, and how many of the counted units the price is for. `hours` and `minutes`
are counted in seconds."""
_EITHER = frozenset({"stt", "carrier"})
"""Kinds of whose units the one counts that has a price."""
_NO_CARRIER = frozenset({"memory", "sip", "browser", "audiosocket", "ari"})
"""Ways in that nobody bills as such. SIP by a trunk is another matter; what a PBX pays for its own is not
seen from here."""
_SOURCE = ("read", "by")
"""What a row tells of where its prices are from."""
_BEFORE_SPEECH = 0.3
"""Seconds before the first sound that recognisers which are sent utterances alone are sent too."""


@dataclass(frozen=True, slots=True)
class Prices:
    """`table`: kind, then an engine's name or its beginning, then the price of each unit."""

    table: Mapping[str, Mapping[str, Mapping[str, float]]]
    free: frozenset[str] = frozenset()
    currency: str = "USD"

    def of(self, kind: str, name: str) -> Mapping[str, float] | None:
        """The prices of this engine; None where they are unknown."""
        if name in self.free:
            return dict.fromkeys(_UNITS[kind], 0.0)
        rows = self.table.get(kind, {})
        fitting = [key for key in rows if name == key or name.startswith(f"{key}-")]
        return rows[max(fitting, key=len)] if fitting else None


def load_prices(file: Path | None = None) -> Prices:
    """The table in this file, else in the one that `TRUNKLINE_PRICES` names, else the one that ships. Raises
    `ConfigError`."""
    named = os.environ.get(PRICES_VARIABLE, "")
    file = file or (Path(named) if named else _SHIPPED)
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from error
    except ValueError as error:
        raise ConfigError(f"this is not TOML: {error}", where=str(file)) from error
    table = {kind: _rows(tree.get(kind, {}), kind, file) for kind in _UNITS}
    unknown = tree.keys() - _UNITS.keys() - {"free", "currency"}
    if unknown:
        raise ConfigError(
            f"there is no table [{min(unknown)}]", where=str(file), hint=f"There are {', '.join(_UNITS)}"
        )
    return Prices(table, frozenset(tree.get("free", {}).get("names", ())), str(tree.get("currency", "USD")))


@cache
def prices_in_force() -> Prices:
    """The table of this process, read once: no disk is touched when a call ends."""
    return load_prices()


def _rows(rows: Any, kind: str, file: Path) -> dict[str, dict[str, float]]:
    units = _UNITS[kind]
    found = {}
    for name, row in rows.items() if isinstance(rows, dict) else ():
        prices = (
            {key: value for key, value in row.items() if key not in _SOURCE} if isinstance(row, dict) else {}
        )
        good = all(
            key in units and isinstance(price, int | float) and 0 <= price < 1e6
            for key, price in prices.items()
        )
        if not prices or not good:
            raise ConfigError(
                f"the price of {name!r} is not understood",
                where=f"{file} [{kind}]",
                hint=f"Write {name!r} = {{ {', '.join(f'{unit} = 1.0' for unit in units)} }}",
            )
        found[name] = {key: float(price) for key, price in prices.items()}
    return found


@dataclass(slots=True)
class Spent:
    """What one engine was used for, in the units it is billed in."""

    kind: str
    name: str
    units: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def price(self, prices: Prices) -> float | None:
        """What it cost; None where a price is not known. Cached input without a price of its own costs what
        input costs."""
        row = prices.of(self.kind, self.name)
        if row is None:
            return None
        total = 0.0
        for unit, count in self.units.items():
            price = row.get(unit, row.get(unit.replace("cached", "input")) if "cached" in unit else None)
            if price is None and count and self.kind not in _EITHER:
                return None
            total += (price or 0.0) * count / _UNITS[self.kind][unit]
        return total


class CostMeter:
    """Feed it every event of one call, in order, with `add`."""

    def __init__(self) -> None:
        self._spent: dict[tuple[int, str, str], Spent] = {}
        self._engines: dict[str, str] = {}
        self._turn_of: dict[int, tuple[int, str]] = {}
        """Of each generation: the turn it belongs to, and the model."""
        self._sentence: tuple[int, int] | None = None
        """The latest sentence's turn and characters, while no engine of a list is known to have it."""
        self._turn = 0
        """Of the latest sentence."""
        self._leg = self._direction = self._trunk = ""
        self._answered: float | None = None
        self._listening: float | None = None
        """Since when the present recogniser listens."""
        self._speaking: float | None = None
        self._spoken = 0.0
        """Seconds of the caller's speech that it was given."""
        self._again = 0.0
        """Seconds of sound that it was given once more, after another one failed."""

    def add(self, event: Event) -> None:
        match event:
            case CallStarted():
                self._engines = dict(event.engines)
                self._leg, self._direction = event.leg, event.direction
            case CallAnswered():
                self._listening = self._answered = event.at
                self._trunk = event.trunk
            case GenerationStarted():
                self._turn_of[event.generation] = (event.turn, event.model)
            case GenerationDone():
                self._tokens(event)
            case ModelUsed():
                self._count(0, "llm", event.model, **_tokens_of(_counts(event)))
            case LinesPrepared():
                self._count(0, "tts", self._engines.get("tts", "unknown"), characters=event.characters)
            case SynthesisStarted() if not event.cached:
                self._speak_sentence()
                self._turn = self._turn_of.get(event.generation, (0, ""))[0]
                self._sentence = self._turn, len(event.text)
            case EngineAsked(kind="tts"):
                self._sentence = None
                self._count(self._turn, "tts", event.engine, characters=event.characters)
            case EngineAsked(kind="stt"):
                self._stop_listening(event.at)
                self._engines["stt"] = event.engine
                self._again = event.seconds
            case EngineAsked(kind="early"):
                heard = event.seconds
                self._count(0, "stt", event.engine, hours=heard, speech_hours=heard)
            case SpeechStarted():
                self._speaking = event.since - _BEFORE_SPEECH
            case SpeechStopped() if self._speaking is not None:
                self._spoken += max(0.0, event.until - self._speaking)
                self._speaking = None
            case CallEnded():
                self._speak_sentence()
                self._speaking = None
                self._stop_listening(event.at)
                self._listening = None
                self._carry(event.at)

    def _carry(self, at: float) -> None:
        """The call, answered or not, is over. A call is named by its leg or trunk, and its direction: these
        have prices of their own."""
        answered, self._answered = self._answered, None
        if answered is None or (self._leg in _NO_CARRIER and not self._trunk):
            return
        name = f"{self._leg}/{self._trunk}" if self._trunk else self._leg
        seconds = max(0.0, at - answered)
        self._count(
            0,
            "carrier",
            f"{name}-{self._direction}",
            minutes=seconds,
            begun_minutes=max(1, math.ceil(seconds / 60)),
        )

    def _speak_sentence(self) -> None:
        """The latest sentence went to the only engine there is, or to nobody of a list."""
        if self._sentence is not None:
            turn, characters = self._sentence
            self._sentence = None
            self._count(turn, "tts", self._engines.get("tts", "unknown"), characters=characters)

    def _stop_listening(self, at: float) -> None:
        """The present recogniser heard all until `at`."""
        if self._listening is None:
            return
        if self._speaking is not None:
            self._spoken += max(0.0, at - self._speaking)
            self._speaking = at
        heard, spoken = at - self._listening + self._again, self._spoken + self._again
        self._count(0, "stt", self._engines.get("stt", "unknown"), hours=heard, speech_hours=spoken)
        self._listening, self._spoken, self._again = at, 0.0, 0.0

    def _tokens(self, event: GenerationDone) -> None:
        turn, model = self._turn_of.get(event.generation, (0, "unknown"))
        if model == "scenario" and not (event.input_tokens or event.output_tokens):
            return  # fixed words: no model was asked
        name = self._engines.get("llm", model) if model == "scenario" else model
        rest = _counts(event)
        for other, counts in event.others.items():
            self._count(turn, "llm", other, **_tokens_of(counts))
            rest = [whole - part for whole, part in zip(rest, counts, strict=True)]
        if any(rest) or not event.others:
            self._count(turn, "llm", name, **_tokens_of(rest))

    def _count(self, turn: int, kind: str, name: str, **units: float) -> None:
        if kind != "llm" and name == self._engines.get("s2s"):
            return  # it hears and speaks, and is paid for it by its tokens
        spent = self._spent.setdefault((turn, kind, name), Spent(kind, name))
        for unit, count in units.items():
            spent.units[unit] += count

    def to_json(self, prices: Prices) -> dict[str, Any]:
        """By engine, carrier and turn. `total` is null, and `unknown` names why, where a price is missing."""
        engines: dict[tuple[str, str], Spent] = {}
        turns: dict[int, list[Spent]] = defaultdict(list)
        for (turn, kind, name), spent in sorted(self._spent.items()):
            whole = engines.setdefault((kind, name), Spent(kind, name))
            for unit, count in spent.units.items():
                whole.units[unit] += count
            turns[turn].append(spent)
        unknown = sorted({f"{s.kind} {s.name}" for s in engines.values() if s.price(prices) is None})
        return {
            "currency": prices.currency,
            "total": _sum(engines.values(), prices),
            "unknown": unknown,
            "engines": [
                {"kind": spent.kind, **_told(spent, prices)}
                for spent in engines.values()
                if spent.kind != "carrier"
            ],
            "carriers": [_told(spent, prices) for spent in engines.values() if spent.kind == "carrier"],
            "turns": [{"turn": turn, "cost": _sum(rows, prices)} for turn, rows in sorted(turns.items())],
        }


def _counts(event: GenerationDone | ModelUsed) -> list[int]:
    """Input, output and cached tokens, and how many of each were sound."""
    return [
        event.input_tokens,
        event.output_tokens,
        event.cached_tokens,
        event.audio_input_tokens,
        event.audio_output_tokens,
        event.audio_cached_tokens,
    ]


def _tokens_of(counts: Sequence[int]) -> dict[str, int]:
    """The tokens that have a price each. Those of sound stand apart where there are any."""
    given, answered, known, heard, spoken, again = counts
    cached = max(0, known - again)
    text = {
        "input": max(0, given - heard - cached),
        "cached": cached,
        "output": max(0, answered - spoken),
    }
    if heard or again or spoken:
        return text | {"audio_input": max(0, heard - again), "audio_cached": again, "audio_output": spoken}
    return text


def _told(spent: Spent, prices: Prices) -> dict[str, Any]:
    return {"name": spent.name, "used": _used(spent), "cost": _rounded(spent.price(prices))}


def _used(spent: Spent) -> dict[str, float]:
    """Units as people count them: seconds of recognition, not hours."""
    names = {"hours": "seconds", "speech_hours": "speech_seconds", "minutes": "seconds"}
    return {names.get(unit, unit): round(count, 3) for unit, count in spent.units.items()}


def _sum(rows: Iterable[Spent], prices: Prices) -> float | None:
    costs = [spent.price(prices) for spent in rows]
    return None if None in costs else _rounded(sum(cost for cost in costs if cost is not None))


def _rounded(cost: float | None) -> float | None:
    return None if cost is None else round(cost, 6)
