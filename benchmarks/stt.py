"""How well and how soon the embedded recogniser understands: `python benchmarks/stt.py [--json PATH]`.

flite's voices, brought into a telephone's band and through mu-law, say lines that a grammar of 49
phrases covers and lines that it does not. For each voice, with the free decoder and without:

* of the lines it covers: understood word for word, taken for something else, not believed;
* of the others: swallowed (taken for some sentence of the grammar);
* processor seconds for a second of sound, and the milliseconds from an utterance's end to its `Final`
  inside the worker (median and 95th percentile), where the grammar was sure and where it was not.

And once: the worker's memory, and the milliseconds to compile the grammar.
"""

from __future__ import annotations

import argparse
import asyncio
import audioop
import json
import statistics
import sys
import time
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from stt_lines import EXPECTED, FOREIGN

from trunkline.audio.resample import resampled
from trunkline.clock import SystemClock
from trunkline.errors import EngineMissing
from trunkline.events import Expectation
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.stt.grammar import Grammar
from trunkline.providers.stt.pocketsphinx import PocketSphinx
from trunkline.providers.stt.sphinx_decoders import Decoders
from trunkline.providers.stt.verdict import Verdict
from trunkline.providers.tts.flite import Flite

RATE = 8000
BATCH = RATE * 60 // 1000 * 2


async def spoken(lines: tuple[str, ...], voice_name: str) -> list[bytes]:
    """The lines as a telephone brings them, with 0.3 s of faint noise on each side."""
    engine = Flite(clock=SystemClock())
    await engine.start()
    noise = np.random.default_rng(1).normal(0, 8, int(0.3 * RATE)).astype("<i2").tobytes()
    found = []
    try:
        voice = await engine.open(VoiceOptions(voice=voice_name))
        for line in lines:
            pcm = b""
            async with aclosing(voice.say(line)) as pieces:
                async for piece in pieces:
                    pcm += piece.pcm
            narrow = _telephone(resampled(pcm, voice.rate, RATE))
            found.append(noise + audioop.ulaw2lin(audioop.lin2ulaw(narrow, 2), 2) + noise)
        await voice.close()
    finally:
        await engine.close()
    return found


def _telephone(pcm: bytes) -> bytes:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    spectrum = np.fft.rfft(samples)
    pitch = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(pitch < 200) | (pitch > 3500)] = 0
    return np.fft.irfft(spectrum, len(samples)).clip(-32768, 32767).astype("<i2").tobytes()


def measure(sounds: list[bytes], *, free: bool) -> dict[str, Any]:
    decoders = Decoders(free=free, log=_quiet)
    decoders.new_call(RATE)
    grammar = Grammar.expecting(Expectation(phrases=tuple(phrase for phrase, _ in EXPECTED)))
    began = time.perf_counter()
    decoders.expect(grammar)
    compiled = time.perf_counter() - began
    counts = dict.fromkeys(("right", "wrong", "not believed", "swallowed", "left"), 0)
    ends: dict[bool, list[float]] = {True: [], False: []}
    processor = seconds = 0.0
    for place, pcm in enumerate(sounds):
        expected = EXPECTED[place][1] if place < len(EXPECTED) else None
        verdicts: list[tuple[float, Verdict]] = []
        before = time.process_time()
        decoders.begin()
        for start in range(0, len(pcm), BATCH):
            decoders.hear(pcm[start : start + BATCH])
            decoders.so_far()
        ended = time.perf_counter()
        decoders.end(partial(_stamp, verdicts))
        processor += time.process_time() - before
        seconds += len(pcm) / 2 / RATE
        at, verdict = verdicts[0]
        sure = verdict.source == "grammar"
        ends[sure].append((at - ended) * 1000)
        if expected is None:
            counts["swallowed" if sure else "left"] += 1
        else:
            right = verdict.reading.text == expected
            counts["not believed" if not sure else "right" if right else "wrong"] += 1
    return {
        **counts,
        "processor seconds a second": processor / seconds,
        "final ms, sure": _quantiles(ends[True]),
        "final ms, not sure": _quantiles(ends[False]),
        "grammar ms": compiled * 1000,
    }


def _quantiles(values: list[float]) -> tuple[float, float] | None:
    if len(values) < 2:
        return None
    return statistics.median(values), statistics.quantiles(values, n=20)[-1]


def _quiet(text: str) -> None:
    """The words whose sound is guessed are not of interest here."""


def _stamp(to: list[tuple[float, Verdict]], verdict: Verdict) -> None:
    to.append((time.perf_counter(), verdict))


async def memory(*, free: bool) -> float:
    """MB that a worker process with its grammar holds."""
    engine = PocketSphinx(clock=SystemClock(), free=free)
    await engine.start()
    recognition = await engine.open(ListenOptions())
    try:
        recognition.expect(Expectation(phrases=tuple(phrase for phrase, _ in EXPECTED)))
        await asyncio.sleep(2)
        return await asyncio.to_thread(_resident_mb, recognition.pid)
    finally:
        await engine.close()


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voices", default="rms,awb,slt")
    parser.add_argument("--json", type=Path, default=None)
    parsed = parser.parse_args()
    lines = (*(line for _, line in EXPECTED), *FOREIGN)
    results: dict[str, dict[str, Any]] = {}
    for voice in parsed.voices.split(","):
        try:
            sounds = asyncio.run(spoken(lines, voice))
        except EngineMissing as missing:
            print(missing, file=sys.stderr)
            return 1
        for free in (False, True):
            name = f"{voice}, {'grammar and free' if free else 'grammar alone'}"
            results[name] = result = measure(sounds, free=free)
            print(name)
            for what, value in result.items():
                shown = f"{value:.2f}" if isinstance(value, float) else value
                print(f"  {what:28} {shown}", flush=True)
    results["memory MB"] = {
        "grammar alone": asyncio.run(memory(free=False)),
        "grammar and free": asyncio.run(memory(free=True)),
    }
    print("a worker's memory, MB", results["memory MB"])
    if parsed.json is not None:
        parsed.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
