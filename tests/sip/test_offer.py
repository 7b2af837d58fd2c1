"""Offer and answer (RFC 3264): codecs, payload types, directions, hold, late offers, refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError, SipError
from trunkline.sip.offer import Terms
from trunkline.sip.sdp import parse_sdp
from trunkline.sip.sdp_codecs import L16, OPUS, PCMA, PCMU, Codec


def terms(*codecs: str, host: str = "192.0.2.1") -> Terms:
    known = {"PCMU": PCMU, "PCMA": PCMA}
    return Terms(host, 4000, tuple(known[name] for name in codecs or ("PCMU", "PCMA")), session_id=7)


def sdp(*lines: str, host: str = "198.51.100.2") -> bytes:
    head = ["v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0"]
    return "\r\n".join([*head, *lines, ""]).encode()


def test_two_ends_agree_on_what_the_answerer_prefers_of_what_was_offered() -> None:
    one, two = terms("PCMU", "PCMA"), terms("PCMA", "PCMU", host="192.0.2.2")
    answer, at_two = two.answer(one.offer())
    at_one = one.take_answer(answer)
    assert (at_one.codec.name, at_two.codec.name) == ("PCMA", "PCMA")
    assert (at_one.host, at_two.host) == ("192.0.2.2", "192.0.2.1")
    assert at_one.dtmf_payload_type == at_two.dtmf_payload_type == 101
    assert (at_one.send, at_one.receive, at_two.send, at_two.receive) == (True, True, True, True)


def test_dynamic_payload_types_of_the_offer_are_kept_in_the_answer() -> None:
    offer = sdp("m=audio 5000 RTP/AVP 96 97", "a=rtpmap:96 PCMA/8000", "a=rtpmap:97 telephone-event/8000")
    answer, agreement = terms().answer(offer)
    assert (agreement.codec.name, agreement.codec.payload_type) == ("PCMA", 96)
    assert agreement.dtmf_payload_type == 97
    media = parse_sdp(answer).media[0]
    assert media.formats == ("96", "97")
    assert media.rtpmaps()[97] == ("TELEPHONE-EVENT", 8000, 1)


def test_telephone_events_of_another_clock_are_not_taken() -> None:
    offer = sdp("m=audio 5000 RTP/AVP 0 101", "a=rtpmap:101 telephone-event/48000")
    _, agreement = terms().answer(offer)
    assert agreement.dtmf_payload_type is None


def test_an_rtpmap_overrides_what_a_static_payload_type_means() -> None:
    offer = sdp("m=audio 5000 RTP/AVP 0", "a=rtpmap:0 OPUS/48000/2")
    with pytest.raises(SipError, match="no codec in common"):
        terms().answer(offer)


@pytest.mark.parametrize(
    ("direction", "send", "receive", "back"),
    [
        ("sendrecv", True, True, "sendrecv"),
        ("sendonly", False, True, "recvonly"),
        ("recvonly", True, False, "sendonly"),
        ("inactive", False, False, "inactive"),
    ],
)
def test_directions_are_mirrored(direction: str, send: bool, receive: bool, back: str) -> None:
    answer, agreement = terms().answer(sdp("m=audio 5000 RTP/AVP 0", f"a={direction}"))
    assert (agreement.send, agreement.receive) == (send, receive)
    assert parse_sdp(answer).media[0].attribute(back) == ""


def test_a_direction_of_the_session_counts_where_the_media_has_none() -> None:
    _, agreement = terms().answer(sdp("a=inactive", "m=audio 5000 RTP/AVP 0"))
    assert (agreement.send, agreement.receive) == (False, False)


def test_the_old_way_to_hold_stops_our_sending() -> None:
    _, agreement = terms().answer(sdp("m=audio 5000 RTP/AVP 0", host="0.0.0.0"))
    assert (agreement.send, agreement.receive) == (False, True)


def test_our_own_hold_is_not_answered_with_sound() -> None:
    one, two = terms(), terms(host="192.0.2.2")
    answer, at_two = two.answer(one.offer(hold=True))
    at_one = one.take_answer(answer)
    assert (at_one.send, at_one.receive) == (True, False)
    assert (at_two.send, at_two.receive) == (False, True)


def test_other_streams_are_refused_and_keep_their_place() -> None:
    offer = sdp("m=video 6000 RTP/AVP 31", "m=audio 5000 RTP/AVP 0", "m=audio 5002 RTP/AVP 0")
    answer, agreement = terms().answer(offer)
    assert agreement.port == 5000
    assert [(media.kind, media.port) for media in parse_sdp(answer).media] == [
        ("video", 0),
        ("audio", 4000),
        ("audio", 0),
    ]


def test_the_version_rises_only_when_something_changes() -> None:
    one = terms()
    first = parse_sdp(one.offer())
    same = parse_sdp(one.offer())
    one.move("192.0.2.99", 4002)
    moved = parse_sdp(one.offer())
    assert (first.version, same.version, moved.version) == (0, 0, 1)
    assert moved.session_id == first.session_id
    assert moved.host == "192.0.2.99"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "v=0"),
        (b"v=0\r\ns=-\r\n", "no o="),
        (b"v=0\r\no=- 1 1 IN IP4\r\n", "bad o="),
        (b"v=0\r\no=- 1 x IN IP4 h\r\n", "bad o="),
        (sdp("m=audio RTP/AVP 0"), "bad m="),
        (sdp("m=audio 99999 RTP/AVP 0"), "bad m="),
        (sdp("nonsense"), "not a line"),
        (sdp("m=audio 1 RTP/AVP 0", "c=IN IP9 x"), "bad c="),
        (b"v=0\r\no=- 1 1 IN IP4 h\r\nm=audio 5000 RTP/AVP 0\r\n", "no c="),
    ],
)
def test_what_is_wrong_with_a_description_is_said(data: bytes, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        terms().answer(data)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (sdp(), "no audio"),
        (sdp("m=audio 0 RTP/AVP 0"), "no audio"),
        (sdp("m=video 5000 RTP/AVP 31"), "no audio"),
        (sdp("m=audio 5000 RTP/AVP 18"), "G729"),
        (sdp("m=audio 5000 RTP/SAVP 0"), "RTP/SAVP"),
    ],
)
def test_what_cannot_be_served_is_said(data: bytes, what: str) -> None:
    with pytest.raises(SipError, match=what):
        terms().answer(data)


def test_an_answer_that_refuses_our_audio_is_no_agreement() -> None:
    one = terms()
    one.offer()
    with pytest.raises(SipError, match="refuse our audio"):
        one.take_answer(sdp("m=audio 0 RTP/AVP 0"))
    assert one.agreement is None


@given(
    st.lists(
        st.sampled_from(["0", "8", "96", "97", "18", "3", "x", "200"]), min_size=1, max_size=6, unique=True
    ),
    st.permutations(["PCMU", "PCMA"]),
)
def test_never_a_codec_that_was_not_offered(formats: list[str], ours: list[str]) -> None:
    offer = sdp(
        f"m=audio 5000 RTP/AVP {' '.join(formats)}", "a=rtpmap:96 PCMU/8000", "a=rtpmap:97 SPEEX/8000"
    )
    try:
        answer, agreement = terms(*ours).answer(offer)
    except SipError:
        assert not {"0", "8", "96"} & set(formats)
        return
    assert set(parse_sdp(answer).media[0].formats) <= set(formats)
    assert str(agreement.codec.payload_type) in formats
    assert agreement.codec.name in ours


def test_an_offer_after_theirs_keeps_their_sections_and_payload_types() -> None:
    """What a re-INVITE without SDP is answered with, and how our hold is asked for."""
    ours = Terms("192.0.2.1", 4000, (OPUS, PCMU), session_id=7)
    ours.answer(
        sdp(
            "m=video 6000 RTP/AVP 31",
            "m=audio 5000 RTP/AVP 111 96 0",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:96 telephone-event/48000",
            "m=application 5002 UDP/BFCP *",
        )
    )
    offer = parse_sdp(ours.offer(hold=True))
    assert [(media.kind, media.port) for media in offer.media] == [
        ("video", 0),
        ("audio", 4000),
        ("application", 0),
    ]
    audio = offer.media[1]
    assert audio.attribute("sendonly") == ""
    maps = audio.rtpmaps()
    assert (maps[111], maps[96]) == (("OPUS", 48000, 2), ("TELEPHONE-EVENT", 48000, 1))
    agreement = ours.take_answer(
        sdp("m=video 0 RTP/AVP 31", "m=audio 5000 RTP/AVP 0", "a=recvonly", "m=application 0 UDP/BFCP *")
    )
    assert (agreement.codec.name, agreement.send, agreement.receive) == ("PCMU", True, False)


def test_what_counts_is_offered_again_without_a_new_version() -> None:
    one, two = terms("PCMU", "PCMA"), terms("PCMA", host="192.0.2.2")
    answer, _ = two.answer(one.offer())
    two.repeat()
    back, _ = one.answer(answer)
    again = two.take_answer(back)
    assert (again.codec.name, again.host) == ("PCMA", "192.0.2.1")
    assert parse_sdp(answer).version == parse_sdp(two.offer()).version


@given(
    st.permutations([96, 97, 101, 102, 103, 111]), st.sampled_from([(OPUS, PCMU), (L16, OPUS), (PCMU, L16)])
)
def test_a_payload_type_never_changes_its_meaning(types: list[int], codecs: tuple[Codec, ...]) -> None:
    ours = Terms("192.0.2.1", 4000, codecs, session_id=7)
    names = ["opus/48000/2", "L16/16000", "telephone-event/8000", "telephone-event/48000"]
    maps = [f"a=rtpmap:{number} {name}" for number, name in zip(types, names, strict=False)]
    formats = " ".join(map(str, types[:4]))
    _, agreement = ours.answer(sdp(f"m=audio 5000 RTP/AVP {formats} 0", *maps))
    meant = {codec.payload_type: (codec.name, codec.clock) for codec in agreement.receivable}
    offered = parse_sdp(ours.offer()).media[0].rtpmaps()
    assert len(parse_sdp(ours.offer()).media[0].formats) == len(set(parse_sdp(ours.offer()).media[0].formats))
    for payload_type, (name, clock, _) in offered.items():
        assert meant.get(payload_type, (name, clock)) == (name, clock)
