"""Configuration: four layers, errors that name their place, and an account of it all without secrets."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.service import ServiceSettings
from trunkline.config.explain import MASK, as_toml, mask, rows, toml_value
from trunkline.config.load import Loaded, load
from trunkline.config.settings import Service, keys
from trunkline.config.sources import from_assignments, from_flags
from trunkline.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    file = folder / "trunkline.toml"
    file.write_text(text, encoding="utf-8")
    return file


def refused(**given: Any) -> ConfigError:
    given.setdefault("environment", {})
    with pytest.raises(ConfigError) as caught:
        load(**given)
    return caught.value


# --- layers ---------------------------------------------------------------------------------------


def test_without_anything_the_rooms_own_defaults_are_in_force(tmp_path: Path) -> None:
    loaded = load(environment={"PATH": "/bin"}, folder=tmp_path)
    assert loaded.origins == {}
    assert loaded.file is None
    assert {path: getattr(getattr(loaded.settings, key.table), key.name) for path, key in keys().items()} == {
        path: key.default for path, key in keys().items()
    }


def test_each_layer_goes_over_the_one_before(tmp_path: Path) -> None:
    write(
        tmp_path,
        '[sip]\nbind = "udp:1.1.1.1:1"\nuser = "file"\n[turn]\nsilence = 0.1\n[record]\naudio = false\n',
    )
    loaded = load(
        folder=tmp_path,
        environment={"TRUNKLINE_SIP_USER": "environment", "TRUNKLINE_TURN_SILENCE": "0.2"},
        flags=[*from_assignments(["turn.silence=0.3"]), *from_flags({"engines.llm": ("--llm", "fake")})],
    )
    settings = loaded.settings
    assert (settings.sip.bind, settings.sip.user, settings.turn.silence) == (
        "udp:1.1.1.1:1",
        "environment",
        0.3,
    )
    assert settings.engines.llm == ("fake",)
    places = {path: given.place for path, given in loaded.origins.items()}
    assert places == {
        "sip.bind": f"{tmp_path}/trunkline.toml:2",
        "sip.user": "TRUNKLINE_SIP_USER",
        "turn.silence": "--set turn.silence=0.3",
        "record.audio": f"{tmp_path}/trunkline.toml:7",
        "engines.llm": "--llm",
    }


def test_which_file_is_read(tmp_path: Path) -> None:
    usual = write(tmp_path, "[turn]\nsilence = 0.1\n")
    named = tmp_path / "named.toml"
    named.write_text("[turn]\nsilence = 0.2\n")
    flag = tmp_path / "flag.toml"
    flag.write_text("[turn]\nsilence = 0.3\n")
    variable = {"TRUNKLINE_CONFIG": str(named)}
    assert load(environment={}, folder=tmp_path).file == usual
    assert load(environment=variable, folder=tmp_path).settings.turn.silence == 0.2
    assert load(environment=variable, folder=tmp_path, file=flag).settings.turn.silence == 0.3


def test_the_service_gets_what_was_set(tmp_path: Path) -> None:
    flags = from_assignments(
        [
            "turn.silence=0.25",
            "record.audio=false",
            "record.folder=",
            "call.max_duration=60",
            "service.max_calls=7",
            "service.drain_time=3.5",
            "engines.stt=fake,text='a, b'",
        ]
    )
    service = load(environment={}, folder=tmp_path, flags=flags).settings.for_service()
    assert service.call.turn.silence == 0.25
    assert not service.call.record_audio
    assert service.call.max_duration == 60
    assert service.runs is None
    assert (service.max_calls, service.drain_time) == (7, 3.5)
    assert service.stt == ("fake,text='a, b'",)


def test_the_services_defaults_are_the_same_on_both_sides() -> None:
    ours, theirs = Service(), ServiceSettings()
    assert (ours.max_calls, ours.drain_time) == (theirs.max_calls, theirs.drain_time)


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("TRUNKLINE_SIP_CODECS", "PCMA, PCMU", "sip.codecs", ("PCMA", "PCMU")),
        ("TRUNKLINE_SIP_CODECS", '["PCMA"]', "sip.codecs", ("PCMA",)),
        ("TRUNKLINE_ENGINES_STT", "fake,delay_ms=5", "engines.stt", ("fake,delay_ms=5",)),
        (
            "TRUNKLINE_ENGINES_STT",
            '["whisper,model=x", "embedded"]',
            "engines.stt",
            ("whisper,model=x", "embedded"),
        ),
        ("TRUNKLINE_RECORD_AUDIO", "no", "record.audio", False),
        ("TRUNKLINE_TURN_ADAPTIVE", "false", "turn.adaptive", False),
        ("TRUNKLINE_SERVICE_MAX_CALLS", "12", "service.max_calls", 12),
    ],
)
def test_text_becomes_what_the_key_asks(
    tmp_path: Path, variable: str, text: str, path: str, value: object
) -> None:
    table, name = path.split(".")
    settings = load(environment={variable: text}, folder=tmp_path).settings
    assert getattr(getattr(settings, table), name) == value


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ("[turn]\n\nslence = 1\n", 3, "[turn] has no key 'slence'", "Did you mean silence?"),
        ("[trun]\nsilence = 1\n", 1, "there is no table [trun]", "Did you mean turn?"),
        (
            "[trunks]\nname = 'a'\n",
            1,
            "there may be several trunks",
            "Write [[trunks]], with two brackets, once for each",
        ),
        ("silence = 1\n", 1, "'silence' stands in no table", "It belongs in [turn]."),
        ("\nturn = 3\n", 2, "'turn' is a table, not a value", "Write [turn] and its keys below."),
        ("[sip]\nbind = \n", 2, "this is not TOML: Invalid value", ""),
        ("[sip]\nbind = [1\n", 3, "this is not TOML: Unclosed array", ""),
        ('# a comment\n[sip]\n"bnd" = 1\n', 3, "[sip] has no key 'bnd'", "Did you mean bind?"),
        ("turn.slence = 1\n", 1, "[turn] has no key 'slence'", "Did you mean silence?"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, what: str, hint: str
) -> None:
    error = refused(file=write(tmp_path, text))
    assert (error.what, error.hint) == (what, hint)
    assert error.where == f"{tmp_path}/trunkline.toml:{line}"


def test_all_wrong_values_of_a_table_are_told_each_with_its_place(tmp_path: Path) -> None:
    file = write(tmp_path, '[turn]\nsilence = "long"\nadaptive = "perhaps"\n')
    first, second = refused(file=file).what.splitlines()
    assert first.startswith(f"{file}:2: turn.silence ")
    assert first.endswith("not 'long'")
    assert second.startswith(f"{file}:3: turn.adaptive ")


def test_a_rooms_own_check_is_told_with_the_place(tmp_path: Path) -> None:
    error = refused(folder=tmp_path, environment={"TRUNKLINE_TURN_SILENCE": "-1"})
    assert error.where == "TRUNKLINE_TURN_SILENCE"
    assert "turn.silence" in error.what


@pytest.mark.parametrize(
    "name", ["TRUNKLINE_TURN_SLENCE", "TRUNKLINE_TURNSILENCE", "TRUNKLINE_TURN__SILENCE"]
)
def test_a_variable_that_means_nothing_is_an_error(tmp_path: Path, name: str) -> None:
    error = refused(folder=tmp_path, environment={name: "1"})
    assert (error.where, error.hint) == (name, "Did you mean TRUNKLINE_TURN_SILENCE?")


@pytest.mark.parametrize(
    ("assignment", "part"),
    [
        ("turn.silence", "not of the form"),
        ("turn.slence=1", "no setting 'turn.slence'"),
        ("=1", "no setting ''"),
        ("call.turn=1", "no setting 'call.turn'"),
        ('sip.codecs=["PCMA"', "not a JSON list"),
    ],
)
def test_wrong_assignments(assignment: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part.replace("(", r"\(")):
        from_assignments([assignment])


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "No such file" in refused(file=tmp_path / "missing.toml").what
    assert "cannot be read" in refused(file=tmp_path).what
    (tmp_path / "latin.toml").write_bytes(b"# a\n# \xe9\n")
    latin = refused(file=tmp_path / "latin.toml")
    assert (latin.what, latin.where) == ("is not UTF-8 text", f"{tmp_path}/latin.toml:2")
    (tmp_path / "big.toml").write_bytes(b"#" * 1_000_001)
    assert "larger than 1000000 bytes" in refused(file=tmp_path / "big.toml").what


@given(st.text(max_size=200))
def test_no_file_raises_anything_but_config_errors(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("any") / "trunkline.toml"
    file.write_text(text, encoding="utf-8", newline="")
    with suppress(ConfigError):
        load(file=file, environment={})


@given(
    st.dictionaries(
        st.sampled_from([key.variable for key in keys().values()]), st.text(max_size=20), max_size=4
    )
)
def test_no_environment_raises_anything_but_config_errors(environment: dict[str, str]) -> None:
    with suppress(ConfigError):
        load(environment=environment, folder=Path("/nonexistent"))


# --- the account ----------------------------------------------------------------------------------


def account(loaded: Loaded) -> dict[str, tuple[Any, str]]:
    return {row.path: (row.value, row.place or row.layer) for row in rows(loaded)}


def test_every_setting_is_told_with_who_set_it(tmp_path: Path) -> None:
    file = write(tmp_path, "[turn]\nsilence = 0.7\n")
    told = account(load(folder=tmp_path, environment={"TRUNKLINE_SIP_USER": "maya"}))
    assert told.keys() == keys().keys()
    assert told["turn.silence"] == (0.7, f"{file}:2")
    assert told["sip.user"] == ("maya", "TRUNKLINE_SIP_USER")
    assert told["record.audio"] == (True, "default")


def test_the_account_is_a_file_that_sets_the_same(tmp_path: Path) -> None:
    flags = from_assignments(
        [
            "sip.codecs=PCMA",
            "turn.silence=1e-3",
            'call.voice=a "b" \\ c',
            "service.max_calls=3",
            "record.audio=no",
        ]
    )
    once = load(environment={}, folder=tmp_path, flags=flags)
    twice = load(environment={}, file=write(tmp_path, as_toml(once)))
    assert twice.settings == once.settings
    assert "# --set call.voice\n" in as_toml(once)


@given(st.text())
def test_any_text_can_be_written_as_toml(text: str) -> None:
    assert tomllib.loads(f"key = {toml_value(text)}") == {"key": text}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("api_key", "sk-12345", MASK),
        ("password", "hunter2", MASK),
        ("llm", "openai,api_key=sk-1,model=m", f"openai,api_key={MASK},model=m"),
        ("llm", "openai,api_key='sk-1,2',model=m", f"openai,api_key={MASK},model=m"),
        ("llm", 'openai,key="a\\"b",model=m', f"openai,key={MASK},model=m"),
        ("llm", "x,base_url=https://me:secret@host/v1", f"x,base_url=https://me:{MASK}@host/v1"),
        ("llm", "x,base_url=https://host/v1?token=abc&a=1", f"x,base_url=https://host/v1?token={MASK}&a=1"),
        ("trunk", "sip:me:secret@host", f"sip:me:{MASK}@host"),
        ("stt", ("a,token=1", "b"), [f"a,token={MASK}", "b"]),
        ("llm", "openai,model=keystone,max_tokens=5", "openai,model=keystone,max_tokens=5"),
        ("first_token_timeout", 4.0, 4.0),
        ("bind", "udp:127.0.0.1:5060", "udp:127.0.0.1:5060"),
        ("api_key", "", ""),
    ],
)
def test_secrets_are_masked_and_nothing_else(name: str, value: Any, shown: Any) -> None:
    assert mask(name, value) == shown


def test_a_secret_given_by_set_stands_nowhere(tmp_path: Path) -> None:
    flags = from_assignments(["engines.llm=openai,api_key=sk-secret"])
    assert "sk-secret" not in as_toml(load(environment={}, folder=tmp_path, flags=flags))


# --- trunks ---------------------------------------------------------------------------------------

TRUNKS = """\
[sip]
known_peers_only = true

[[trunks]]
name = "main"
preset = "telnyx"
user = "me"
password = "hunter2"

[[trunks]]
name = "spare"
server = "sip:pbx.example;transport=tcp"
prefixes = ["+49"]
"""


def test_trunks_are_a_table_each(tmp_path: Path) -> None:
    sip = load(file=write(tmp_path, TRUNKS), environment={}).settings.sip
    assert [(trunk.name, trunk.priority) for trunk in sip.trunks] == [("main", 0), ("spare", 0)]
    assert sip.trunks[0].settled.server == "sip:sip.telnyx.com"
    assert sip.trunks[1].prefixes == ("+49",)
    assert sip.known_peers_only


def test_trunks_are_shown_without_their_passwords_and_read_back(tmp_path: Path) -> None:
    shown = as_toml(load(file=write(tmp_path, TRUNKS), environment={}))
    assert "hunter2" not in shown
    again = load(file=write(tmp_path, shown), environment={}).settings.sip.trunks
    assert [(trunk.name, trunk.password) for trunk in again] == [("main", MASK), ("spare", "")]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('user = "me"', 'usr = "me"', "trunks.0.usr"),
        ("hunter2", 'hunter2"\nexpires = "soon', "trunks.0.expires"),
        ('"telnyx"', '"bell"', "no preset is called 'bell'"),
    ],
)
def test_a_wrong_trunk_is_told_without_its_password(tmp_path: Path, old: str, new: str, what: str) -> None:
    error = refused(file=write(tmp_path, TRUNKS.replace(old, new)))
    assert what in str(error)
    assert "trunkline.toml:4" in str(error)
    assert "hunter2" not in str(error)
