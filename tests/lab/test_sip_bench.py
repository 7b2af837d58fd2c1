"""The SIP benchmark's arithmetic, its strangers, and one small run of its processes; not its figures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import pytest
from rich.console import Console as Terminal

from trunkline.errors import ConfigError
from trunkline.lab.sip_bench import (
    FLOODS,
    SipBenchOptions,
    bench_table,
    quantile,
    replace_memory,
    row_of,
    run_sip_bench,
    sipp_figures,
)
from trunkline.lab.sip_bench_flood import flood, garbage, request
from trunkline.lab.sip_bench_phones import processor_of
from trunkline.sip.message import Request
from trunkline.sip.parse import Malformed, parse_message

TOLD = {
    "placed": 4, "answered": 4, "refused": 0, "seconds": 12.0, "sent_again": 1, "came_again": 2,
    "unfinished": 0, "ended": 4, "took": [0.001, 0.002, 0.003, 0.1], "received": 100,
    "gaps": [[199, 98], [240, 2]], "gap_bin": 1e-4,
}  # fmt: skip


def test_gaps_are_counted_in_tenths_of_a_millisecond() -> None:
    gaps = [[100, 50], [200, 49], [300, 1]]
    assert quantile(gaps, 0.5, 0.1) == pytest.approx(10.1)
    assert quantile(gaps, 0.99, 0.1) == pytest.approx(20.1)
    assert quantile(gaps, 1.0, 0.1) == pytest.approx(30.1)
    assert quantile([], 0.5, 0.1) is None


def test_a_row_says_what_a_call_costs() -> None:
    plan = {"count": 4, "rate": 2.0, "media": True}
    row = row_of("media", "trunkline", "own", plan, TOLD, used=3.0, seconds=12.0)
    assert (row.answered, row.sent_again, row.took_p50, row.took_p99) == (4, 3, 3.0, 100.0)
    assert row.busy == 0.25
    assert row.processor_s_per_call_minute == pytest.approx(60 * 3.0 / 4 / 11)
    assert row.gap_p99 == pytest.approx(24.1)
    row = row_of("set up", "trunkline", "own", plan | {"media": False}, TOLD, used=3.0, seconds=12.0)
    assert (row.processor_ms_per_call, row.processor_s_per_call_minute) == (750.0, None)
    row = replace_memory(row, 50_000_000, 60_000_000, 3, {"sent": 7})
    assert (row.memory_mb, row.memory_grown_mb, row.log_lines, row.strangers) == (60.0, 10.0, 3, 7)
    terminal = Terminal(width=150)
    with terminal.capture() as shown:
        terminal.print(bench_table([row]))
    assert "750.00" in shown.get()


def test_the_figures_of_sipp_are_those_of_its_last_line() -> None:
    text = "StartTime;SuccessfulCall(C);Retransmissions(C);\nt1;1;0;\nt2;20;3;\n"
    assert sipp_figures(text)["SuccessfulCall(C)"] == "20"
    assert sipp_figures(text)["Retransmissions(C)"] == "3"
    assert sipp_figures("") == {}


def test_strangers_ask_what_they_should_and_touch_no_other_machine() -> None:
    for method in ("INVITE", "REGISTER"):
        asked = parse_message(request(method, 7, "127.0.0.2", 4000, "127.0.0.1:5060"))
        assert isinstance(asked, Request)
        assert asked.method == method
    for number in range(4):
        with pytest.raises(Malformed):
            parse_message(garbage(number))
    with pytest.raises(ValueError, match="no other"):
        flood("invites", ("192.0.2.1", 5060), 1, 1)


def test_a_core_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="may not use core"):
        asyncio.run(run_sip_bench(SipBenchOptions(core=4_096)))


async def told_by(module: str, options: dict[str, Any]) -> dict[str, Any]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"trunkline.lab.{module}", json.dumps(options), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await program.communicate()
    told: dict[str, Any] = json.loads(out)
    return told


async def test_calls_are_set_up_ended_given_media_and_flooded() -> None:
    agent = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trunkline.lab.sip_bench_agent", json.dumps({"core": None, "media": True}),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert agent.stdin is not None
    assert agent.stdout is not None
    try:
        async with asyncio.timeout(90):
            listening = json.loads(await agent.stdout.readline())
            where = {"agent": [listening["host"], listening["port"]], "core": None}
            told = await told_by("sip_bench_far", where | {"rate": 40, "count": 8, "media": False, "hold": 0})
            assert (told["answered"], told["ended"], told["refused"]) == (8, 8, 0)
            calling = asyncio.create_task(
                told_by("sip_bench_far", where | {"rate": 40, "count": 4, "media": True, "hold": 1.0})
            )
            for kind in FLOODS:
                stranger = await told_by(
                    "sip_bench_flood", where | {"kind": kind, "rate": 50, "seconds": 0.2}
                )
                assert stranger["sent"] > 0
            told = await calling
            assert (told["answered"], told["ended"]) == (4, 4)
            assert told["received"] > 20
            agent.stdin.write(b"\n")
            figures = json.loads(await agent.stdout.readline())
            assert figures["answered"] == 12
            assert figures["processor_seconds"] > 0
            assert processor_of(agent.pid) > 0
            assert processor_of(os.getpid()) > 0
    finally:
        agent.stdin.close()
        await agent.wait()
