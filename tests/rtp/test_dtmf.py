"""Keypad digits: each press is told once, whichever of its packets are lost or come twice or late."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import MediaError, ParseError
from trunkline.rtp.dtmf import DIGITS, DtmfReceiver, DtmfSender, EventPacket, TelephoneEvent


def sent(digits: str, start: int = 0xFFFFFF00) -> list[EventPacket]:
    """All event packets for these digits."""
    sender = DtmfSender(160)
    sender.send(digits)
    packets = []
    timestamp = start
    while sender.busy:
        packet = sender.tick(timestamp)
        if packet is not None:
            packets.append(packet)
        timestamp = (timestamp + 160) & 0xFFFFFFFF
    return packets


def test_a_press_on_the_wire() -> None:
    packets = sent("5", 1000)
    events = [TelephoneEvent.parse(packet.payload) for packet in packets]
    assert {packet.timestamp for packet in packets} == {1000}
    assert [packet.marker for packet in packets] == [True] + [False] * 6
    assert [event.duration for event in events] == [160, 320, 480, 640, 800, 800, 800]
    assert [event.end for event in events] == [False] * 4 + [True] * 3
    assert {event.event for event in events} == {5}


def test_presses_do_not_touch() -> None:
    first, second = sorted({packet.timestamp for packet in sent("11", 0)})
    assert second - first == 160 * (5 + 2 + 3)


@given(st.text(DIGITS, min_size=1, max_size=8), st.data())
def test_each_digit_is_told_once_if_any_of_its_packets_comes(digits: str, data: st.DataObject) -> None:
    packets = sent(digits)
    starts = list(dict.fromkeys(packet.timestamp for packet in packets))
    kept: list[EventPacket] = []
    for start in starts:
        press = [packet for packet in packets if packet.timestamp == start]
        keep = data.draw(st.lists(st.booleans(), min_size=len(press), max_size=len(press)))
        if not any(keep):
            keep[data.draw(st.integers(0, len(press) - 1))] = True
        for packet, stays in zip(press, keep, strict=True):
            kept += [packet] * (data.draw(st.integers(1, 2)) if stays else 0)
    receiver = DtmfReceiver()
    told = [receiver.push(packet.payload, packet.timestamp, 7) for packet in kept]
    assert "".join(digit for digit in told if digit) == digits


def test_an_end_that_comes_after_the_next_press_began_is_not_a_third() -> None:
    packets = sent("12")
    receiver = DtmfReceiver()
    late = packets[6]
    order = [*packets[:6], *packets[7:10], late, *packets[10:]]
    told = [receiver.push(packet.payload, packet.timestamp, 7) for packet in order]
    assert [digit for digit in told if digit] == ["1", "2"]


def test_a_long_press_in_segments_is_one() -> None:
    receiver = DtmfReceiver()
    long = [(0, 0x8000), (0, 0xFFFF), (0xFFFF, 160), (0xFFFF, 320)]
    told = [receiver.push(bytes(TelephoneEvent(9, False, 10, duration)), at, 7) for at, duration in long]
    assert told == ["9", None, None, None]
    assert receiver.last is not None
    assert receiver.last.duration == 0xFFFF + 320


def test_the_duration_is_known_from_what_came() -> None:
    receiver = DtmfReceiver()
    for packet in sent("3")[:3]:
        receiver.push(packet.payload, packet.timestamp, 7)
    assert receiver.last is not None
    assert (receiver.last.digit, receiver.last.duration, receiver.last.ended) == ("3", 480, False)


@given(st.binary(max_size=8), st.integers(0, 0xFFFFFFFF))
def test_any_payload_is_a_digit_or_nothing_or_a_parse_error(payload: bytes, timestamp: int) -> None:
    try:
        digit = DtmfReceiver().push(payload, timestamp, 7)
    except ParseError:
        assert len(payload) < 4
        return
    assert digit is None or digit in DIGITS


def test_what_is_on_no_keypad_is_refused_and_nothing_of_it_sent() -> None:
    sender = DtmfSender(160)
    with pytest.raises(MediaError, match="on no keypad"):
        sender.send("1x")
    assert not sender.busy
    with pytest.raises(MediaError, match="64"):
        sender.send("1" * 65)
