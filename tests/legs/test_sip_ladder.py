"""A trace sorted into calls and drawn: who, when, what, and the media between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trunkline.legs.sip_ladder import Trace, live_line
from trunkline.rtp.packet import Packet
from trunkline.sip.pcap import Seen

ONE, TWO = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


def message(start: str, cseq: str, body: str = "", call_id: str = "abc@x") -> bytes:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:ann@h>;tag=1\r\nTo: <sip:bob@i>\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{kind}Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def sdp(host: str, port: int, more: str = "") -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{more}"
    )


def rtp(number: int) -> bytes:
    return bytes(Packet(8, number & 0xFFFF, 160 * number & 0xFFFFFFFF, 7, b"x"))


def a_call() -> Trace:
    trace = Trace()
    invite = message("INVITE sip:bob@i SIP/2.0", "1 INVITE", sdp(ONE[0], 4000))
    trace.add(Seen(10.0, "udp", ONE, TWO, invite))
    trace.add(Seen(10.5, "udp", ONE, TWO, invite))
    trace.add(
        Seen(
            11.0, "udp", TWO, ONE, message("SIP/2.0 200 OK", "1 INVITE", sdp(TWO[0], 5000, "a=sendonly\r\n"))
        )
    )
    for place in (65_534, 65_535, 0, 2):
        number = place if place > 9 else place + 65_536
        at = 11.02 + 0.02 * (number - 65_534)
        trace.add(Seen(at, "udp", (ONE[0], 4000), (TWO[0], 5000), rtp(number)))
    trace.add(Seen(12.0, "udp", TWO, ONE, message("BYE sip:ann@h SIP/2.0", "2 BYE")))
    return trace


def test_a_call_is_a_ladder_with_its_repetitions_and_its_media() -> None:
    (call,) = a_call().calls
    lines = list(call.lines())
    assert lines[0] == "Call 1  INVITE sip:ann@h → sip:bob@i  (abc@x)"
    assert lines[1].split() == ["192.0.2.1:5060", "192.0.2.2:5060"]
    drawn = "\n".join(lines)
    assert "INVITE · PCMA ─" in drawn
    assert "INVITE · PCMA (again)" in drawn
    assert "200 OK (INVITE) · PCMA sendonly" in drawn
    assert "RTP PCMA: 4 packets, 0.1 s, 1 lost" in drawn
    towards = [line.rstrip("│").rstrip()[-1] == "▶" for line in lines[2:]]
    assert towards == [True, True, False, True, False]
    assert [line.split()[0] for line in lines[2:]] == ["0.000", "0.500", "1.000", "1.020", "2.000"]


def test_written_out_messages_show_no_secret_and_no_control_characters() -> None:
    trace = Trace()
    head = 'Authorization: Digest username="ann", response="c0ffee"\r\nX-Bell: \x07\x1b[31m\r\n'
    data = message("REGISTER sip:i SIP/2.0", "1 REGISTER").replace(
        b"Content-Length", head.encode() + b"Content-Length"
    )
    ((call, step),) = trace.add(Seen(1.0, "udp", ONE, TWO, data))
    shown = "\n".join(call.lines(full=True))
    assert 'username="ann"' in shown
    assert "c0ffee" not in shown
    assert "\x1b" not in shown
    assert "REGISTER" in live_line(1, step, "12:00:00.000")


def test_a_stream_is_cut_into_messages_and_belongs_to_their_call() -> None:
    trace = Trace()
    data = message("OPTIONS sip:i SIP/2.0", "1 OPTIONS") + message(
        "OPTIONS sip:i SIP/2.0", "1 OPTIONS", call_id="d@x"
    )
    parts = [
        Seen(1.0 + place, "tcp", ONE, TWO, data[place : place + 50]) for place in range(0, len(data), 50)
    ]
    found = [call.call_id for part in parts for call, _ in trace.add(part)]
    assert found == ["abc@x", "d@x"]
    last = trace.call_of(parts[-1])
    assert last is not None
    assert last.call_id == "d@x"


def test_what_is_no_sip_is_shown_as_that() -> None:
    trace = Trace()
    trace.add(Seen(1.0, "udp", ONE, TWO, b"INVITE sip:bob SIP/2.0\r\nCall-ID: zz\r\nCSeq: x\r\n\r\n"))
    assert "malformed" in "\n".join(trace.by_id["zz"].lines())


@given(st.lists(st.tuples(st.sampled_from(("udp", "tcp")), st.binary(max_size=120)), max_size=6), st.binary())
def test_no_bytes_break_it(pieces: list[tuple[str, bytes]], tail: bytes) -> None:
    trace = Trace()
    for transport, data in pieces:
        trace.add(Seen(1.0, transport, ONE, TWO, data))
    whole = message("SIP/2.0 180 Ringing", "1 INVITE")
    trace.add(Seen(1.0, "udp", TWO, ONE, whole.replace(b"Ringing", tail)))
    for call in trace.calls:
        assert list(call.lines(full=True))
