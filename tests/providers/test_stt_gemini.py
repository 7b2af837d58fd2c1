"""Gemini's live transcription: what it is told, what its messages mean, and one connection after another."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.hosted_stt_conformance import CLOCK, LINE
from providers.servers.gemini_live_ears import GeminiEars
from providers.stt_conformance import LIMIT, RATE, listening, recording, speak
from trunkline.audio.frame import Frame
from trunkline.errors import EngineError, EngineKeyWrong, EngineNetwork, EngineQuota, EngineRequest
from trunkline.events import Expectation, Final, Partial
from trunkline.prompt import ToolCall
from trunkline.providers.gemini_live_messages import Samples, Sounds, ended, read
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.gemini import GeminiTranscribe
from trunkline.providers.stt.gemini_wire import TranscribeWire
from trunkline.providers.stt.socket_recognition import Moment
from trunkline.providers.stt.timeline import Timeline

pytest.importorskip("websockets")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "secret-1")


async def test_what_it_is_told() -> None:
    async with GeminiEars() as server:
        engine = GeminiTranscribe(clock=CLOCK, base_url=server.address, keyterms="Clearline", mode="verbatim")
        await engine.start()
        async with listening(engine) as (recognition, ear):
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        await engine.close()
        assert server.headers[-1]["x-goog-api-key"] == "secret-1"
        assert server.queries == [{}], "no key in the address"
        assert server.setups == [
            {
                "model": "models/gemini-3.5-transcribe-live",
                "generationConfig": {"responseModalities": ["TEXT"]},
                "realtimeInputConfig": {
                    "automaticActivityDetection": {"disabled": True},
                    "activityHandling": "NO_INTERRUPTION",
                },
                "inputAudioTranscription": {
                    "languageCodes": ["en"],
                    "mode": "VERBATIM",
                    "customVocabulary": ["Clearline"],
                },
            }
        ]
        spoken = len(recording(LINE)) / 2 / RATE
        assert server.received[0] < spoken + 1.0, "silence is not sent, nor paid for"


async def test_the_next_connection_takes_over_before_the_service_leaves() -> None:
    async with GeminiEars() as server:
        server.leave_after = 1
        engine = GeminiTranscribe(clock=CLOCK, base_url=server.address)
        await engine.start()
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            start = CLOCK.now()
            await speak(recognition, recording(LINE), CLOCK, start, paced=False)
            await ear.until_finals(1)
            quiet = 0
            async with asyncio.timeout(LIMIT):
                # The line goes on; the change needs the second connection's first message.
                while len(server.received) < 2 or not recognition._parting:  # type: ignore[attr-defined]
                    at = start + len(recording(LINE)) / 2 / RATE + quiet * 0.02
                    recognition.push(Frame(bytes(RATE // 50 * 2), RATE, at))
                    quiet += 1
                    await asyncio.sleep(0)
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(2)
        await engine.close()
        assert not ear.errors
        assert all(seconds > 0 for seconds in server.received), "each heard one"
        assert server.setups[1]["inputAudioTranscription"]["customVocabulary"] == ["Dana"]


async def test_each_utterance_is_told_with_its_sound() -> None:
    spoken: list[tuple[str, bytes]] = []
    async with GeminiEars() as server:
        engine = GeminiTranscribe(clock=CLOCK, base_url=server.address)
        await engine.start()
        recognition = await engine.listen(ListenOptions(rate=RATE), lambda *told: spoken.append(told))
        await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
        async with asyncio.timeout(LIMIT):
            while not isinstance(await anext(recognition), Final):
                pass
        await recognition.close()
        await engine.close()
        ((text, sound),) = spoken
        assert text == "yes that is right"
        assert len(sound) / 2 / 16000 == pytest.approx(server.received[0])


def wire() -> TranscribeWire:
    return TranscribeWire("m", "en", "", Sounds())


def content(**fields: Any) -> bytes:
    return json.dumps({"serverContent": fields}).encode()


def utter(talk: TranscribeWire, at: float) -> None:
    talk.begin_utterance(at, own=False)
    talk.sound(bytes(16000))
    talk.end_utterance(at + 0.5, at + 0.6)


def heard(talk: TranscribeWire, message: bytes, now: float = 100.0) -> list[Heard]:
    return talk.read(message, Moment(now, Timeline()))


def test_interim_words_are_all_so_far_and_final_ones_are_pieces() -> None:
    talk = wire()
    talk.begin_utterance(90.0, own=False)
    (one,) = heard(talk, content(interimInputTranscription={"text": " book"}))
    (two,) = heard(talk, content(interimInputTranscription={"text": " book a table"}))
    (three,) = heard(talk, content(inputTranscription={"text": " Book a table."}))
    (four,) = heard(talk, content(interimInputTranscription={"text": " for"}))
    assert [each.text for each in (one, two, three, four) if isinstance(each, Partial)] == [
        "book",
        "book a table",
        "Book a table.",
        "Book a table. for",
    ]
    assert heard(talk, content(generationComplete=True)) == [], "the caller still speaks"
    talk.sound(bytes(16000))
    talk.end_utterance(91.0, 91.1)
    heard(talk, content(inputTranscription={"text": " For two."}))
    (last,) = heard(talk, content(generationComplete=True))
    assert isinstance(last, Final)
    assert last.text == "Book a table. For two."


def test_an_activity_without_words_is_over_soon_after_the_service_noted_its_end() -> None:
    talk = wire()
    utter(talk, 90.0)
    heard(talk, json.dumps({"serverContent": {}, "voiceActivity": {"type": "ACTIVITY_END"}}).encode(), 91.0)
    assert talk.waited(91.3) == []
    (nothing,) = talk.waited(91.7)
    assert isinstance(nothing, Final)
    assert nothing.text == ""
    assert talk.waited(99.0) == [], "once"


def test_words_that_come_after_that_note_count() -> None:
    talk = wire()
    utter(talk, 90.0)
    heard(talk, json.dumps({"voiceActivity": {"type": "ACTIVITY_END"}}).encode(), 91.0)
    heard(talk, content(inputTranscription={"text": "yes"}), 91.5)
    assert talk.waited(91.9) == [], "more words may come"
    (final,) = talk.waited(92.2)
    assert isinstance(final, Final)
    assert final.text == "yes"


def test_a_new_utterance_takes_no_words_of_the_one_before() -> None:
    talk = wire()
    utter(talk, 90.0)
    talk.begin_utterance(91.0, own=False)
    heard(talk, content(inputTranscription={"text": "first"}))
    (first,) = heard(talk, content(generationComplete=True))
    talk.sound(bytes(16000))
    talk.end_utterance(92.0, 92.1)
    heard(talk, content(inputTranscription={"text": "second"}))
    (second,) = heard(talk, content(generationComplete=True))
    assert [each.text for each in (first, second) if isinstance(each, Final)] == ["first", "second"]


def test_one_message_may_tell_many_things() -> None:
    told = read(
        json.dumps(
            {
                "serverContent": {
                    "modelTurn": {
                        "parts": [
                            {"text": "hmm", "thought": True},
                            {"inlineData": {"data": "AAEC", "mimeType": "audio/pcm;rate=24000"}},
                            {"inlineData": {"data": "Aw==", "mimeType": "audio/pcm;rate=24000"}},
                        ]
                    },
                    "outputTranscription": {"text": " Hi"},
                    "generationComplete": True,
                    "turnComplete": True,
                },
                "toolCall": {"functionCalls": [{"id": "c1", "name": "look", "args": {"day": 3}}]},
                "toolCallCancellation": {"ids": ["c0"]},
                "goAway": {"timeLeft": "9.5s"},
                "sessionResumptionUpdate": {"newHandle": "h", "resumable": True},
                "usageMetadata": {
                    "promptTokenCount": 522,
                    "responseTokenCount": 42,
                    "thoughtsTokenCount": 8,
                    "promptTokensDetails": [
                        {"modality": "TEXT", "tokenCount": 332},
                        {"modality": "AUDIO", "tokenCount": 165},
                    ],
                    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 42}],
                },
            }
        )
    )
    assert told.sound == b"\x00\x01\x02\x03"
    assert told.said == " Hi"
    assert told.generated
    assert told.turn_over
    assert told.calls == (ToolCall("c1", "look", {"day": 3}),)
    assert told.taken_back == ("c0",)
    assert told.leaves_in == 9.5
    assert told.handle == "h"
    assert told.usage is not None
    used = told.usage
    assert (used.input_tokens, used.output_tokens) == (522, 50)
    assert (used.audio_input_tokens, used.audio_output_tokens) == (165, 42)


NAMES = (  # noqa: SIM905
    "serverContent toolCall functionCalls goAway timeLeft usageMetadata modelTurn parts inlineData data "
    "mimeType outputTranscription text name args ids promptTokenCount promptTokensDetails tokenCount "
    "modality voiceActivity type "
    "inputTranscription interimInputTranscription generationComplete setupComplete"
).split()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON.map(json.dumps) | st.binary(max_size=60) | st.text(max_size=60))
def test_garbage_is_read_or_refused(message: str | bytes) -> None:
    talk = wire()
    utter(talk, 90.0)
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError, EngineError):
        told = read(message)
        assert isinstance(told.said, str)
        heard(talk, message if isinstance(message, bytes) else message.encode())


@given(st.lists(st.binary(max_size=7), max_size=12))
def test_samples_are_put_together_again(pieces: list[bytes]) -> None:
    samples = Samples()
    whole = [samples.push(piece) for piece in pieces]
    assert all(len(piece) % 2 == 0 for piece in whole)
    said = b"".join(pieces)
    assert b"".join(whole) == said[: len(said) & ~1]


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (1007, "Request contains an invalid argument.", EngineRequest),
        (1008, "models/x is not found for API version v1beta", EngineRequest),
        (1007, "API key not valid. Please pass a valid API key.", EngineKeyWrong),
        (1011, "You exceeded your current quota, please check your plan", EngineQuota),
        (1011, "Internal error encountered.", EngineNetwork),
    ],
)
def test_what_the_end_of_a_socket_means(code: int, reason: str, kind: type[EngineError]) -> None:
    from websockets.exceptions import ConnectionClosedError
    from websockets.frames import Close

    line = SocketLine("gemini", "ws://x", {}, "GEMINI_API_KEY", "gemini")
    error = ended(ConnectionClosedError(Close(code, reason), None), line)
    assert type(error) is kind
