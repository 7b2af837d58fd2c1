"""`trunkline sip doctor`, as a command: what it says, in words and as JSON, and its exit status."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from test_cli_calls import LIMIT, serving, trunkline


def doctor(folder: Path, *arguments: str) -> tuple[int, str, str]:
    with trunkline("sip", "doctor", *arguments, folder=folder) as process:
        out, err = process.communicate(timeout=60)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def test_an_echo_is_well_and_a_trunk_nobody_listens_at_is_not(tmp_path: Path) -> None:
    (tmp_path / "trunkline.toml").write_text(
        '[[trunks]]\nname = "gone"\nserver = "sip:127.0.0.1:1;transport=tcp"\n'
        'user = "bob"\npassword = "zanzibar"\n'
    )
    with serving(tmp_path, "--test-lines") as (service, address):
        host = address.partition("@")[2]
        status, out, _ = doctor(tmp_path, f"sip:{host}", "--echo", f"sip:echo@{host}", "--json")
        told = json.loads(out)
        assert told["observed"]["answered"] is True
        assert next(one for one in told["findings"] if one["part"] == "sound")["state"] == "ok"
        assert status == 0 or [one for one in told["findings"] if one["state"] == "problem"]
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)
    status, out, err = doctor(tmp_path, "gone")
    assert (status, "Nobody listens at 127.0.0.1:1 over TCP" in out) == (4, True)
    assert "zanzibar" not in out + err
    status, out, err = doctor(tmp_path, "gone", "--echo", "nobody")
    assert (status, out, "'nobody'" in err) == (2, "", True)
    status, out, err = doctor(tmp_path, "nosuch")
    assert (status, "There are: gone" in err) == (2, True)
