"""A service whose one engine hears and speaks: what it says at start, and what it starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from call.test_service import SETTINGS
from calls.story import SmallTalk
from trunkline.call.service import CallService, running_engines
from trunkline.call.settings import CallSettings
from trunkline.clock import VirtualClock, run_virtual
from trunkline.config.load import load
from trunkline.config.sources import from_flags
from trunkline.errors import ConfigError, EngineKeyWrong
from trunkline.providers.s2s.fake import FakeSpeechToSpeech


def test_what_it_cannot_keep_is_said_at_start() -> None:
    async def story(clock: VirtualClock) -> None:
        with capture_logs() as logs:
            async with running_engines(replace(SETTINGS, s2s="fake,delay_ms=5"), clock) as engines:
                assert isinstance(engines.s2s, FakeSpeechToSpeech)
                assert engines.names() == {"stt": "fake", "llm": "fake", "tts": "fake", "s2s": "fake"}
        (line,) = [log for log in logs if log["event"] == "one engine hears and speaks"]
        assert (line["engine"], line["log_level"]) == ("fake", "warning")
        assert line["cannot"] == FakeSpeechToSpeech.cannot

    run_virtual(story)


@pytest.mark.parametrize("spec", ["openai", "openai,model=gpt-realtime-1.5"])
def test_a_key_that_is_missing_is_told_at_start(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def story(clock: VirtualClock) -> None:
        async with running_engines(replace(SETTINGS, s2s=spec), clock):
            raise AssertionError("it started")

    with pytest.raises(EngineKeyWrong, match="no key"):
        run_virtual(story)


def test_an_engine_that_is_none_is_told() -> None:
    async def story(clock: VirtualClock) -> None:
        async with running_engines(replace(SETTINGS, s2s="opneai"), clock):
            raise AssertionError("it started")

    with pytest.raises(ConfigError, match="no s2s engine called 'opneai'"):
        run_virtual(story)


def test_the_flag_and_the_key_reach_the_service() -> None:
    loaded = load(environment={}, flags=from_flags({"engines.s2s": ("--s2s", "fake,rate=8000")}))
    assert loaded.settings.for_service().s2s == "fake,rate=8000"
    assert load(environment={}).settings.for_service().s2s == ""


def test_a_services_lines_are_read_ahead_in_its_voice() -> None:
    class Knows(SmallTalk):
        def fixed_lines(self, facts: object) -> list[str]:
            return [self.greeting]

    async def story(clock: VirtualClock) -> None:
        settings = replace(SETTINGS, s2s="fake,delay_ms=5", call=CallSettings(vad="energy", line_cache=""))
        async with running_engines(settings, clock) as engines:
            service = CallService(settings, clock, engines, None, None, None)  # type: ignore[arg-type]
            with capture_logs() as logs:
                await service.prepare(Knows())
            assert [log["made"] for log in logs if log["event"] == "fixed lines"] == [1]
            assert isinstance(engines.s2s, FakeSpeechToSpeech)
            assert list(engines.s2s.lines) == ["Hello, this is Maya."]

    run_virtual(story)
