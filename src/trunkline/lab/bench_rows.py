"""The rows of `trunkline lab bench --suite`: what is run, and the most that its figures may be.

A row is a run of `bench.py` over real SIP and RTP, or of `bench_trial.py`: whole calls in memory, in virtual
time, where what counts is many different cases and not the wire.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from trunkline.errors import ConfigError
from trunkline.lab.bench import REPLY, UNBROKEN, BenchOptions
from trunkline.lab.bench_brain_play import ANSWERS
from trunkline.lab.bench_trial import TrialOptions
from trunkline.lab.overtalk.cases import Kind

WHOLE = (
    "we have one already and we want to know more",
    "I would like to know what it costs per month",
    "can you call me again tomorrow",
)
POLITE = ("can you call tomorrow please", "how does it work please", "call me on Monday please")
"""Their last words cannot change the answer. Each is as long as `POLITE_SOUND`, a word in 0.3 s: the fake
recogniser gives the others while the last one is spoken."""
POLITE_SOUND = UNBROKEN[:1]
_STT = "fake,delay_ms=100,partial_ms=100,text="
STAGES_STT = f"{_STT}'{'|'.join(WHOLE)}'"
STAGES_LLM = f"fake,delay_ms=200,tokens_per_s=100,reply='{REPLY}'"
STAGES_TTS = "fake,delay_ms=150,chunk_ms=100,rate=8000,speed=20,sound=speech"
SEVERAL = 16
"""Calls at once in rows that need many cases rather than one undisturbed call."""
CASES = 200
"""So many of the agent's sentences a row in memory judges."""

FIGURES = {
    "answer_p50": "answer p50, ms",
    "answer_p95": "answer p95, ms",
    "stop_p50": "stop p50, ms",
    "stop_p95": "stop p95, ms",
    "p95_rise": "p95 above one call's, ms",
    "lost_share": "sentences lost, %",
    "own_turns": "turns made of its own echo",
    "processor": "processor s a call-minute",
    "memory": "MB a call",
}
ANSWERED_HERE = {"answer_p50": 260.0, "answer_p95": 350.0}
STOPS = {"stop_p50": 160.0, "stop_p95": 250.0}
LOST = {"lost_share": 2.0}


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `aims`: the most that a figure of it may be, by the names of `FIGURES`."""

    name: str
    what: str
    options: BenchOptions | TrialOptions
    aims: dict[str, float] = field(default_factory=dict)


def suite(name: str, calls: int, seconds: float, core: int | None, cases: int = CASES) -> list[Row]:
    """The rows of a suite. `calls`: of the rows with many; `cases`: of the rows in memory.

    Raises `ConfigError` for a name that is none."""
    one = BenchOptions(calls=1, core=core, seconds=seconds)
    stages = replace(one, stt=STAGES_STT, llm=STAGES_LLM, tts=STAGES_TTS, turn={})
    rows = {
        "speed": list(_speed(one, stages)),
        "interruptions": [Row("interruptions", "real interruptions", replace(stages, calls=SEVERAL), STOPS)],
        "backchannels": list(_backchannels(stages, cases)),
        "echo": list(_echo(cases)),
        "calls": [
            Row(
                "calls",
                f"{calls} calls on one core, fakes at zero delay",
                replace(one, calls=calls),
                {"p95_rise": 40.0, "processor": 0.35, "memory": 1.0},
            )
        ],
    }
    if name == "all":
        return [row for each in rows.values() for row in each]
    if name not in rows:
        raise ConfigError(f"there is no suite {name!r}", where="--suite", hint=", ".join([*rows, "all"]))
    return rows[name]


def _speed(one: BenchOptions, stages: BenchOptions) -> Iterator[Row]:
    yield Row("stages", "the article's stages", stages, {"answer_p50": 520.0, "answer_p95": 620.0})
    known = replace(stages, remembered_words=4)
    yield Row(
        "known", "the article's stages, an answer that begins as others did", known, {"answer_p50": 400.0}
    )
    polite = replace(stages, stt=f"{_STT}'{'|'.join(POLITE)}'", lines=POLITE_SOUND)
    yield Row("polite", "the article's stages, a courtesy at the end", polite, {"answer_p50": 400.0})
    yield Row("fixed", "fixed lines", replace(stages, play="fixed"), ANSWERED_HERE)
    answers = f"{_STT}'{'|'.join(ANSWERS.values())}'"
    brain = replace(stages, play="brain", stt=answers, lines=UNBROKEN)
    yield Row("brain", "turns that the local brain decides", brain, ANSWERED_HERE)
    yield Row(
        "zero", "fakes at zero delay, 200 ms of silence", one, {"answer_p50": 225.0, "answer_p95": 240.0}
    )


def _backchannels(stages: BenchOptions, cases: int) -> Iterator[Row]:
    yield _in_memory("signs", "signs of listening", "signs", cases, LOST)
    yield _in_memory("noises", "coughs and noises at 10 dB", "noises", cases, LOST)
    overlaid = replace(stages, calls=2 * SEVERAL, seconds=4 * stages.seconds)
    yield Row(
        "signs-wire",
        "signs of listening, over the wire",
        replace(overlaid, overlay="signs", stt=f"{_STT}mm-hm"),
        LOST,
    )
    yield Row(
        "noises-wire",
        "coughs and noise, over the wire",
        replace(overlaid, overlay="noises", stt="fake,silent=true"),
        LOST,
    )


def _echo(cases: int) -> Iterator[Row]:
    aims = {"lost_share": 0.0, "own_turns": 0.0}
    yield _in_memory("echo", "its own echo, 3 to 15 dB down", "echo", cases, aims)
    # A guard that lets nothing through would reach the row above.
    yield _in_memory("echo-stops", "real interruptions over that echo", "interruptions", cases, STOPS)


def _in_memory(name: str, what: str, kind: Kind, cases: int, aims: dict[str, float]) -> Row:
    return Row(name, what, TrialOptions(kind, cases), aims)
