"""espeak-ng for real, from its package, in its process."""

import asyncio
import inspect
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from providers import tts_conformance as conformance
from trunkline.clock import SystemClock
from trunkline.errors import EngineDown, EngineMissing, EngineRequest, EngineTimeout
from trunkline.providers.protocols import Spoken, Voice, VoiceOptions
from trunkline.providers.tts import espeak_process, espeak_worker
from trunkline.providers.tts.espeak import Espeak
from trunkline.providers.tts.espeak_worker import HEADER


@pytest.fixture
async def engine() -> AsyncGenerator[Espeak, None]:
    running = Espeak(clock=SystemClock())
    await running.start()
    yield running
    await running.close()


@pytest.fixture
async def voice(engine: Espeak) -> Voice:
    return await engine.open(VoiceOptions())


async def rest(sound: AsyncGenerator[Spoken, None]) -> list[Spoken]:
    return [piece async for piece in sound]


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


async def test_it_speaks(voice: Voice) -> None:
    await conformance.assert_speaks(voice)


async def test_it_pauses_at_punctuation(voice: Voice) -> None:
    await conformance.assert_pauses_at_punctuation(voice)


async def test_it_survives_odd_text(voice: Voice) -> None:
    await conformance.assert_survives_odd_text(voice)


async def test_closing_early(voice: Voice) -> None:
    await conformance.assert_closing_early_stops(voice)


async def test_cancelling(voice: Voice) -> None:
    await conformance.assert_cancelling_stops(voice)


async def test_many_calls(engine: Espeak) -> None:
    await conformance.assert_voices_share_the_engine(engine)


async def test_closed_is_closed(engine: Espeak) -> None:
    await conformance.assert_closed_is_closed(engine)


@pytest.mark.parametrize("wanted", [130, 160, 190])
async def test_the_pace(engine: Espeak, wanted: int) -> None:
    voice = await engine.open(VoiceOptions(words_per_minute=wanted))
    assert await conformance.measured_pace(voice) == pytest.approx(wanted, rel=0.1)


async def test_other_languages(engine: Espeak) -> None:
    voice = await engine.open(VoiceOptions(language="de"))
    assert (await conformance.say(voice, "Guten Tag, schöne Grüße.")).pcm
    with pytest.raises(EngineRequest, match="xx-nothing"):
        await engine.open(VoiceOptions(voice="xx-nothing"))


async def test_its_process_is_killed_and_comes_back(engine: Espeak, voice: Voice) -> None:
    first = engine.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    for attempt in range(2):
        try:
            assert (await conformance.say(voice, "Back again.")).pcm
            break
        except EngineDown:
            assert attempt == 0, "one failure may be told, the next sentence speaks"
    assert engine.pid not in (None, first)


async def test_a_death_in_the_middle_is_told(engine: Espeak, voice: Voice) -> None:
    sound = voice.say(" ".join(conformance.HELD_OUT))
    await anext(sound)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineDown):
        await rest(sound)


async def test_a_process_that_always_dies_is_not_started_for_ever(
    engine: Espeak, voice: Voice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "dies.py"
    program.write_text("")
    monkeypatch.setattr(espeak_worker, "__file__", str(program))
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    told = []
    for _ in range(8):
        with pytest.raises(EngineDown) as raised:
            await conformance.say(voice, "Hello.")
        told.append(str(raised.value))
    assert "died 5 times" in told[-1]


async def test_a_process_that_hangs_is_killed(
    engine: Espeak, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(espeak_process, "_PIECE_SECONDS", 0.05)
    pid = engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(EngineTimeout):
        await conformance.say(voice, "Hello.")
    monkeypatch.undo()
    for _ in range(2):
        try:
            await conformance.say(voice, "Hello.")
        except EngineDown:
            continue
    assert engine.pid not in (None, pid)
    assert not runs(pid)


async def test_closing_ends_the_process() -> None:
    engine = Espeak(clock=SystemClock())
    await engine.start()
    pid = engine.pid
    assert pid is not None
    assert runs(pid)
    await engine.close()
    assert not runs(pid)
    assert engine.pid is None


async def test_without_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The worker as it is, on a machine where the import fails.
    program = tmp_path / "worker.py"
    source = inspect.getsource(espeak_worker)
    program.write_text(source.replace("import espeakng_loader", "import no_such_package as espeakng_loader"))
    monkeypatch.setattr(espeak_worker, "__file__", str(program))
    with pytest.raises(EngineMissing, match="pip install espeakng-loader"):
        await Espeak(clock=SystemClock()).start()


def worker(stdin: bytes) -> list[tuple[bytes, int, bytes]]:
    """The frames that the worker writes for these bytes, until it ends by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline.providers.tts.espeak_worker"],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
    )
    out, frames = io.BytesIO(done.stdout), []
    while header := out.read(HEADER.size):
        kind, request, length = HEADER.unpack(header)
        frames.append((kind, request, out.read(length)))
    return frames


@pytest.mark.parametrize(
    "garbage", [b"", b"S", HEADER.pack(b"S", 1, 2**31), HEADER.pack(b"S", 1, 3) + b"{{{"]
)
def test_the_worker_ends_with_its_input_whatever_that_is(garbage: bytes) -> None:
    frames = worker(garbage)
    assert [frame[:2] for frame in frames] == [(b"R", 0)]
    assert json.loads(frames[0][2])["rate"] == 22050


async def test_it_does_not_outlive_the_program_that_started_it() -> None:
    program = (
        "import asyncio, os\n"
        "from trunkline.clock import SystemClock\n"
        "from trunkline.providers.tts.espeak import Espeak\n"
        "async def main():\n"
        "    engine = Espeak(clock=SystemClock())\n"
        "    await engine.start()\n"
        "    print(engine.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await parent.communicate()
    async with asyncio.timeout(20):
        while runs(int(out)):  # noqa: ASYNC110 (another program's end sets no event of ours)
            await asyncio.sleep(0.01)
