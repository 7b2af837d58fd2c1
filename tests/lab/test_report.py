"""The report is one page that carries everything, loads nothing, and survives what people say."""

import base64
import json
import re
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from trunkline.cli.app import app
from trunkline.errors import ConfigError, RecordError
from trunkline.lab.recordings import DECODED
from trunkline.lab.report import read_recording, report_page, write_report

Sample = tuple[dict[str, Any], np.ndarray]


def part(page: str, name: str) -> str:
    found = re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_page_carries_the_record_and_the_sound(sample_folder: Path, sample_call: Sample) -> None:
    page = write_report(sample_folder).read_text("utf-8")
    record, sound = sample_call
    carried: dict[str, Any] = json.loads(part(page, "call"))
    assert carried["turns"] == record["turns"]
    assert carried["page"]["budget_ms"]["total"] == 800
    samples = DECODED[np.frombuffer(base64.b64decode(part(page, "sound")), np.uint8)].reshape(-1, 2)
    assert samples.shape == sound.shape
    assert np.corrcoef(samples[:, 0], sound[:, 0])[0, 1] > 0.999


def test_the_command_makes_the_page_of_any_call(sample_folder: Path, tmp_path: Path) -> None:
    (sample_folder / "recording.wav").unlink()
    done = CliRunner().invoke(app, ["report", str(sample_folder), "--out", str(tmp_path / "page.html")])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'page.html'}\n")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert part(page, "sound") == ""
    assert json.loads(part(page, "call"))["turns"]


def test_what_is_no_record_makes_no_page(sample_folder: Path, tmp_path: Path) -> None:
    for folder, spoilt in ((tmp_path / "nowhere", None), (sample_folder, "nonsense")):
        if spoilt is not None:
            (folder / "call.json").write_text(spoilt)
        with pytest.raises(ConfigError):
            CliRunner().invoke(app, ["report", str(folder)], catch_exceptions=False)
        assert not (folder / "report.html").exists()


def test_nothing_is_loaded_from_anywhere(sample_folder: Path) -> None:
    page = write_report(sample_folder).read_text("utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"\b(?:src|href)=\"(?!#)", page)
    assert not re.search(r"@import|url\((?!data:)", page)
    assert "http://www.w3.org/2000/svg" in page
    assert not re.findall(r"https?://(?!www\.w3\.org)", page)


def test_words_cannot_leave_their_place(sample_call: Sample) -> None:
    record, _ = sample_call
    attack = "</script><script>alert(1)</script><!--\u2028 /*SOUND*/ /*CALL*/ /*SCRIPT*/"
    record["turns"][0]["text"] = attack
    record["outcome"] = attack
    page = report_page(record, None)
    assert "alert(1)</script>" not in page
    assert page.count("<script") == 3
    assert json.loads(part(page, "call"))["turns"][0]["text"] == attack
    assert part(page, "sound") == ""


def test_a_call_of_which_little_is_known_has_a_page() -> None:
    carried = json.loads(part(report_page({"version": 1}, None), "call"))
    assert carried["turns"] == []
    assert carried["ledger"] == {"rows": [], "stages": []}


def test_a_wideband_recording_is_brought_down(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "recording.wav"), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(np.array([[100, 7], [300, 9]] * 50, "<i2").tobytes())
    samples = read_recording(tmp_path / "recording.wav")
    assert samples is not None
    assert samples.tolist() == [[200, 8]] * 50


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("call.json", b"{", "cannot be read"),
        ("call.json", b"[1]", "not the record"),
        ("call.json", b"[" * 100_000, "cannot be read"),
        ("recording.wav", b"RIFF", "cannot be read"),
    ],
)
def test_broken_files_are_named(sample_folder: Path, name: str, content: bytes, said: str) -> None:
    (sample_folder / name).write_bytes(content)
    with pytest.raises(RecordError, match=said) as caught:
        write_report(sample_folder)
    assert name in str(caught.value)


def test_a_folder_without_a_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        write_report(tmp_path)
