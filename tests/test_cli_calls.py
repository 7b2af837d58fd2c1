"""`trunkline serve` and `trunkline call` as two processes that talk with each other over real SIP and RTP."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trunkline.cli.running import SAME_SIGNAL

FAKES = ("--stt", "fake,text=yes", "--llm", "brain", "--tts", "fake", "--scenario", "lead_qualification")
LIMIT = 30.0
"""Seconds after which something that has not happened is taken not to happen."""


@contextmanager
def trunkline(*arguments: str, folder: Path, group: bool = False) -> Iterator[subprocess.Popen[str]]:
    """The command, running; killed at the end where it has not ended by then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")},
        start_new_session=group,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=LIMIT)


def line_with(process: subprocess.Popen[str], words: str) -> str:
    """The next line on standard error that holds these words."""
    assert process.stderr is not None
    while True:
        ready, _, _ = select.select([process.stderr], [], [], LIMIT)
        line = process.stderr.readline() if ready else ""
        assert line, f"{words!r} was not said"
        if words in line:
            return line


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service on a free port, and its SIP address."""
    with trunkline("serve", "--sip", "udp:127.0.0.1:0", *FAKES, *arguments, folder=folder) as service:
        found = re.search(r"sip:\S+", line_with(service, "answering calls"))
        assert found
        yield service, found.group()


def test_a_service_without_calls_stops_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as (service, _):
        service.send_signal(signal.SIGTERM)
        out, err = service.communicate(timeout=LIMIT)
    assert (service.returncode, out) == (0, "")
    assert "stopping" in err
    assert "Traceback" not in err


def test_a_call_in_progress_is_told_goodbye_when_the_service_stops(tmp_path: Path) -> None:
    flags = ("--json", "--set", "service.drain_time=0.1", "--runs", "service")
    with (
        serving(tmp_path, *flags) as (service, address),
        trunkline("call", address, *FAKES, "--json", "--runs", "call", folder=tmp_path) as call,
    ):
        line_with(call, "calling")
        wait_for_event(tmp_path / "service", "CallAnswered")
        service.send_signal(signal.SIGTERM)
        told, _ = service.communicate(timeout=LIMIT)
        answer, complaint = call.communicate(timeout=LIMIT)
    assert service.returncode == 0
    (record,) = [json.loads(line) for line in told.splitlines()]
    assert (record["direction"], record["ended_by"]) == ("inbound", "agent")
    mine = json.loads(answer)
    assert (mine["direction"], mine["ended_by"]) == ("outbound", "caller")
    assert call.returncode == 0, complaint
    (folder,) = (tmp_path / "call").iterdir()
    assert {"call.json", "events.jsonl", "recording.wav", "transcript.txt"} <= {
        p.name for p in folder.iterdir()
    }
    assert mine.pop("folder") == str(folder.relative_to(tmp_path))
    assert json.loads((folder / "call.json").read_text()) == mine


def test_a_second_signal_ends_the_service_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--runs", "service") as (service, address),
        trunkline("call", address, *FAKES, "--runs", "", folder=tmp_path) as call,
    ):
        wait_for_event(tmp_path / "service", "CallAnswered")
        service.send_signal(signal.SIGTERM)
        line_with(service, "stopping")
        time.sleep(2 * SAME_SIGNAL)  # A person takes longer; sooner it would be the same one.
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)
        call.communicate(timeout=LIMIT)
    assert service.returncode == 130
    assert call.returncode == 0


def test_a_call_that_is_stopped_says_goodbye(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--runs", "service") as (service, address),
        trunkline("call", address, *FAKES, "--runs", "call", folder=tmp_path) as call,
    ):
        wait_for_event(tmp_path / "call", "CallAnswered")
        call.send_signal(signal.SIGTERM)
        _, err = call.communicate(timeout=LIMIT)
        service.send_signal(signal.SIGTERM)
        told, _ = service.communicate(timeout=LIMIT)
    assert "saying goodbye" in err
    assert call.returncode == 130
    assert told.startswith("call ended by caller")
    # Where the record lies is told, and a page can be made of it.
    folder = tmp_path / told.strip().rpartition("; record: ")[2]
    assert (folder.parent, (folder / "call.json").is_file()) == (tmp_path / "service", True)
    with trunkline("report", str(folder), folder=tmp_path) as made:
        out, _ = made.communicate(timeout=LIMIT)
    assert (made.returncode, out) == (0, f"{folder / 'report.html'}\n")
    assert (folder / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_ctrl_c_ends_the_calls_in_memory(tmp_path: Path) -> None:
    # Each of them ends in good order when it is cancelled, and the next one was begun.
    with trunkline("lab", "pauses", folder=tmp_path) as lab:
        line_with(lab, "Telling 144 turns")
        lab.send_signal(signal.SIGINT)
        _, err = lab.communicate(timeout=LIMIT)
    assert (lab.returncode, err) == (130, "")


def test_ctrl_c_in_a_benchmark_is_not_the_agents(tmp_path: Path) -> None:
    # A terminal's goes to the whole group, the agent's process too.
    with trunkline("lab", "bench", "--calls", "2", "--seconds", "5", folder=tmp_path, group=True) as lab:
        assert lab.stdout is not None
        assert "1 calls: answer" in lab.stdout.readline()
        os.killpg(lab.pid, signal.SIGINT)
        _, err = lab.communicate(timeout=LIMIT)
    assert (lab.returncode, err) == (130, "")


def wait_for_event(runs: Path, kind: str) -> None:
    """Until the one call recorded in this folder has had such an event."""
    give_up = select.poll()
    for _ in range(int(LIMIT / 0.05)):
        for events in runs.glob("*/events.jsonl"):
            if f'"{kind}"' in events.read_text():
                return
        give_up.poll(50)
    raise AssertionError(f"no {kind} within {LIMIT} s")


def test_a_call_that_nobody_answers(tmp_path: Path) -> None:
    arguments = ("sip:nobody@127.0.0.1:9", *FAKES, "--set", "sip.ring_timeout=1")
    with trunkline("call", *arguments, folder=tmp_path) as call:
        _, err = call.communicate(timeout=60)
    assert call.returncode == 1
    assert "Traceback" not in err


def test_a_record_folder_that_cannot_be_written_is_told_before_the_first_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    arguments = "serve", *FAKES, "--sip", "udp:127.0.0.1:0", "--runs", "file/runs"
    with trunkline(*arguments, folder=tmp_path) as service:
        told = line_with(service, "records:")
        line_with(service, "answering calls")
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)
    assert "file/runs cannot be written. Choose another with --runs FOLDER" in told
