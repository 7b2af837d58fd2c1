"""What clients and servers agree on: the RFC's own example, ours, and what cannot be had."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ConfigError, ParseError, SipError
from trunkline.mrcp.codecs import codecs_named
from trunkline.mrcp.offer import PLAIN, Terms, make_answer, make_offer, read_answer, read_offer
from trunkline.rtp.stream import Keys
from trunkline.sip.sdp import parse_sdp
from trunkline.sip.sdp_crypto import Crypto

CODECS = codecs_named("PCMU PCMA")
# Section 4.2 of the RFC, its answer's sound with an address and a payload type that its offer had.
OFFER = b"""v=0
o=sarvi 2614933546 2614933546 IN IP4 192.0.2.12
s=Set up MRCPv2 control and audio
c=IN IP4 192.0.2.12
t=0 0
m=application 9 TCP/MRCPv2 1
a=setup:active
a=connection:new
a=resource:speechsynth
a=cmid:1
m=audio 49170 RTP/AVP 0
a=rtpmap:0 pcmu/8000
a=recvonly
a=mid:1
"""
ANSWER = b"""v=0
o=- 2890842808 2890842808 IN IP4 192.0.2.11
s=Set up MRCPv2 control and audio
c=IN IP4 192.0.2.11
t=0 0
m=application 32416 TCP/MRCPv2 1
a=setup:passive
a=connection:new
a=channel:32AECB234338@speechsynth
a=cmid:1
m=audio 48260 RTP/AVP 0
a=rtpmap:0 pcmu/8000
a=sendonly
a=mid:1
"""


def test_the_answer_of_the_rfc_is_understood() -> None:
    granted = read_answer(ANSWER, "speechsynth", CODECS)
    assert (granted.channel, granted.host, granted.port) == ("32AECB234338@speechsynth", "192.0.2.11", 32416)
    assert granted.media == ("192.0.2.11", 48260)
    assert (granted.stream.codec, granted.stream.send, granted.stream.receive) == ("PCMU", False, True)


def test_the_offer_of_the_rfc_is_understood_and_answered() -> None:
    asked = read_offer(OFFER, CODECS)
    assert asked.resources == ((0, "speechsynth"),)
    assert asked.media == ("192.0.2.12", 49170)
    assert (asked.stream.send, asked.stream.receive) == (True, False)
    said = make_answer(asked, "192.0.2.11", 32416, 48260, {0: "32AECB234338@speechsynth"}, 7)
    assert read_answer(said, "speechsynth", CODECS) == read_answer(ANSWER, "speechsynth", CODECS)


@pytest.mark.parametrize("resource", ["speechrecog", "speechsynth"])
def test_an_offer_of_ours_is_understood_by_us(resource: str) -> None:
    offer = make_offer("192.0.2.1", 4000, resource, CODECS, 1)
    asked = read_offer(offer, CODECS)
    assert asked.stream.receive is (resource == "speechrecog")
    said = make_answer(asked, "192.0.2.2", 5, 6, {0: f"x@{resource}"}, 2)
    assert read_answer(said, resource, CODECS).channel == f"x@{resource}"


def test_both_resources_in_one_call_and_others_refused() -> None:
    more = OFFER.replace(
        b"m=audio",
        b"m=application 9 TCP/MRCPv2 1\na=resource:speechrecog\na=cmid:1\n"
        b"m=application 9 TCP/MRCPv2 1\na=resource:speakverify\na=cmid:1\nm=audio",
    )
    asked = read_offer(more, CODECS)
    assert [name for _, name in asked.resources] == ["speechsynth", "speechrecog"]
    assert asked.stream.send and asked.stream.receive  # noqa: PT018
    said = parse_sdp(make_answer(asked, "192.0.2.2", 5, 6, {0: "a@speechsynth", 1: "a@speechrecog"}, 2))
    assert [media.port for media in said.media] == [5, 5, 0, 6]


@pytest.mark.parametrize(
    ("was", "now", "error"),
    [
        (b"m=application 32416", b"m=application 0", SipError),
        (b"m=audio 48260", b"m=audio 0", SipError),
        (b"a=channel:32AECB234338@speechsynth\n", b"", ParseError),
        (b"@speechsynth", b"@speechrecog", ParseError),
        (b"0 pcmu/8000", b"96 opus/48000/2", None),
        (b"RTP/AVP 0\na=rtpmap:0 pcmu/8000", b"RTP/AVP 96\na=rtpmap:96 speex/8000", SipError),
        (b"c=IN IP4 192.0.2.11", b"c=IN IP4 example.com", ParseError),
    ],
)
def test_an_answer_that_is_of_no_use(was: bytes, now: bytes, error: type[Exception] | None) -> None:
    assert was in ANSWER
    changed = ANSWER.replace(was, now)
    if error is None:
        assert read_answer(changed, "speechsynth", CODECS)
        return
    with pytest.raises(error):
        read_answer(changed, "speechsynth", CODECS)


@given(st.integers(0, len(OFFER)), st.integers(0, 30), st.binary(max_size=30))
def test_whatever_is_done_to_an_offer_it_is_understood_or_refused(at: int, length: int, put: bytes) -> None:
    with suppress(ParseError, SipError):
        asked = read_offer(OFFER[:at] + put + OFFER[at + length :], CODECS)
        make_answer(asked, "192.0.2.2", 5, 6, dict(asked.resources), 2)


@pytest.mark.parametrize("names", ["", "nonesuch"])
def test_codecs_that_are_none_are_the_owners_mistake(names: str) -> None:
    with pytest.raises(ConfigError):
        codecs_named(names)


# --- secrecy ----------------------------------------------------------------------------------------

SUITE, OTHER = "AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"
PRINT = "SHA-256 " + ":".join(["AB"] * 32)
THEIRS, OURS = (Crypto(1, OTHER, b"a" * 46), Crypto(2, SUITE, b"b" * 30)), (Crypto(1, SUITE, b"c" * 30),)
CLIENT = Terms(tls=True, fingerprint=PRINT, cryptos=THEIRS)
SERVER = Terms(tls=True, fingerprint=PRINT.replace("AB", "CD"), cryptos=OURS)


def agreed(client: Terms, server: Terms) -> tuple[bytes, bytes]:
    """An offer and its answer."""
    offer = make_offer("192.0.2.1", 4000, "speechrecog", CODECS, 1, client)
    asked = read_offer(offer, CODECS, server)
    channels = {0: "x@speechrecog"}
    told = server.fingerprint
    return offer, make_answer(asked, "192.0.2.2", 5, 6, channels, 2, secure_port=7, fingerprint=told)


def test_words_over_tls_and_encrypted_sound_are_agreed_on() -> None:
    offer, answer = agreed(CLIENT, SERVER)
    asked = read_offer(offer, CODECS, SERVER)
    granted = read_answer(answer, "speechrecog", CODECS, CLIENT)
    assert (granted.port, granted.fingerprints) == (7, (SERVER.fingerprint,))
    assert asked.secure == {0: (PRINT,)}
    assert granted.stream.keys == Keys(SUITE, b"b" * 30, b"c" * 30)
    assert asked.stream.keys == Keys(SUITE, b"c" * 30, b"b" * 30)
    assert [media.protocol for media in parse_sdp(answer).media] == ["TCP/TLS/MRCPV2", "RTP/SAVP"]


def test_a_server_that_can_do_more_gives_a_plain_client_what_it_asks_for() -> None:
    offer, answer = agreed(PLAIN, SERVER)
    granted = read_answer(answer, "speechrecog", CODECS)
    assert (granted.port, granted.stream.keys, granted.fingerprints) == (5, None, ())
    assert read_offer(offer, CODECS, SERVER).secure == {}


@pytest.mark.parametrize(
    ("client", "server"),
    [
        (PLAIN, Terms(tls=True, tcp=False)),
        (CLIENT, PLAIN),
        (Terms(cryptos=THEIRS), PLAIN),
        (Terms(cryptos=THEIRS[:1]), Terms(cryptos=OURS)),
        (PLAIN, Terms(cryptos=OURS, srtp_needed=True)),
    ],
)
def test_ends_that_want_different_secrecy_do_not_agree(client: Terms, server: Terms) -> None:
    with pytest.raises(SipError):
        agreed(client, server)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"TCP/TLS/MRCPv2", b"TCP/MRCPv2"),
        (b"RTP/SAVP", b"RTP/AVP"),
        (b"a=crypto:2 ", b"a=crypto:1 "),
        (b"a=crypto:2 ", b"a=crypto:9 "),
        (b"a=crypto:", b"a=nothing:"),
    ],
)
def test_an_answer_that_takes_secrecy_away_is_not_taken(was: bytes, now: bytes) -> None:
    _, answer = agreed(CLIENT, SERVER)
    assert was in answer
    with pytest.raises(SipError):
        read_answer(answer.replace(was, now), "speechrecog", CODECS, CLIENT)


def test_keys_do_not_show_where_terms_are_printed() -> None:
    asked = read_offer(make_offer("192.0.2.1", 4000, "speechrecog", CODECS, 1, CLIENT), CODECS, SERVER)
    for shown in (repr(CLIENT), repr(THEIRS), repr(asked.stream), repr(asked.crypto)):
        assert "bbbb" not in shown
        assert "cccc" not in shown
