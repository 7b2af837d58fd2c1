"""The event loop and the signals that end a command."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import typer

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


def test_the_second_signal_ends_at_once_and_what_is_open_is_closed() -> None:
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
