"""`trunkline lab bench`: how fast one core answers, and how many calls it holds.

The agent runs in a process of its own, pinned to one core; this process places the calls from the
other cores and listens with an `Ear` for each. Engines are fakes with set delays, so what is
measured is everything but them. A benchmark: nothing here passes or fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console as Terminal
from rich.table import Table

from trunkline.clock import Clock, SystemClock
from trunkline.errors import CallRefused, ConfigError, RecordError
from trunkline.lab.ear import percentile
from trunkline.lab.load_caller import LoadCaller
from trunkline.lab.load_sounds import overlay_sounds
from trunkline.lab.own_figures import processor_seconds
from trunkline.lab.recordings import Recordings

LINES = ("We already have a provider.", "About twelve people.", "Wait, how much does it cost?")
UNBROKEN = ("We already have a provider.", "I am not interested.", "Are you a robot?")
"""Recorded sentences without a pause of 0.1 s: the fake recogniser, for which that ends an utterance, gives
one text for each. "About twelve people" has one before a consonant, and is two answers to it."""
REPLY = "Thank you, that is good to know. I have written it down for you, and we can go on now."
START_LIMIT = 30.0
ANSWER_LIMIT = 20.0
SETTLE = 4.0
"""Seconds between the last call's answer and the beginning of the measurement."""
P95_RISE_MS = 100.0
LATENESS_LIMIT_MS = 60.0
LARGEST_STEP = 2000


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What to measure. `core`: the agent's; None leaves it unpinned."""

    calls: int = 50
    core: int | None = 0
    seconds: float = 30.0
    find_limit: bool = False
    json_path: Path | None = None
    stt: str = "fake,delay_ms=0,partial_ms=0,text='we have one already and we want to know more'"
    """Its words must not be a backchannel: on "yes" an agent rightly goes on speaking."""
    llm: str = f"fake,delay_ms=0,tokens_per_s=0,reply='{REPLY}'"
    tts: str = "fake,delay_ms=0,chunk_ms=100,rate=8000,speed=50,sound=speech"
    vad: str = "silero"
    turn: dict[str, Any] = field(default_factory=lambda: {"silence": 0.2, "adaptive": False})
    """Fields of `TurnPolicy`: a fixed silence, so that what comes beyond it can be told."""
    play: str = "model"
    """Who answers, by `bench_agent.PLAYS`: the "model", "fixed" lines of the scenario's own, or the local
    "brain", although a model leads."""
    remembered_words: int = 0
    """As in `CallSettings`. 0, since here the model's answers all begin with the same two words."""
    lines: tuple[str, ...] = LINES
    """What callers say, of the recordings: the sound alone counts, the words are the recogniser's."""
    overlay: str = ""
    """What callers do while the agent speaks: "" interrupts every third time; "signs" and "noises" are sounds
    that must not cost it its sentence (`load_sounds.py`)."""


@dataclass(frozen=True, slots=True)
class Level:
    """What was measured with so many calls at once. Milliseconds unless named otherwise."""

    calls: int
    answers: int
    unanswered: int
    answer_p50: float | None
    answer_p95: float | None
    stop_p50: float | None
    stop_p95: float | None
    not_stopped: int
    lateness_p99: float | None
    packets_lost: int
    loop_lag_p99: float | None
    processor_seconds_per_call_minute: float
    memory_mb: float
    """Of the whole agent, resident."""
    memory_mb_per_call: float | None
    """How much it has grown since the first level, for each further call."""
    caller_busy: float
    """How much of its own core the load caller used, 0 to 1: near 1 the figures say little."""
    overlaid: int = 0
    """Sounds made over the agent's sentences that must not cost it any."""
    lost: int = 0
    """Sentences that one of them cost it."""


@dataclass(frozen=True, slots=True)
class BenchResult:
    """All levels, and how many calls one core holds where that was asked and found."""

    levels: tuple[Level, ...]
    holds: int | None
    limit: str
    """What ended the search, in words."""


async def run_bench(options: BenchOptions, clock: Clock | None = None) -> BenchResult:
    """Measure, print a table, and write the figures where `json_path` says.

    Raises `ConfigError` for a core that is not there, `CallRefused` where the agent does not take
    the calls, `RecordError` where the figures cannot be written.
    """
    clock = clock or SystemClock()
    terminal = Terminal()
    result = await measure(options, clock, terminal)
    terminal.print(bench_table(result, options))
    terminal.print(in_words(result, options))
    terminal.print(EXPLAINED, style="dim")
    if options.json_path is not None:
        _write(options.json_path, options, result)
    return result


async def measure(options: BenchOptions, clock: Clock, terminal: Terminal) -> BenchResult:
    """Measure alone, with a line on `terminal` for each number of calls. Raises as `run_bench` does."""
    spare = _cores(options.core)
    before = os.sched_getaffinity(0)
    try:
        if spare:
            os.sched_setaffinity(0, spare)
        async with _agent(options) as agent:
            levels, limit = await _measure_all(options, clock, agent, terminal)
    finally:
        os.sched_setaffinity(0, before)
    held = [level.calls for level in levels if limit and level is not levels[-1]]
    return BenchResult(tuple(levels), max(held, default=None), limit)


def _cores(core: int | None) -> set[int]:
    """The cores left for the load caller."""
    there = os.sched_getaffinity(0)
    if core is None:
        return set()
    if core not in there:
        raise ConfigError(
            f"there is no core {core}", where="--core", hint=f"This process may use {sorted(there)}"
        )
    return there - {core}


@dataclass(slots=True)
class _Agent:
    """The agent's process: where it listens, and its figures on request."""

    process: asyncio.subprocess.Process
    address: tuple[str, int] = ("", 0)

    async def read(self, limit: float) -> dict[str, Any]:
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(limit):
                line = await self.process.stdout.readline()
        except TimeoutError as error:
            raise CallRefused(f"it says nothing for {limit:.0f} s", where="agent process") from error
        if not line:
            raise CallRefused("it ended; its words are above", where="agent process")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer

    async def figures(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(b"figures\n")
        await self.process.stdin.drain()
        return await self.read(ANSWER_LIMIT)


@asynccontextmanager
async def _agent(options: BenchOptions) -> AsyncIterator[_Agent]:
    names = ("core", "stt", "llm", "tts", "vad", "turn", "play", "remembered_words")
    wanted = {name: getattr(options, name) for name in names}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trunkline.lab.bench_agent",
        json.dumps(wanted),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    agent = _Agent(process)
    try:
        ready = await agent.read(START_LIMIT)
        agent.address = (ready["host"], ready["port"])
        yield agent
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _measure_all(
    options: BenchOptions, clock: Clock, agent: _Agent, terminal: Terminal
) -> tuple[list[Level], str]:
    recordings = Recordings()
    lines = [recordings.samples(line) for line in options.lines]
    sounds = overlay_sounds(options.overlay, recordings)
    caller = LoadCaller(clock, agent.address, lines, sounds)
    levels: list[Level] = []
    limit = ""
    try:
        for count in steps(options.calls, find_limit=options.find_limit):
            await caller.place(count)
            await clock.sleep(SETTLE)
            level = await _measure(options, clock, agent, caller, levels)
            levels.append(level)
            late = _ms(level.lateness_p99)
            terminal.print(f"{count} calls: answer p95 {_ms(level.answer_p95)} ms, late p99 {late} ms")
            limit = over_the_limit(levels)
            if limit and options.find_limit:
                break
    finally:
        await caller.close()
    return levels, limit


def steps(calls: int, *, find_limit: bool) -> list[int]:
    """The numbers of calls to measure: one, then `calls`, then a quarter more each time."""
    counts = [1] if calls == 1 else [1, calls]
    while find_limit and counts[-1] * 5 // 4 < LARGEST_STEP:
        counts.append(max(counts[-1] + 1, counts[-1] * 5 // 4))
    return counts


def over_the_limit(levels: list[Level]) -> str:
    """Why the newest level is more than a core holds; empty where it holds."""
    first, last = levels[0], levels[-1]
    if last.lateness_p99 is not None and last.lateness_p99 > LATENESS_LIMIT_MS:
        return f"lateness p99 is {last.lateness_p99:.0f} ms with {last.calls} calls"
    if last.answer_p95 is None or first.answer_p95 is None:
        return f"no call was answered with {last.calls} calls"
    if last.answer_p95 - first.answer_p95 > P95_RISE_MS:
        return f"p95 has risen by {last.answer_p95 - first.answer_p95:.0f} ms with {last.calls} calls"
    return ""


async def _measure(
    options: BenchOptions, clock: Clock, agent: _Agent, caller: LoadCaller, before: list[Level]
) -> Level:
    await agent.figures()
    caller.reset()
    began, own = clock.now(), processor_seconds()
    await clock.sleep(options.seconds)
    took = clock.now() - began
    busy = (processor_seconds() - own) / took
    figures = await agent.figures()
    if caller.ended_early:
        raise CallRefused(f"the agent ended {caller.ended_early} calls", where="bench")
    reports = [call.ear.judge() for call in caller.calls]
    answers = [ms for report in reports for ms in report.answer_ms]
    stops = [ms for report in reports for ms in report.interruption_ms]
    lateness = np.concatenate([np.array(call.lateness) for call in caller.calls]) * 1000
    count = len(caller.calls)
    memory = figures["memory_bytes"] / 1e6
    # Measured from the first level on: what one call brings in for all is not a call's own.
    growth = (memory - before[0].memory_mb) / (count - before[0].calls) if before else None
    return Level(
        calls=count,
        answers=len(answers),
        # The last utterance of each call may still be waiting for its answer.
        unanswered=sum(a.ms is None for report in reports for a in report.answers[:-1]),
        answer_p50=percentile(answers, 50),
        answer_p95=percentile(answers, 95),
        stop_p50=percentile(stops, 50),
        stop_p95=percentile(stops, 95),
        not_stopped=sum(found.ms is None for report in reports for found in report.interruptions),
        lateness_p99=float(np.percentile(lateness, 99)) if len(lateness) else None,
        packets_lost=sum(call.lost for call in caller.calls),
        loop_lag_p99=figures["loop_lag_p99_ms"],
        processor_seconds_per_call_minute=figures["processor_seconds"] / (count * figures["seconds"] / 60),
        memory_mb=memory,
        memory_mb_per_call=growth,
        caller_busy=busy,
        overlaid=sum(call.overlaid for call in caller.calls),
        lost=sum(call.lost_sentences for call in caller.calls),
    )


def bench_table(result: BenchResult, options: BenchOptions) -> Table:
    """The figures as people read them."""
    pinned = "any core" if options.core is None else f"core {options.core}"
    table = Table(
        title=f"Real calls at once, at the caller's ear (ms); agent on {pinned}",
        box=SIMPLE_HEAD,
        padding=0,
        title_justify="left",
    )
    names = ("calls", "answers", "p50", "p95", "stop50", "stop95", "late99", "lag99", "CPU s", "MB", "load")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for level in result.levels:
        memory = level.memory_mb_per_call
        table.add_row(
            str(level.calls),
            str(level.answers) + (f"-{level.unanswered}" if level.unanswered else ""),
            *map(_ms, (level.answer_p50, level.answer_p95, level.stop_p50, level.stop_p95)),
            _ms(level.lateness_p99),
            _ms(level.loop_lag_p99),
            f"{level.processor_seconds_per_call_minute:.2f}",
            "–" if memory is None else f"{memory:.2f}",
            f"{level.caller_busy:.0%}",
        )
    return table


def in_words(result: BenchResult, options: BenchOptions) -> str:
    """What the table cannot say: what was asked for, and where the limit is."""
    said = f"Silence asked for before an answer: {1000 * options.turn.get('silence', 0):.0f} ms."
    if result.limit:
        said += f" The limit: {result.limit}."
    if result.holds is not None:
        said += f" One core holds {result.holds} calls."
    return said


EXPLAINED = (
    "p50, p95: from the caller's last sound to the agent's first. stop: from an interrupting caller's "
    "first sound to the agent's last. late: received packets against a steady line. lag: of the agent's "
    "event loop. CPU s: processor seconds a call-minute. MB: memory of a further call. load: of the "
    "caller's own core; near 100 % the figures are the caller's, not the agent's."
)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _write(path: Path, options: BenchOptions, result: BenchResult) -> None:
    figures = {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
        },
        "options": {key: value for key, value in asdict(options).items() if key != "json_path"},
        "levels": [asdict(level) for level in result.levels],
        "holds": result.holds,
        "limit": result.limit,
    }
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
