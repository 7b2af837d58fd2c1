"""Bodies of several parts (RFC 2046 §5.1): of those the one that describes the session is what counts.

Gateways put the telephone network's own message (ISUP) beside the SDP, and others where a caller is, or
what a recorder wants to know. We send none.
"""

from __future__ import annotations

import re

from trunkline.sip.message import Message, Request

SDP = "application/sdp"
_MOST_PARTS = 16
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_FIELD = re.compile(rb"^(content-[a-z-]+)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_AS_IT_IS = ("", "identity", "binary", "8bit", "7bit")
_NEEDED = re.compile(r";\s*handling\s*=\s*required\b", re.IGNORECASE)


def take_sdp(message: Message) -> None:
    """Where the body of `message` has several parts, leave the SDP among them as its only one. It stays as
    it came where there is none, and in a request that says of another part that it must be understood:
    such a request is refused (RFC 5621 §4), while of an answer the best has to be made."""
    if not message.body or not message.content_type.startswith("multipart/"):
        return
    found = _BOUNDARY.search(message.headers.get("Content-Type") or "")
    if found is None:
        return
    described: bytes | None = None
    for fields, content in _parts(message.body, (found[1] or found[2]).encode("utf-8", "surrogateescape")):
        kind = fields.get("content-type", "").partition(";")[0].strip().lower()
        coded = {fields.get(name, "").lower() for name in ("content-encoding", "content-transfer-encoding")}
        if kind == SDP and described is None and coded <= set(_AS_IT_IS):
            described = content
        elif isinstance(message, Request) and _NEEDED.search(fields.get("content-disposition", "")):
            return
    if described is not None:
        message.headers.set("Content-Type", SDP)
        message.body = described


def _parts(body: bytes, boundary: bytes) -> list[tuple[dict[str, str], bytes]]:
    """The headers of each part, and what it holds."""
    line = rb"(?:\A|\r?\n)--" + re.escape(boundary)
    body = re.split(line + rb"--", body, maxsplit=1)[0]  # What follows the last part is nothing.
    pieces = re.split(line + rb"[ \t]*(?=\r?\n)", body, maxsplit=_MOST_PARTS)[1:]
    parts = []
    for piece in pieces[:_MOST_PARTS]:
        head, *rest = _HEAD_ENDS.split(piece, maxsplit=1)
        fields = {
            name.decode("ascii").lower(): value.decode("utf-8", "surrogateescape").strip()
            for name, value in _FIELD.findall(head)
        }
        parts.append((fields, rest[0] if rest else b""))
    return parts
