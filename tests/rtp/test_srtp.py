"""SRTP: packets that other implementations made, keys and counters over time, and bytes from strangers."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import MediaError
from trunkline.rtp import rtcp, srtp
from trunkline.rtp.packet import Packet
from trunkline.rtp.session import RtpSession
from trunkline.rtp.stream import Keys, Stream

pytest.importorskip("pylibsrtp", reason="pylibsrtp is not installed: pip install 'trunkline[srtp]'")

PEER, NAT, STRANGER = ("192.0.2.7", 4000), ("203.0.113.5", 61000), ("198.51.100.9", 666)
SUITE = "AES_CM_128_HMAC_SHA1_80"
ONE, OTHER, THIRD = bytes(range(30)), bytes(range(30, 60)), bytes(range(60, 90))
LOUD = b"\x00\x10" * 160

# The vectors with which libsrtp's own driver checks itself, and others theirs: master key and salt, then
# the packet 800f1234 decafbad cafebabe and sixteen bytes 0xab, protected.
PLAIN = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
VECTORS = {
    "AES_CM_128_HMAC_SHA1_80": (
        "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6",
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
    ),
    "AES_256_CM_HMAC_SHA1_80": (
        "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b63b04803de51ee7c96423ab5b78d2",
        "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b",
    ),
    "AEAD_AES_128_GCM": (
        "000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab",
        "800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
    ),
}


def ends(suite: str = SUITE) -> tuple[srtp.Srtp, srtp.Srtp]:
    size = srtp.KEY_BYTES[suite]
    one, other = bytes(range(size)), bytes(range(1, size + 1))
    return srtp.Srtp(Keys(suite, one, other)), srtp.Srtp(Keys(suite, other, one))


def rtp(number: int, ssrc: int = 9) -> bytes:
    return bytes(Packet(0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc, bytes([number & 0xFF]) * 160))


@pytest.mark.parametrize("suite", VECTORS)
def test_packets_are_protected_as_others_do_it(suite: str) -> None:
    key, protected = map(bytes.fromhex, VECTORS[suite])
    assert srtp.Srtp(Keys(suite, key, key)).protect(PLAIN) == protected
    assert srtp.Srtp(Keys(suite, key, key)).open(protected) == PLAIN


@pytest.mark.parametrize("suite", srtp.suites())
def test_what_one_end_protects_the_other_opens_once(suite: str) -> None:
    one, other = ends(suite)
    protected = one.protect(rtp(1))
    assert protected[12:172] != rtp(1)[12:]
    assert other.open(protected) == rtp(1)
    assert other.open(protected) is None
    assert one.open(protected) is None
    report = bytes(rtcp.ReceiverReport(9))
    assert other.open_report(one.protect_report(report)) == report
    assert (one.refused, other.refused) == (1, 1)


def test_all_suites_of_the_two_rfcs_can_be_had_and_a_short_tag_is_short() -> None:
    assert set(srtp.suites()) == set(srtp.KEY_BYTES)
    for suite, tag in (("AES_CM_128_HMAC_SHA1_32", 4), ("AES_256_CM_HMAC_SHA1_32", 4), (SUITE, 10)):
        assert len(ends(suite)[0].protect(rtp(1))) == len(rtp(1)) + tag


@given(st.binary(max_size=2000), st.integers(0, 181), st.integers(1, 255))
def test_no_bytes_pass_without_a_tag(data: bytes, place: int, change: int) -> None:
    one, other = ends()
    assert other.open(data) is None
    assert other.open_report(data) is None
    broken = bytearray(one.protect(rtp(1)))
    broken[place] ^= change
    assert other.open(bytes(broken)) is None


def test_counters_go_on_over_the_wrap_and_over_a_negotiation_with_the_same_keys() -> None:
    one, other = ends()
    keys = Keys(SUITE, bytes(range(30)), bytes(range(1, 31)))
    for number in range(65_000, 66_500, 7):
        if number % 3 == 0:
            one.rekey(keys)
            other.rekey(replace(keys, send=keys.receive, receive=keys.send))
        assert other.open(one.protect(rtp(number))) == rtp(number)
    # Whoever comes in only now does not know of the wrap: so the counter did go on.
    _, late = ends()
    assert late.open(one.protect(rtp(66_507))) is None


def test_a_new_key_of_theirs_counts_at_once_and_the_old_one_for_what_is_under_way() -> None:
    one, other = ends()
    under_way = [one.protect(rtp(number)) for number in range(3)]
    one.rekey(Keys(SUITE, THIRD, bytes(range(1, 31))))
    other.rekey(Keys(SUITE, bytes(range(1, 31)), THIRD))
    assert other.open(one.protect(rtp(3))) == rtp(3)
    assert [other.open(packet) for packet in under_way[:2]] == [rtp(0), rtp(1)]
    for number in range(4, 60):
        assert other.open(one.protect(rtp(number))) == rtp(number)
    assert other.open(under_way[2]) is None


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (Keys("AES_CM_512", ONE, OTHER), "cannot be had"),
        (Keys(SUITE, ONE[:-1], OTHER), "30 bytes"),
        (Keys("AEAD_AES_256_GCM", ONE, OTHER), "44 bytes"),
    ],
)
def test_keys_that_cannot_be_are_refused_and_those_in_force_stay(keys: Keys, what: str) -> None:
    with pytest.raises(MediaError, match=what):
        srtp.Srtp(keys)
    one, other = ends()
    with pytest.raises(MediaError, match=what):
        one.rekey(keys)
    assert other.open(one.protect(rtp(1))) == rtp(1)


def test_keys_are_not_shown() -> None:
    assert "0102" not in repr(Keys(SUITE, ONE, OTHER))
    assert str(ONE) not in repr(Keys(SUITE, ONE, OTHER))


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylibsrtp", None)
    with pytest.raises(MediaError, match=r"trunkline\[srtp\]"):
        srtp._library.__wrapped__()


# --- within a call --------------------------------------------------------------------------------


def session(keys: Keys | None, ssrc: int = 5, remote: tuple[str, int] = PEER) -> RtpSession:
    made = RtpSession(ssrc=ssrc, sequence=65_530, timestamp=0, cname=b"here")
    made.configure(Stream("PCMU", 0, keys=keys), remote=remote)
    made.start(100.0)
    return made


def call() -> tuple[RtpSession, RtpSession]:
    return session(Keys(SUITE, ONE, OTHER)), session(Keys(SUITE, OTHER, ONE), ssrc=6)


def datagram(sender: RtpSession) -> bytes:
    made = sender.send(LOUD)
    assert made is not None
    return made


def test_a_call_is_heard_and_reported_on_under_srtp() -> None:
    one, other = call()
    heard = [other.receive(datagram(one), PEER, 100 + n * 0.02) for n in range(20)]
    assert all(heard)
    other.receive_report(one.report(101, 5000), PEER, 101, 5000)
    one.receive_report(other.report(101, 5000), PEER, 101, 5000)
    assert one.quality().remote_loss == 0
    assert (other.quality().srtp, other.quality().packets_received) == (SUITE, 20)


def test_what_is_not_encrypted_is_not_heard_and_opens_no_latch() -> None:
    _, other = call()
    for number in range(10):
        assert other.receive(rtp(number), NAT, 100.0) == []
        assert other.receive(rtp(number), PEER, 100.0) == []
    other.receive_report(bytes(rtcp.Goodbye((9,))), PEER, 100, 0)
    assert other.latch.remote == PEER
    assert not other.latch.latched
    assert other.quality().refused == 21
    assert other.last_received is None


def test_one_packet_with_a_valid_tag_opens_the_latch_and_then_strangers_are_not_even_opened() -> None:
    one, other = call()
    assert other.receive(datagram(one), NAT, 100.0)
    assert other.latch.remote == NAT
    stolen = datagram(one)
    assert other.receive(stolen, STRANGER, 100.1) == []
    assert (other.quality().refused, other.quality().strangers) == (0, 1)
    assert other.receive(stolen, NAT, 100.1)


def test_a_re_invite_with_the_same_keys_changes_nothing_for_either_end() -> None:
    one, other = call()
    for n in range(20):  # over the wrap of the sequence, which begins at 65530
        assert other.receive(datagram(one), PEER, 100 + n * 0.02)
    one.configure(Stream("PCMA", 8, keys=Keys(SUITE, ONE, OTHER)), remote=PEER)
    other.configure(Stream("PCMA", 8, keys=Keys(SUITE, OTHER, ONE)), remote=PEER)
    for n in range(20, 40):
        assert other.receive(datagram(one), PEER, 100 + n * 0.02)
    assert other.quality().refused == 0


def test_encryption_that_comes_back_after_a_while_in_the_clear_goes_on_counting() -> None:
    one, other = call()
    keys = Keys(SUITE, ONE, OTHER)
    for stage in range(3):
        plain = stage == 1
        one.configure(Stream("PCMU", 0, keys=None if plain else keys), remote=PEER)
        other.configure(Stream("PCMU", 0, keys=None if plain else Keys(SUITE, OTHER, ONE)), remote=PEER)
        for n in range(20):
            packet = datagram(one)
            assert len(packet) == (172 if plain else 182)
            assert other.receive(packet, PEER, 100 + stage + n * 0.02)
        assert other.quality().srtp == ("" if plain else SUITE)


def test_keys_that_cannot_be_leave_the_call_as_it_was() -> None:
    one, other = call()
    with pytest.raises(MediaError, match="30 bytes"):
        one.configure(Stream("PCMA", 8, keys=Keys(SUITE, ONE[:4], OTHER)), remote=STRANGER)
    assert one.latch.remote == PEER
    assert one.codec.name == "PCMU"
    assert other.receive(datagram(one), PEER, 100.0)
