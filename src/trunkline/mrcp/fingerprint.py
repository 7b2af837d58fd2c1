"""Certificates known by their hashes, as session descriptions name them: `a=fingerprint` (RFC 4572 section 5,
RFC 8122 section 5). Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

from trunkline.sip.sdp import Description, Media

_HASHES = {"sha-512": "sha512", "sha-384": "sha384", "sha-256": "sha256"}
"""What counts as proof; MD5 and SHA-1 do not any more."""
_WRITTEN = re.compile(r"([A-Za-z0-9-]{3,16})\s+((?:[0-9A-Fa-f]{2}:){7,127}[0-9A-Fa-f]{2})", re.ASCII)


def fingerprint(certificate: bytes, name: str = "sha-256") -> str:
    """Of a certificate in DER, as SDP writes it."""
    digest = hashlib.new(_HASHES[name], certificate).digest()
    return f"{name.upper()} {digest.hex(':').upper()}"


def fingerprints(description: Description, media: Media) -> tuple[str, ...]:
    """Those that count for this media (its own, or else the session's) and can be checked here."""
    own = media.attributes if media.attribute("fingerprint") is not None else description.attributes
    found = (_WRITTEN.fullmatch(value.strip()) for name, value in own if name == "fingerprint")
    usable = [one for one in found if one is not None and one[1].lower() in _HASHES]
    return tuple(f"{one[1].upper()} {one[2].upper()}" for one in usable)


def is_one_of(certificate: bytes, known: tuple[str, ...]) -> bool:
    """Whether this is a certificate that one of these names."""
    shown = (fingerprint(certificate, one.partition(" ")[0].lower()) for one in known)
    return any(hmac.compare_digest(*pair) for pair in zip(shown, known, strict=True))
