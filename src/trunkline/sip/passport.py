"""STIR/SHAKEN: what an Identity header says of the caller (RFC 8224, RFC 8225, ATIS-1000074).

Read and kept, not verified: the signature is not checked, so it says what somebody claims, no more. Carriers
that verify say so with `verstat` on the caller's number.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from trunkline.errors import ParseError
from trunkline.sip.fields import parse_field_params

_LONGEST = 8_192
"""Characters; whatever is longer is no PASSporT that anybody signs."""
_MOST_DESTINATIONS = 16


@dataclass(frozen=True, slots=True)
class Passport:
    """One PASSporT, unverified."""

    kind: str
    """The extension (`ppt`): "shaken", "div", "rph"; empty for a plain one."""
    attestation: str = ""
    """SHAKEN: "A" (the carrier knows the caller, and that the number is theirs), "B" (knows the caller), "C"
    (knows where the call came in)."""
    orig: str = ""
    """The number, or address, of the caller."""
    dest: tuple[str, ...] = ()
    """Whom the call is for."""
    issued_at: int = 0
    """Seconds since 1970."""
    origid: str = ""
    """The signer's own name for where the call came from."""
    diverted: str = ""
    """RFC 8946: who had the call diverted."""
    certificate: str = ""
    """Where the signer's certificate is said to be (`x5u`, or `info`). Never fetched."""


def parse_passport(value: str) -> Passport:
    """The PASSporT in an Identity header's value, in its full or compact form. Raises `ParseError`."""
    if len(value) > _LONGEST:
        raise ParseError("an Identity longer than 8 KiB", where="identity")
    token, semicolon, tail = value.partition(";")
    pieces = token.strip().split(".")
    if len(pieces) != 3:
        raise ParseError("an Identity that is no PASSporT", where="identity")
    params = parse_field_params(semicolon + tail, "an Identity") if semicolon else {}
    info = (params.get("info") or "").strip("<>")
    kind = (params.get("ppt") or "").strip('"')
    if not pieces[0] and not pieces[1]:
        # The compact form (RFC 8225 §7): all that it says stands elsewhere in the message.
        return Passport(kind, certificate=info)
    header, claims = _object(pieces[0]), _object(pieces[1])
    attestation = claims.get("attest")
    issued = claims.get("iat")
    return Passport(
        kind=_text(header.get("ppt")) or kind,
        attestation=attestation if attestation in ("A", "B", "C") else "",
        orig=next(iter(_names(claims.get("orig"))), ""),
        dest=_names(claims.get("dest")),
        issued_at=issued if isinstance(issued, int) and 0 <= issued < 2**40 else 0,
        origid=_text(claims.get("origid")),
        diverted=next(iter(_names(claims.get("div"))), ""),
        certificate=_text(header.get("x5u")) or info,
    )


def _object(piece: str) -> dict[str, Any]:
    try:
        raw = base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True)
        value = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise ParseError("a PASSporT that cannot be read", where="identity") from error
    if not isinstance(value, dict):
        raise ParseError("a PASSporT that is no object", where="identity")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def _names(value: Any) -> tuple[str, ...]:
    """Numbers, then addresses, of `{"tn": …, "uri": …}`; each one or a list (RFC 8225 §5.2.1)."""
    if not isinstance(value, dict):
        return ()
    found: list[str] = []
    for key in ("tn", "uri"):
        listed = value.get(key)
        found += [
            text for item in (listed if isinstance(listed, list) else [listed]) if (text := _text(item))
        ]
    return tuple(found[:_MOST_DESTINATIONS])
