"""`trunkline engines`, `say` and `voices`: real processes, against fakes and a local server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from providers.servers.voice_sockets import DeepgramServer
from trunkline.cli.doctor import _show as show_findings
from trunkline.cli.engines import _show
from trunkline.doctor import Finding, State, _loadable
from trunkline.providers.registry import LANGUAGE_MODELS, SPEECH_TO_TEXT, TEXT_TO_SPEECH, EngineEntry


async def trunkline(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit status, standard output and error of the command, run beside this test's own servers."""
    hidden = ("TRUNKLINE_", "OPENAI_", "DEEPGRAM_", "ANTHROPIC_", "ELEVENLABS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    environment |= {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb", **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trunkline",
        *arguments,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_engines_and_what_they_lack(tmp_path: Path) -> None:
    status, out, _ = await trunkline(tmp_path, "engines", "--json", ANTHROPIC_API_KEY="secret-1")
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert status == 0
    assert rows["llm", "anthropic"]["key"] is True
    assert rows["tts", "deepgram"]["hint"] == "Set DEEPGRAM_API_KEY"
    assert rows["tts", "fake"]["key"] is None
    assert "secret-1" not in out
    status, out, _ = await trunkline(tmp_path, "engines")
    assert (status, "elevenlabs" in out) == (0, True)


async def test_reaching_an_engine_that_refuses(tmp_path: Path) -> None:
    # A key that is no key is refused before anything is sent, so nothing leaves this machine.
    status, out, _ = await trunkline(tmp_path, "engines", "--reach", "--json", DEEPGRAM_API_KEY="a\tb")
    rows = {(row["kind"], row["name"]): row for row in json.loads(out)}
    assert status == 3
    assert rows["tts", "deepgram"]["reached"] is False
    assert rows["tts", "fake"]["reached"] is True
    assert rows["tts", "playht"]["reached"] is False
    assert "ended on 31 December 2025" in rows["tts", "playht"]["hint"]


def test_what_to_install_names_the_extra(capsys: pytest.CaptureFixture[str]) -> None:
    hint = "Install it: pip install 'trunkline[vosk]'"
    row = {"kind": "stt", "name": "vosk", "about": "Vosk", "installed": False, "hint": hint}
    _show([row], reach=False)
    assert "'trunkline[vosk]'" in " ".join(capsys.readouterr().out.split())


def test_a_narrow_terminal_has_the_engines_over_two_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"kind": "stt", "name": "vosk", "about": "Vosk on this machine", "installed": True, "hint": ""}
    monkeypatch.setenv("COLUMNS", "40")
    _show([row], reach=False)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["stt vosk  installed yes, key –", "    Vosk on this machine"]
    monkeypatch.setenv("COLUMNS", "72")
    _show([row], reach=False)
    assert capsys.readouterr().out.splitlines()[0].split() == ["kind", "engine", "installed", "key"]


def test_a_narrow_terminal_has_what_doctor_found_over_two_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Finding("Speech to text", "vosk", State.NOTE, "not installed: Vosk", "pip install it[vosk]")
    monkeypatch.setenv("COLUMNS", "40")
    show_findings([finding])
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == ["· Speech to text: vosk", "    not installed: Vosk", "    → pip install it[vosk]"]
    assert all(len(line) <= 40 for line in lines)
    monkeypatch.setenv("COLUMNS", "100")
    show_findings([finding])
    first = capsys.readouterr().out.splitlines()[0].split()
    assert first == ["·", "Speech", "to", "text", "vosk", "not", "installed:", "Vosk"]


async def test_a_name_of_several_kinds_lists_them_all(tmp_path: Path) -> None:
    status, _, err = await trunkline(tmp_path, "engines", "try", "fake")
    assert (status, "--kind stt or --kind llm or --kind tts or --kind s2s" in err) == (2, True)


def test_doctor_does_not_offer_what_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    found = _loadable("llm", "anthropic", LANGUAGE_MODELS["anthropic"])
    assert (found.state, found.hint) == (State.NOTE, "Set ANTHROPIC_API_KEY")
    assert found.what.startswith("has no key: ")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-1")
    assert _loadable("llm", "anthropic", LANGUAGE_MODELS["anthropic"]).state is State.OK


def test_doctor_does_not_offer_what_is_not_installed() -> None:
    entry = EngineEntry("trunkline.providers.stt.fake:F", "vosk", "Vosk", needs=("no_such_module",))
    found = _loadable("stt", "vosk", entry)
    assert found.what.startswith("not installed")
    assert found.hint == "pip install 'trunkline[vosk]'"
    assert _loadable("stt", "fake", SPEECH_TO_TEXT["fake"]).what.startswith("can be chosen")


def test_what_is_not_installed_is_seen_without_importing() -> None:
    assert EngineEntry("x:Y", needs=("json", "no_such_module")).lacks == ["no_such_module"]
    hosted = [LANGUAGE_MODELS[name] for name in ("openai", "azure", "anthropic", "gemini")]
    hosted += [entry for name, entry in TEXT_TO_SPEECH.items() if entry.extra]
    assert all(entry.needs for entry in hosted)


@pytest.mark.parametrize(
    ("arguments", "figures", "what"),
    [
        (["fake,delay_ms=20,reply=Hello.", "--kind", "llm"], {"first_token_ms", "whole_ms"}, "Hello."),
        (["fake,delay_ms=20", "--kind", "tts"], {"open_ms", "first_audio_ms", "whole_ms"}, "10 word times"),
        (
            ["fake,delay_ms=20,reply=Hello.", "--kind", "s2s"],
            {"open_ms", "first_word_ms", "first_audio_ms", "whole_ms"},
            "Hello.",
        ),
        (["fake,text=yes", "--kind", "stt"], {"first_words_ms", "final_ms"}, "yes"),
    ],
)
async def test_trying_an_engine(tmp_path: Path, arguments: list[str], figures: set[str], what: str) -> None:
    status, out, err = await trunkline(tmp_path, "engines", "try", *arguments, "--times", "1", "--json")
    assert (status, err) == (0, "")
    started, tried = json.loads(out)
    assert "start_ms" in started
    assert tried.keys() == figures | {"what"}
    assert what in tried["what"]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["engines", "try", "nonesuch"], 2, "no engine called 'nonesuch'"),
        (["engines", "try", "fake"], 2, "--kind"),
        (["engines", "try", "fake", "--kind", "tss"], 2, "Use stt, llm, tts or s2s"),
        (["engines", "try", "fake,fail_after=0", "--kind", "stt"], 3, "told to fail"),
        (["engines", "try", "anthropic"], 3, "Set ANTHROPIC_API_KEY"),
        (["engines", "try", "fake,empty=true", "--kind", "tts"], 3, "no sound"),
        (["say", "Hi.", "--tts", "playht"], 3, "ended on 31 December 2025"),
        (["say", "Hi.", "--tts", "fake", "--out", "no/such/folder/x.wav"], 5, "cannot be written"),
        (["voices", "fake"], 3, "every voice is the sound of sound=tone"),
        (["voices", "piper,voice=x.onnx"], 3, "the file that voice= names"),
        (["voices", "espeak", "--language", "xx"], 1, "espeak has no voice of language 'xx'"),
        (["say", "Hi.", "--rate", "1"], 2, "--rate: 1 Hz is no rate"),
        (["say", "Hi.", "--rate", "8001"], 2, "Use one of 8000, 16000"),
        (["voices", "deepgram"], 3, "Set DEEPGRAM_API_KEY"),
    ],
)
async def test_what_cannot_be_is_one_clear_paragraph(
    tmp_path: Path, arguments: list[str], status: int, words: str
) -> None:
    got, _, err = await trunkline(tmp_path, *arguments)
    assert got == status
    assert words in err
    assert "Traceback" not in err


async def test_saying_a_sentence(tmp_path: Path) -> None:
    status, out, err = await trunkline(
        tmp_path, "say", "one two", "--tts", "fake,delay_ms=10", "--pace", "120", "--out", "x.wav", "--json"
    )
    assert (status, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    assert (told["rate"], told["seconds"], told["marks"]) == (24000, 1.0, [[0.5, 3], [1.0, 7]])
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (24000, 24000, 1)


async def test_a_vendors_voices(tmp_path: Path) -> None:
    async with DeepgramServer() as server:
        spec = f"deepgram,base_url={server.address}"
        status, out, err = await trunkline(tmp_path, "voices", spec, DEEPGRAM_API_KEY="k")
        assert (status, err) == (0, "")
        assert out == "aura-2-thalia-en  thalia, en, en-US, feminine\n"
        _, out, _ = await trunkline(tmp_path, "voices", spec, "--language", "de", DEEPGRAM_API_KEY="k")
        assert out == ""


@pytest.mark.parametrize(
    ("engine", "line"),
    [("espeak", "en-us  English (America), en-us, en"), ("embedded", "")],
)
async def test_the_voices_of_this_machine(tmp_path: Path, engine: str, line: str) -> None:
    status, out, err = await trunkline(tmp_path, "voices", engine)
    assert (status, err) == (0, "")
    assert line in out.splitlines() or not line
    status, told, _ = await trunkline(tmp_path, "voices", engine, "--language", "en", "--json")
    cards = json.loads(told)
    assert status == 0
    assert {card["id"] for card in cards} & {"rms", "en-us"}
    # The first of them speaks: what stands first goes into voice=.
    spec = f"{engine},voice={cards[0]['id']}"
    status, out, _ = await trunkline(tmp_path, "say", "Hi there.", "--tts", spec, "--out", "x.wav")
    assert (status, "x.wav" in out) == (0, True)


async def test_comparing_recognisers_on_recordings(tmp_path: Path) -> None:
    for name, line, said in (
        ("one", "yes-thats-right", "yes that's right"),
        ("two", "no-thank-you", "no thank you"),
    ):
        (tmp_path / f"{name}.wav").write_bytes(
            (resources.files("trunkline.lab") / "voices" / f"{line}.wav").read_bytes()
        )
        (tmp_path / f"{name}.txt").write_text(said)
    specs = "fake,text='yes that is right|no thank you',fake,fail_after=0"
    arguments = ["engines", "compare", "--stt", specs, "--audio", "."]
    status, out, err = await trunkline(tmp_path, *arguments, "--json")
    assert (status, err) == (3, "")
    good, dead = json.loads(out)
    assert (good["recordings"], good["failed"], good["words"]) == (2, 0, 6)
    assert good["wer"] > 0
    assert good["final_p50_ms"] is not None
    assert dead["failed"] == 2
    status, out, _ = await trunkline(tmp_path, "engines", "compare", "--stt", "fake", "--audio", ".")
    assert (status, "WER" in out) == (0, True)
    status, _, err = await trunkline(tmp_path, "engines", "compare", "--stt", "fake", "--audio", "none")
    assert (status, "no WAV files" in err) == (2, True)
