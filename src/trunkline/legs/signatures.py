"""How carriers sign what they send, and how we sign what we ask of them. Pure: the time is handed in.

Each check raises `CallRefused` with a reason that names no secret. What is compared is compared in
constant time. A signature proves the sender, not that the message is fresh: `ReplayGuard` does that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from trunkline.errors import CallRefused, ConfigError
from trunkline.legs.extra import extra

TOLERANCE = 300.0
"""Seconds that a signed time may be off: what Telnyx's own clients allow."""
_CLAIMS_LIMIT = 8192


class ReplayGuard:
    """Remembers what was seen for `lifetime` seconds, `bound` things at most."""

    def __init__(self, lifetime: float = 2 * TOLERANCE, bound: int = 20_000) -> None:
        self._lifetime = lifetime
        self._bound = bound
        self._seen: dict[str, float] = {}

    def first(self, what: str, now: float) -> bool:
        """Whether this is seen for the first time; from now on it is not."""
        while self._seen:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest] <= self._lifetime and len(self._seen) < self._bound:
                break
            del self._seen[oldest]
        if what in self._seen:
            return False
        self._seen[what] = now
        return True


# --- Twilio -----------------------------------------------------------------------------------------


def twilio_signature(url: str, form: Iterable[tuple[str, str]], auth_token: str) -> str:
    """The X-Twilio-Signature of a request: HMAC-SHA1 over the URL and the form's sorted fields, in
    base64. Source: https://www.twilio.com/docs/usage/security#validating-requests"""
    fields = "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(auth_token.encode(), (url + fields).encode(), hashlib.sha1)
    return base64.b64encode(digest.digest()).decode()


def check_twilio(url: str, form: Iterable[tuple[str, str]], signature: str, auth_token: str) -> None:
    """Raises `CallRefused` unless Twilio signed this. The port of `url` may be there or not: Twilio's
    own clients try both, since it is not always signed."""
    if not auth_token:
        raise CallRefused("no auth token is set, so nothing can be verified", where="twilio")
    if not signature:
        raise CallRefused("a webhook without a signature", where="twilio")
    fields = list(form)
    right = [
        hmac.compare_digest(twilio_signature(one, fields, auth_token).encode(), signature.encode())
        for one in _with_and_without_port(url)
    ]
    if not any(right):
        raise CallRefused("a webhook whose signature is wrong", where="twilio")


def _with_and_without_port(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
    return (
        urlunsplit(parts._replace(netloc=host)),
        urlunsplit(parts._replace(netloc=f"{host}:{port}")),
    )


# --- Telnyx -----------------------------------------------------------------------------------------


def check_telnyx(body: bytes, signature: str, timestamp: str, public_key: str, wall: float) -> None:
    """Raises `CallRefused` unless Telnyx signed this body at about `wall` (Unix seconds): Ed25519 over
    `timestamp|body`, key and signature in base64. Source:
    https://developers.telnyx.com/docs/development/api-fundamentals/webhooks"""
    if not public_key:
        raise CallRefused("no public key is set, so nothing can be verified", where="telnyx")
    if not signature or not timestamp:
        raise CallRefused("a webhook without a signature", where="telnyx")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 13):
        raise CallRefused("a webhook with a time that is none", where="telnyx")
    if abs(wall - int(timestamp)) > TOLERANCE:
        raise CallRefused("a webhook signed too long ago", where="telnyx")
    wrong = extra("cryptography.exceptions").InvalidSignature
    ed25519 = extra("cryptography.hazmat.primitives.asymmetric.ed25519")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ConfigError("is not an Ed25519 key in base64", where="telnyx.public_key") from error
    try:
        key.verify(base64.b64decode(signature, validate=True), timestamp.encode() + b"|" + body)
    except (wrong, ValueError, binascii.Error) as error:
        raise CallRefused("a webhook whose signature is wrong", where="telnyx") from error


# --- Vonage -----------------------------------------------------------------------------------------


def check_vonage(authorization: str, body: bytes, secret: str, wall: float) -> Mapping[str, Any]:
    """The claims of the JWT that Vonage signed with the account's signature secret (HS256). Raises
    `CallRefused` where it is missing, wrong, old, or does not fit the body. Source:
    https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks"""
    if not secret:
        raise CallRefused("no signature secret is set, so nothing can be verified", where="vonage")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > _CLAIMS_LIMIT:
        raise CallRefused("a webhook without a signature", where="vonage")
    signed, _, signature = token.strip().rpartition(".")
    head, _, claims = signed.partition(".")
    header, body_of_token = _segment(head), _segment(claims)
    # The algorithm is ours to choose, never the sender's: "none" and RS256 have been tried elsewhere.
    if header.get("alg") != "HS256":
        raise CallRefused("a webhook signed in another way than HS256", where="vonage")
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(expected, _unbase64url(signature)):
        raise CallRefused("a webhook whose signature is wrong", where="vonage")
    issued = body_of_token.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or abs(wall - issued) > TOLERANCE:
        raise CallRefused("a webhook signed too long ago", where="vonage")
    payload_hash = body_of_token.get("payload_hash")
    if body and not (isinstance(payload_hash, str) and _is_hash_of(payload_hash.lower(), body)):
        raise CallRefused("a webhook whose body is not the one signed", where="vonage")
    return body_of_token


def _is_hash_of(payload_hash: str, body: bytes) -> bool:
    """Whether this is the SHA-256 of the body: as it came, or as JSON without spaces, which is how
    Vonage's pages compute it."""
    claimed = payload_hash.encode()
    forms = [body]
    with suppress(ValueError, RecursionError):  # then it has only the one form; its reader says the rest
        forms.append(json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode())
    return any(hmac.compare_digest(hashlib.sha256(one).hexdigest().encode(), claimed) for one in forms)


def vonage_token(application_id: str, private_key: str, wall: float, jti: str, lifetime: int = 900) -> str:
    """The bearer token for Vonage's API: a JWT signed with the application's RSA key (RS256, RFC 7518
    section 3.3). Raises `ConfigError` for a key that is none."""
    hashes = extra("cryptography.hazmat.primitives.hashes")
    serialization = extra("cryptography.hazmat.primitives.serialization")
    padding = extra("cryptography.hazmat.primitives.asymmetric.padding")
    rsa = extra("cryptography.hazmat.primitives.asymmetric.rsa")
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError("is not a private key in PEM", where="vonage.private_key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError("is not an RSA key", where="vonage.private_key")
    now = int(wall)
    claims = {"application_id": application_id, "iat": now, "exp": now + lifetime, "jti": jti}
    signed = f"{_json_segment({'alg': 'RS256', 'typ': 'JWT'})}.{_json_segment(claims)}"
    return f"{signed}.{_base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _segment(segment: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_unbase64url(segment))
    except (ValueError, RecursionError) as error:
        raise CallRefused("a webhook whose signature cannot be read", where="vonage") from error
    if not isinstance(value, dict):
        raise CallRefused("a webhook whose signature cannot be read", where="vonage")
    return value


def _unbase64url(segment: str) -> bytes:
    try:
        return base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise CallRefused("a webhook whose signature cannot be read", where="vonage") from error


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json_segment(value: object) -> str:
    return _base64url(json.dumps(value, separators=(",", ":")).encode())
