"""Phone numbers as people write them, for carriers that want digits."""

from __future__ import annotations

from trunkline.errors import ParseError

_WRITTEN = str.maketrans("", "", " -().\u00a0")
_CHARACTERS = frozenset("+0123456789")
_LONGEST = 20
"""E.164 has 15 digits at most; some leave room for a prefix."""


def phone_number(written: str) -> str:
    """The number without spaces, brackets and dashes, `tel:` too. Raises `ParseError` where what is left
    is no number."""
    bare = written.removeprefix("tel:").translate(_WRITTEN)
    if not bare.strip("+") or not set(bare) <= _CHARACTERS or "+" in bare[1:] or len(bare) > _LONGEST:
        raise ParseError(f"{written[:60]!r} is no phone number", where="carrier")
    return bare


def is_sip(target: str) -> bool:
    """Whether this is a SIP address that can be passed on as it stands."""
    return (
        target.startswith(("sip:", "sips:")) and len(target) < 500 and not set(target) & set(" \t\r\n<>\"'")
    )
