"""What Azure is asked, and what its phrases become."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.hosted_stt_conformance import CLOCK, LINE
from providers.servers.azure_ears import PATH, AzureEars, text_message
from providers.stt_conformance import listening, recording, speak
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineKeyWrong, EngineRate, EngineRequest
from trunkline.events import Final
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.stt.azure import AzureRecogniser
from trunkline.providers.stt.azure_wire import AzureWire
from trunkline.providers.stt.line_sound import SoundFormat
from trunkline.providers.stt.socket_recognition import Moment
from trunkline.providers.stt.timeline import Timeline

pytest.importorskip("websockets")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_SPEECH_KEY", "secret-1")
    monkeypatch.delenv("AZURE_SPEECH_REGION", raising=False)


async def test_what_it_is_asked() -> None:
    async with AzureEars() as server:
        engine = AzureRecogniser(clock=CLOCK, base_url=server.address, keyterms="Clearline", verify=False)
        await engine.start()
        async with listening(engine) as (recognition, ear):
            await speak(recognition, recording(LINE), CLOCK, CLOCK.now(), paced=False)
            await ear.until_finals(1)
        await engine.close()
        assert server.paths == [PATH]
        assert server.headers[-1]["ocp-apim-subscription-key"] == "secret-1"
        assert server.queries[0] == {
            "language": "en-US",
            "format": "detailed",
            "wordLevelTimestamps": "true",
            "segmentationSilenceTimeoutMs": "300",
        }
        assert server.messages[0]["path"] == "speech.config"
        groups = [{"type": "Generic", "items": [{"text": "Clearline"}]}]
        assert server.contexts[0]["dgi"] == {"groups": groups}
        assert server.formats == [(7, 8000)]
        final = ear.finals[0]
        assert final.text.endswith(".")
        assert final.words[0].text == final.words[0].text.capitalize()
        assert final.confidence == 0.9


async def test_a_request_that_the_service_ends_is_followed_by_another_with_its_own_times() -> None:
    async with AzureEars() as server:
        server.turn_seconds = 1.0
        engine = AzureRecogniser(clock=CLOCK, base_url=server.address, verify=False)
        await engine.start()
        async with listening(engine) as (recognition, ear):
            at = CLOCK.now() - 60
            for count in (1, 2):
                began = at
                at = await speak(recognition, recording(LINE), CLOCK, at, paced=False)
                await ear.until_finals(count)
                assert began < ear.finals[-1].words[0].start < ear.finals[-1].words[-1].end < at
        await engine.close()
        assert len(server.formats) >= 2
        assert len({message["path"] for message in server.messages}) == 2


async def test_a_custom_model_and_a_language() -> None:
    async with AzureEars() as server:
        options: dict[str, Any] = {"clock": CLOCK, "base_url": server.address, "verify": False}
        variants: list[dict[str, Any]] = [{"deployment": "d-1"}, {"language": "en-GB"}]
        for more in variants:
            engine = AzureRecogniser(**options, **more)
            await engine.start()
            await (await engine.open(ListenOptions())).close()
            await engine.close()
        custom, british = server.queries
        assert (custom["cid"], "language" in custom) == ("d-1", False)
        assert british["language"] == "en-GB"


async def test_a_region_is_needed() -> None:
    with pytest.raises(ConfigError, match="AZURE_SPEECH_REGION"):
        await AzureRecogniser(clock=CLOCK).start()


async def test_the_start_proves_the_key() -> None:
    async with AzureEars() as server:
        engine = AzureRecogniser(clock=CLOCK, base_url=server.address)
        await engine.start()
        await engine.close()
        assert server.received == [0.0], "no sound was sent"


def wire() -> AzureWire:
    made = AzureWire(SoundFormat(8000, mulaw=True), lambda: datetime(2026, 1, 1, tzinfo=UTC))
    made.sound(bytes(80000))
    return made


def moment() -> Moment:
    timeline = Timeline()
    timeline.sent(10.0, 100.0)
    return Moment(100.0, timeline)


def test_a_number_that_is_written_in_fewer_words_than_were_said() -> None:
    words = [{"Word": word, "Offset": 10_000_000, "Duration": 5_000_000} for word in ("twenty", "twenty")]
    best = {"Confidence": 0.5, "Display": "2020.", "Words": words}
    said = {
        "RecognitionStatus": "Success",
        "Offset": 10_000_000,
        "Duration": 10_000_000,
        "NBest": [best],
    }
    (final,) = wire().read(text_message("speech.phrase", "r", said), moment())
    assert isinstance(final, Final)
    (word,) = final.words
    assert (word.text, word.start, word.end) == ("2020.", 91.0, 92.0)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Error", EngineDown),
        ("BadRequest", EngineRequest),
        ("Forbidden", EngineKeyWrong),
        ("TooManyRequests", EngineRate),
    ],
)
def test_its_failures_fall_in_our_tree(status: str, kind: type[EngineError]) -> None:
    said = text_message("speech.phrase", "r", {"RecognitionStatus": status, "Offset": 0, "Duration": 0})
    with pytest.raises(kind):
        wire().read(said, moment())


def test_no_words_are_told_and_silence_is_not() -> None:
    talk = wire()
    said = {"RecognitionStatus": "NoMatch", "Offset": 0, "Duration": 0}
    (final,) = talk.read(text_message("speech.phrase", "r", said), moment())
    assert isinstance(final, Final)
    assert final.text == ""
    said["RecognitionStatus"] = "InitialSilenceTimeout"
    assert talk.read(text_message("speech.phrase", "r", said), moment()) == []
    assert talk.read(b"\0\1x", moment()) == []
    empty = json.dumps({"Text": "", "Offset": 0, "Duration": 0})
    assert talk.read(f"Path: speech.hypothesis\r\n\r\n{empty}", moment()) == []
