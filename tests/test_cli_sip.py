"""`trunkline sip dial` and `sip register`, and `serve --test-lines`, as"""

from __future__ import annotations

import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from legs.test_sip_trunking import exchange
from test_cli_calls import LIMIT, line_with, serving, trunkline
from trunkline.cli.sip import _dial
from trunkline.legs import sip
from trunkline.legs.sip_settings import SipSettings
from trunkline.sip.message import Request, Response, respond
from trunkline.sip.parse import parse_message


def dialled(folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    """The exit status of `trunkline sip dial`, and its result."""
    with trunkline("sip", "dial", *arguments, "--json", folder=folder) as dial:
        out, err = dial.communicate(timeout=60)
    assert "Traceback" not in err, err
    result = json.loads(out)
    assert isinstance(result, dict)
    return dial.returncode, result


def test_dialling_the_test_lines_of_a_service(tmp_path: Path) -> None:
    with serving(tmp_path, "--test-lines") as (service, address):
        host = address.partition("@")[2]
        status, result = dialled(tmp_path, f"sip:tone@{host}", "--hangup-after", "0.3")
        assert (status, result["result"], result["codec"], result["ended_by"]) == (
            0,
            "answered",
            "PCMU",
            "us",
        )
        assert isinstance(result["packets_received"], int)
        assert result["packets_received"] > 0
        status, result = dialled(tmp_path, f"sip:busy@{host}", "--second-trunk", f"sip:tone@{host}")
        assert (status, result["result"], result["status"]) == (1, "busy", 486)
        gone = "sip:tone@127.0.0.1:1;transport=tcp"
        arguments = "--second-trunk", f"sip:silence@{host}", "--hangup-after", "0", "--codec", "PCMA"
        status, result = dialled(tmp_path, gone, *arguments)
        assert (status, result["result"], result["codec"]) == (0, "answered", "PCMA")
        refer = "--refer", "sip:person@192.0.2.1"
        status, result = dialled(tmp_path, f"sip:silence@{host}", *refer)
        assert (status, result["transfer"]) == (1, "declined")
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)


@pytest.mark.skipif(sys.platform != "linux", reason="needs: Linux, which alone says it")
def test_where_nobody_listens_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
    status, result = dialled(tmp_path, f"sip:x@127.0.0.1:{port}")
    assert (status, result["result"], result["status"]) == (1, "not-reachable", 0)
    assert f"nobody listens at 127.0.0.1:{port} over UDP" in str(result["what"])
    assert "trunkline sip doctor" in str(result["hint"])


def test_ctrl_c_while_it_rings_gives_its_own_status(tmp_path: Path) -> None:
    with serving(tmp_path, "--test-lines") as (service, address):
        host = address.partition("@")[2]
        with trunkline("sip", "dial", f"sip:ring@{host}", folder=tmp_path) as dial:
            line_with(dial, "ringing")
            dial.send_signal(signal.SIGINT)
            out, err = dial.communicate(timeout=LIMIT)
        assert (dial.returncode, out, err) == (130, "", "trunkline: hanging up\n")
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=LIMIT)


@pytest.mark.parametrize(
    ("status", "reason", "result", "cause"),
    [(503, 'Q.850;cause=17;text="User busy"', "busy", 17), (486, "SIP;cause=600", "busy", 0)],
)
async def test_the_cause_of_the_telephone_network_is_told(
    status: int, reason: str, result: str, cause: int
) -> None:
    async with exchange(status) as trunk:
        trunk.headers = (("Reason", reason),)
        settings = SipSettings(bind="udp:127.0.0.1:0")
        found = await _dial(settings, [f"sip:+1555@{trunk.server}"], "", ("", ""), None, "")
        assert (found.result, found.status, found.cause) == (result, status, cause)


async def test_a_trunk_that_says_nothing_is_not_waited_out_where_there_is_a_second(
    registrar: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sip, "REPLY_WITHIN", 0.2)
    silent = "sip:a@{}:{}".format(*registrar.getsockname())
    async with exchange(486) as trunk:
        settings = SipSettings(bind="udp:127.0.0.1:0")
        targets = [silent, f"sip:b@{trunk.server}"]
        found = await _dial(settings, targets, "", ("", ""), None, "")
    assert (found.result, found.target) == ("busy", targets[1])


@pytest.mark.parametrize(
    "wrong",
    [
        ("sip", "dial", "{there}", "--refer", "to nobody"),
        ("sip", "dial", "{there}", "--second-trunk", "nobody"),
        ("sip", "register", "{there}", "", "zanzibar"),
        ("sip", "register", "tel:+4930", "bob", "zanzibar"),
    ],
    ids=["refer", "second trunk", "no user", "a number"],
)
def test_what_cannot_be_is_told_before_anything_is_sent(
    wrong: tuple[str, ...], tmp_path: Path, registrar: socket.socket
) -> None:
    there = f"sip:127.0.0.1:{registrar.getsockname()[1]}"
    with trunkline(*(one.format(there=there) for one in wrong), folder=tmp_path) as process:
        out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(("trunkline: sip: ", "trunkline: an address"))
    registrar.setblocking(False)
    with pytest.raises(BlockingIOError):
        registrar.recv(1)


@pytest.fixture
def registrar() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(LIMIT)
        yield udp


def answer(udp: socket.socket, status: int, *headers: tuple[str, str]) -> Request:
    """Read one request and answer it; its Contact goes back with it."""
    data, source = udp.recvfrom(65_535)
    request = parse_message(data)
    assert isinstance(request, Request)
    response: Response = respond(request, status, to_tag="r")
    for name, value in headers:
        response.headers.add(name, value)
    if status == 200:
        response.headers.add("Contact", request.headers.get("Contact") or "")
    udp.sendto(bytes(response), source)
    return request


def test_registering_until_interrupted(tmp_path: Path, registrar: socket.socket) -> None:
    port = registrar.getsockname()[1]
    arguments = "sip", "register", f"sip:127.0.0.1:{port}", "bob", "zanzibar", "--expires", "90"
    with trunkline(*arguments, folder=tmp_path) as register:
        answer(registrar, 401, ("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth"'))
        request = answer(registrar, 200)
        assert str(request.to.uri) == f"sip:bob@127.0.0.1:{port}"
        assert 'username="bob"' in (request.headers.get("Authorization") or "")
        assert register.stdout is not None
        assert "for 90 s" in register.stdout.readline()
        register.send_signal(signal.SIGINT)
        assert answer(registrar, 200).headers.get("Expires") == "0"
        out, err = register.communicate(timeout=LIMIT)
    assert "unregistered" in out
    assert "zanzibar" not in out + err
    assert register.returncode == 0


def test_giving_up_before_the_registrar_answered_is_told(tmp_path: Path, registrar: socket.socket) -> None:
    port = registrar.getsockname()[1]
    arguments = "sip", "register", f"sip:127.0.0.1:{port}", "bob", "zanzibar"
    with trunkline(*arguments, folder=tmp_path) as register:
        registrar.recvfrom(65535)
        register.send_signal(signal.SIGTERM)
        _, err = register.communicate(timeout=LIMIT)
    assert register.returncode == 4
    assert f"it was never registered (no answer yet). `trunkline sip doctor sip:127.0.0.1:{port}`" in err


def test_giving_up_tells_why_the_registrar_could_not_be_had(tmp_path: Path) -> None:
    with trunkline(
        "sip", "register", "sip:127.0.0.1:1;transport=tcp", "bob", "x", folder=tmp_path
    ) as register:
        assert register.stdout is not None
        assert register.stdout.readline().startswith("not registered: not reachable; again in ")
        register.send_signal(signal.SIGTERM)
        out, err = register.communicate(timeout=LIMIT)
    assert (register.returncode, out) == (4, "")
    assert "it was never registered (not reachable)" in err


def test_a_registrar_that_refuses_is_told(tmp_path: Path, registrar: socket.socket) -> None:
    port = registrar.getsockname()[1]
    arguments = "sip", "register", f"sip:127.0.0.1:{port}", "bob", "wrong"
    with trunkline(*arguments, folder=tmp_path) as register:
        answer(registrar, 403)
        _, err = register.communicate(timeout=LIMIT)
    assert register.returncode == 4
    assert "refuses: 403" in err
