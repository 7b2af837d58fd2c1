"""Certificates known by their hashes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import ParseError
from trunkline.mrcp.fingerprint import fingerprint, fingerprints, is_one_of
from trunkline.sip.sdp import parse_sdp

ABC = (
    "SHA-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD"
)
"""Of b"abc": the example of FIPS 180-4."""
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"


def read(session: str, media: str) -> tuple[str, ...]:
    description = parse_sdp(f"{HEAD}{session}m=application 9 TCP/TLS/MRCPv2 1\n{media}".encode())
    return fingerprints(description, description.media[0])


def test_a_hash_is_written_as_the_rfc_writes_it_and_proves_its_certificate() -> None:
    assert fingerprint(b"abc") == ABC
    assert is_one_of(b"abc", (ABC,))
    assert is_one_of(b"abc", (fingerprint(b"other"), fingerprint(b"abc", "sha-512")))
    assert not is_one_of(b"abd", (ABC,))
    assert not is_one_of(b"abc", ())


def test_the_medias_own_counts_before_the_sessions() -> None:
    assert read(f"a=fingerprint:{ABC}\n", "") == (ABC,)
    assert read(f"a=fingerprint:{ABC}\n", f"a=fingerprint:{fingerprint(b'x')}\n") == (fingerprint(b"x"),)
    assert read("", f"a=fingerprint:{ABC.lower()}\n") == (ABC,)
    assert read("", "") == ()


@pytest.mark.parametrize(
    "written",
    [
        # The example of RFC 4572: SHA-1 proves nothing any more.
        "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB",
        "md5 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F",
        "sha-256",
        "sha-256 zz",
        "",
    ],
)
def test_hashes_that_prove_nothing_are_passed_over(written: str) -> None:
    assert read("", f"a=fingerprint:{written}\n") == ()


@given(st.text(max_size=120))
def test_whatever_stands_there_is_no_proof_of_anything(written: str) -> None:
    with suppress(ParseError):
        assert not is_one_of(b"abc", read("", f"a=fingerprint:{written}\n")) or ABC in written.upper()
