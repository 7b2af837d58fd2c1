"""Offer and answer for what media can be: wide-band codecs, packet times, keys, ports of reports."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError, SipError
from trunkline.sip.offer import MediaPolicy, Srtp, Terms
from trunkline.sip.sdp import Media, parse_sdp
from trunkline.sip.sdp_codecs import KNOWN, Codec
from trunkline.sip.sdp_crypto import KEY_BYTES, Crypto, cryptos

AES, GCM = "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"
WIRE = Path(__file__).parent.parent / "wire"
EXAMPLE = "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20"
"""As in RFC 4568's own example, but for the key identifier that it goes on with."""


def secure(mode: Srtp, offered: tuple[str, ...] = (AES, GCM), seed: int = 0) -> MediaPolicy:
    numbers = itertools.count(seed)
    return MediaPolicy(
        srtp=mode,
        suites=tuple(KEY_BYTES),
        offered=offered,
        make_key=lambda size: bytes([next(numbers) & 0xFF]) * size,
    )


def terms(*names: str, policy: MediaPolicy | None = None, host: str = "192.0.2.1") -> Terms:
    codecs = tuple(KNOWN[name] for name in names or ("PCMU", "PCMA"))
    return Terms(host, 4000, codecs, session_id=7, policy=policy)


def sdp(*lines: str) -> bytes:
    head = ["v=0", "o=- 1 1 IN IP4 198.51.100.2", "s=-", "c=IN IP4 198.51.100.2", "t=0 0"]
    return "\r\n".join([*head, *lines, ""]).encode()


def audio(data: bytes) -> Media:
    return parse_sdp(data).media[0]


def values(media: Media, name: str) -> list[str]:
    return [value for attribute, value in media.attributes if attribute == name]


# --- codecs ---------------------------------------------------------------------------------------


def test_an_offer_says_all_of_each_codec_and_events_at_each_clock() -> None:
    media = audio(terms("OPUS", "G722", "PCMU", "L16").offer())
    assert media.formats == ("96", "9", "0", "97", "103", "101", "102")
    assert values(media, "rtpmap") == [
        "96 opus/48000/2",
        "9 G722/8000",
        "0 PCMU/8000",
        "97 L16/16000",
        "103 telephone-event/48000",
        "101 telephone-event/8000",
        "102 telephone-event/16000",
    ]
    assert values(media, "fmtp")[0] == "96 maxplaybackrate=16000;sprop-maxcapturerate=16000;useinbandfec=1"


@given(st.permutations(list(KNOWN)), st.permutations(list(KNOWN)), st.integers(1, 5), st.integers(1, 5))
def test_two_ends_agree_on_one_codec_and_can_read_each_other(
    ours: list[str], theirs: list[str], few: int, many: int
) -> None:
    one, two = terms(*ours[:few]), terms(*theirs[:many], host="192.0.2.2")
    common = [name for name in theirs[:many] if name in ours[:few]]
    if not common:
        with pytest.raises(SipError, match="no codec in common"):
            two.answer(one.offer())
        return
    answer, at_two = two.answer(one.offer())
    at_one = one.take_answer(answer)
    assert at_one.codec.name == at_two.codec.name == common[0]
    assert (at_one.codec.payload_type, at_one.codec.name) in kinds(at_two.receivable)
    assert (at_two.codec.payload_type, at_two.codec.name) in kinds(at_one.receivable)
    assert at_one.dtmf_payload_type == at_two.dtmf_payload_type
    assert at_one.dtmf_clock == at_two.dtmf_clock == at_one.codec.clock
    assert set(audio(answer).formats) <= set(audio(one.offer()).formats)


def kinds(codecs: tuple[Codec, ...]) -> set[tuple[int, str]]:
    return {(codec.payload_type, codec.name) for codec in codecs}


def test_an_answer_says_what_we_ask_for_and_not_what_they_do() -> None:
    offer = sdp(
        "m=audio 5000 RTP/AVP 111",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;stereo=1;useinbandfec=1",
    )
    answer, agreement = terms("OPUS").answer(offer)
    assert values(audio(answer), "fmtp") == [f"111 {KNOWN['OPUS'].fmtp}"]
    assert agreement.codec.fmtp == "minptime=10;stereo=1;useinbandfec=1"


def test_an_answer_under_other_payload_types_is_read_and_ours_are_too() -> None:
    one = terms("OPUS", "PCMU")
    one.offer()
    agreement = one.take_answer(
        sdp(
            "m=audio 5000 RTP/AVP 107 98",
            "a=rtpmap:107 OPUS/48000/2",
            "a=rtpmap:98 telephone-event/48000",
        )
    )
    assert agreement.codec.payload_type == 107
    assert agreement.dtmf_payload_type == 98
    assert {(107, "OPUS"), (96, "OPUS"), (98, "TELEPHONE-EVENT"), (103, "TELEPHONE-EVENT")} <= kinds(
        agreement.receivable
    )


def test_events_at_8000_are_taken_beside_opus_where_there_are_no_others() -> None:
    lines = [
        "m=audio 5000 RTP/AVP 96 101 102",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:101 telephone-event/8000",
    ]
    _, agreement = terms("OPUS").answer(sdp(*lines))
    assert (agreement.dtmf_payload_type, agreement.dtmf_clock) == (101, 8000)
    _, agreement = terms("OPUS").answer(sdp(*lines, "a=rtpmap:102 telephone-event/48000"))
    assert (agreement.dtmf_payload_type, agreement.dtmf_clock) == (102, 48000)


def test_comfort_noise_is_offered_if_wanted_and_taken_if_offered() -> None:
    assert "CN" not in str(terms("PCMU", "L16").offer())
    wanting = MediaPolicy(comfort_noise=True)
    media = audio(terms("PCMU", "L16", "OPUS", policy=wanting).offer())
    assert {"13 CN/8000", "104 CN/16000"} < set(values(media, "rtpmap"))
    _, agreement = terms("L16").answer(
        sdp("m=audio 5000 RTP/AVP 96 99 13", "a=rtpmap:96 L16/16000", "a=rtpmap:99 CN/16000")
    )
    assert agreement.noise_payload_type == 99


# --- packet times ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "ptime"),
    [
        ([], 30),
        (["a=ptime:10"], 10),
        (["a=ptime:40"], 40),
        (["a=ptime:60"], 60),
        (["a=ptime:20.0"], 20),
        (["a=ptime:25"], 20),
        (["a=ptime:200"], 60),
        (["a=ptime:5"], 10),
        (["a=ptime:x"], 30),
        (["a=maxptime:20"], 20),
        (["a=ptime:60", "a=maxptime:40"], 40),
        (["a=maxptime:1"], 10),
    ],
)
def test_packets_hold_what_they_ask_for_within_what_they_can_take(lines: list[str], ptime: int) -> None:
    answer, agreement = terms(policy=MediaPolicy(ptime_ms=30)).answer(sdp("m=audio 5000 RTP/AVP 0", *lines))
    assert agreement.ptime_ms == ptime
    assert audio(answer).attribute("ptime") == "30"


# --- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("theirs", [True, False])
def test_reports_share_the_port_only_if_both_say_so(ours: bool, theirs: bool) -> None:
    one, two = (terms(policy=MediaPolicy(rtcp_mux=mux)) for mux in (ours, theirs))
    answer, at_two = two.answer(one.offer())
    assert one.take_answer(answer).rtcp_mux == at_two.rtcp_mux == (ours and theirs)


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("a=rtcp:53020", ("198.51.100.2", 53020)),
        ("a=rtcp:53020 IN IP4 203.0.113.1", ("203.0.113.1", 53020)),
        ("a=rtcp:0", None),
        ("a=rtcp:99999", None),
        ("a=rtcp:x", None),
        ("a=rtcp:", None),
        ("a=sendrecv", None),
    ],
)
def test_where_reports_go_may_be_said(line: str, rtcp: tuple[str, int] | None) -> None:
    _, agreement = terms().answer(sdp("m=audio 5000 RTP/AVP 0", line))
    assert agreement.rtcp == rtcp


def test_metrics_are_offered_if_wanted_and_promised_to_who_asks() -> None:
    assert audio(terms().offer()).attribute("rtcp-xr") is None
    assert audio(terms(policy=MediaPolicy(xr=True)).offer()).attribute("rtcp-xr") == "voip-metrics"
    answer, agreement = terms().answer(sdp("m=audio 5000 RTP/AVP 0", "a=rtcp-xr:rcvr-rtt=all voip-metrics"))
    assert agreement.xr
    assert audio(answer).attribute("rtcp-xr") == "voip-metrics"
    assert not terms().answer(sdp("m=audio 5000 RTP/AVP 0", "a=rtcp-xr:rcvr-rtt=all"))[1].xr


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "encrypted"),
    [
        (Srtp.OFF, Srtp.OFF, False),
        (Srtp.OFF, Srtp.PREFERRED, False),
        (Srtp.PREFERRED, Srtp.OFF, False),
        (Srtp.PREFERRED, Srtp.PREFERRED, True),
        (Srtp.PREFERRED, Srtp.REQUIRED, True),
        (Srtp.REQUIRED, Srtp.PREFERRED, True),
        (Srtp.REQUIRED, Srtp.REQUIRED, True),
        (Srtp.OFF, Srtp.REQUIRED, None),
        (Srtp.REQUIRED, Srtp.OFF, None),
    ],
)
def test_calls_are_encrypted_as_both_ends_want(ours: Srtp, theirs: Srtp, encrypted: bool | None) -> None:
    one, two = terms(policy=secure(ours)), terms(policy=secure(theirs, seed=100))
    offer = one.offer()
    if encrypted is None:
        with pytest.raises(SipError):
            two.answer(offer)
        return
    answer, at_two = two.answer(offer)
    at_one = one.take_answer(answer)
    if not encrypted:
        assert at_one.keys is None
        assert at_two.keys is None
        assert b"crypto" not in answer
        return
    assert at_one.keys is not None
    assert at_two.keys is not None
    assert at_one.keys.suite == at_two.keys.suite == AES
    assert (at_one.keys.ours, at_one.keys.theirs) == (at_two.keys.theirs, at_two.keys.ours)
    assert at_one.keys.ours != at_one.keys.theirs
    assert audio(answer).protocol == audio(offer).protocol


def test_keys_stay_through_every_later_offer_of_either_end() -> None:
    one, two = terms(policy=secure(Srtp.REQUIRED)), terms(policy=secure(Srtp.REQUIRED, seed=50))
    answer, first = two.answer(one.offer())
    at_one = one.take_answer(answer)
    for hold in (True, False):
        answer, again = two.answer(one.offer(hold=hold))
        assert again.keys == first.keys
        assert one.take_answer(answer).keys == at_one.keys
    answer, back = one.answer(two.offer())
    assert back.keys is not None
    assert first.keys is not None
    assert (back.keys.ours, back.keys.theirs) == (first.keys.theirs, first.keys.ours)


def test_what_they_like_best_is_taken_of_what_we_have() -> None:
    unknown = "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + "A" * 40
    gcm, aes = (f"a=crypto:{n} {suite} inline:" for n, suite in ((2, GCM), (3, AES)))
    offer = sdp("m=audio 5000 RTP/SAVP 0", unknown, gcm + "AAAA" * 14 + "AAA=", aes + "AAAA" * 10)
    answer, agreement = terms(policy=secure(Srtp.PREFERRED)).answer(offer)
    assert agreement.keys is not None
    assert (agreement.keys.suite, agreement.keys.tag) == (GCM, 2)
    (line,) = values(audio(answer), "crypto")
    assert line.startswith(f"2 {GCM} inline:")


@pytest.mark.parametrize(
    "lines",
    [
        ["m=audio 5000 RTP/SAVP 0"],
        ["m=audio 5000 RTP/SAVP 0", "a=crypto:1 NOT_KNOWN inline:AAAA"],
        ["m=audio 5000 RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA"],
    ],
)
def test_an_encrypted_offer_without_keys_that_we_can_take_is_refused(lines: list[str]) -> None:
    for mode in (Srtp.PREFERRED, Srtp.REQUIRED):
        with pytest.raises(SipError, match=r"keys|encryption"):
            terms(policy=secure(mode)).answer(sdp(*lines))


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["m=audio 5000 RTP/SAVP 0"], "without encryption"),
        (["m=audio 5000 RTP/SAVP 0", f"a=crypto:9 {AES} inline:{'AAAA' * 10}"], "not offered"),
        (["m=audio 5000 RTP/SAVP 0", f"a=crypto:2 {AES} inline:{'AAAA' * 10}"], "not offered"),
        (
            ["m=audio 5000 RTP/SAVP 0", *[f"a=crypto:1 {AES} inline:{'AAAA' * 10}"] * 2],
            "not offered",
        ),
    ],
)
def test_an_answer_that_takes_what_was_not_offered_is_no_answer(lines: list[str], what: str) -> None:
    one = terms(policy=secure(Srtp.REQUIRED))
    one.offer()
    with pytest.raises(SipError, match=what):
        one.take_answer(sdp(*lines))
    assert one.agreement is None


def test_feedback_profiles_are_taken_as_they_come() -> None:
    answer, _ = terms().answer(sdp("m=audio 5000 RTP/AVPF 0"))
    assert audio(answer).protocol == "RTP/AVPF"
    with pytest.raises(SipError, match="UDP/TLS"):
        terms(policy=secure(Srtp.PREFERRED)).answer(sdp("m=audio 5000 UDP/TLS/RTP/SAVPF 0"))


def test_an_offer_of_many_codecs_and_keys_fits_a_datagram() -> None:
    offer = terms(*KNOWN, policy=secure(Srtp.PREFERRED)).offer()
    assert len(offer) < 900  # with its request below the 1300 bytes at which RFC 3261 §18.1.1 leaves UDP


def test_the_example_of_the_rfc_is_read_and_what_goes_beyond_us_is_not() -> None:
    assert Crypto.parse(EXAMPLE).suite == AES
    assert len(Crypto.parse(EXAMPLE).key) == 30
    assert Crypto.parse(EXAMPLE + " KDR=0 WSH=64 -hint").tag == 1
    for wrong in (
        EXAMPLE + "|1:4",
        EXAMPLE + " UNENCRYPTED_SRTP",
        EXAMPLE + " KDR=3",
        EXAMPLE + ";inline:AAAA",
        EXAMPLE.replace("inline", "url"),
        EXAMPLE.replace("d0Rm", ""),
        EXAMPLE.replace("d0Rm", "d0R%"),
        EXAMPLE.replace(AES, "F8_128_HMAC_SHA1_80"),
        "x " + EXAMPLE,
        "",
    ):
        with pytest.raises(ParseError):
            Crypto.parse(wrong)


@given(st.integers(0, 999_999_999), st.sampled_from(list(KEY_BYTES)), st.data())
def test_keys_that_are_printed_are_read_back(tag: int, suite: str, data: st.DataObject) -> None:
    key = data.draw(st.binary(min_size=KEY_BYTES[suite], max_size=KEY_BYTES[suite]))
    crypto = Crypto(tag, suite, key)
    assert Crypto.parse(str(crypto)) == crypto
    assert repr(key) not in repr(crypto)


@given(
    st.text(max_size=120) | st.from_regex(r"[0-9]+ [A-Z_0-9]+ inline:[A-Za-z0-9+/=|^;: ]*", fullmatch=True)
)
def test_any_text_is_keys_or_a_parse_error(text: str) -> None:
    with contextlib.suppress(ParseError):
        Crypto.parse(text)
    assert len(cryptos(Media("audio", 1, "RTP/SAVP", ("0",), attributes=(("crypto", text),)), KEY_BYTES)) <= 1


def test_an_offer_from_the_wire_with_all_of_it() -> None:
    offer = (WIRE / "sdp-everything.sdp").read_bytes()
    answer, agreement = terms("G722", "OPUS", policy=secure(Srtp.REQUIRED)).answer(offer)
    assert (agreement.host, agreement.port, agreement.codec.name) == ("203.0.113.2", 54400, "G722")
    assert agreement.rtcp == ("203.0.113.2", 54401)
    assert (agreement.dtmf_payload_type, agreement.noise_payload_type, agreement.ptime_ms) == (101, 13, 20)
    assert (agreement.rtcp_mux, agreement.xr) == (True, True)
    assert agreement.keys is not None
    assert (agreement.keys.suite, agreement.keys.tag) == (AES, 1)  # the second has a key identifier
    described = parse_sdp(answer)
    assert [(media.kind, media.port, media.protocol) for media in described.media] == [
        ("audio", 4000, "RTP/SAVP"),
        ("video", 0, "RTP/AVP"),
    ]
    assert described.media[0].formats == ("9", "111", "13", "101", "102")


ATTRIBUTES = st.sampled_from(
    [
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:96 useinbandfec=1",
        "a=fmtp:96",
        "a=ptime:20",
        "a=ptime:",
        "a=maxptime:-1",
        "a=rtcp:1 IN IP6 ::1",
        "a=rtcp:1 IN",
        "a=rtcp-mux",
        "a=rtcp-xr",
        f"a=crypto:{EXAMPLE}",
        "a=crypto:",
        "a=inactive",
        "c=IN IP4 0.0.0.0",
    ]
) | st.text(max_size=30).map(lambda text: "a=" + text.replace("\r", "").replace("\n", ""))


@given(
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "RTP/AVPF", "udp"]),
    st.lists(st.sampled_from(["0", "8", "9", "96", "101", "13", "x"]), min_size=1, max_size=5),
    st.lists(ATTRIBUTES, max_size=8),
    st.sampled_from(list(Srtp)),
)
def test_any_media_section_is_answered_or_refused_and_never_more(
    protocol: str, formats: list[str], lines: list[str], mode: Srtp
) -> None:
    offer = sdp(f"m=audio 5000 {protocol} {' '.join(formats)}", *lines)
    try:
        answer, agreement = terms(*KNOWN, policy=secure(mode)).answer(offer)
    except (SipError, ParseError):
        return
    assert set(audio(answer).formats) <= set(formats)
    assert agreement.ptime_ms in (10, 20, 30, 40, 60)
    assert (agreement.keys is not None) == (b"a=crypto" in answer)
    assert not (mode is Srtp.REQUIRED and agreement.keys is None)


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/SAVP", "RTP/SAVPF", "RTP/AVPF"])
def test_a_call_keeps_the_profile_that_both_ends_speak(protocol: str) -> None:
    ours = terms(policy=secure(Srtp.PREFERRED))
    ours.answer(sdp(f"m=audio 5000 {protocol} 0", f"a=crypto:{EXAMPLE}"))
    offer = audio(ours.offer(hold=True))
    assert offer.protocol == protocol
    assert len(values(offer, "crypto")) == 2
