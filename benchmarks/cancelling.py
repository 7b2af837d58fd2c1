"""How soon a hosted service knows that it is not wanted: `python benchmarks/cancelling.py [--json PATH]`.

For each engine, against the local servers of `tests/providers/servers`: milliseconds from closing an answer,
a sentence or a recognition in progress until the service has been told, and until the closing is over; median
and worst. The way to a real service comes on top. The aim is 50 ms. Other work on the machine shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from providers.hosted_stt_conformance import LINE
from providers.llm_conformance import PROMPT
from providers.servers import (
    anthropic_server,
    assemblyai_ears,
    azure_ears,
    deepgram_ears,
    gemini_server,
    openai_ears,
    openai_server,
    voice_http,
    voice_sockets,
)
from providers.stt_conformance import RATE, recording, speak
from providers.tts_conformance import SENTENCE
from trunkline.clock import SystemClock
from trunkline.providers.protocols import ListenOptions, VoiceOptions
from trunkline.providers.registry import make_llm, make_stt, make_tts

CLOCK = SystemClock()
Close = Callable[[], Awaitable[None]]


async def model(server: Any, engine: Any) -> tuple[Close, asyncio.Event]:
    """An answer whose first words have come."""
    stream = engine.stream(PROMPT)
    server.dropped.clear()
    await anext(stream)
    return stream.aclose, server.dropped


async def voice(server: Any, engine: Any) -> tuple[Close, asyncio.Event]:
    """A sentence whose first sound has come."""
    told = server.dropped if isinstance(server, voice_http.VoiceHttpServer) else server.something_cancelled
    server.faults.append("hang")
    speaking = await engine.open(VoiceOptions())
    sound = speaking.say(SENTENCE)
    await anext(sound)
    told.clear()
    return sound.aclose, told


async def ear(server: Any, engine: Any) -> tuple[Close, asyncio.Event]:
    """A recognition that has heard something."""
    recognition = await engine.open(ListenOptions(rate=RATE))
    server.first_sound.clear()
    await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
    await server.first_sound.wait()
    server.ended.clear()
    return recognition.close, server.ended


def openai_answer(server: Any) -> None:
    server.answers.append(openai_server.Answer([openai_server.text_chunk("Hi")], end="hang"))


def anthropic_answer(server: Any) -> None:
    begun = (anthropic_server.start(), anthropic_server.text_start(), anthropic_server.text("Hi"))
    server.stream(anthropic_server.sse(*begun), "hang")


def gemini_answer(server: Any) -> None:
    server.stream(gemini_server.chunk(gemini_server.text("Hi")), end="hang")


def nothing(_: Any) -> None:
    """This server needs no telling."""


PLAN: tuple[tuple[str, Any, Any, str, Any, Callable[[Any], None]], ...] = (
    ("llm", make_llm, openai_server.OpenAIServer, "openai,model=test", model, openai_answer),
    ("llm", make_llm, anthropic_server.AnthropicServer, "anthropic,model=test", model, anthropic_answer),
    ("llm", make_llm, gemini_server.GeminiServer, "gemini,model=test", model, gemini_answer),
    ("tts", make_tts, voice_http.OpenAIVoiceServer, "openai", voice, nothing),
    ("tts", make_tts, voice_http.AzureVoiceServer, "azure", voice, nothing),
    ("tts", make_tts, voice_sockets.CartesiaServer, "cartesia", voice, nothing),
    ("tts", make_tts, voice_sockets.DeepgramServer, "deepgram", voice, nothing),
    ("stt", make_stt, deepgram_ears.DeepgramEars, "deepgram", ear, nothing),
    ("stt", make_stt, assemblyai_ears.AssemblyAIEars, "assemblyai", ear, nothing),
    ("stt", make_stt, openai_ears.OpenAIEars, "openai", ear, nothing),
    ("stt", make_stt, azure_ears.AzureEars, "azure,verify=no", ear, nothing),
)


async def measure(make: Any, kind: Any, spec: str, begin: Any, ready: Any, rounds: int) -> dict[str, float]:
    told: list[float] = []
    over: list[float] = []
    async with kind() as server:
        address = server.base_url if isinstance(server, openai_server.OpenAIServer) else server.address
        engine = make(f"{spec},base_url={address}", CLOCK)
        await engine.start()
        for _ in range(rounds):
            ready(server)
            close, event = await begin(server, engine)
            waiting = asyncio.create_task(_moment(event))
            await asyncio.sleep(0)
            began = time.perf_counter()
            await close()
            over.append((time.perf_counter() - began) * 1000)
            async with asyncio.timeout(5):
                told.append((await waiting - began) * 1000)
        await engine.close()
        await asyncio.sleep(0.05)  # the server's last connections end by themselves
    return {
        "told_ms_p50": statistics.median(told),
        "told_ms_worst": max(told),
        "over_ms_p50": statistics.median(over),
        "over_ms_worst": max(over),
    }


async def _moment(event: asyncio.Event) -> float:
    await event.wait()
    return time.perf_counter()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for name in ("OPENAI", "ANTHROPIC", "GEMINI", "CARTESIA", "DEEPGRAM", "ASSEMBLYAI"):
        os.environ[f"{name}_API_KEY"] = "secret-1"
    os.environ["AZURE_SPEECH_KEY"] = "secret-1"
    rows: dict[str, dict[str, float]] = {}
    for kind, make, server, spec, begin, ready in PLAN:
        name = f"{kind} {spec.partition(',')[0]}"
        rows[name] = await measure(make, server, spec, begin, ready, options.rounds)
        print(f"{name:15}", "  ".join(f"{key} {value:.2f}" for key, value in rows[name].items()), flush=True)
    if options.json:
        await asyncio.to_thread(options.json.write_text, json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
