"""Keys in INFO requests: `application/dtmf-relay`, as many gateways send them, and `application/dtmf`.

Neither has an RFC (RFC 6086 says why INFO wants one); the first is written as Cisco documents it, one
`Signal=` line and one `Duration=` in milliseconds.
"""

from __future__ import annotations

import re

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"
_SIGNAL = re.compile(r"^\s*Signal\s*=\s*([0-9A-Da-d*#]|1[01])\s*$", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(r"\s*([0-9A-Da-d*#])\s*")
_NUMBERED = {"10": "*", "11": "#"}


def key_in(content_type: str, body: bytes) -> str:
    """The key that an INFO carries; empty where it carries none that can be read."""
    text = body[:200].decode("ascii", "replace").replace("\r", "\n")
    if content_type == RELAY and (found := _SIGNAL.search(text)):
        return _NUMBERED.get(found[1], found[1].upper())
    if content_type == PLAIN and (found := _KEY.fullmatch(text)):
        return found[1].upper()
    return ""


def relay_of(key: str, milliseconds: int = 160) -> bytes:
    """The body that says this key."""
    return f"Signal={key}\r\nDuration={milliseconds}\r\n".encode()
