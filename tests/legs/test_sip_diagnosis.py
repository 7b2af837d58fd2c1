"""Every finding of the doctor: what was seen goes in, the sentence comes out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trunkline.audio.codecs.registry import codec_named
from trunkline.legs.probe_sound import clock_ppm, loudest_dbfs, own_sound, sweep
from trunkline.legs.sip_diagnosis import Finding, Observed, Part, Reply, State, diagnose

WELL = Observed(
    "sip.example.com:5060",
    addresses=("203.0.113.5",),
    our_address=("203.0.113.9", 5060),
    seen_as=("203.0.113.9", 5060),
    options=Reply("OPTIONS", 200, "OK", 0.02),
    has_credentials=True,
    register=Reply("REGISTER", 200, "OK", 0.05, challenged=True),
    granted=600,
    invite=Reply("INVITE", 200, "OK", 0.1, challenged=True),
    echo="sip:echo@sip.example.com",
    answered=True,
    offered=("PCMU", "PCMA"),
    codec="PCMU",
    our_media=("203.0.113.9", 4000),
    their_media=("203.0.113.6", 5000),
    media_from=("203.0.113.6", 5000),
    sent=300,
    received=300,
    remote_loss=0.0,
    jitter_ms=2.0,
    round_trip_ms=30.0,
    level_dbfs=-14.0,
    own_share=0.95,
    echo_delay=0.08,
    clock_ppm=40.0,
    server_date=0.4,
)


def problems(seen: Observed) -> list[Finding]:
    return [one for one in diagnose(seen) if one.state is State.PROBLEM]


def test_where_all_is_well_nothing_is_wrong_and_all_of_it_is_said() -> None:
    findings = diagnose(WELL)
    assert {one.state for one in findings} == {State.OK}
    said = " ".join(one.what for one in findings)
    for words in ("203.0.113.5", "after 20 ms", "Registered, for 600 s", "PCMU", "came back after 80 ms"):
        assert words in said


SICK: dict[str, tuple[dict[str, object], Part, str]] = {
    "no address": ({"resolve_error": "no such name"}, Part.ADDRESS, "cannot be found"),
    "nobody there": (
        {"options": Reply("OPTIONS"), "register": None, "invite": None, "connect_error": "refused"},
        Part.FIREWALL,
        "Nobody listens",
    ),
    "firewall": (
        {"options": Reply("OPTIONS"), "register": Reply("REGISTER"), "invite": None},
        Part.FIREWALL,
        "Nothing came back from sip.example.com:5060 over UDP to OPTIONS, REGISTER",
    ),
    "certificate": (
        {
            "transport": "tls",
            "options": None,
            "register": None,
            "invite": None,
            "connect_error": "certificate has expired",
        },
        Part.ENCRYPTION,
        "certificate has expired",
    ),
    "nat": ({"our_address": ("192.168.1.5", 5060)}, Part.NAT, "sees us as 203.0.113.9:5060"),
    "wrong password": (
        {"register": Reply("REGISTER", 403, "Forbidden", challenged=True), "invite": None, "answered": False},
        Part.CREDENTIALS,
        "refuses user and password (REGISTER: 403 Forbidden)",
    ),
    "no password": (
        {"has_credentials": False, "register": None, "invite": Reply("INVITE", 407, "x"), "answered": False},
        Part.CREDENTIALS,
        "asks for a password, and none is set",
    ),
    "unknown address": (
        {"invite": Reply("INVITE", 403, "Forbidden"), "answered": False},
        Part.CREDENTIALS,
        "asked for no password",
    ),
    "unknown user": (
        {"register": Reply("REGISTER", 404, "Not Found")},
        Part.CREDENTIALS,
        "does not know this user",
    ),
    "no registrar": (
        {"register": Reply("REGISTER", 405, "Method Not Allowed")},
        Part.CREDENTIALS,
        "was refused",
    ),
    "silent registrar": ({"register": Reply("REGISTER")}, Part.CREDENTIALS, "No answer came to REGISTER"),
    "no common codec": (
        {"invite": Reply("INVITE", 488, "Not Acceptable Here"), "answered": False},
        Part.CODEC,
        "no sound that both ends can do: we offered PCMU, PCMA",
    ),
    "silent call": ({"invite": Reply("INVITE"), "answered": False}, Part.CALL, "did not answer in time"),
    "busy": ({"invite": Reply("INVITE", 486, "Busy Here"), "answered": False}, Part.CALL, "486 Busy Here"),
    "bad number": (
        {"invite": Reply("INVITE", 404, "Not Found"), "answered": False},
        Part.CALL,
        "404 Not Found",
    ),
    "ended early": ({"ended_early": "hung up"}, Part.CALL, "ended the call early: hung up"),
    "nothing comes": ({"received": 0}, Part.SOUND, "no packet of theirs came to 203.0.113.9:4000"),
    "nothing comes to a private address": (
        {"received": 0, "our_media": ("10.0.0.2", 4000)},
        Part.SOUND,
        "We named a private address",
    ),
    "they hear nothing": (
        {"own_share": 0.0, "level_dbfs": -90.0, "remote_loss": None},
        Part.SOUND,
        "probably do not arrive at 203.0.113.6:5000",
    ),
    "they hear us and are silent": (
        {"own_share": 0.0, "level_dbfs": -90.0, "remote_loss": 0.0},
        Part.SOUND,
        "our packets arrive at 203.0.113.6:5000, and silence comes back",
    ),
    "something else comes": (
        {"own_share": 0.1, "remote_loss": 1.0},
        Part.SOUND,
        "Sound comes, but not ours",
    ),
    "loss": ({"lost": 30}, Part.LOSS, "9.1 % of their packets were lost"),
    "their loss": ({"remote_loss": 0.07}, Part.LOSS, "they lost 7.0 % of ours"),
    "jitter": ({"jitter_ms": 80.0}, Part.LOSS, "jitter 80 ms"),
    "date": ({"server_date": -7_200.0}, Part.CLOCK, "7200 s behind ours"),
    "sample clock": ({"clock_ppm": 12_000.0}, Part.CLOCK, "1.2 % fast"),
}


@pytest.mark.parametrize("name", SICK)
def test_each_thing_that_can_be_wrong_is_said_and_what_to_do(name: str) -> None:
    changes, part, words = SICK[name]
    found = problems(replace(WELL, **changes))  # type: ignore[arg-type]
    assert any(one.part is part and words in one.what for one in found), found
    assert name == "ended early" or all(one.hint for one in found)


@pytest.mark.parametrize(
    ("changes", "part", "words"),
    [
        ({"media_from": ("198.51.100.7", 9)}, Part.NAT, "NAT at their end"),
        ({"own_share": 0.0, "remote_loss": 0.0}, Part.SOUND, "was not our sound"),
        ({"echo_delay": 0.9}, Part.SOUND, "came back after 900 ms"),
        ({"invite": None, "echo": "", "answered": False}, Part.CALL, "nothing is known of sound"),
        ({"our_address": ("203.0.113.9", 5080)}, Part.NAT, "NAT changes it"),
        ({"our_address": ("10.0.0.2", 5060), "seen_as": ("", 0)}, Part.NAT, "does not say how it sees us"),
    ],
)
def test_what_is_odd_and_not_wrong_is_a_note(changes: dict[str, object], part: Part, words: str) -> None:
    seen = replace(WELL, **changes)  # type: ignore[arg-type]
    assert not problems(seen)
    assert [
        one for one in diagnose(seen) if one.state is State.NOTE and one.part is part and words in one.what
    ]


def through(codec: str, sound: np.ndarray) -> np.ndarray:
    coder = codec_named(codec)
    encode, decode = coder.make_encoder(), coder.make_decoder()
    size = coder.rate // 50
    pieces = [sound[start : start + size].tobytes() for start in range(0, len(sound) - size + 1, size)]
    return np.frombuffer(b"".join(decode(encode(piece)) for piece in pieces), "<i2")


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "L16"])
def test_the_sound_is_known_again_after_a_codec_and_is_found_where_it_is(codec: str) -> None:
    rate = codec_named(codec).rate
    noise = np.random.default_rng(1).integers(-300, 300, rate * 3).astype(np.int16)
    heard = noise.copy()
    heard[7_000 : 7_000 + len(sweep(rate))] += sweep(rate) // 4
    share, place = own_sound(sweep(rate), through(codec, heard))
    assert share > 0.8
    assert abs(place - 7_000) <= 2


def test_silence_noise_and_a_tone_are_not_the_sound() -> None:
    rate = 8_000
    random = np.random.default_rng(2)
    for heard in (
        np.zeros(rate, np.int16),
        random.integers(-8_000, 8_000, rate * 4).astype(np.int16),
        (9_000 * np.sin(2 * np.pi * 1_000 * np.arange(rate * 4) / rate)).astype(np.int16),
        np.zeros(10, np.int16),
    ):
        assert own_sound(sweep(rate), heard)[0] < 0.3
    assert loudest_dbfs(np.zeros(rate, np.int16), rate) == -120.0
    assert loudest_dbfs(sweep(rate), rate) == pytest.approx(-14, abs=1)


def test_the_clock_of_packets_is_measured_through_jitter() -> None:
    random = np.random.default_rng(3)
    arrivals = [
        (n * 0.02 * 1.01 + float(random.uniform(0, 0.01)), (2**32 - 400 + n * 160) & 0xFFFFFFFF)
        for n in range(300)
    ]
    assert clock_ppm(arrivals, 8_000) == pytest.approx(-9_900, rel=0.1)
    assert clock_ppm(arrivals[:40], 8_000) is None
