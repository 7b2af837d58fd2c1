"""The event loop and the signals that end a command."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import typer

from trunkline.cli import running
from trunkline.cli.exit_status import ExitStatus, status_of
from trunkline.cli.running import run, stopped_by_signals
from trunkline.errors import (
    CallRefused,
    ConfigError,
    EngineMissing,
    MediaError,
    RecordError,
    ScenarioError,
    SipError,
    TrunklineError,
)


def test_the_result_comes_back() -> None:
    async def story() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run(story()).startswith("uvloop")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks_for_a_stop(number: signal.Signals) -> None:
    told: list[str] = []

    async def story() -> bool:
        async with stopped_by_signals(lambda: told.append("stopping")) as stop:
            os.kill(os.getpid(), number)
            async with asyncio.timeout(10):
                await stop.wait()
            return stop.is_set()

    assert run(story())
    assert told == ["stopping"]


def test_a_signal_that_comes_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # `timeout 60 trunkline serve` sends to the process and to its group: calls are still told goodbye.
    monkeypatch.setattr(running, "SAME_SIGNAL", 60.0)
    told: list[str] = []

    async def story() -> str:
        async with stopped_by_signals(lambda: told.append("stopping")) as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(10):
                await stop.wait()
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
            # Both have been seen once a signal after them has.
            seen = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, seen.set)
            os.kill(os.getpid(), signal.SIGUSR1)
            async with asyncio.timeout(10):
                await seen.wait()
            loop.remove_signal_handler(signal.SIGUSR1)
            return "said goodbye"

    assert run(story()) == "said goodbye"
    assert told == ["stopping"]


def test_the_second_signal_ends_at_once_and_what_is_open_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SAME_SIGNAL", 0.0)  # The test is quicker than a person.
    closed: list[str] = []

    async def story() -> None:
        try:
            async with stopped_by_signals(lambda: None) as stop:
                os.kill(os.getpid(), signal.SIGTERM)
                async with asyncio.timeout(10):
                    await stop.wait()
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.Event().wait()
        finally:
            closed.append("service")

    with pytest.raises(typer.Exit) as ended:
        run(story())
    assert ended.value.exit_code == ExitStatus.INTERRUPTED
    assert closed == ["service"]


def test_signals_mean_what_they_did_before_once_it_is_over() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    async def story() -> None:
        async with stopped_by_signals(lambda: None):
            pass

    run(story())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (ScenarioError("x"), 2),
        (EngineMissing("x"), 3),
        (SipError("x"), 4),
        (MediaError("x"), 4),
        (RecordError("x"), 5),
        (CallRefused("x"), 1),
        (TrunklineError("x"), 1),
    ],
)
def test_each_kind_of_error_has_its_status(error: TrunklineError, status: int) -> None:
    assert status_of(error) == status
