"""Secrets are covered, nothing else is, and lengths stay what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sip.digest import Credentials
from trunkline.sip.masking import covered

REGISTER = (
    b"REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n%s\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    "header",
    [
        b'Authorization: Digest username="bob", realm="pbx", nonce="n", uri="sip:pbx", response="SECRET"',
        b'proxy-authorization :Digest response=SECRET,username="bob"',
        b'AUTHORIZATION: digest\r\n username="bob",\r\n\tresponse="SECRET", cnonce="SECRET"',
        b"Authorization: Basic SECRET",
        b'Authorization:\r\n Digest username="bob", response="SEC\\"SECRET"',
        b'Authorization: Digest username="bob" SECRET response="SECRET',
    ],
)
def test_what_proves_a_password_is_covered(header: bytes) -> None:
    message = REGISTER % header
    seen = covered(message)
    assert b"SECRET" not in seen
    assert len(seen) == len(message)
    assert seen.startswith(b"REGISTER sip:pbx SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n")
    assert seen.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert (b"bob" in seen) == (b"bob" in header)


def test_keys_of_media_are_covered_and_their_suite_is_not() -> None:
    line = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:SECRETSECRET|2^20|1:4\r\na=ptime:20\r\n"
    seen = covered(b"v=0\r\n" + line)
    assert b"SECRET" not in seen
    assert b"AES_CM_128_HMAC_SHA1_80 inline:************|2^20|1:4\r\na=ptime:20" in seen


@given(st.binary(max_size=300))
def test_what_holds_no_secret_stays_as_it_is(data: bytes) -> None:
    seen = covered(data)
    assert len(seen) == len(data)
    if b"authorization" not in data.lower() and b"crypto:" not in data.lower():
        assert seen == data


def test_credentials_do_not_print_their_password() -> None:
    assert "zanzibar" not in repr(Credentials("bob", "zanzibar"))
