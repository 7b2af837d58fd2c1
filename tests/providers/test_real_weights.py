"""Local engines with trained models, where packages carry some: that words come out of sound, sound out of
words, and an answer out of a prompt. Without them the random models of the other tests prove all but that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from rapidfuzz import fuzz

from providers import stt_conformance as conformance
from providers.llm_conformance import (
    answer,
    assert_closes_twice,
    assert_closing_early_leaves_nothing,
    assert_in_order,
    text_of,
)
from providers.real_weights import (
    LLAMA,
    PIPER,
    VOSK,
    WHISPER,
    llama_file,
    needs,
    piper_voice,
    vosk_folder,
    whisper_folder,
)
from providers.servers.llama_server import LlamaServer
from providers.stt_conformance import RATE, listening, recording, speak
from providers.tts_conformance import assert_cancelling_stops, assert_closing_early_stops, say
from trunkline.audio.resample import resampled
from trunkline.clock import SystemClock
from trunkline.errors import EngineError
from trunkline.events import Final, Partial
from trunkline.prompt import Message, Prompt, Usage
from trunkline.providers.llm.openai import OpenAILanguageModel
from trunkline.providers.protocols import SpeechToText, VoiceOptions
from trunkline.providers.stt.vosk import Vosk
from trunkline.providers.stt.whisper import Whisper
from trunkline.providers.tts.espeak import Espeak
from trunkline.providers.tts.piper import Piper

CLOCK = SystemClock()
SLOW = 60.0
"""Seconds that a model on a busy machine may take for its first token."""
pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def whisper_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(whisper_folder(tmp_path_factory.mktemp("whisper-base")))


async def heard(engine: SpeechToText, pcm: bytes) -> Final:
    """The first final words for this sound (8 kHz), said in its own time."""
    async with listening(engine) as (recognition, ear):
        await speak(recognition, pcm, CLOCK, CLOCK.now(), paced=False)
        await ear.until_finals(1)
    return ear.finals[0]


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


@needs("faster_whisper", *WHISPER)
async def test_whisper_hears_what_is_said_over_a_telephone(whisper_model: str) -> None:
    engine = Whisper(clock=CLOCK, model=whisper_model, threads=2)
    await engine.start()
    try:
        for line in ("yes-thats-right", "this-is-a-waste-of-my-time-you-idiot"):
            final = await heard(engine, recording(line))
            assert plain(final.text).replace("'", "") == line.replace("-", " ")
            assert final.confidence > 0.5
    finally:
        await engine.close()


@needs("piper", "faster_whisper", PIPER, *WHISPER)
async def test_what_piper_says_whisper_hears(whisper_model: str) -> None:
    sentence = "Good morning, I would like to move my appointment to Tuesday."
    engine = Piper(clock=CLOCK, voice=str(piper_voice()))
    ears = Whisper(clock=CLOCK, model=whisper_model, threads=2)
    await engine.start()
    try:
        voice = await engine.open(VoiceOptions())
        said = await say(voice, sentence)
        await assert_closing_early_stops(voice)
        await assert_cancelling_stops(voice)
        await voice.close()
        assert 1.5 < said.seconds < 8
        await ears.start()
        final = await heard(ears, resampled(said.pcm, voice.rate, RATE))
    finally:
        await engine.close()
        await ears.close()
    # A voice of this kind says nothing twice in the same way, so a short word may be taken for another.
    assert fuzz.ratio(plain(final.text).split(), plain(sentence).split()) >= 80, final.text


@needs("vosk", VOSK)
async def test_vosk_streams_with_a_trained_model() -> None:
    """Its words are Korean. How well it hears is not asked: it never learned from espeak-ng's Korean."""
    speaker = Espeak(clock=CLOCK, voice="ko")
    engine = Vosk(clock=CLOCK, model=str(vosk_folder()))
    await speaker.start()
    try:
        voice = await speaker.open(VoiceOptions(words_per_minute=110))
        said = await say(voice, "안녕하세요. 오늘 날씨가 좋습니다.")  # hello, the weather is fine today
        pcm = resampled(said.pcm, voice.rate, RATE)
        await engine.start()
        await conformance.assert_closes_at_any_time(engine, pcm, CLOCK)
        await conformance.assert_takes_odd_frames(engine, CLOCK)
        async with listening(engine) as (recognition, ear):
            await speak(recognition, pcm, CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
    finally:
        await engine.close()
        await speaker.close()
    assert isinstance(ear.heard[0], Partial)
    words = [word for final in ear.finals for word in final.words]
    assert len(words) > 2
    assert all(re.fullmatch(r"[가-힣A-Z]+", word.text) for word in words)
    bounds = [bound for word in words for bound in (word.start, word.end)]
    assert bounds == sorted(bounds)
    assert all(0 < word.confidence <= 1 for word in words)


# --- llama.cpp ----------------------------------------------------------------------------------------


@pytest.fixture
async def llama() -> AsyncIterator[LlamaServer]:
    async with LlamaServer(llama_file()) as server:
        yield server


def model_at(server: LlamaServer) -> OpenAILanguageModel:
    return OpenAILanguageModel(
        clock=CLOCK, base_url=server.base_url, model="smollm2", first_token_s=SLOW, between_tokens_s=SLOW
    )


def asking(words: str, tokens: int = 24) -> Prompt:
    rules = "You answer telephone calls for a dentist. Be brief and friendly. " * 8
    return Prompt((Message("system", rules), Message("user", words)), temperature=0.0, max_tokens=tokens)


@needs("xllamacpp", LLAMA)
async def test_a_model_behind_llama_cpp_answers_and_remembers_the_prompt(llama: LlamaServer) -> None:
    engine = model_at(llama)
    await engine.start()
    try:
        first = await answer(engine, asking("What is the capital of France?"))
        second = await answer(engine, asking("What is the capital of France?"))
    finally:
        await assert_closes_twice(engine)
    for deltas in (first, second):
        assert_in_order(deltas)
        assert len(deltas) > 3  # in pieces, not at once
    assert "Paris" in text_of(first)
    usage = second[-1]
    assert isinstance(usage, Usage)
    assert usage.input_tokens > 80
    assert 0 < usage.output_tokens <= 24
    assert usage.cached_tokens > 80  # the prompt went out byte for byte as before


@needs("xllamacpp", LLAMA)
async def test_an_answer_that_is_cut_leaves_the_server_free_for_the_next(llama: LlamaServer) -> None:
    engine = model_at(llama)
    await engine.start()
    try:
        await assert_closing_early_leaves_nothing(engine)
        for _ in range(4):  # more than it has places
            async with aclosing(engine.stream(asking("Count up from one.", tokens=2000))) as stream:
                await anext(stream)
        async with asyncio.timeout(SLOW):
            assert text_of(await answer(engine, asking("Say hello.", tokens=8)))
    finally:
        await engine.close()


@needs("xllamacpp", LLAMA)
async def test_a_server_that_dies_in_the_middle_of_an_answer_is_told(llama: LlamaServer) -> None:
    engine = model_at(llama)
    await engine.start()
    try:
        async with aclosing(engine.stream(asking("Count up from one.", tokens=2000))) as stream:
            await anext(stream)
            await llama.kill()
            with pytest.raises(EngineError):
                async for _ in stream:
                    pass
        with pytest.raises(EngineError):
            await answer(engine, asking("Say hello."))
    finally:
        await engine.close()
