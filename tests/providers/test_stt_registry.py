"""Engine specs: what people write after --stt, --llm and --tts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, EngineMissing
from trunkline.providers import registry
from trunkline.providers.registry import EngineEntry, EngineSpec, engines, make_stt, options_of, parse_spec


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("fake", "fake", {}),
        (" fake ", "fake", {}),
        ("fake,delay_ms=100", "fake", {"delay_ms": "100"}),
        ("fake,delay_ms=100,text='yes I am|no'", "fake", {"delay_ms": "100", "text": "yes I am|no"}),
        ("fake,text='a, b',delay_ms=1", "fake", {"text": "a, b", "delay_ms": "1"}),
        ('fake,text="it\'s"', "fake", {"text": "it's"}),
        (r"fake,text='it\'s'", "fake", {"text": "it's"}),
        (r"fake,text=a\,b", "fake", {"text": "a,b"}),
        ("fake, delay_ms = 100 , text=x", "fake", {"delay_ms": "100", "text": "x"}),
        ("fake,text=", "fake", {"text": ""}),
        ("whisper,model=/a/b=c", "whisper", {"model": "/a/b=c"}),
        ("livekit:speechmatics", "livekit:speechmatics", {}),
    ],
)
def test_a_spec_is_read(text: str, name: str, options: dict[str, str]) -> None:
    assert parse_spec(text) == EngineSpec(name, options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an engine's name"),
        (",a=b", "not an engine's name"),
        ("fake,", "not an option's name"),
        ("fake,delay_ms", "no value"),
        ("fake,a=1,a=2", "twice"),
        ("fake,text='open", "not closed"),
        ("fake,text='a'b", "after the closing quote"),
        ("fake,text=a\\", "lone backslash"),
        ("fake," + "a" * 20_000, "at most"),
    ],
)
def test_a_wrong_spec_is_told(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_spec(text)


@given(st.text(max_size=200))
def test_any_text_is_a_spec_or_a_config_error(text: str) -> None:
    try:
        spec = parse_spec(text)
    except ConfigError:
        return
    assert parse_spec(str(spec)) == spec


@given(
    st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True),
    st.dictionaries(st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True), st.text(max_size=40), max_size=5),
)
def test_a_spec_survives_being_written_and_read(name: str, options: dict[str, str]) -> None:
    spec = EngineSpec(name, options)
    assert parse_spec(str(spec)) == spec


def test_an_engine_is_made_with_typed_options() -> None:
    engine = make_stt("fake,delay_ms=250,silent=yes", SystemClock())
    assert engine.name == "fake"
    kinds = {option.name: option.kind for option in options_of("stt", "fake")}
    assert kinds["delay_ms"] is float
    assert kinds["silent"] is bool
    assert "clock" not in kinds
    assert "script" not in kinds


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("fak", "Did you mean fake"),
        ("nothing-like-it", "Known here: .*embedded, .*fake, .*whisper"),
        ("fake,delay=1", "Did you mean delay_ms"),
        ("fake,delay_ms=soon", "'soon' is not a number"),
        ("fake,delay_ms=nan", "not a number"),
        ("fake,silent=perhaps", "not yes or no"),
        ("fake,script=x", "no option 'script'"),
    ],
)
def test_a_wrong_engine_or_option_is_told(spec: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_stt(spec, SystemClock())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        registry.SPEECH_TO_TEXT, "lost", EngineEntry("trunkline_no_such_module:Lost", "lost", "not here")
    )
    with pytest.raises(EngineMissing, match=r"pip install 'trunkline\[lost\]'"):
        make_stt("lost", SystemClock())


def test_a_wrong_entry_point_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EngineEntry("trunkline.clock:NoSuchClass", package="somebody-elses")
    monkeypatch.setitem(registry.SPEECH_TO_TEXT, "lost", entry)
    with pytest.raises(EngineMissing, match="somebody-elses"):
        make_stt("lost", SystemClock())


def test_every_engine_has_a_line_about_it() -> None:
    for kind in ("stt", "llm", "tts", "s2s"):
        for entry in engines(kind).values():
            assert entry.about
            assert ":" in entry.target


def test_an_unknown_kind_of_engine_is_told() -> None:
    with pytest.raises(ConfigError, match="stt, llm, tts or s2s"):
        engines("asr")
