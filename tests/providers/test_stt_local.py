"""Vosk and sherpa-onnx: with tiny random models where their packages are installed, with a stand-in for the
library where they are not, and what they say about what is missing."""

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

from providers import stt_conformance as conformance
from providers import tiny_onnx
from providers.stt_conformance import LIMIT, listening, recording, speak
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineDown, EngineMissing, EngineRequest
from trunkline.events import Partial
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.registry import make_stt
from trunkline.providers.stt.local_streams import LocalStreams
from trunkline.providers.stt.sherpa import Sherpa
from trunkline.providers.stt.vosk import Vosk

CLOCK = SystemClock()
LINE = "this-is-a-waste-of-my-time-you-idiot"
has_vosk = pytest.mark.skipif(
    importlib.util.find_spec("vosk") is None, reason="vosk is not installed: make test-peers has it"
)
has_sherpa = pytest.mark.skipif(
    importlib.util.find_spec("sherpa_onnx") is None or importlib.util.find_spec("onnx") is None,
    reason="sherpa-onnx and onnx are not installed: make test-peers has them",
)

STAND_IN = '''
"""Stands in for the vosk package: its calls and its answers' shapes, and a word for each half second."""
import json, os

def SetLogLevel(level): pass

class Model:
    def __init__(self, folder):
        if not os.path.exists(os.path.join(folder, "final.mdl")):
            raise Exception("Failed to create a model")

class KaldiRecognizer:
    def __init__(self, model, rate): self.rate, self.seconds, self.begins = rate, 0.0, 0.0
    def SetWords(self, on): pass
    def SetPartialWords(self, on): pass
    def words(self):
        count = int((self.seconds - self.begins) * 2)
        return [dict(word="yes", start=self.begins + n / 2, end=self.begins + n / 2 + 0.4, conf=0.5)
                for n in range(count)]
    def AcceptWaveform(self, pcm):
        self.seconds += len(pcm) / 2 / self.rate
        return self.seconds - self.begins > 3
    def told(self, key):
        words = self.words()
        return json.dumps({key: words, "text": " ".join(w["word"] for w in words)})
    def PartialResult(self): return self.told("partial_result")
    def Result(self):
        told = self.told("result")
        self.begins = self.seconds
        return told
    FinalResult = Result
'''


@asynccontextmanager
async def started(engine: LocalStreams) -> AsyncIterator[LocalStreams]:
    await engine.start()
    try:
        yield engine
    finally:
        async with asyncio.timeout(LIMIT):
            await engine.close()


async def assert_streams(engine: LocalStreams) -> None:
    """The suite, and words with times in their order."""
    pcm = recording(LINE)
    await conformance.assert_hears_without_hints(engine, pcm, CLOCK, paced=False)
    await conformance.assert_closes_at_any_time(engine, pcm, CLOCK)
    await conformance.assert_reading_can_be_cancelled(engine, pcm, CLOCK)
    await conformance.assert_takes_odd_frames(engine, CLOCK)
    await conformance.assert_expects_at_any_time(engine, pcm, CLOCK, paced=False)
    async with listening(engine) as (recognition, ear):
        began = CLOCK.now()
        ended = await speak(recognition, pcm, CLOCK, began, paced=False)
        await ear.until_finals(1)
    assert isinstance(ear.heard[0], Partial)
    words = [word for final in ear.finals for word in final.words]
    assert words
    bounds = [bound for word in words for bound in (word.start, word.end)]
    assert bounds == sorted(bounds)
    # Times are sums of seconds since boot: a rounding apart is the same instant.
    assert all(began - 1e-6 <= bound <= ended + 1e-6 for bound in bounds)
    await conformance.assert_bounded_under_a_flood(engine, pcm, CLOCK, 120)


async def assert_replaced_when_it_dies(engine: LocalStreams) -> None:
    async with listening(engine) as (_, ear):
        os.kill(engine._processes[0].pid, signal.SIGKILL)
        async with asyncio.timeout(LIMIT):
            await ear.ended.wait()
        assert [type(error) for error in ear.errors] == [EngineDown]
    async with listening(engine) as (recognition, ear):
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
        await ear.until_finals(1)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `vosk` package for this process and its children, and a folder that it takes for a model."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "vosk.py").write_text(STAND_IN)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "final.mdl").touch()
    paths = [str(tmp_path / "packages"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.syspath_prepend(paths[0])
    return tmp_path / "model"


async def test_vosk_streams_as_its_library_is_documented(stand_in: Path) -> None:
    async with started(Vosk(clock=CLOCK, model=str(stand_in))) as engine:
        await assert_streams(engine)
        await assert_replaced_when_it_dies(engine)
        engines = [engine.open(ListenOptions()) for _ in range(3)]
        for recognition in await asyncio.gather(*engines):
            await recognition.close()


@has_vosk
async def test_vosk_itself_says_that_a_folder_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="holds no model"):
        await Vosk(clock=CLOCK, model=str(tmp_path)).start()


@has_sherpa
@pytest.mark.parametrize("beam", [1, 4])
async def test_sherpa_streams_with_a_tiny_random_model(tmp_path: Path, beam: int) -> None:
    tiny_onnx.make_transducer(tmp_path)
    async with started(Sherpa(clock=CLOCK, model=str(tmp_path), beam=beam)) as engine:
        await assert_streams(engine)
        if beam == 1:
            await assert_replaced_when_it_dies(engine)


@has_sherpa
async def test_sherpa_says_what_a_folder_lacks(tmp_path: Path) -> None:
    for file, says in (("", "tokens"), ("tokens.txt", "encoder"), ("encoder.onnx", "decoder")):
        if file:
            (tmp_path / file).write_text("x 0\n")
        with pytest.raises(EngineMissing, match=says):
            await Sherpa(clock=CLOCK, model=str(tmp_path)).start()


@pytest.mark.parametrize(
    ("engine", "package"),
    [(Vosk(clock=CLOCK, model="/no/such"), "vosk"), (Sherpa(clock=CLOCK, model="/no/such"), "sherpa")],
)
async def test_a_missing_package_or_folder_says_what_to_do(engine: LocalStreams, package: str) -> None:
    absent = mock.patch("trunkline.providers.stt.local_streams.find_spec", return_value=None)
    with absent, pytest.raises(EngineMissing, match=rf"pip install 'trunkline\[{package}\]'"):
        await engine.start()
    with pytest.raises(EngineDown, match="not started"):
        await engine.open(ListenOptions())
    with pytest.raises(EngineRequest, match="12345"):
        await engine.open(ListenOptions(rate=12345))


async def test_a_missing_folder_is_told(stand_in: Path) -> None:
    with pytest.raises(EngineMissing, match="there is no folder"):
        await Vosk(clock=CLOCK, model=str(stand_in / "none")).start()


@pytest.mark.parametrize(
    "spec",
    ["vosk", "vosk,model=--help", "sherpa", "vosk,model=x,workers=0", "sherpa,model=x,beam=0"],
)
def test_wrong_options_are_told(spec: str) -> None:
    with pytest.raises(ConfigError):
        make_stt(spec, CLOCK)
