"""What Deepgram is asked, and what its messages become."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.hosted_stt_conformance import CLOCK, LINE
from providers.servers.deepgram_ears import DeepgramEars
from providers.stt_conformance import listening, recording, speak
from trunkline.errors import EngineDown, EngineQuota, EngineRate, EngineRequest
from trunkline.events import EngineEndOfTurn, Expectation, Final, Partial
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.deepgram import Deepgram
from trunkline.providers.stt.deepgram_flux import FluxWire
from trunkline.providers.stt.deepgram_messages import failure
from trunkline.providers.stt.deepgram_nova import NovaWire
from trunkline.providers.stt.socket_recognition import Moment
from trunkline.providers.stt.timeline import Timeline

pytest.importorskip("websockets")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "secret-1")


def moment(now: float = 100.0) -> Moment:
    timeline = Timeline()
    timeline.sent(10.0, now)
    return Moment(now, timeline)


@pytest.mark.parametrize(
    ("model", "language", "name"),
    [
        ("nova-3", "multi", "deepgram/nova-3-multi"),
        ("nova-3", "de", "deepgram/nova-3"),
        ("flux-general-multi", "multi", "deepgram/flux-general-multi"),
    ],
)
def test_what_has_a_price_of_its_own_has_a_name_of_its_own(model: str, language: str, name: str) -> None:
    assert Deepgram(clock=CLOCK, model=model, language=language).name == name


async def test_what_nova_is_asked() -> None:
    async with DeepgramEars() as server:
        engine = Deepgram(clock=CLOCK, base_url=server.address, keyterms="Clearline|Zwölf")
        await engine.start()
        assert engine.name == "deepgram/nova-3"
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            recognition.finalise()
            await ear.until_finals(1)
        await engine.close()
        assert server.headers[-1]["authorization"] == "Token secret-1"
        assert server.paths == ["/v1/listen"]
        asked = dict(server.queries[0])
        assert asked.pop("keyterm") == "Zwölf"  # the server keeps the last of several
        assert asked == {
            "model": "nova-3",
            "encoding": "mulaw",
            "sample_rate": "8000",
            "channels": "1",
            "language": "en",
            "interim_results": "true",
            "vad_events": "true",
            "punctuate": "true",
            "smart_format": "true",
            "endpointing": "300",
            "utterance_end_ms": "1000",
        }
        kinds = [message["type"] for message in server.messages]
        assert kinds[0] == "Configure"
        assert server.messages[0]["keyterms"] == ["Clearline", "Zwölf", "Dana"]
        assert kinds[1] == "Finalize"
        assert kinds[-1] == "CloseStream"


async def test_nova_2_has_keywords_and_cannot_change_them() -> None:
    async with DeepgramEars() as server:
        engine = Deepgram(clock=CLOCK, base_url=server.address, model="nova-2", keyterms="Clearline")
        await engine.start()
        async with listening(engine) as (recognition, ear):
            recognition.expect(Expectation(keyterms=("Dana",)))
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        await engine.close()
        assert server.queries[0]["keywords"] == "Clearline"
        assert "Configure" not in [message["type"] for message in server.messages]


async def test_wide_legs_send_pcm() -> None:
    async with DeepgramEars() as server:
        engine = Deepgram(clock=CLOCK, base_url=server.address)
        await engine.start()
        recognition = await engine.open(ListenOptions(rate=16000, language="de-DE"))
        await recognition.close()
        await engine.close()
        query = server.queries[0]
        assert (query["encoding"], query["sample_rate"], query["language"]) == ("linear16", "16000", "de-DE")


async def test_what_flux_is_asked_and_what_its_turns_become() -> None:
    async with DeepgramEars() as server:
        engine = Deepgram(clock=CLOCK, base_url=server.address, model="flux-general-multi")
        await engine.start()
        async with listening(engine) as (recognition, ear):
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        await engine.close()
        assert server.paths == ["/v2/listen"]
        assert server.queries[0] == {
            "model": "flux-general-multi",
            "encoding": "mulaw",
            "sample_rate": "8000",
            "eot_threshold": "0.7",
            "eot_timeout_ms": "5000",
            "eager_eot_threshold": "0.4",
            "language_hint": "en",
        }
        ends = [each for each in ear.heard if isinstance(each, EngineEndOfTurn)]
        assert [end.probability >= 0.5 for end in ends[:-1]] == [False] * (len(ends) - 1)
        assert ends[-1].probability == 0.9
        place = ear.heard.index(ends[-1])
        assert isinstance(ear.heard[place - 1], Final), "the words come before their end"


def flux(event: str, *words: str, turn: int = 0, **more: Any) -> str:
    return json.dumps(
        {
            "type": "TurnInfo",
            "event": event,
            "turn_index": turn,
            "audio_window_start": 0.0,
            "audio_window_end": 1.0,
            "words": [{"word": word, "confidence": 0.8} for word in words],
            "end_of_turn_confidence": 0.6,
            **more,
        }
    )


def test_flux_is_told_of_our_own_end_of_turn_and_does_not_tell_it_back() -> None:
    wire = FluxWire()
    assert wire.finalise() == [], "there is no turn to end"
    (heard,) = wire.read(flux("Update", "yes"), moment())
    assert isinstance(heard, Partial)
    assert heard.words[0].confidence == 0.8
    assert wire.finalise() == ['{"type": "ForceEndTurn"}']
    heard_all = wire.read(flux("EndOfTurn", "yes", trigger="manual"), moment())
    assert [type(each) for each in heard_all] == [Final]
    assert wire.read(flux("Update", "yes"), moment()) == [], "that turn is over"
    again = wire.read(flux("EndOfTurn", "no", turn=1, trigger="a-new-cause"), moment())
    assert [type(each) for each in again] == [Final, EngineEndOfTurn]


def test_flux_resumes() -> None:
    wire = FluxWire()
    partial, thought = wire.read(flux("EagerEndOfTurn", "I", "am"), moment())
    assert isinstance(partial, Partial)
    assert partial.stable == 2
    assert isinstance(thought, EngineEndOfTurn)
    assert thought.probability < 0.5
    (resumed,) = wire.read(flux("TurnResumed", "I", "am", "not"), moment())
    assert isinstance(resumed, Partial)
    assert resumed.text == "I am not"


def test_an_empty_answer_to_finalize_says_that_there_were_no_words() -> None:
    wire = NovaWire(finalise_on_pause=True, configures=True)
    assert wire.finalise() == [], "nothing was sent"
    wire.sound(b"x")
    assert wire.pause() == ['{"type": "Finalize"}']
    empty = {
        "type": "Results",
        "is_final": True,
        "channel": {"alternatives": [{"transcript": "", "confidence": 0.0, "words": []}]},
    }
    assert wire.read(json.dumps(empty), moment()) == []
    (final,) = wire.read(json.dumps(empty | {"from_finalize": True}), moment())
    assert isinstance(final, Final)
    assert (final.text, final.rejected) == ("", False)
    (gap,) = wire.read('{"type": "UtteranceEnd", "last_word_end": 1.0}', moment())
    assert isinstance(gap, EngineEndOfTurn)
    assert gap.probability < 0.5, "a gap is no judgement"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"code": "RATE_LIMIT", "description": "slow down"}, EngineRate),
        ({"code": "INSUFFICIENT_CREDITS"}, EngineQuota),
        ({"variant": "SchemaError", "description": "what?"}, EngineRequest),
        ({"code": "INTERNAL_SERVER_ERROR"}, EngineDown),
        ({}, EngineDown),
    ],
)
def test_its_errors_fall_in_our_tree(message: dict[str, Any], kind: type[Exception]) -> None:
    assert type(failure(message)) is kind
