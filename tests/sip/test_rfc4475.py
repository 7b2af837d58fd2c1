"""The torture messages of RFC 4475: each is read or refused as the RFC asks, and answered so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from sip.wire import Phone
from trunkline.sip.hop import Hop
from trunkline.sip.message import Request, Response
from trunkline.sip.parse import Malformed, parse_message
from trunkline.sip.signals import Incoming

MESSAGES = Path(__file__).parent.parent / "wire" / "rfc4475"
SOURCE = Hop("udp", "198.51.100.7", 5099)


@dataclass(frozen=True)
class Verdict:
    """`readable`: whether the parser takes it. `answer`: the status of our one answer, 0 for none
    (a response, or a call that is handed to the application)."""

    readable: bool
    answer: int
    calls: bool = False


CALL = Verdict(True, 0, calls=True)
NO_REGISTRAR = Verdict(True, 405)
"""A well-formed REGISTER: this user agent is no registrar."""

VERDICTS = {
    # 3.1.1 valid messages
    "wsinv": Verdict(True, 481),  # It carries a To tag of a dialog that nobody has.
    "intmeth": Verdict(True, 501),
    "esc01": CALL,
    "escnull": NO_REGISTRAR,
    "esc02": Verdict(True, 501),  # "RE%47IST%45R" is not REGISTER.
    "lwsdisp": Verdict(True, 200),
    "longreq": CALL,
    "dblreq": NO_REGISTRAR,  # What follows the first message in the datagram is ignored.
    "semiuri": Verdict(True, 200),
    "transports": Verdict(True, 200),
    "mpart01": Verdict(True, 405),
    "unreason": Verdict(True, 0),
    "noreason": Verdict(True, 0),
    # 3.1.2 invalid messages
    "badinv01": Verdict(False, 400),
    "clerr": Verdict(False, 400),
    "ncl": Verdict(False, 400),
    "scalar02": Verdict(False, 400),
    "scalarlg": Verdict(False, 0),
    "quotbal": Verdict(False, 400),
    "ltgtruri": Verdict(False, 400),
    "lwsruri": Verdict(False, 400),
    "lwsstart": Verdict(False, 400),
    "trws": Verdict(False, 400),
    "escruri": CALL,  # The RFC allows to ignore the header part of the Request-URI.
    "baddate": CALL,  # A Date that nobody uses may be anything.
    "regbadct": NO_REGISTRAR,
    "badaspec": Verdict(True, 200),  # Spaces within <> may be forgiven.
    "baddn": Verdict(False, 400),
    "badvers": Verdict(False, 505),
    "mismatch01": Verdict(False, 400),
    "mismatch02": Verdict(False, 400),
    "bigcode": Verdict(False, 0),
    # 3.2 transaction layer
    "badbranch": Verdict(True, 200),
    # 3.3 application layer
    "insuf": Verdict(False, 400),
    "unkscm": Verdict(True, 416),
    "novelsc": Verdict(True, 416),
    "unksm2": NO_REGISTRAR,
    "bext01": Verdict(True, 420),
    "invut": Verdict(True, 415),
    "regaut01": NO_REGISTRAR,
    "multi01": Verdict(False, 400),
    "mcl01": Verdict(False, 400),
    "bcast": Verdict(True, 0),
    "zeromf": Verdict(True, 200),  # Only a proxy refuses to go on with it.
    "cparam01": NO_REGISTRAR,
    "cparam02": NO_REGISTRAR,
    "regescrt": NO_REGISTRAR,
    "sdp01": Verdict(True, 406),
    # 3.4 backward compatibility
    "inv2543": CALL,
}


def message(name: str) -> bytes:
    return (MESSAGES / f"{name}.sip").read_bytes()


def test_every_message_has_a_verdict() -> None:
    assert {path.stem for path in MESSAGES.glob("*.sip")} == set(VERDICTS)
    assert len(VERDICTS) == 49


@pytest.mark.parametrize("name", VERDICTS)
def test_it_is_read_or_refused(name: str) -> None:
    if VERDICTS[name].readable:
        parse_message(message(name))
    else:
        with pytest.raises(Malformed):
            parse_message(message(name))


@pytest.mark.parametrize("name", VERDICTS)
def test_it_is_answered(name: str) -> None:
    phone = Phone("user", "192.0.2.9")
    phone.agent.receive(message(name), SOURCE, 0.0)
    answers = [int(re.match(rb"SIP/2.0 (\d+)", data)[1]) for data, _ in phone.agent.outbox]  # type: ignore[index]
    assert answers == ([VERDICTS[name].answer] if VERDICTS[name].answer else [])
    assert [type(signal) for signal in phone.agent.signals] == ([Incoming] if VERDICTS[name].calls else [])
    for data, hop in phone.agent.outbox:
        assert hop.host == SOURCE.host
        assert b"\r\n\r\n" in data


@pytest.mark.parametrize("name", [name for name, verdict in VERDICTS.items() if verdict.readable])
def test_what_is_read_prints_to_what_reads_the_same(name: str) -> None:
    first = parse_message(message(name))
    second = parse_message(bytes(first))
    assert second.body == first.body
    assert second.start_line() == first.start_line()
    without_length = [
        [(key, value) for key, value in one.headers if key.lower() not in ("content-length", "l")]
        for one in (first, second)
    ]
    assert without_length[0] == without_length[1]


def test_the_tortuous_invite_means_what_it_should() -> None:
    invite = parse_message(message("wsinv"))
    assert isinstance(invite, Request)
    assert invite.from_.display == 'J Rosenberg \\"'
    assert invite.from_.tag == "98asjd8"
    assert invite.to.tag == "1918181833n"
    assert invite.cseq == (9, "INVITE")
    assert invite.headers.get("max-forwards") == "0068"
    assert invite.headers.get("Subject") == ""
    assert invite.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert (invite.via.host, invite.via.branch) == ("192.0.2.2", "390skdjuw")
    vias = invite.headers.items("Via")
    assert len(vias) == 3
    assert vias[2].endswith("z9hG4bK30239")
    contact = invite.contact
    assert contact is not None
    assert contact.display == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}


def test_a_user_part_with_a_semicolon_and_an_escaped_at() -> None:
    options = parse_message(message("semiuri"))
    assert isinstance(options, Request)
    from trunkline.sip.uri import parse_uri

    uri = parse_uri(options.uri)
    assert (uri.user, uri.host, uri.params) == ("user;par=u%40example.net", "example.com", {})


def test_a_reason_of_no_words_and_one_of_many() -> None:
    none, many = parse_message(message("noreason")), parse_message(message("unreason"))
    assert isinstance(none, Response)
    assert isinstance(many, Response)
    assert (none.status, none.reason) == (100, "")
    assert many.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"


def test_an_old_invite_without_tag_branch_and_contact_is_answered_and_acknowledged() -> None:
    phone = Phone("user", "192.0.2.9")
    phone.agent.receive(message("inv2543"), SOURCE, 0.0)
    signal = phone.agent.signals.popleft()
    signal.session.accept(b"v=0\r\n", 1.0)
    answer = parse_message(phone.agent.outbox.popleft()[0])
    ack = message("inv2543").partition(b"Content-Type")[0].replace(b"INVITE", b"ACK")
    to = (answer.headers.get("To") or "").encode()
    ack = ack.replace(b"To: sip:+16505552222@ss1.example.net;user=phone", b"To: " + to) + b"\r\n"
    phone.agent.receive(ack, SOURCE, 2.0)
    assert [type(one).__name__ for one in phone.agent.signals] == ["Confirmed"]
