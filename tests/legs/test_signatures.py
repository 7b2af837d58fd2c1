"""Who may tell us something: signatures right and wrong, old, missing and replayed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import CallRefused, ConfigError
from trunkline.legs.signatures import (
    TOLERANCE,
    ReplayGuard,
    check_telnyx,
    check_twilio,
    check_vonage,
    twilio_signature,
    vonage_token,
)

WIRE = Path(__file__).parents[1] / "wire" / "carriers"
NOW = 1_780_000_000.0

ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
padding = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.padding")
serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")


# --- Twilio -----------------------------------------------------------------------------------------


def test_the_published_twilio_example_has_the_published_signature() -> None:
    example = json.loads((WIRE / "twilio.json").read_text())["signed_request"]
    form = list(example["form"].items())
    assert twilio_signature(example["url"], form, example["auth_token"]) == example["signature"]
    check_twilio(example["url"], form, example["signature"], example["auth_token"])


@pytest.mark.parametrize("signed", ["https://a.example/x?y=1", "https://a.example:443/x?y=1"])
@pytest.mark.parametrize("asked", ["https://a.example/x?y=1", "https://a.example:443/x?y=1"])
def test_a_port_may_be_signed_or_not(signed: str, asked: str) -> None:
    check_twilio(asked, [("a", "b")], twilio_signature(signed, [("a", "b")], "t"), "t")


@pytest.mark.parametrize(
    ("url", "form", "signature", "token"),
    [
        ("https://a.example/x", [("a", "c")], None, "t"),
        ("https://a.example/y", [("a", "b")], None, "t"),
        ("https://a.example/x", [("a", "b")], None, "another"),
        ("https://a.example/x", [("a", "b")], "", "t"),
        ("https://a.example/x", [("a", "b")], "ünsinn", "t"),
        ("https://a.example/x", [("a", "b")], None, ""),
    ],
)
def test_anything_else_is_refused(
    url: str, form: list[tuple[str, str]], signature: str | None, token: str
) -> None:
    right = twilio_signature("https://a.example/x", [("a", "b")], "t")
    with pytest.raises(CallRefused) as caught:
        check_twilio(url, form, right if signature is None else signature, token)
    assert right not in str(caught.value)


# --- Telnyx -----------------------------------------------------------------------------------------


def telnyx_pair() -> tuple[Any, str]:
    private = ed25519.Ed25519PrivateKey.generate()
    return private, base64.b64encode(private.public_key().public_bytes_raw()).decode()


def test_a_telnyx_webhook_is_taken_as_its_own_clients_take_it() -> None:
    private, public = telnyx_pair()
    body = b'{"data": {}}'
    signature = base64.b64encode(private.sign(f"{NOW:.0f}|".encode() + body)).decode()
    check_telnyx(body, signature, f"{NOW:.0f}", public, NOW + TOLERANCE - 1)
    for wrong in (
        (body + b" ", signature, f"{NOW:.0f}", public, NOW),
        (body, signature, f"{NOW + 1:.0f}", public, NOW),
        (body, signature, f"{NOW:.0f}", public, NOW + TOLERANCE + 1),
        (body, signature, f"{NOW:.0f}", public, NOW - TOLERANCE - 1),
        (body, "", f"{NOW:.0f}", public, NOW),
        (body, "not base64!", f"{NOW:.0f}", public, NOW),
        (body, signature, "soon", public, NOW),
        (body, signature, "", public, NOW),
        (body, signature, f"{NOW:.0f}", telnyx_pair()[1], NOW),
        (body, signature, f"{NOW:.0f}", "", NOW),
    ):
        with pytest.raises(CallRefused):
            check_telnyx(*wrong)


def test_a_telnyx_key_that_is_none_is_the_owners_mistake() -> None:
    with pytest.raises(ConfigError, match=r"telnyx\.public_key"):
        check_telnyx(b"", "AAAA", f"{NOW:.0f}", "short", NOW)


# --- Vonage -----------------------------------------------------------------------------------------


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def vonage_jwt(claims: dict[str, Any], secret: str = "s3cret", alg: str = "HS256") -> str:
    signed = f"{segment({'alg': alg, 'typ': 'JWT'})}.{segment(claims)}"
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"Bearer {signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_a_vonage_webhook_is_taken_when_all_of_it_is_right() -> None:
    body = b'{"uuid": "1"}'
    claims = {"iat": NOW, "jti": "x", "payload_hash": hashlib.sha256(body).hexdigest()}
    assert check_vonage(vonage_jwt(claims), body, "s3cret", NOW)["jti"] == "x"
    assert check_vonage(vonage_jwt({"iat": NOW}), b"", "s3cret", NOW) == {"iat": NOW}


@pytest.mark.parametrize(
    ("authorization", "body", "secret"),
    [
        (vonage_jwt({"iat": NOW}), b"{}", "s3cret"),
        (vonage_jwt({"iat": NOW, "payload_hash": "00"}), b"{}", "s3cret"),
        (vonage_jwt({"iat": NOW, "payload_hash": "ünsinn"}), b"{", "s3cret"),
        (vonage_jwt({"iat": NOW}, "wrong"), b"", "s3cret"),
        (vonage_jwt({"iat": NOW}), b"", ""),
        (vonage_jwt({"iat": NOW - TOLERANCE - 1}), b"", "s3cret"),
        (vonage_jwt({"iat": NOW + TOLERANCE + 1}), b"", "s3cret"),
        (vonage_jwt({"iat": True}), b"", "s3cret"),
        (vonage_jwt({}), b"", "s3cret"),
        (vonage_jwt({"iat": NOW}, alg="none"), b"", "s3cret"),
        (vonage_jwt({"iat": NOW}, alg="HS512"), b"", "s3cret"),
        ("", b"", "s3cret"),
        ("Basic abc", b"", "s3cret"),
        ("Bearer a.b.c", b"", "s3cret"),
        ("Bearer ..", b"", "s3cret"),
    ],
)
def test_a_vonage_webhook_that_is_wrong_is_refused(authorization: str, body: bytes, secret: str) -> None:
    with pytest.raises(CallRefused) as caught:
        check_vonage(authorization, body, secret, NOW)
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_at_all_is_refused(text: str) -> None:
    with pytest.raises(CallRefused):
        check_vonage(f"Bearer {text}", b"", "s3cret", NOW)


def test_our_token_is_one_that_the_public_key_proves() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    token = vonage_token("app", pem, NOW, "j1")
    head, claims, signature = token.split(".")
    private.public_key().verify(
        base64.urlsafe_b64decode(signature + "=="),
        f"{head}.{claims}".encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert said == {"application_id": "app", "iat": int(NOW), "exp": int(NOW) + 900, "jti": "j1"}
    for wrong in ("", "no key", pem.replace("A", "B")):
        with pytest.raises(ConfigError, match=r"vonage\.private_key"):
            vonage_token("app", wrong, NOW, "j1")


# --- replays ----------------------------------------------------------------------------------------


def test_a_replay_is_told_from_a_first_time() -> None:
    guard = ReplayGuard(lifetime=10, bound=3)
    assert guard.first("a", 0.0)
    assert not guard.first("a", 9.0)
    assert guard.first("a", 11.0)
    assert all(guard.first(word, 12.0) for word in "bcde")
    assert not guard.first("e", 12.0)
