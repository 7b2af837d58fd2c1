"""The load caller: its SIP is right on the wire, its callers converse, its figures are true."""

import asyncio
import socket
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.clock import SystemClock
from trunkline.errors import CallRefused
from trunkline.lab.load_call import QUIET, SILENCE, LoadCall, payloads
from trunkline.lab.load_caller import LoadCaller
from trunkline.lab.load_sip import GIVE_UP, Dialog, Heard, media_address, read
from trunkline.lab.recordings import DECODED, encode

SPEECH = (8000 * np.sin(np.arange(8000) * 0.5)).astype(np.int16)
LOUD = payloads(SPEECH)[0]


def rtp(number: int, payload: bytes) -> bytes:
    return struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 160, 7) + payload


def caller() -> LoadCall:
    line = payloads(SPEECH)
    return LoadCall(1, [line], [[DECODED[np.frombuffer(p, np.uint8)].tobytes() for p in line]])


def converse(call: LoadCall, seconds: float, wait: float = 0.3, stop: float = 0.1) -> list[bytes]:
    """A toy agent: greets for 1 s, answers `wait` after the caller's last sound with 2 s of tone,
    falls silent `stop` after the caller began to speak into it."""
    sent: list[bytes] = []
    speaks_until, caller_last, caller_began, owes = 1.0, -9.0, -9.0, False
    for n in range(round(seconds / 0.02)):
        now = n * 0.02
        packet = call.next_packet(100 + now)
        sent.append(packet)
        if packet[12:] != SILENCE:
            if now - caller_last > 0.1:
                caller_began = now
            caller_last, owes = now, True
            if now - caller_began >= stop:
                speaks_until = min(speaks_until, now)
        elif owes and now - caller_last >= wait:
            speaks_until, owes = now + 2.0, False
        call.packet(rtp(n, LOUD if now < speaks_until else SILENCE), 100 + now + 0.001)
    return sent


def test_a_caller_speaks_when_the_agent_is_done_and_times_the_answer() -> None:
    call = caller()
    converse(call, 20)
    report = call.ear.judge()
    assert len(report.answers) >= 4
    # The last packet holds sound until it left; the answer is found on the next tick.
    assert report.answer_ms == pytest.approx([301] * len(report.answer_ms), abs=25)


def test_every_third_time_it_interrupts() -> None:
    call = caller()
    converse(call, 30)
    report = call.ear.judge()
    assert report.interruption_ms
    assert report.interruption_ms == pytest.approx([120] * len(report.interruption_ms), abs=25)


def test_packets_follow_each_other_and_hold_the_line() -> None:
    packets = converse(caller(), 5)
    heads = [struct.unpack(">BBHII", packet[:12]) for packet in packets]
    assert {(head[0], head[1], head[4]) for head in heads} == {(0x80, 0, 0x10AD0001)}
    assert [b[2] - a[2] for a, b in zip(heads, heads[1:], strict=False)] == [1] * (len(heads) - 1)  # noqa: RUF007
    assert {len(packet) for packet in packets} == {172}
    assert [packet[12:] for packet in packets if packet[12:] != SILENCE] == list(payloads(SPEECH)) * 1


def test_a_silent_agent_is_spoken_to_again() -> None:
    call = caller()
    sent = [call.next_packet(n * 0.02) for n in range(50)]
    assert {packet[12:] for packet in sent} == {SILENCE}
    call.packet(rtp(0, LOUD), 1.0)
    spoken = [n for n in range(50, 1000) if call.next_packet(n * 0.02)[12:] != SILENCE]
    assert spoken[0] * 0.02 == pytest.approx(1.6, abs=0.03)
    assert spoken[len(payloads(SPEECH))] * 0.02 > 8


def test_lateness_is_against_the_steadiest_line() -> None:
    call = caller()
    for n in range(200):
        late = 0.03 if n % 50 == 10 else 0.0
        call.packet(rtp(n, SILENCE), 50 + n * 0.02 + late + (0.005 if n < 5 else 0.0))
    assert max(call.lateness) == pytest.approx(0.03, abs=1e-6)
    assert sorted(call.lateness)[150] == pytest.approx(0, abs=1e-6)


def test_lost_packets_are_counted_and_junk_is_not() -> None:
    call = caller()
    for n in (0, 1, 4, 3, 5):
        call.packet(rtp(n, SILENCE), n * 0.02)
    for junk in (b"", b"\x80", b"\x80\x65" + bytes(170), b"\x40" + bytes(171)):
        call.packet(junk, 0.2)
    assert call.received == 5
    assert call.lost == 2


def test_quiet_codes_are_those_below_the_floor() -> None:
    assert 0xFF in QUIET
    assert encode(np.array([100], np.int16))[0] in QUIET
    assert encode(np.array([400], np.int16))[0] not in QUIET


OK = (
    "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\nFrom: <sip:a>;tag=l3\r\nTo: <sip:b>;tag=agent\r\n"
    "Call-ID: load-3@127.0.0.1\r\nCSeq: 1 INVITE\r\nContact: <sip:agent@127.0.0.1:5099>\r\n"
    "Content-Length: 0\r\n\r\nv=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
)


def dialog() -> Dialog:
    return Dialog(3, "127.0.0.1", 5070, 4002, "127.0.0.1:5080")


def test_an_answer_is_acknowledged_each_time_it_comes() -> None:
    call = dialog()
    invite = read(call.start(0.0))
    assert invite is not None
    assert media_address(invite.body) == ("127.0.0.1", 4002)
    heard = read(OK.encode())
    assert heard is not None
    for _ in range(2):
        ack = call.hear(heard)
        assert ack is not None
        assert ack.startswith(b"ACK sip:agent@127.0.0.1:5099 SIP/2.0\r\n")
        assert b"To: <sip:b>;tag=agent\r\n" in ack
    assert call.answered is heard
    assert call.late(100.0) is None
    bye = read(call.hang_up(5.0))
    assert bye is not None
    assert (bye.method, bye.headers["cseq"]) == ("BYE", "2 BYE")


def test_a_request_without_an_answer_is_repeated_and_given_up() -> None:
    call = dialog()
    first = call.start(0.0)
    times = [n / 10 for n in range(400) if call.late(n / 10) == first]
    assert times[:4] == [0.5, 1.5, 3.5, 7.5]
    assert times[-1] <= GIVE_UP
    assert call.ended


def test_a_refusal_is_acknowledged_in_its_own_transaction() -> None:
    call = dialog()
    invite = call.start(0.0)
    heard = read(OK.replace("200 OK", "486 Busy Here").encode())
    assert heard is not None
    ack = call.hear(heard)
    assert ack is not None
    branch = invite.split(b"branch=")[1].split(b";")[0]
    assert branch in ack
    assert (call.refused, call.ended) == (486, True)


def test_the_agents_bye_is_answered() -> None:
    call = dialog()
    call.start(0.0)
    bye = b"BYE sip:x SIP/2.0\r\nVia: v\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 9 BYE\r\n\r\n"
    heard = read(bye)
    assert heard is not None
    answer = call.hear(heard)
    assert answer is not None
    assert answer.startswith(b"SIP/2.0 200 OK\r\nVia: v\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 9 BYE\r\n")
    assert call.ended


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_left(data: bytes) -> None:
    heard = read(data)
    assert heard is None or isinstance(heard, Heard)
    if heard is not None:
        dialog().hear(heard)
    media_address(data.decode("latin-1"))


class ToyAgent:
    """A SIP agent of a few lines on real sockets: answers every INVITE with `status`."""

    def __init__(self, status: str = "200 OK") -> None:
        self.loop = asyncio.get_running_loop()
        self.status = status
        self.byes = 0
        self.packets = 0
        self.enough = asyncio.Event()
        self.sip, self.media = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for endpoint, reader in ((self.sip, self.on_sip), (self.media, self.on_rtp)):
            endpoint.setblocking(False)
            endpoint.bind(("127.0.0.1", 0))
            self.loop.add_reader(endpoint, reader)

    def on_sip(self) -> None:
        data, source = self.sip.recvfrom(65535)
        heard = read(data)
        assert heard is not None
        if heard.method == "ACK":
            return
        self.byes += heard.method == "BYE"
        status = "200 OK" if heard.method == "BYE" else self.status
        names = ("Via", "From", "Call-ID", "CSeq")
        lines = [f"{name}: {heard.headers[name.lower()]}" for name in names]
        port = self.media.getsockname()[1]
        sdp = f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 0\r\n"
        head = "\r\n".join([f"SIP/2.0 {status}", *lines, f"To: {heard.headers['to']};tag=t"])
        self.sip.sendto(f"{head}\r\n\r\n{sdp}".encode(), source)

    def on_rtp(self) -> None:
        data, source = self.media.recvfrom(2048)
        self.packets += 1
        self.media.sendto(data[:12] + LOUD, source)
        if self.packets >= 60:
            self.enough.set()

    def close(self) -> None:
        for endpoint in (self.sip, self.media):
            self.loop.remove_reader(endpoint)
            endpoint.close()


async def test_calls_are_placed_held_and_ended_over_real_sockets() -> None:
    agent = ToyAgent()
    load = LoadCaller(SystemClock(), agent.sip.getsockname(), [SPEECH])
    try:
        await load.place(3)
        async with asyncio.timeout(20):
            await agent.enough.wait()
        assert min(call.received for call in load.calls) >= 5
        assert load.ended_early == 0
        for call in load.calls:
            assert call.lost == 0
            ((start, end),) = call.ear.judge().received
            assert end > start
    finally:
        await load.close()
        agent.close()
    assert agent.byes >= 3
    assert agent.packets >= 15


async def test_a_refused_call_is_told() -> None:
    agent = ToyAgent("503 Service Unavailable")
    load = LoadCaller(SystemClock(), agent.sip.getsockname(), [SPEECH])
    try:
        with pytest.raises(CallRefused, match="503"):
            await load.place(1)
    finally:
        await load.close()
        agent.close()


@pytest.mark.parametrize(("gives_way", "lost"), [(False, 0), (True, 1)])
def test_a_sentence_with_a_sound_over_it_is_lost_where_it_ends_early(gives_way: bool, lost: int) -> None:
    """The agent says 4 s of tone to each line; every second time the caller makes a short sound over it."""
    line, sound = payloads(SPEECH), payloads(SPEECH[:1600])
    decoded = [[DECODED[np.frombuffer(p, np.uint8)].tobytes() for p in pieces] for pieces in (line, sound)]
    call = LoadCall(0, [line], decoded, [sound])
    speaks_until, owes, quiet = 1.0, 0, 0
    for n in range(2000):
        now = n * 0.02
        sounding = now < speaks_until
        if call.next_packet(100 + now)[12:] != SILENCE:
            quiet = 0
            owes += not sounding
            if sounding and gives_way:
                speaks_until = now
        else:
            quiet += 1
        if owes > len(sound) and quiet == 10 and not sounding:
            speaks_until, owes = now + 4.0, 0
        call.packet(rtp(n, LOUD if now < speaks_until else SILENCE), 100 + now + 0.001)
        if call.overlaid:
            break
    assert (call.overlaid, call.lost_sentences) == (1, lost)
