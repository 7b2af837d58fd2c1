"""`--trace` and `trunkline sip trace`, as commands."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from test_cli_calls import LIMIT, serving, trunkline
from test_cli_sip import dialled
from trunkline.sip.pcap import PcapWriter, Seen, read_pcap


def told(folder: Path, *arguments: str) -> tuple[int, str, str]:
    with trunkline("sip", "trace", *arguments, folder=folder) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def test_what_serve_traces_is_drawn_while_it_runs_and_written_again(tmp_path: Path) -> None:
    with serving(tmp_path, "--test-lines", "--trace", "calls.pcap") as (service, address):
        host = address.partition("@")[2]
        with trunkline("sip", "trace", "calls.pcap", "--follow", "--call", "busy", folder=tmp_path) as follow:
            assert follow.stdout is not None
            dialled(tmp_path, f"sip:tone@{host}", "--hangup-after", "0.2", "--auth", "ann:zanzibar")
            dialled(tmp_path, f"sip:busy@{host}")
            assert "INVITE" in follow.stdout.readline()
            while "180 Ringing" not in (line := follow.stdout.readline()):
                assert line
            follow.send_signal(signal.SIGINT)
            follow.communicate(timeout=LIMIT)
        assert follow.returncode == 0
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)
    status, out, _ = told(tmp_path, "calls.pcap", "--call", "tone", "--pcap", "tone.pcap")
    assert status == 0
    assert "200 OK (INVITE) · PCMU" in out
    assert "RTP PCMU" in out
    assert "busy" not in out
    assert len(read_pcap((tmp_path / "tone.pcap").read_bytes())) > 6
    status, out, _ = told(tmp_path, "calls.pcap", "--call", "2", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["status"] for row in rows if "status" in row} == {0, 180, 486}
    status, _, err = told(tmp_path, "calls.pcap", "--call", "nobody")
    assert (status, "no such call in there. `trunkline sip trace" in err) == (1, True)


def test_captures_of_others_show_no_password_and_what_is_none_is_told(tmp_path: Path) -> None:
    register = (
        b"REGISTER sip:i SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
        b"To: <sip:a@h>\r\nCall-ID: q\r\nCSeq: 1 REGISTER\r\n"
        b'Authorization: Digest username="a", response="c0ffee"\r\nContent-Length: 0\r\n\r\n'
    )
    writer = PcapWriter()
    ends = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
    (tmp_path / "other.pcap").write_bytes(writer.header() + writer.record(Seen(1.0, "udp", *ends, register)))
    status, out, _ = told(tmp_path, "other.pcap", "--full", "--pcap", "again.pcap")
    assert (status, "REGISTER" in out, "c0ffee" in out) == (0, True, False)
    assert b"c0ffee" not in (tmp_path / "again.pcap").read_bytes()
    (tmp_path / "none.pcap").write_bytes(b"hello, world")
    status, _, err = told(tmp_path, "none.pcap")
    assert (status, err.startswith("trunkline: none.pcap: this is no capture file")) == (2, True)
    assert told(tmp_path, "missing.pcap")[0] == 2
