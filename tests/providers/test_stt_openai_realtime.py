"""OpenAI's realtime transcription: what it is asked, and the order of what it tells."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from providers.hosted_stt_conformance import CLOCK, LINE
from providers.servers.openai_ears import OpenAIEars
from providers.stt_conformance import LIMIT, Ear, listening, recording, speak
from trunkline.errors import (
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineNetwork,
    EngineQuota,
    EngineRate,
    EngineRequest,
    EngineTimeout,
)
from trunkline.events import Expectation, Final
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.line_sound import SoundFormat
from trunkline.providers.stt.openai_realtime import OpenAIRealtime, RealtimeWire
from trunkline.providers.stt.openai_shared import failure
from trunkline.providers.stt.socket_recognition import Moment
from trunkline.providers.stt.timeline import Timeline

pytest.importorskip("websockets")

NOW = Moment(100.0, Timeline())


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")


async def test_what_it_is_asked() -> None:
    async with OpenAIEars() as server:
        engine = OpenAIRealtime(clock=CLOCK, base_url=server.address, keyterms="Clearline")
        await engine.start()
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        await engine.close()
        assert server.paths == ["/v1/realtime"]
        assert server.headers[-1]["authorization"] == "Bearer secret-1"
        assert server.sessions[0] == {
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {
                        "model": "gpt-live-transcribe",
                        "keywords": ["Clearline"],
                        "languages": ["en"],
                    },
                    "turn_detection": None,
                }
            },
        }
        assert server.sessions[1]["audio"]["input"]["transcription"]["keywords"] == ["Clearline", "Dana"]
        spoken = len(recording(LINE)) / 2 / 8000
        assert server.received[0] < spoken + 1.0, "silence is not sent, nor paid for"


async def test_older_models_have_a_prompt_for_key_terms() -> None:
    async with OpenAIEars() as server:
        engine = OpenAIRealtime(
            clock=CLOCK,
            base_url=server.address,
            model="gpt-4o-transcribe",
            keyterms="Clearline|Dana",
            prompt="A sales call.",
            noise_reduction="near_field",
        )
        await engine.start()
        async with listening(engine):
            pass
        await engine.close()
        listening_to = server.sessions[0]["audio"]["input"]
        assert listening_to["transcription"] == {
            "model": "gpt-4o-transcribe",
            "language": "en",
            "prompt": "A sales call. Clearline, Dana",
        }
        assert listening_to["noise_reduction"] == {"type": "near_field"}


def wire() -> RealtimeWire:
    return RealtimeWire("m", "en", "", "", SoundFormat(8000, mulaw=True), "OPENAI_API_KEY")


def event(kind: str, item: str, **more: Any) -> str:
    name = "conversation.item.input_audio_transcription."
    return json.dumps({"type": f"{name}{kind}", "item_id": item, **more})


def utter(talk: RealtimeWire, at: float) -> None:
    talk.begin_utterance(at, own=False)
    talk.sound(bytes(8000))
    talk.end_utterance(at + 1.0, at + 1.1)


def test_finals_keep_the_order_of_what_was_said() -> None:
    talk = wire()
    for number in range(2):
        utter(talk, 90.0 + number)
        talk.read(json.dumps({"type": "input_audio_buffer.committed", "item_id": f"i{number}"}), NOW)
    assert talk.read(event("completed", "i1", transcript="second"), NOW) == []
    first, second = talk.read(event("completed", "i0", transcript="first one"), NOW)
    assert isinstance(first, Final)
    assert isinstance(second, Final)
    assert (first.text, second.text) == ("first one", "second")
    assert 90.0 <= first.words[0].start < first.words[-1].end <= 91.0
    utter(talk, 95.0)
    assert talk.read(event("completed", "i1", transcript="again"), NOW) == [], "it is told once"


def test_a_short_noise_is_neither_sent_nor_told() -> None:
    talk = wire()
    talk.begin_utterance(90.0, own=True)
    talk.sound(bytes(400))
    assert talk.end_utterance(90.1, 90.2) == ['{"type": "input_audio_buffer.clear"}']
    assert talk.end_utterance(90.1, 90.2) == []
    assert talk.sound(b"x") == [], "nobody speaks"
    talk.begin_utterance(91.0, own=True)
    talk.sound(bytes(8000))
    talk.end_utterance(92.0, 92.1)
    assert talk.read(event("completed", "i", transcript=""), NOW) == []
    utter(talk, 93.0)
    (nothing,) = talk.read(event("completed", "j", transcript=""), NOW)
    assert isinstance(nothing, Final)
    assert nothing.text == ""


async def test_an_utterance_without_an_answer_is_a_failure() -> None:
    async with OpenAIEars() as server:
        server.faults.append("silent")
        engine = OpenAIRealtime(clock=CLOCK, base_url=server.address, answer_s=0.2)
        await engine.start()
        recognition = await engine.open(ListenOptions())
        ear = Ear()
        task = asyncio.create_task(ear.listen(recognition))
        async with asyncio.timeout(LIMIT):
            while not ear.ended.is_set():  # a line goes on with silence
                await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
                await asyncio.sleep(0.05)
            await recognition.close()
            await task
        await engine.close()
        assert [type(error) for error in ear.errors] == [EngineTimeout]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "invalid_api_key"}, EngineKeyWrong),
        ({"code": "insufficient_quota"}, EngineQuota),
        ({"code": "rate_limit_exceeded"}, EngineRate),
        ({"code": "session_expired"}, EngineNetwork),
        ({"type": "invalid_request_error", "message": "no such model"}, EngineRequest),
        ({"type": "server_error"}, EngineDown),
    ],
)
def test_its_errors_fall_in_our_tree(error: dict[str, Any], kind: type[EngineError]) -> None:
    assert type(failure(error, "openai", "OPENAI_API_KEY")) is kind
