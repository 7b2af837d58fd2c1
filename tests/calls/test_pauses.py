"""The benchmark of pauses measures what it says: starts in pauses, and time to the answer."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from trunkline.errors import ParseError, RecordError
from trunkline.events import Answer
from trunkline.lab.pause_chart import draw, rows, write
from trunkline.lab.pause_trial import Broken, Figures, Stages, measure, read_turns, run_turn, shipped
from trunkline.turn.policy import TurnPolicy

QUICK = Stages(stt=0, partial=0, llm=0, tokens_per_s=0, tts=0)
TURN = Broken(Answer.FREE, ("we have an office in", "Boston"), (0.7,))


def plain(seconds: float) -> TurnPolicy:
    return TurnPolicy(silence=seconds, adaptive=False)


def test_a_start_within_the_pause_is_wrong_and_the_end_is_timed() -> None:
    hasty = run_turn(TURN, plain(0.3), QUICK)
    assert hasty.wrong == (0,)
    patient = run_turn(TURN, plain(0.8), QUICK)
    assert patient.wrong == ()
    assert patient.latency == pytest.approx(0.8, abs=0.045)


def test_stages_that_take_longer_answer_later() -> None:
    whole = Broken(Answer.FREE, ("I live in Boston",), ())
    fast, slow = run_turn(whole, plain(0.2), QUICK), run_turn(whole, plain(0.2), Stages())
    assert fast.latency is not None
    assert slow.latency is not None
    assert slow.latency - fast.latency > 0.2


def test_words_that_cannot_end_there_are_waited_for() -> None:
    assert run_turn(TURN, TurnPolicy(), QUICK).wrong == ()


def test_the_files_can_be_read_share_no_turn_and_have_pauses_enough() -> None:
    tuning, unfitted, figures = (
        read_turns(shipped(name), name) for name in ("tuning", "unfitted", "figures")
    )
    broken = [{turn.pieces for turn in turns if turn.pauses} for turns in (tuning, unfitted, figures)]
    assert not broken[0] & broken[1]
    assert not broken[2] & (broken[0] | broken[1])
    pauses = [pause for turn in figures for pause in turn.pauses]
    assert len(pauses) >= 100
    assert min(pauses) == pytest.approx(0.3)
    assert max(pauses) == pytest.approx(0.9)
    assert len(set(pauses)) == len(pauses)


@pytest.mark.parametrize("line", ["no kind", "nonsense: yes", "free: yes | | no", "free:", "free: |"])
def test_a_wrong_line_is_named(line: str) -> None:
    with pytest.raises(ParseError) as caught:
        read_turns(f"# fine\nfree: yes\n{line}\n", "mine")
    assert caught.value.where == "mine:3"


def test_the_drawing_and_the_figures_are_written(tmp_path: Path) -> None:
    figures = [measure("silence 300 ms", [TURN], plain(0.3), QUICK), Figures("none <&>", 0, 0, ())]
    names = [path.name for path in write(tmp_path / "plots", figures, "one turn")]
    assert names == ["pauses.json", "pauses.svg", "pauses.html"]
    ElementTree.fromstring((tmp_path / "plots" / "pauses.svg").read_text())
    assert "none &lt;&amp;&gt;" in (tmp_path / "plots" / "pauses.html").read_text()
    assert json.loads((tmp_path / "plots" / "pauses.json").read_text()) == rows(figures)
    assert rows(figures)[0]["wrong_share"] == 1.0
    assert draw([]).startswith("<svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError):
        write(tmp_path / "file", figures, "one turn")
