"""How soon and how cheaply the embedded voices speak: `python benchmarks/tts.py [--json PATH]`.

For each engine and voice: milliseconds to the first sound (median and 95th percentile), processor
seconds of this process for a second of speech (espeak-ng's own process is not in it), words a minute
when 160 are asked for, milliseconds that closing a sentence in progress takes, and the longest time
that the event loop was held up meanwhile. Other work on the machine shows in all but the pace.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from trunkline.clock import SystemClock
from trunkline.errors import EngineMissing
from trunkline.providers.protocols import TextToSpeech, Voice, VoiceOptions
from trunkline.providers.tts.espeak import Espeak
from trunkline.providers.tts.flite import Flite, voices

SENTENCES = (
    "Sure.",
    "Thanks for waiting, I have found your account.",
    "I can do Tuesday at ten in the morning, or Wednesday after lunch. Which of the two suits you better?",
    "Could you tell me how many people work at your company at the moment?",
    "Right, so you need it before the end of the month, is that correct?",
    "Our service keeps a record of every delivery, so nothing is lost, and you can look at it any time.",
)


async def measure(voice: Voice, rounds: int) -> dict[str, float]:
    firsts: list[float] = []
    seconds = 0.0
    lag = [0.0]
    watching = asyncio.create_task(_watch_lag(lag))
    before = _processor()
    for _ in range(rounds):
        for text in SENTENCES:
            began, first = time.perf_counter(), 0.0
            async with aclosing(voice.say(text)) as sound:
                async for piece in sound:
                    first = first or time.perf_counter() - began
                    seconds += len(piece.pcm) / 2 / voice.rate
            firsts.append(first * 1000)
    watching.cancel()
    words = rounds * sum(len(text.split()) for text in SENTENCES)
    cost = _processor() - before
    firsts.sort()
    return {
        "first_ms_p50": statistics.median(firsts),
        "first_ms_p95": firsts[int(len(firsts) * 0.95)],
        "processor_share": cost / seconds,
        "words_per_minute": words * 60 / seconds,
        "cancel_ms": await _cancel_ms(voice),
        "loop_lag_ms": lag[0] * 1000,
    }


async def _watch_lag(worst: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.002)
        worst[0] = max(worst[0], time.perf_counter() - began - 0.002)


async def _cancel_ms(voice: Voice) -> float:
    """How long closing a sentence in progress takes: the worst of 20."""
    worst = 0.0
    for _ in range(20):
        sound = voice.say(SENTENCES[-1])
        await anext(sound)
        began = time.perf_counter()
        await sound.aclose()
        worst = max(worst, time.perf_counter() - began)
    return worst * 1000


def _processor() -> float:
    """Processor seconds of this process so far (espeak-ng's own process is not in it)."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: dict[str, dict[str, Any]] = {}
    plan: list[tuple[TextToSpeech, list[str]]] = [
        (Flite(clock=SystemClock()), await asyncio.to_thread(_flite_voices)),
        (Espeak(clock=SystemClock()), ["en-us", "en-gb"]),
    ]
    for engine, names in plan:
        if not names:
            continue
        await engine.start()
        for name in names:
            voice = await engine.open(VoiceOptions(voice=name))
            rows[f"{engine.name} {name}"] = await measure(voice, options.rounds)
        await engine.close()
    for name, row in rows.items():
        print(f"{name:14}", "  ".join(f"{key} {value:.3g}" for key, value in row.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2))


def _flite_voices() -> list[str]:
    try:
        return voices()
    except EngineMissing as error:
        print(error, file=sys.stderr)
        return []


if __name__ == "__main__":
    asyncio.run(main())
