"""Piper with a tiny random voice, where its packages are installed, and what it says where they are not."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest

from providers import tiny_onnx
from providers.tts_conformance import (
    SENTENCE,
    assert_cancelling_stops,
    assert_closed_is_closed,
    assert_closing_early_stops,
    assert_survives_odd_text,
    assert_voices_share_the_engine,
    say,
)
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, EngineMissing
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.registry import make_tts
from trunkline.providers.tts.piper import Piper

CLOCK = SystemClock()
installed = pytest.mark.skipif(
    importlib.util.find_spec("piper") is None or importlib.util.find_spec("onnx") is None,
    reason="piper-tts and onnx are not installed: make test-peers has them",
)


@asynccontextmanager
async def engine(folder: Path, workers: int = 1) -> AsyncIterator[Piper]:
    made = Piper(clock=CLOCK, voice=str(tiny_onnx.make_voice(folder)), workers=workers)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


@installed
async def test_it_speaks_and_conforms(tmp_path: Path) -> None:
    async with engine(tmp_path, workers=2) as made:
        voice = await made.open(VoiceOptions())
        assert voice.rate == tiny_onnx.RATE
        said = await say(voice, SENTENCE)
        assert said.pieces > 3
        assert said.seconds > 0.5
        assert not said.marks
        await assert_survives_odd_text(voice)
        await assert_closing_early_stops(voice)
        await assert_cancelling_stops(voice)
        await voice.close()
        await assert_voices_share_the_engine(made)
        await assert_closed_is_closed(made)


@installed
async def test_a_process_that_dies_is_told_and_replaced(tmp_path: Path) -> None:
    async with engine(tmp_path) as made:
        voice = await made.open(VoiceOptions())
        os.kill(made._all[0].pid, signal.SIGKILL)
        with pytest.raises(EngineDown):
            await say(voice, SENTENCE)
        assert (await say(voice, SENTENCE)).pcm


@installed
async def test_a_voice_without_its_settings_is_told(tmp_path: Path) -> None:
    file = tiny_onnx.make_voice(tmp_path)
    Path(f"{file}.json").unlink()  # noqa: ASYNC240 - a test may wait for a disk
    with pytest.raises(EngineMissing, match=r"tiny\.onnx\.json"):
        await Piper(clock=CLOCK, voice=str(file)).start()


async def test_what_is_missing_says_what_to_do(tmp_path: Path) -> None:
    absent = mock.patch("trunkline.providers.tts.piper.find_spec", return_value=None)
    with absent, pytest.raises(EngineMissing, match=r"pip install 'trunkline\[piper\]'"):
        await Piper(clock=CLOCK, voice="x.onnx").start()
    there = mock.patch("trunkline.providers.tts.piper.find_spec", return_value=object())
    with there, pytest.raises(EngineMissing, match="download_voices"):
        await Piper(clock=CLOCK, voice=str(tmp_path / "none.onnx")).start()
    with pytest.raises(EngineDown, match="not started"):
        await Piper(clock=CLOCK, voice="x.onnx").open(VoiceOptions())


@pytest.mark.parametrize("options", ["", ",voice=x,workers=0", ",voice=--x", ",voice=x,speaker=-1"])
def test_wrong_options_are_told(options: str) -> None:
    with pytest.raises(ConfigError):
        make_tts(f"piper{options}", CLOCK)
