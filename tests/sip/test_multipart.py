"""Bodies of several parts: the SDP among them counts, and no bytes raise anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.server import HOP, Server
from sip.wire import ANSWER, OFFER, Phone
from trunkline.sip.message import Headers, Request, Response
from trunkline.sip.multipart import take_sdp
from trunkline.sip.signals import Accepted, Incoming
from trunkline.sip.uri import parse_uri

ISUP = b"\x01\x11\x48\x00\r\n\r\n--x\n\x0a\x03\x02"
MIXED = "multipart/mixed;boundary=unique-1"


def parts(*bodies: tuple[str, bytes], end: bytes = b"\r\n", boundary: str = "unique-1") -> bytes:
    """A body of these parts, each with its headers."""
    line = b"--" + boundary.encode()
    whole = b"".join(
        line + end + head.replace("\n", end.decode()).encode() + end + end + body + end
        for head, body in bodies
    )
    return b"to whom reads no MIME" + end + whole + line + b"--" + end + b"and after it"


def invite(kind: str, body: bytes) -> bytes:
    headers = Headers()
    for name, value in {
        "Via": "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKmany",
        "From": "<sip:bob@192.0.2.9>;tag=b",
        "To": "<sip:alice@192.0.2.1>",
        "Call-ID": "many",
        "CSeq": "1 INVITE",
        "Contact": "<sip:bob@192.0.2.9>",
        "Content-Type": kind,
    }.items():
        headers.add(name, value)
    return bytes(Request(headers, body, method="INVITE", uri="sip:alice@192.0.2.1"))


@pytest.mark.parametrize("end", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize(
    "kind", [MIXED, 'multipart/MIXED ; type="x"; boundary="unique-1"'], ids=["plain", "quoted"]
)
def test_an_offer_beside_the_networks_own_message_is_an_offer(kind: str, end: bytes) -> None:
    alice = Phone("alice", "192.0.2.1")
    isup = "Content-Type: application/ISUP;version=itu-t92+\nContent-Disposition: signal;handling=optional"
    body = parts((isup, ISUP), ("content-type : Application/SDP", OFFER), end=end)
    alice.agent.receive(invite(kind, body), HOP, 0.0)
    signal = alice.agent.signals.popleft()
    assert isinstance(signal, Incoming)
    assert signal.session.invite.body == OFFER


@pytest.mark.parametrize(
    "body",
    [
        parts(("Content-Type: application/ISUP", ISUP)),
        parts(
            ("Content-Type: application/sdp", OFFER),
            ("Content-Type: application/ISUP\nContent-Disposition: signal; handling=required", ISUP),
        ),
        parts(("Content-Type: application/sdp\nContent-Transfer-Encoding: base64", OFFER)),
        parts(("Content-Type: application/sdp", OFFER), boundary="another"),
        b"--unique-1--",
    ],
    ids=["no sdp", "needs more", "coded", "another boundary", "no part"],
)
def test_what_cannot_be_understood_is_refused(body: bytes) -> None:
    server = Server(Phone("alice", "192.0.2.1").agent)
    response = server.ask(invite(MIXED, body))
    assert (response.status, response.headers.get("Accept")) == (415, "application/sdp")


@pytest.mark.parametrize("early", [False, True], ids=["in the 200", "in the 183"])
def test_an_answer_beside_the_networks_own_message_is_an_answer(early: bool) -> None:
    agent = Phone("alice", "192.0.2.1").agent
    server = Server(agent)
    agent.invite(parse_uri("sip:bob@192.0.2.9"), HOP, 0.0, body=OFFER)
    request = server.take()
    needed = "Content-Type: application/ISUP\nContent-Disposition: signal; handling=required"
    body = parts((needed, ISUP), ("Content-Type: application/sdp", ANSWER))
    contact = "Contact", "<sip:bob@192.0.2.9>"
    if early:
        server.answer(request, 183, contact, ("Content-Type", MIXED), body=body)
        server.answer(request, 200, contact)
    else:
        server.answer(request, 200, contact, ("Content-Type", MIXED), body=body)
    accepted = [signal for signal in agent.signals if isinstance(signal, Accepted)]
    assert [signal.body for signal in accepted] == [ANSWER]


@given(st.text(), st.binary() | st.binary().map(lambda some: b"--b\r\n" + some + b"\r\n--b--"))
def test_no_bytes_raise_anything_and_only_sdp_is_taken(kind: str, body: bytes) -> None:
    for value in (f"multipart/mixed;boundary=b;{kind}", f"multipart/{kind}"):
        response = Response(Headers(), body, status=200)
        response.headers._fields.append(("content-type", "Content-Type", value))
        take_sdp(response)
        assert response.body in body
        assert response.body == body or response.content_type == "application/sdp"


@given(st.lists(st.binary().filter(lambda some: b"--unique" not in some), max_size=5), st.data())
def test_the_sdp_is_found_whatever_stands_beside_it(others: list[bytes], data: st.DataObject) -> None:
    bodies = [("Content-Type: application/octet-stream", other) for other in others]
    bodies.insert(
        data.draw(st.integers(0, len(others))), ("Content-ID: <a>\nContent-Type: application/sdp", OFFER)
    )
    response = Response(Headers(), parts(*bodies), status=200)
    response.headers.add("Content-Type", MIXED)
    take_sdp(response)
    assert response.body == OFFER
