"""Whisper: with a tiny random model where its packages are installed, and what it says where not."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import stt_conformance as conformance
from providers import tiny_whisper
from providers.stt_conformance import LIMIT, listening, recording, speak
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, EngineMissing
from trunkline.events import Expectation, Final, Partial
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.registry import make_stt
from trunkline.providers.stt.whisper import Whisper, agreed

CLOCK = SystemClock()
installed = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None,
    reason="faster-whisper is not installed: pip install 'trunkline[whisper]'",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whisper")
    tiny_whisper.make(folder)
    return folder


@asynccontextmanager
async def engine(model: Path, workers: int = 1) -> AsyncIterator[Whisper]:
    made = Whisper(clock=CLOCK, model=str(model), compute_type="default", threads=1, workers=workers)
    await made.start()
    try:
        yield made
    finally:
        async with asyncio.timeout(LIMIT):
            await made.close()


@installed
async def test_it_streams_and_conforms(model: Path) -> None:
    pcm = recording("yes-thats-right")
    async with engine(model) as made:
        await conformance.assert_hears_without_hints(made, pcm, CLOCK, paced=False)
        await conformance.assert_closes_at_any_time(made, pcm, CLOCK)
        await conformance.assert_reading_can_be_cancelled(made, pcm, CLOCK)
        await conformance.assert_takes_odd_frames(made, CLOCK)
        await conformance.assert_expects_at_any_time(made, pcm, CLOCK, paced=False)
        await conformance.assert_bounded_under_a_flood(made, pcm, CLOCK, 600)


@installed
async def test_partials_come_while_the_caller_speaks_and_the_final_has_times(model: Path) -> None:
    async with engine(model, workers=2) as made, listening(made) as (recognition, ear):
        recognition.expect(Expectation(keyterms=("Clearline",)))
        began = CLOCK.now()
        ended = await speak(
            recognition, recording("this-is-a-waste-of-my-time-you-idiot"), CLOCK, began, paced=True
        )
        await ear.until_finals(1)
    assert any(isinstance(each, Partial) for each in ear.heard)
    final = ear.heard[-1]
    assert isinstance(final, Final)
    assert final.words
    assert all(began - 1e-6 <= word.start <= word.end <= ended + 30 for word in final.words)
    assert all(0 <= word.confidence <= 1 for word in final.words)


@installed
async def test_a_process_that_dies_is_told_to_its_calls_and_replaced(model: Path) -> None:
    async with engine(model) as made:
        async with listening(made) as (_, ear):
            os.kill(made._processes[0].pid, signal.SIGKILL)
            async with asyncio.timeout(LIMIT):
                await ear.ended.wait()
            assert [type(error) for error in ear.errors] == [EngineDown]
        async with listening(made) as (recognition, ear):
            await speak(recognition, recording("no-thank-you"), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)


@installed
@pytest.mark.parametrize(
    ("name", "says"),
    [("/no/such/folder", "no folder"), ("tiny.en", "download_model"), ("nonsense", "download_model")],
)
async def test_a_missing_model_says_what_to_type(name: str, says: str, tmp_path: Path) -> None:
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    with mock.patch.dict(os.environ, offline), pytest.raises(EngineMissing, match=says):
        await Whisper(clock=CLOCK, model=name).start()


@installed
async def test_a_folder_that_holds_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="converted for CTranslate2"):
        await Whisper(clock=CLOCK, model=str(tmp_path)).start()


async def test_a_missing_package_says_what_to_type() -> None:
    absent = mock.patch("trunkline.providers.stt.whisper.find_spec", return_value=None)
    with absent, pytest.raises(EngineMissing, match=r"pip install 'trunkline\[whisper\]'"):
        await Whisper(clock=CLOCK).start()


async def test_it_is_not_opened_before_it_is_started() -> None:
    with pytest.raises(EngineDown, match="not started"):
        await Whisper(clock=CLOCK).open(ListenOptions())


@pytest.mark.parametrize("option", ["workers=0", "beam=99", "threads=-1", "step_ms=1"])
def test_wrong_options_are_told(option: str) -> None:
    with pytest.raises(ConfigError, match="workers is"):
        make_stt(f"whisper,{option}", CLOCK)


def test_a_model_that_looks_like_a_flag_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no model"):
        Whisper(clock=CLOCK, model="--help")


def test_agreement_looks_through_case_and_punctuation() -> None:
    assert agreed(["Yes,", "I", "am."], ["yes", "I", "was"]) == 2
    assert agreed([], ["yes"]) == 0


@given(st.lists(st.text(max_size=5), max_size=6), st.lists(st.text(max_size=5), max_size=6))
def test_agreement_is_of_leading_words_and_both_ways(one: list[str], other: list[str]) -> None:
    same = agreed(one, other)
    assert same == agreed(other, one)
    assert same <= min(len(one), len(other))
    assert agreed(one, one) == len(one)
