"""Fuzzing, led by coverage, of what reads strangers' bytes: `python benchmarks/fuzz.py TARGET [--seconds S]`.

Needs Atheris (`pip install atheris`), which is no dependency of anything here. Targets: `rtp`, `rtcp`,
`media` (whole calls' datagrams, plain and encrypted), `codecs`, `sdp`, `sip`, `stun`, `identity`. Seeds
are the fixtures in `tests/wire`; what is found (a crash, anything raised but `ParseError`, a value that does
not print back to itself) is left in the present folder as `crash-…`: make it a fixture or a case of a test.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("Atheris is not installed: pip install atheris") from None

with atheris.instrument_imports(include=["trunkline"]):
    from trunkline.audio.codecs.registry import CODECS
    from trunkline.errors import MediaError, ParseError, SipError
    from trunkline.rtp import rtcp
    from trunkline.rtp.packet import Packet
    from trunkline.rtp.session import RtpSession
    from trunkline.rtp.stream import EVENTS, Keys, Stream
    from trunkline.sip.identity import who_calls
    from trunkline.sip.message import Headers, Request
    from trunkline.sip.offer import MediaPolicy, Srtp, Terms
    from trunkline.sip.parse import parse_message
    from trunkline.sip.sdp import parse_sdp
    from trunkline.sip.sdp_codecs import KNOWN
    from trunkline.sip.sdp_crypto import KEY_BYTES
    from trunkline.sip.stun import mapped_address

WIRE = Path(__file__).parents[1] / "tests" / "wire"
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


def stun(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        mapped_address(data, data[8:20])


def identity(data: bytes) -> None:
    """Headers as lines of the input; a caller's broken ones are left out and never end the call."""
    invite = Request(Headers([("From", "<sip:+1@x>;tag=1")]), method="INVITE", uri="sip:a@b")
    for line in data.decode("utf-8", "surrogateescape").splitlines():
        name, _, value = line.partition(":")
        invite.headers.add(name, value.strip())
    with contextlib.suppress(ParseError):
        _ = invite.from_
        assert all(value for value in who_calls(invite, trusted=True).values())


def messages(data: bytes) -> None:
    try:
        message = parse_message(data)
    except ParseError:
        return
    parse_message(bytes(message))


TARGETS: dict[str, tuple[Callable[[], Callable[[bytes], None]], str]] = {
    "rtp": (lambda: rtp, "rtp-*.hex"),
    "rtcp": (lambda: reports, "rtp-*.hex"),
    "media": (lambda: media, "rtp-*.hex"),
    "codecs": (decoders, "rtp-*.hex"),
    "sdp": (lambda: descriptions, "sdp-*.sdp"),
    "sip": (lambda: messages, "rfc4475/*.sip"),
    "stun": (lambda: stun, "rtp-*.hex"),
    "identity": (lambda: identity, "rfc4475/*.sip"),
}


def seeds(pattern: str) -> Iterator[bytes]:
    for file in sorted(WIRE.glob(pattern)):
        if file.suffix == ".hex":
            yield bytes.fromhex(file.read_text(encoding="ascii").split("#")[0])
        else:
            yield file.read_bytes()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target", choices=TARGETS)
    options.add_argument("--seconds", type=int, default=60)
    chosen = options.parse_args()
    make, pattern = TARGETS[chosen.target]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(pattern)):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        arguments = [sys.argv[0], corpus, f"-max_total_time={chosen.seconds}", "-max_len=4096"]
        atheris.Setup(arguments, make())
        atheris.Fuzz()


if __name__ == "__main__":
    main()
