"""The embedded recogniser, with its real model, on the recordings that ship."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from providers import stt_conformance as conformance
from providers.stt_conformance import LIMIT, listening, recording, speak
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, EngineRate, EngineRequest, ParseError
from trunkline.events import Answer, Expectation, Partial
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.pocketsphinx import PocketSphinx
from trunkline.providers.stt.worker_process import WorkerProcess
from trunkline.providers.stt.worker_wire import HEADER, Kind, header, packed, unpacked

CLOCK = SystemClock()
QUESTION = Expectation(
    Answer.YES_NO,
    ("about <number> people", "<day> at <time>", "i am not interested", "are you a robot", "stop calling me"),
)


@asynccontextmanager
async def engine(*, free: bool = True, workers: int = 2, ready: int = 1) -> AsyncIterator[PocketSphinx]:
    made = PocketSphinx(clock=CLOCK, free=free, workers=workers, ready=ready)
    await made.start()
    try:
        yield made
    finally:
        async with asyncio.timeout(LIMIT):
            await made.close()


async def finals_of(made: PocketSphinx, *names: str) -> list[tuple[str, bool]]:
    async with listening(made) as (recognition, ear):
        recognition.expect(QUESTION)
        at = CLOCK.now()
        for name in names:
            at = await speak(recognition, recording(name), CLOCK, at, paced=False)
        await ear.until_finals(len(names))
        return [(final.text, final.rejected) for final in ear.finals]


async def test_what_is_expected_is_understood_and_the_rest_is_not_taken_for_it() -> None:
    async with engine() as made:
        heard = await finals_of(
            made,
            "about-twelve-people",
            "thursday-at-four",
            "yes-thats-right",
            "this-is-a-waste-of-my-time-you-idiot",
        )
    assert heard[:3] == [
        ("about twelve people", False),
        ("thursday at four", False),
        ("yes that's right", False),
    ]
    expected = {"are you a robot", "i am not interested", "stop calling me"}
    assert heard[3][0] not in expected
    assert "waste" in heard[3][0]


async def test_a_grammar_alone_rejects_what_is_not_in_it() -> None:
    async with engine(free=False) as made:
        assert await finals_of(made, "are-you-a-robot", "we-already-have-a-provider") == [
            ("are you a robot", False),
            ("", True),
        ]


async def test_a_sure_final_has_the_grammars_trust_and_a_guess_has_not() -> None:
    async with engine() as made, listening(made) as (recognition, ear):
        recognition.expect(QUESTION)
        at = await speak(recognition, recording("stop-calling-me"), CLOCK, CLOCK.now(), paced=False)
        await speak(recognition, recording("we-already-have-a-provider"), CLOCK, at, paced=False)
        await ear.until_finals(2)
    sure, guess = ear.finals
    assert sure.confidence >= 0.6 > guess.confidence
    partials = [each for each in ear.heard if isinstance(each, Partial)]
    assert any(each.text == "stop calling me" for each in partials)


async def test_an_expectation_counts_from_the_next_utterance_on() -> None:
    async with engine(free=False) as made, listening(made) as (recognition, ear):
        recognition.expect(Expectation(phrases=("stop calling me",)))
        at = await speak(recognition, recording("stop-calling-me"), CLOCK, CLOCK.now(), paced=False)
        recognition.expect(Expectation(phrases=("are you a robot",)))
        at = await speak(recognition, recording("are-you-a-robot"), CLOCK, at, paced=False)
        await speak(recognition, recording("stop-calling-me"), CLOCK, at, paced=False)
        await ear.until_finals(3)
    assert [final.text for final in ear.finals] == ["stop calling me", "are you a robot", ""]


async def test_it_conforms() -> None:
    pcm = recording("yes-thats-right")
    async with engine() as made:
        await conformance.assert_tells_in_order(made, pcm, CLOCK, paced=False)
        await conformance.assert_hears_without_hints(made, pcm, CLOCK, paced=False)
        await conformance.assert_closes_at_any_time(made, pcm, CLOCK)
        await conformance.assert_reading_can_be_cancelled(made, pcm, CLOCK)
        await conformance.assert_takes_odd_frames(made, CLOCK)
        await conformance.assert_expects_at_any_time(made, pcm, CLOCK, paced=False)
        await conformance.assert_bounded_under_a_flood(made, pcm, CLOCK, 120)


async def test_a_worker_that_dies_in_a_call_is_told_and_replaced() -> None:
    async with engine() as made:
        pid = made._idle[0].pid
        async with listening(made) as (recognition, ear):
            await speak(recognition, recording("no-thank-you"), CLOCK, CLOCK.now(), paced=False)
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(LIMIT):
                await ear.ended.wait()
            assert [type(error) for error in ear.errors] == [EngineDown]
        assert await finals_of(made, "stop-calling-me") == [("stop calling me", False)]


async def test_a_worker_that_died_between_calls_is_not_used() -> None:
    async with engine() as made:
        died = asyncio.Event()
        made._idle[0].attach(lambda kind, body: None, lambda error: died.set())
        os.kill(made._idle[0].pid, signal.SIGKILL)
        async with asyncio.timeout(LIMIT):
            await died.wait()
        assert await finals_of(made, "stop-calling-me") == [("stop calling me", False)]


async def test_the_number_of_processes_is_bounded_and_they_are_used_again() -> None:
    async with engine(free=False, workers=1) as made:
        pid = made._idle[0].pid
        async with listening(made):
            with pytest.raises(EngineRate, match="workers="):
                await made.open(ListenOptions())
        async with listening(made) as (recognition, _):
            assert recognition.pid == pid  # type: ignore[attr-defined]


def test_a_worker_does_not_outlive_its_engine() -> None:
    """The engine's process is killed; the worker reads the end of its stdin and goes."""
    script = """
import asyncio, os
from trunkline.clock import SystemClock
from trunkline.providers.stt.pocketsphinx import PocketSphinx
async def main():
    made = PocketSphinx(clock=SystemClock(), free=False)
    await made.start()
    print(made._idle[0].pid, flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, timeout=LIMIT, check=False)
    assert done.returncode == -signal.SIGKILL
    worker = Path(f"/proc/{int(done.stdout)}/cmdline")
    for _ in range(500):
        if not worker.exists() or b"sphinx_worker" not in worker.read_bytes():
            return
        subprocess.run(["sleep", "0.01"], check=True)
    pytest.fail("the worker is still there")


async def test_a_worker_that_is_told_nonsense_says_so_and_ends() -> None:
    worker = await WorkerProcess.start(
        "trunkline.providers.stt.sphinx_worker", "--grammar-only", where="stt embedded"
    )
    died = asyncio.Event()
    worker.attach(lambda kind, body: None, lambda error: died.set())
    worker.send(Kind.EXPECT, {"kind": "nonsense"})
    async with asyncio.timeout(LIMIT):
        await died.wait()
    assert isinstance(worker.failure, EngineDown)
    assert "phrases" in str(worker.failure) or "nonsense" in str(worker.failure)
    await worker.kill()


async def test_wrong_options_are_told() -> None:
    with pytest.raises(ConfigError, match="workers"):
        PocketSphinx(clock=CLOCK, workers=0)
    made = PocketSphinx(clock=CLOCK)
    with pytest.raises(EngineRequest, match="Rates are"):
        await made.open(ListenOptions(rate=11025))
    with pytest.raises(EngineRequest, match="English only"):
        await made.open(ListenOptions(language="fr"))


def test_messages_survive_the_wire_and_nonsense_does_not() -> None:
    message = packed(Kind.BEGIN, {"id": 3, "at": 1.5})
    kind, length = header(message[: HEADER.size])
    assert kind is Kind.BEGIN
    assert unpacked(message[HEADER.size :][:length]) == {"id": 3, "at": 1.5}
    for nonsense in (HEADER.pack(99, 0), HEADER.pack(Kind.LOG, 2**31)):
        with pytest.raises(ParseError):
            header(nonsense)
    for body in (b"\xff", b"[]", b"{"):
        with pytest.raises(ParseError):
            unpacked(body)
