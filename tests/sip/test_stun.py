"""STUN as the RFCs' own examples have it, and what strangers send in its place."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.sip.stun import MAGIC, Binding, binding_request, is_stun, mapped_address

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

# RFC 5769 §2.2 and §2.3: responses that name 192.0.2.1:32853 and 2001:db8:1234:5678:11:2233:4455:6677:32853.
IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)


def response(*attributes: tuple[int, bytes], kind: int = 0x0101, transaction: bytes = TRANSACTION) -> bytes:
    body = b"".join(
        struct.pack("!HH", name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes
    )
    return struct.pack("!HHI", kind, len(body), MAGIC) + transaction + body


def test_the_rfcs_own_responses() -> None:
    assert mapped_address(IPV4, TRANSACTION) == ("192.0.2.1", 32853)
    assert mapped_address(IPV6, TRANSACTION) == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_a_request_is_stun_and_whole() -> None:
    request = binding_request(TRANSACTION)
    assert is_stun(request)
    assert request[:8] == bytes.fromhex("000100102112a442")
    assert len(request) == 20 + 16
    assert b"Trunkline" in request


@pytest.mark.parametrize(
    "sip", [b"INVITE sip:a@b SIP/2.0\r\n", b"SIP/2.0 200 OK\r\n", b"\r\n\r\n", b"", b"\0"]
)
def test_sip_is_no_stun(sip: bytes) -> None:
    assert not is_stun(sip)


def test_an_old_server_names_the_address_plainly() -> None:
    value = bytes.fromhex("0001") + (5060).to_bytes(2, "big") + bytes([198, 51, 100, 7])
    assert mapped_address(response((1, value)), TRANSACTION) == ("198.51.100.7", 5060)


def test_what_is_no_answer_to_our_question_is_passed_over() -> None:
    assert mapped_address(IPV4, bytes(12)) is None
    assert mapped_address(binding_request(TRANSACTION), TRANSACTION) is None
    assert mapped_address(b"INVITE sip:a@b SIP/2.0\r\n\r\n", TRANSACTION) is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (IPV4[:-4], "wrong length"),
        (response(), "without an address"),
        (response((0x0020, b"\0\3" + bytes(6))), "no known family"),
        (response((0x0020, b"\0\1" + bytes(9))), "no known family"),
        (response((0x0777, b"")), "must be understood"),
        (response((0x0009, b"\0\0\4\1"), kind=0x0111), "refuses"),
    ],
)
def test_broken_answers_are_told(data: bytes, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        mapped_address(data, TRANSACTION)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tail: bytes) -> None:
    padded = tail + bytes(-len(tail) % 4)
    for data in (tail, struct.pack("!HHI", 0x0101, len(padded), MAGIC) + TRANSACTION + padded):
        with suppress(ParseError):
            mapped_address(data, TRANSACTION)


def test_it_asks_seven_times_and_waits_as_the_rfc_says() -> None:
    binding = Binding(0.0, random=lambda _: TRANSACTION)
    dues = [binding.due]
    while binding.again(binding.due):
        dues.append(binding.due)
    assert dues == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 39.5]
    assert binding.receive(IPV4) == ("192.0.2.1", 32853)
