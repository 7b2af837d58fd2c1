"""Replaces (RFC 3891): one call that takes the place of another, which is how attended transfers join."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.sip.dialog import Dialog
from trunkline.sip.fields import parse_field_params
from trunkline.sip.uri import Uri, escape_user, unescape


@dataclass(frozen=True, slots=True)
class Replaces:
    """Which call: its identifiers as the end sees them that is to have it replaced."""

    call_id: str
    to_tag: str
    """That end's own tag."""
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        early = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"


def parse_replaces(text: str) -> Replaces:
    """What a Replaces header says. Raises `ParseError`."""
    call_id, semicolon, rest = text.strip().partition(";")
    params = parse_field_params(semicolon + rest, "Replaces")
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not call_id.strip() or not to_tag or not from_tag:
        raise ParseError(f"a Replaces without its three identifiers: {text[:80]!r}", where="sip")
    return Replaces(call_id.strip(), to_tag, from_tag, "early-only" in params)


def our_end_of(dialog: Dialog) -> Replaces:
    """What makes the other end of this call put another in our place."""
    return Replaces(dialog.call_id, dialog.remote_tag, dialog.local_tag)


def with_replaces(target: Uri, replaces: Replaces) -> Uri:
    """The address to refer somebody to, so that they take the place in that call (RFC 3891 §6)."""
    # Fewer characters may stand unescaped in a header of an address than in a user (RFC 3261 §25.1).
    value = escape_user(str(replaces))
    for char in ";=&,@":
        value = value.replace(char, f"%{ord(char):02X}")
    return Uri(target.scheme, target.user, target.host, target.port, target.params, f"Replaces={value}")


def replaces_in(uri: Uri) -> str:
    """The Replaces that an address carries, unescaped; empty where it carries none."""
    for field in uri.headers.split("&"):
        name, _, value = field.partition("=")
        if name.lower() == "replaces":
            return unescape(value)
    return ""
