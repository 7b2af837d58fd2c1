"""The benchmark's arithmetic and the conversation it measures; not its figures."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from rich.console import Console as Terminal

from trunkline.clock import VirtualClock, run_virtual
from trunkline.lab.bench import BenchOptions, BenchResult, Level, bench_table, in_words, over_the_limit, steps
from trunkline.lab.bench_play import HISTORY, BenchPlay
from trunkline.lab.own_figures import LoopLag, memory_bytes, processor_seconds
from trunkline.scenario.actions import CallBegan, CallerSaid, End, Expect, Generate, ModelDone, MustEnd, Say

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEVEL = Level(1, 10, 0, 240.0, 260.0, 150.0, 160.0, 0, 3.0, 0, 1.0, 0.4, 90.0, None, 0.1)


def test_levels_begin_with_one_call_and_grow_until_the_limit() -> None:
    assert steps(50, find_limit=False) == [1, 50]
    assert steps(1, find_limit=False) == [1]
    grown = steps(1, find_limit=True)
    assert grown[:4] == [1, 2, 3, 4]
    assert all(b > a for a, b in zip(grown, grown[1:], strict=False))  # noqa: RUF007
    assert 1000 < grown[-1] < 2000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"answer_p95": 359.0}, ""),
        ({"answer_p95": 361.0}, "p95 has risen by 101 ms"),
        ({"lateness_p99": 60.0}, ""),
        ({"lateness_p99": 61.0}, "lateness p99 is 61 ms"),
        ({"answer_p95": None}, "no call was answered"),
    ],
)
def test_a_core_is_full_when_answers_or_packets_come_later(change: dict[str, float], words: str) -> None:
    found = over_the_limit([LEVEL, replace(LEVEL, calls=50, **change)])  # type: ignore[arg-type]
    assert found.startswith(words) if words else not found


def test_the_table_fits_a_terminal_and_the_limit_is_told() -> None:
    out = io.StringIO()
    result = BenchResult((LEVEL, replace(LEVEL, calls=80, answer_p95=1400.0)), 1, "p95 has risen")
    Terminal(file=out, width=80).print(bench_table(result, BenchOptions()))
    assert "…" not in out.getvalue()
    for words in ("1400.0", "core 0", "stop95"):
        assert words in out.getvalue()
    said = in_words(result, BenchOptions())
    assert said == (
        "Silence asked for before an answer: 200 ms. The limit: p95 has risen. One core holds 1 calls."
    )


def test_the_agent_greets_answers_and_ends() -> None:
    play = BenchPlay()
    state, begun = play.step(play.initial(), CallBegan(NOW))
    assert [type(action) for action in begun] == [Say, Expect]
    for turn in range(2 * HISTORY):
        state, answered = play.step(state, CallerSaid(turn, f"line {turn}", NOW))
        assert [type(action) for action in answered] == [Generate, Expect]
    assert len(state) == HISTORY + 2
    assert state[0].role == "system"
    assert state[-1].content == f"line {2 * HISTORY - 1}"
    assert play.step(state, ModelDone("said"))[1] == []
    assert isinstance(play.step(state, MustEnd("drain"))[1][-1], End)


def test_loop_lag_counts_how_late_the_loop_is() -> None:
    async def story(clock: VirtualClock) -> list[float]:
        lag = LoopLag(clock)
        await clock.sleep(1.005)
        lag.close()
        await clock.sleep(1)
        return lag.late

    late = run_virtual(story)
    assert len(late) == 100
    assert max(late) == pytest.approx(0, abs=1e-6)


def test_what_a_process_uses_is_read() -> None:
    before = processor_seconds()
    sum(range(300_000))
    assert processor_seconds() > before
    assert memory_bytes() > 5_000_000
