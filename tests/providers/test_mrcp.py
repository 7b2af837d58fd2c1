"""Recognisers and synthesisers over MRCP, against a server played from the RFC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from legs.far_ends import loudness, tone, until
from providers.servers.mrcp_server import RESULT, PlayedServer, played_server
from providers.stt_conformance import Ear, assert_bounded_under_a_flood, assert_takes_odd_frames, listening
from providers.tts_conformance import say
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineNetwork,
    EngineRequest,
    EngineTimeout,
)
from trunkline.events import Expectation
from trunkline.providers.protocols import ListenOptions, Recognition, VoiceOptions
from trunkline.providers.registry import make_stt, make_tts
from trunkline.providers.stt.mrcp import Mrcp
from trunkline.providers.tts import mrcp as voices
from trunkline.providers.tts.mrcp import MrcpVoices

CLOCK = SystemClock()
RATE = 8000
SILENCE = bytes(320)


@asynccontextmanager
async def recogniser(server: PlayedServer, **options: Any) -> AsyncIterator[Mrcp]:
    engine = Mrcp(
        clock=CLOCK, server=f"sip:127.0.0.1:{server.port}", **{"bind": "udp:127.0.0.1:0", **options}
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def synthesiser(server: PlayedServer, **options: Any) -> AsyncIterator[MrcpVoices]:
    engine = MrcpVoices(
        clock=CLOCK, server=f"sip:127.0.0.1:{server.port}", **{"bind": "udp:127.0.0.1:0", **options}
    )
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def speak(recognition: Recognition, loud: int = 15, quiet: int = 25) -> None:
    """Frames in the beat of a call: sound, then silence."""
    for place in range(loud + quiet):
        pcm = tone(RATE) if place < loud else SILENCE
        recognition.push(Frame(pcm, RATE, CLOCK.now()))
        await asyncio.sleep(0.02)


# --- recognising ------------------------------------------------------------------------------------


async def test_what_is_said_is_understood_and_listened_for_again() -> None:
    async with played_server() as server, recogniser(server) as engine:
        async with listening(engine) as (recognition, ear):
            began = CLOCK.now()
            for count in (1, 2):
                await speak(recognition)
                await ear.until_finals(count)
            assert [final.text for final in ear.finals] == ["may I speak to Andre Roy"] * 2
            first = ear.finals[0]
            assert first.confidence == 0.9
            assert " ".join(word.text for word in first.words) == first.text
            bounds = [bound for word in first.words for bound in (word.start, word.end)]
            assert bounds == sorted(bounds)
            assert began - 1e-6 <= bounds[0]
            assert bounds[-1] <= first.at
        asked = await server.until_asked("RECOGNIZE")
        assert asked.body == "builtin:speech/transcribe"
        assert asked.fields["Content-Type"] == "text/uri-list"
        assert asked.fields["Speech-Complete-Timeout"] == "500"
        assert loudness(bytes(server.heard)) > 0.05
    assert server.byes == server.calls == 2


async def test_what_the_server_does_not_understand_is_rejected() -> None:
    async with played_server() as server, recogniser(server) as engine:
        server.result = ""
        async with listening(engine) as (recognition, ear):
            await speak(recognition)
            await ear.until_finals(1)
            assert ear.finals[0].rejected


@pytest.mark.parametrize("cause", ["002 no-input-timeout", "007 speech-too-early", "011 cancelled"])
async def test_nothing_said_is_nothing_told_and_listened_for_again(cause: str) -> None:
    async with played_server() as server, recogniser(server) as engine:
        server.complete = [(cause, "", "")]
        async with listening(engine) as (recognition, ear):
            await speak(recognition)
            await server.until_asked("RECOGNIZE", 2)
            await speak(recognition)
            await ear.until_finals(1)
            assert [final.rejected for final in ear.finals] == [False]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/emma+xml", "<emma/>"),
        ("application/nlsml+xml", "<result"),
        ("application/nlsml+xml", '<!DOCTYPE r [<!ENTITY a "aa">]><result>&a;</result>'),
    ],
)
async def test_results_that_cannot_be_read_are_complained_of_and_the_call_goes_on(
    kind: str, body: str
) -> None:
    async with played_server() as server, recogniser(server) as engine:
        server.complete = [("000 success", kind, body)]
        async with listening(engine) as (recognition, ear):
            await speak(recognition)
            await server.until_asked("RECOGNIZE", 2)
            await speak(recognition)
            await ear.until_finals(1)
            assert [type(error) for error in ear.errors] == [EngineDown]


async def test_older_servers_types_and_percents_are_understood() -> None:
    async with played_server() as server, recogniser(server) as engine:
        body = RESULT.format(text="yes", confidence="87")
        server.complete = [("000 success", "application/x-nlsml", body)]
        async with listening(engine) as (recognition, ear):
            await speak(recognition)
            await ear.until_finals(1)
            assert (ear.finals[0].text, ear.finals[0].confidence) == ("yes", 0.87)


async def test_a_server_that_fails_again_and_again_is_given_up() -> None:
    async with played_server() as server, recogniser(server) as engine:
        server.complete = [("006 recognizer-error", "", "")] * 9
        async with listening(engine) as (recognition, ear):
            for count in range(1, 6):
                await server.until_asked("RECOGNIZE", count)
                await speak(recognition)
            async with asyncio.timeout(15):
                await ear.ended.wait()
            assert [type(error) for error in ear.errors] == [EngineDown]


async def test_a_connection_that_breaks_off_is_an_error_of_the_stream() -> None:
    async with played_server() as server, recogniser(server) as engine:
        async with listening(engine) as (recognition, ear):
            server.break_off()
            async with asyncio.timeout(15):
                await ear.ended.wait()
            recognition.push(Frame(SILENCE, RATE, CLOCK.now()))
            recognition.expect(Expectation(phrases=("yes",)))
            assert [type(error) for error in ear.errors] == [EngineNetwork]
        async with listening(engine):
            pass


async def test_what_is_expected_becomes_a_grammar() -> None:
    async with (
        played_server() as server,
        recogniser(server, expected=True) as engine,
        listening(engine) as (recognition, _),
    ):
        recognition.expect(Expectation(phrases=("yes please", "<number> people", "no")))
        defined = await server.until_asked("DEFINE-GRAMMAR")
        assert "<item>yes please</item><item>no</item>" in defined.body
        asked = await server.until_asked("RECOGNIZE", 2)
        name = defined.fields["Content-ID"].strip("<>")
        assert asked.body.split() == [f"session:{name}", "builtin:speech/transcribe"]


async def test_odd_frames_and_floods_are_survived() -> None:
    async with played_server() as server, recogniser(server) as engine:
        await assert_takes_odd_frames(engine, CLOCK)
        await assert_bounded_under_a_flood(engine, tone(RATE, seconds=2.0), CLOCK, 60)


async def test_a_reader_that_is_cancelled_takes_nothing_down() -> None:
    async with played_server() as server, recogniser(server) as engine:
        recognition = await engine.open(ListenOptions(rate=16000))
        task = asyncio.create_task(Ear().listen(recognition))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await recognition.close()
        await recognition.close()


# --- what a server may do to us ---------------------------------------------------------------------


async def test_a_server_that_refuses_is_told_at_the_start() -> None:
    async with played_server() as server:
        server.refuse = "503 Service Unavailable"
        with pytest.raises(EngineNetwork, match="503"):
            async with recogniser(server):
                pass


async def test_a_server_that_is_not_there_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.mrcp.client.OPEN_WITHIN", 0.2)
    server = PlayedServer(port=9)
    with pytest.raises(EngineNetwork):
        async with recogniser(server):
            pass


async def test_a_recognise_that_is_refused_is_our_mistake() -> None:
    async with played_server() as server, recogniser(server) as engine:
        server.statuses["RECOGNIZE"] = 404
        with pytest.raises(EngineRequest, match="404"):
            await engine.open(ListenOptions())


@pytest.mark.parametrize(
    "options",
    [{"server": ""}, {"server": "no address"}, {"codec": "nonesuch"}, {"bind": "nowhere"}, {"grammar": ""}],
)
async def test_options_that_cannot_be_are_the_owners_mistake(options: dict[str, str]) -> None:
    given: dict[str, Any] = {"server": "sip:127.0.0.1:9", "bind": "udp:127.0.0.1:0", **options}
    with pytest.raises(ConfigError):
        await Mrcp(clock=CLOCK, **given).start()


async def test_an_engine_that_was_closed_opens_nothing() -> None:
    async with played_server() as server, recogniser(server) as engine:
        await engine.close()
        with pytest.raises(EngineDown):
            await engine.open(ListenOptions())


def test_they_are_engines_like_all_others() -> None:
    assert make_stt("mrcp,server=sip:asr.example.com,silence_ms=300", CLOCK).name == "mrcp"
    assert make_tts("mrcp,server=sip:tts.example.com,voice=Anna", CLOCK).name == "mrcp"


# --- speaking ---------------------------------------------------------------------------------------


async def test_a_sentence_is_spoken_in_pieces_with_its_words_marked() -> None:
    text = "You have four new messages."
    async with played_server() as server, synthesiser(server, voice="Anna") as engine:
        voice = await engine.open(VoiceOptions())
        for _ in range(2):
            said = await say(voice, text)
            assert voice.rate == 8000
            assert said.pieces > 3
            assert 0.4 < said.seconds < 0.8
            assert max(said.silence()) <= 0.045
            places = [place for _, place in said.marks]
            assert places == [3, 8, 13, 17, 27]
            times = [at for at, _ in said.marks]
            assert times == sorted(times)
            assert times[-1] <= said.seconds + 0.1
        asked = await server.until_asked("SPEAK")
        assert asked.fields["Voice-Name"] == "Anna"
        assert asked.fields["Content-Type"] == "application/ssml+xml"
        await voice.close()


async def test_words_alone_for_servers_that_know_no_ssml() -> None:
    async with played_server() as server, synthesiser(server, ssml=False) as engine:
        voice = await engine.open(VoiceOptions())
        assert (await say(voice, "One & two.")).pcm
        assert (await server.until_asked("SPEAK")).body == "One & two."
        await voice.close()


async def test_a_sentence_that_is_dropped_is_stopped_and_the_next_is_whole() -> None:
    async with played_server() as server, synthesiser(server) as engine:
        voice = await engine.open(VoiceOptions())
        async with aclosing(voice.say("one two three four five six seven eight nine ten")) as sound:
            async for piece in sound:
                assert piece.pcm
                break
        await server.until_asked("STOP")
        said = await say(voice, "one two three")
        assert [place for _, place in said.marks] == [3, 7, 13]
        await voice.close()


async def test_what_has_no_words_is_not_asked_for() -> None:
    async with played_server() as server, synthesiser(server) as engine:
        voice = await engine.open(VoiceOptions())
        for text in ("", "  ", "...!?"):
            assert not (await say(voice, text)).pcm
        for text in ("a\x00b \ud800", "<speak>&amp;</speak> 你好"):
            assert (await say(voice, text)).pcm
        assert len([one for one in server.asked if one.method == "SPEAK"]) == 2
        await voice.close()


async def test_a_server_that_cannot_speak_it_is_an_error() -> None:
    async with played_server() as server, synthesiser(server) as engine:
        voice = await engine.open(VoiceOptions())
        server.complete = [("002 parse-failure", "", "")]
        with pytest.raises(EngineDown, match="cause 2"):
            await say(voice, "one")
        server.statuses["SPEAK"] = 407
        with pytest.raises(EngineRequest, match="407"):
            await say(voice, "one")
        await voice.close()


async def test_a_server_that_falls_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voices, "_SILENT_FOR", 0.1)
    async with played_server() as server, synthesiser(server) as engine:
        server.silent = True
        voice = await engine.open(VoiceOptions())
        with pytest.raises(EngineTimeout):
            await say(voice, "one")
        await server.until_asked("STOP")
        await voice.close()


async def test_a_voice_whose_connection_breaks_off_says_so() -> None:
    async with played_server() as server, synthesiser(server) as engine:
        voice = await engine.open(VoiceOptions())
        sound = voice.say("one two three four")
        assert (await anext(sound)).pcm
        server.break_off()
        with pytest.raises(EngineNetwork):
            [piece async for piece in sound]
        with pytest.raises(EngineError):
            await say(voice, "one")
        await voice.close()
        other = await engine.open(VoiceOptions())
        assert (await say(other, "one")).pcm
        await engine.close()
        with pytest.raises(EngineError):
            await say(other, "one")


async def test_calls_have_their_own_channels() -> None:
    async with played_server() as server, synthesiser(server) as engine:
        several = [await engine.open(VoiceOptions()) for _ in range(4)]
        said = await asyncio.gather(*(say(voice, "one two") for voice in several))
        assert all([place for _, place in one.marks] == [3, 7] for one in said)
        for voice in several:
            await voice.close()
        await until(lambda: server.byes == 5)
