"""`trunkline lab bench --sip`: how much signalling and media one core carries, and what floods do to it.

SIP and media run without an agent in a process of their own (`sip_bench_agent.py`), pinned to one core; the
far end (`sip_bench_far.py`, or SIPp where it is installed) and the flood run on another. Where baresip, pjsua
or SIPp are installed they are called in the same way in the same run, for comparison. A benchmark: nothing
here passes or fails.
"""

from __future__ import annotations

import asyncio
import csv
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console as Terminal
from rich.table import Table

from trunkline.clock import Clock, SystemClock
from trunkline.errors import CallRefused, ConfigError, RecordError
from trunkline.lab.sip_bench_phones import Phone, baresip, pjsua, processor_of, sipp_answers

FLOODS: dict[str, float] = {"invites": 2_000.0, "garbage": 500.0, "half-open": 200.0, "registers": 2_000.0}
"""What strangers send, and how many a second."""
CALLS_IN_A_FLOOD = 50
_COMPARED_CALLS = 50
"""Calls with media by which programs are compared."""
_WIDTH = 150
"""Columns that the table needs, in a file too."""
_PLACED_A_SECOND = 40.0
_START_LIMIT = 30.0
_MARGIN = 90.0
"""Seconds that a far end may take beyond what its calls need."""


@dataclass(frozen=True, slots=True)
class SipBenchOptions:
    """What to measure. `core`: the one that is measured; None leaves all unpinned."""

    calls: int = 400
    rate: float = 150.0
    """Calls a second, without media."""
    seconds: float = 15.0
    core: int | None = 0
    floods: bool = True
    json_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. Times in milliseconds unless named otherwise."""

    what: str
    program: str
    caller: str
    calls: int
    answered: int = 0
    unfinished: int = 0
    sent_again: int = 0
    """Messages that either end sent more than once."""
    took_p50: float | None = None
    took_p99: float | None = None
    """From INVITE to 200."""
    busy: float = 0.0
    """Share of one core."""
    processor_ms_per_call: float | None = None
    processor_s_per_call_minute: float | None = None
    gap_p50: float | None = None
    gap_p99: float | None = None
    gap_longest: float | None = None
    packets: int = 0
    memory_mb: float | None = None
    memory_grown_mb: float | None = None
    log_lines: int | None = None
    strangers: int = 0
    """What the flood sent."""


async def run_sip_bench(options: SipBenchOptions, clock: Clock | None = None) -> list[Row]:
    """Measure, print a table, and write the figures where `json_path` says.

    Raises `ConfigError` for a core that is not there, `CallRefused` where a far end fails, `RecordError`
    where the figures cannot be written.
    """
    clock = clock or SystemClock()
    other = _other_core(options.core)
    bench = _Bench(options, clock, other, Terminal(stderr=True))
    rows = await bench.run()
    shown = Terminal()
    terminal = Terminal(width=max(shown.width, _WIDTH))
    terminal.print(bench_table(rows))
    terminal.print(where_measured(options, other), style="dim")
    if options.json_path is not None:
        try:
            told = {"options": asdict(options) | {"json_path": None}, "rows": [asdict(row) for row in rows]}
            options.json_path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise RecordError(f"cannot be written: {error}", where=str(options.json_path)) from error
    return rows


def _other_core(core: int | None) -> int | None:
    cores = sorted(os.sched_getaffinity(0))
    if core is None:
        return None
    if core not in cores:
        raise ConfigError(f"this process may not use core {core}", hint=f"It has {cores}")
    return next((one for one in cores if one != core), core)


class _Bench:
    def __init__(self, options: SipBenchOptions, clock: Clock, other: int | None, terminal: Terminal) -> None:
        self._options = options
        self._clock = clock
        self._other = other
        self._terminal = terminal

    async def run(self) -> list[Row]:
        options, rows = self._options, list[Row]()
        count = round(options.rate * options.seconds)
        setup = {"rate": options.rate, "count": count, "media": False, "hold": 0.0}
        compared = {
            "rate": _PLACED_A_SECOND,
            "count": _COMPARED_CALLS,
            "media": True,
            "hold": options.seconds,
        }
        full = compared | {"count": options.calls}
        async with self._ours(media=False) as ours:
            rows.append(await self._measure("set up and ended", ours, setup))
            if shutil.which("sipp"):
                rows.append(await self._called_by_sipp(ours, count))
        async with self._ours(media=True) as ours:
            rows.append(await self._measure("media both ways", ours, full))
            rows.append(await self._measure("media both ways", ours, compared))
        for phone in (
            sipp_answers(options.core, self._clock),
            baresip(options.core, self._clock, media=False),
            baresip(options.core, self._clock, media=True),
            pjsua(options.core, self._clock, media=False),
            pjsua(options.core, self._clock, media=True),
        ):
            async with phone as theirs:
                if theirs is not None and theirs.has_media:
                    rows.append(await self._measure("media both ways", theirs, compared))
                elif theirs is not None:
                    rows.append(await self._measure("set up and ended", theirs, setup))
        if options.floods:
            quiet = compared | {"count": CALLS_IN_A_FLOOD}
            for kind in ("", *FLOODS):
                async with self._ours(media=True) as ours:
                    rows.append(await self._measure(f"media, {kind or 'no'} flood", ours, quiet, flood=kind))
        return rows

    @asynccontextmanager
    async def _ours(self, *, media: bool) -> AsyncIterator[Phone]:
        """Trunkline's own end."""
        given = json.dumps({"core": self._options.core, "media": media})
        with tempfile.TemporaryFile() as log:
            agent = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "trunkline.lab.sip_bench_agent", given,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
            assert agent.stdin is not None
            assert agent.stdout is not None
            try:
                async with asyncio.timeout(_START_LIMIT):
                    told = json.loads(await agent.stdout.readline() or b"{}")
                if not told:
                    raise CallRefused("the measured process did not start", where="bench")
                address = told["host"], told["port"]

                def lines() -> int:
                    log.seek(0)
                    return log.read().count(b"\n")

                yield Phone("trunkline", address, agent.pid, has_media=media, log_lines=lines)
            finally:
                agent.stdin.close()
                try:
                    async with asyncio.timeout(_START_LIMIT):
                        await agent.wait()
                except TimeoutError:
                    agent.kill()
                    await agent.wait()

    async def _measure(self, what: str, phone: Phone, plan: dict[str, Any], *, flood: str = "") -> Row:
        self._terminal.print(f"{phone.name}: {what}, {plan['count']} calls …", style="dim")
        used, began, memory = processor_of(phone.pid), self._clock.now(), phone.memory_bytes()
        given = plan | {"agent": phone.address, "core": self._other}
        limit = plan["count"] / plan["rate"] + plan["hold"] + _MARGIN
        calling = asyncio.create_task(_json_of("sip_bench_far", given, limit))
        strangers: dict[str, Any] = {}
        try:
            if flood:
                # All calls are up by then: it is calls in progress that must not notice.
                await self._clock.sleep(plan["count"] / plan["rate"] + 2.5)
                seconds = plan["hold"] - 1.0
                given = {"kind": flood, "agent": phone.address, "rate": FLOODS[flood], "seconds": seconds}
                strangers = await _json_of("sip_bench_flood", given | {"core": self._other}, limit)
            told = await calling
        finally:
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
        seconds, used = self._clock.now() - began, processor_of(phone.pid) - used
        row = row_of(what, phone.name, "own", plan, told, used, seconds)
        return replace_memory(row, memory, phone.memory_bytes(), phone.log_lines(), strangers)

    async def _called_by_sipp(self, phone: Phone, count: int) -> Row:
        """SIPp's own scenario `uac`: INVITE, 180, 200, ACK, BYE, 200."""
        rate = self._options.rate
        self._terminal.print(f"{phone.name}: called by SIPp, {count} calls …", style="dim")
        used, began = processor_of(phone.pid), self._clock.now()
        with tempfile.TemporaryDirectory() as folder:
            figures = Path(folder) / "figures.csv"
            command = [
                "sipp", "-sn", "uac", f"{phone.address[0]}:{phone.address[1]}", "-i", "127.0.0.1",
                "-s", "agent", "-r", f"{rate:g}", "-m", str(count), "-nostdin", "-trace_stat",
                "-stf", str(figures), "-fd", "1",
            ]  # fmt: skip
            if self._other is not None and shutil.which("taskset"):
                command = ["taskset", "-c", str(self._other), *command]
            program = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL, cwd=folder,
            )  # fmt: skip
            try:
                async with asyncio.timeout(count / rate + _MARGIN):
                    await program.wait()
            except TimeoutError as error:
                raise CallRefused("SIPp did not end in its time", where="bench") from error
            finally:
                with suppress(ProcessLookupError):
                    program.kill()
                await program.wait()
            seconds, used = self._clock.now() - began, processor_of(phone.pid) - used
            last = sipp_figures(figures.read_text(encoding="utf-8")) if figures.exists() else {}
        answered = int(last.get("SuccessfulCall(C)", 0))
        return Row(
            "set up and ended", phone.name, "SIPp", count, answered, count - answered,
            int(last.get("Retransmissions(C)", 0)), busy=used / seconds,
            processor_ms_per_call=1000 * used / max(1, answered),
        )  # fmt: skip


def sipp_figures(text: str) -> dict[str, str]:
    """The last line of what SIPp's -trace_stat writes, by the names in its first."""
    rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
    return {key: value for key, value in rows[-1].items() if key and value} if rows else {}


async def _json_of(module: str, options: dict[str, Any], limit: float) -> dict[str, Any]:
    """What that process of ours tells at its end. Raises `CallRefused` where it tells nothing."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"trunkline.lab.{module}", json.dumps(options),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(limit):
            out, err = await program.communicate()
    except TimeoutError as error:
        raise CallRefused(f"{module} did not end within {limit:.0f} s", where="bench") from error
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode != 0 or not out:
        raise CallRefused(f"{module} failed: {err.decode(errors='replace')[-400:]}", where="bench")
    told: dict[str, Any] = json.loads(out)
    return told


def row_of(
    what: str,
    program: str,
    caller: str,
    plan: dict[str, Any],
    told: dict[str, Any],
    used: float,
    seconds: float,
) -> Row:
    """A row of what a far end told; `used`: processor seconds of the measured program in `seconds`."""
    took, gaps, size = told["took"], told["gaps"], 1000 * told["gap_bin"]
    answered = told["answered"]
    media = plan["media"] and answered
    return Row(
        what, program, caller, plan["count"], answered, told["unfinished"],
        told["sent_again"] + told["came_again"],
        1000 * took[len(took) // 2] if took else None,
        1000 * took[len(took) * 99 // 100] if took else None,
        used / seconds,
        None if media else 1000 * used / max(1, answered),
        60 * used / answered / (seconds - plan["count"] / plan["rate"] / 2) if media else None,
        quantile(gaps, 0.5, size), quantile(gaps, 0.99, size), quantile(gaps, 1.0, size),
        told["received"],
    )  # fmt: skip


def replace_memory(
    row: Row, before: int, after: int, log_lines: int | None, strangers: dict[str, Any]
) -> Row:
    """The row with what the measured process holds now, and held before."""
    return replace(
        row,
        memory_mb=after / 1e6,
        memory_grown_mb=(after - before) / 1e6,
        log_lines=log_lines,
        strangers=strangers.get("sent", 0),
    )


def quantile(gaps: Sequence[Sequence[int]], part: float, size: float) -> float | None:
    """What this part of the gaps does not pass; `gaps`: (bin, count), sorted; `size`: of a bin."""
    left = sum(count for _, count in gaps) * part
    for place, count in gaps:
        left -= count
        if left <= 1e-9:
            return (place + 1) * size
    return None


def bench_table(rows: Sequence[Row]) -> Table:
    """The rows, as people read them."""
    table = Table(box=SIMPLE_HEAD)
    columns: tuple[tuple[str, Callable[[Row], str]], ...] = (
        ("what", lambda row: row.what),
        ("who", lambda row: f"{row.program}, called by {row.caller}" if row.caller != "own" else row.program),
        ("calls", lambda row: f"{row.answered}/{row.calls}"),
        ("again", lambda row: str(row.sent_again)),
        ("200 p50/p99 ms", lambda row: _both(row.took_p50, row.took_p99)),
        ("core", lambda row: f"{100 * row.busy:.0f} %"),
        ("ms a call", lambda row: _number(row.processor_ms_per_call, 2)),
        ("s a call-min", lambda row: _number(row.processor_s_per_call_minute, 3)),
        ("gap p50/p99 ms", lambda row: _both(row.gap_p50, row.gap_p99)),
        ("longest", lambda row: _number(row.gap_longest, 0)),
        ("memory MB", lambda row: _number(row.memory_mb, 0)),
        ("grown", lambda row: _number(row.memory_grown_mb, 0)),
        ("log", lambda row: "" if row.log_lines is None else str(row.log_lines)),
    )
    for name, _ in columns:
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(*(make(row) for _, make in columns))
    return table


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:.{places}f}"


def _both(one: float | None, other: float | None) -> str:
    return "" if one is None or other is None else f"{one:.1f} / {other:.1f}"


def where_measured(options: SipBenchOptions, other: int | None) -> str:
    """The machine, and what the figures mean."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{platform.machine()}, {os.cpu_count()} cores (measured: {options.core}, far end: {other}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, load {load}. "
        "`again`: messages sent more than once by either end. Gaps: between the packets of one call, by the "
        "kernel's time of their arrival at the far end. Floods come from 127.0.0.2 while gaps are counted."
    )
