"""What is fuzzed: functions that take any bytes, and fail where our code does what it promises not to.

`benchmarks/fuzz.py` drives them, led by coverage; `tests/test_found_by_fuzzing.py` runs what was found.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

from trunkline.audio.codecs.registry import CODECS
from trunkline.errors import MediaError, ParseError, SipError
from trunkline.legs.sip_ladder import Trace
from trunkline.rtp import rtcp
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import EVENTS, Keys, Stream
from trunkline.sip.hop import Hop
from trunkline.sip.identity import who_calls
from trunkline.sip.layer import Identity
from trunkline.sip.masking import covered
from trunkline.sip.message import Headers, Request
from trunkline.sip.offer import MediaPolicy, Srtp, Terms
from trunkline.sip.parse import parse_message
from trunkline.sip.pcap import PcapReader, PcapWriter
from trunkline.sip.sdp import parse_sdp
from trunkline.sip.sdp_codecs import KNOWN
from trunkline.sip.sdp_crypto import KEY_BYTES
from trunkline.sip.signals import Incoming, Reoffered
from trunkline.sip.stream import Framer
from trunkline.sip.stun import mapped_address
from trunkline.sip.uri import parse_uri
from trunkline.sip.user_agent import UserAgent

PEER = ("192.0.2.7", 4000)
SUITE = "AES_CM_128_HMAC_SHA1_80"


def rtp(data: bytes) -> None:
    try:
        packet = Packet.parse(data)
    except ParseError:
        return
    assert Packet.parse(bytes(packet)) == packet


def reports(data: bytes) -> None:
    try:
        packets = rtcp.parse_compound(data)
    except ParseError:
        return
    assert packets


def media(data: bytes) -> None:
    """The input is cut into datagrams by its first bytes; time passes between them."""
    keys = Keys(SUITE, bytes(30), bytes(30)) if data[:1] == b"s" else None
    session = RtpSession(ssrc=1, sequence=0, timestamp=0, cname=b"fuzz")
    receivable = ((8, "PCMA"), (97, "L16"), (101, EVENTS))
    session.configure(Stream("PCMU", 0, receivable=receivable, keys=keys), remote=PEER)
    session.start(0.0)
    at, last, offset = 0.0, 0.0, 1
    while offset + 2 < len(data):
        size, passed = data[offset], data[offset + 1]
        piece = data[offset + 2 : offset + 2 + size]
        offset += 2 + size
        at += passed / 200
        if passed & 1:
            session.receive_report(piece, PEER, at, 1000 + at)
            continue
        for frame in (*session.receive(piece, PEER, at), *session.advance(at)):
            assert len(frame.pcm) == 320
            assert frame.at >= last
            last = frame.at
    session.report(at, 1000 + at)
    session.quality()


def decoders() -> Callable[[bytes], None]:
    usable = []
    for codec in CODECS.values():
        try:
            usable.append(codec.make_decoder())
        except MediaError:
            print(f"{codec.name} is not installed", file=sys.stderr)

    def target(data: bytes) -> None:
        decode = usable[data[0] % len(usable)] if data else usable[0]
        with contextlib.suppress(ParseError):
            assert len(decode(data[1:])) % 2 == 0

    return target


def descriptions(data: bytes) -> None:
    try:
        description = parse_sdp(data)
    except ParseError:
        return
    assert parse_sdp(bytes(description)).media == description.media
    for mode in Srtp:
        policy = MediaPolicy(srtp=mode, suites=tuple(KEY_BYTES), offered=(SUITE,), make_key=bytes)
        terms = Terms("192.0.2.1", 4000, tuple(KNOWN.values()), session_id=1, policy=policy)
        try:
            answer, _ = terms.answer(data)
            parse_sdp(answer)
            terms.offer()
            terms.take_answer(data)
        except (SipError, ParseError):
            continue


def messages(data: bytes) -> None:
    try:
        message = parse_message(data)
    except ParseError:
        return
    parse_message(bytes(message))


def streams(data: bytes) -> None:
    """Messages out of a stream come out the same however it is cut."""

    def cut(size: int) -> list[bytes]:
        framer, found = Framer(), []
        with contextlib.suppress(ParseError):
            for start in range(0, len(data), size):
                for piece in framer.feed(data[start : start + size]):
                    if len(piece) > 4:
                        found.append(piece)  # noqa: PERF401 - those before an error count
        return found

    assert cut(1) == cut(max(1, len(data)))


OFFER = b"v=0\r\no=- 1 0 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
US, THEM = Hop("udp", "192.0.2.1", 5060), Hop("udp", "192.0.2.2", 5060)


def agent(data: bytes) -> None:
    """A user agent with a call of its own: messages, divided by a byte of 255, come from there and elsewhere.
    It never raises, what it sends can be read, and after a while of silence it remembers nothing."""
    count = 0

    def token() -> str:
        nonlocal count
        count += 1
        return f"t{count}"

    ours = UserAgent(Identity("us", lambda _: ("192.0.2.1", 5060)), token=token)
    at = 0.0
    session = ours.invite(parse_uri("sip:them@192.0.2.2"), THEM, at, body=OFFER)

    def settle() -> None:
        for _ in range(200):
            if ours.outbox:
                sent, _ = ours.outbox.popleft()
                if not sent.startswith((b"SIP/2.0 4", b"SIP/2.0 5")):  # These give back what was wrong.
                    parse_message(sent)
            elif ours.signals:
                signal = ours.signals.popleft()
                if isinstance(signal, Incoming):
                    signal.session.ring(at)
                    signal.session.accept(OFFER, at)
                elif isinstance(signal, Reoffered):
                    signal.session.accept_change(OFFER, at)
            else:
                return
        raise AssertionError("it goes on sending without being asked")

    settle()
    for number, piece in enumerate(data.split(b"\xff")):
        at += 0.1 * (len(piece) % 50)
        ours.advance(at)
        source = THEM if number % 2 == 0 else Hop("tcp", "192.0.2.3", 5060, 7)
        ours.receive(piece, source, at)
        settle()
    session.hang_up(at)
    for known in list(ours.calls):
        known.hang_up(at)
    settle()
    for _ in range(2_000):
        due = ours.next_deadline()
        if due is None:
            break
        at = max(at, due)
        ours.advance(at)
        settle()
    assert not ours.calls
    assert not len(ours.layer)


def captures(data: bytes) -> None:
    """A capture file of anybody's, drawn and written again."""
    trace, writer = Trace(), PcapWriter()
    try:
        for seen in PcapReader().feed(data if data[:1] == b"\xd4" else PcapWriter.header() + data):
            trace.add(seen)
            writer.record(seen)
    except ParseError:
        return
    for call in trace.calls:
        assert list(call.lines(full=True))


def secrets(data: bytes) -> None:
    seen = covered(data)
    assert len(seen) == len(data)


def stun(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        mapped_address(data, data[8:20])


def identity(data: bytes) -> None:
    """Headers as lines of the input; a caller's broken ones are left out and never end the call."""
    invite = Request(Headers([("From", "<sip:+1@x>;tag=1")]), method="INVITE", uri="sip:a@b")
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        name, _, value = line.partition(":")
        invite.headers.add(name, value.strip())
    assert all(value for value in who_calls(invite, trusted=True).values())


TARGETS: dict[str, tuple[Callable[[], Callable[[bytes], None]], str]] = {
    "rtp": (lambda: rtp, "rtp-*.hex"),
    "rtcp": (lambda: reports, "rtp-*.hex"),
    "media": (lambda: media, "rtp-*.hex"),
    "codecs": (decoders, "rtp-*.hex"),
    "sdp": (lambda: descriptions, "sdp-*.sdp"),
    "sip": (lambda: messages, "rfc4475/*.sip"),
    "streams": (lambda: streams, "rfc4475/*.sip"),
    "agent": (lambda: agent, "rfc4475/*.sip"),
    "captures": (lambda: captures, "rtp-*.hex"),
    "secrets": (lambda: secrets, "rfc4475/*.sip"),
    "stun": (lambda: stun, "rtp-*.hex"),
    "identity": (lambda: identity, "rfc4475/*.sip"),
}
"""Each target's name, what makes it, and its seeds in `tests/wire`."""
