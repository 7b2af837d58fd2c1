"""Keys in a session description: `a=crypto` (RFC 4568; suites of RFC 6188 and RFC 7714 too).

Such a description must not be written into logs: whoever reads the key can hear the call.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from trunkline.errors import ParseError
from trunkline.sip.sdp import Media

KEY_BYTES = {
    "AEAD_AES_256_GCM": 44,
    "AEAD_AES_128_GCM": 28,
    "AES_256_CM_HMAC_SHA1_80": 46,
    "AES_256_CM_HMAC_SHA1_32": 46,
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
}
"""The suites we know: bytes of master key and salt together."""
_LINE = re.compile(r"([0-9]{1,9})\s+([A-Za-z0-9_]+)\s+(\S+)((?:\s+\S+)*)", re.ASCII)
_LIFETIME = re.compile(r"(?:2\^[0-9]{1,2}|[0-9]{1,15})", re.ASCII)
_HARMLESS = re.compile(r"KDR=0|WSH=[0-9]+|-.*")
"""Session parameters that change nothing for us: no re-derivation of keys, a hint for the replay window,
and what may be ignored by its own word (section 6.3)."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """One way to encrypt, offered or answered. `tag`: ties an answer to the line of the offer it takes."""

    tag: int
    suite: str
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"

    @classmethod
    def parse(cls, value: str) -> Crypto:
        """The value of one attribute. Raises `ParseError` for what is none, and for what we could not
        keep to: other suites, several keys, key identifiers (MKI), parts left in the clear."""
        found = _LINE.fullmatch(value.strip())
        if found is None:
            raise ParseError("a bad a=crypto line", where="sdp")
        suite = found[2].upper()
        size = KEY_BYTES.get(suite)
        if size is None:
            raise ParseError(f"{suite[:40]} is not known", where="sdp crypto")
        if not all(_HARMLESS.fullmatch(parameter) for parameter in found[4].split()):
            raise ParseError(f"{found[4].strip()[:60]} cannot be kept to", where="sdp crypto")
        method, colon, info = found[3].partition(":")
        text, *further = info.split("|")
        if method.lower() != "inline" or not colon or ";" in info:
            raise ParseError("only one inline key is taken", where="sdp crypto")
        if len(further) > 1 or not all(_LIFETIME.fullmatch(part) for part in further):
            raise ParseError("keys with an identifier are not taken", where="sdp crypto")
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ParseError("a key that is not base64", where="sdp crypto") from error
        if len(key) != size:
            raise ParseError(f"a key of {len(key)} bytes for {suite}", where="sdp crypto")
        return cls(int(found[1]), suite, key)


def cryptos(media: Media, usable: Iterable[str]) -> list[Crypto]:
    """The lines of a section that we could take, in its order: what we cannot is passed over, as
    section 5.1.2 asks of who answers."""
    suites = set(usable)
    found: list[Crypto] = []
    for name, value in media.attributes:
        if name == "crypto":
            try:
                crypto = Crypto.parse(value)
            except ParseError:
                continue
            if crypto.suite in suites:
                found.append(crypto)
    return found
