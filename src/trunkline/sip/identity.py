"""Who calls, on whose behalf, and by which way: the headers that say so, read and written.

| header | |
| --- | --- |
| From, P-Asserted-Identity, Remote-Party-ID | the caller (RFC 3261, RFC 3325, and an expired draft) |
| Privacy | whether the caller wants to be shown (RFC 3323, RFC 3325) |
| Diversion, History-Info | whom the call was for before (RFC 5806, RFC 7044) |
| Identity | what a carrier signs of the caller (`passport.py`) |
| User-to-User | data that goes from caller to called (RFC 7433) |

What cannot be read is left out: a call is not refused because its history is broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from trunkline.errors import ParseError
from trunkline.sip.fields import NameAddress, parse_name_address
from trunkline.sip.message import Message
from trunkline.sip.passport import Passport, parse_passport
from trunkline.sip.uri import Uri, unescape

_LONGEST = 512
"""Characters of one fact that are kept."""
_MOST = 16
"""Diversions, entries of a history, Identity headers that are read."""


class Shown(StrEnum):
    """How a trunk wants to be told the caller's number beside From."""

    FROM = "from"
    """Not at all."""
    ASSERTED = "asserted"
    """P-Asserted-Identity."""
    PREFERRED = "preferred"
    """P-Preferred-Identity: the trunk checks it and asserts it itself."""
    REMOTE_PARTY = "remote-party"
    """Remote-Party-ID."""


@dataclass(frozen=True, slots=True)
class Diversion:
    """One diversion: who had the call diverted, and why ("unconditional", "user-busy", …)."""

    who: str
    reason: str


def who_calls(message: Message, *, trusted: bool) -> dict[str, str]:
    """What the headers of an INVITE say, as variables for the call; only those that are there.
    `trusted`: it came from a trunk. What others assert of themselves is not believed (RFC 3325 §5)."""
    facts: dict[str, str] = {}
    sender = message.from_
    facts["caller_number"] = number_of(sender.uri)
    facts["caller_name"] = sender.display
    if is_anonymous(message):
        facts["caller_hidden"] = "yes"
    if trusted:
        for name in ("P-Asserted-Identity", "Remote-Party-ID"):
            for address in _addresses(message, name):
                if name == "Remote-Party-ID" and (address.params.get("party") or "calling") != "calling":
                    continue
                facts.setdefault("asserted_number", number_of(address.uri))
                facts.setdefault("asserted_name", address.display)
        facts["verstat"] = next(_verstats(message), "")
    diverted = diversions(message)
    if diverted:
        # The latest stands first in Diversion: the one at the end is whom the caller called (RFC 5806 §9.3).
        facts["diverted_from"] = diverted[0].who
        facts["diverted_why"] = diverted[0].reason
        facts["first_called"] = diverted[-1].who
    facts["user_to_user"] = _user_to_user(message)
    for passport in passports(message):
        if passport.attestation:
            facts.setdefault("attestation", passport.attestation)
            facts.setdefault("attested_number", passport.orig)
            facts.setdefault("attested_called", ", ".join(passport.dest))
            facts.setdefault("attested_origin", passport.origid)
    return {name: _plain(value) for name, value in facts.items() if value}


def number_of(uri: Uri) -> str:
    """The telephone number that an address is, as it is written; empty where it is none."""
    number = uri.number
    digits = number.removeprefix("+")
    return number if digits.isascii() and digits.isdigit() else ""


def is_anonymous(message: Message) -> bool:
    """Whether the caller does not want to be shown (RFC 3323 §4.1, RFC 3325 §9.3)."""
    asked = {part.strip().lower() for value in message.headers.all("Privacy") for part in value.split(";")}
    uri = message.from_.uri
    return (
        bool(asked & {"id", "user", "header", "full"})
        or uri.host.lower() == "anonymous.invalid"
        or uri.user.lower() == "anonymous"
    )


def diversions(message: Message) -> list[Diversion]:
    """Who had the call diverted, the latest first: by Diversion, else by History-Info."""
    found = [
        Diversion(number_of(address.uri) or str(address.uri), (address.params.get("reason") or "").strip('"'))
        for address in _addresses(message, "Diversion")
    ]
    return found or _by_history(message)


def _by_history(message: Message) -> list[Diversion]:
    """The targets that were left, of each entry that has one after it (RFC 7044 §5: indexed as a tree)."""
    entries: list[tuple[tuple[int, ...], NameAddress]] = []
    for address in _addresses(message, "History-Info"):
        index = (address.params.get("index") or "").split(".")
        if all(part.isascii() and part.isdigit() and len(part) < 6 for part in index):
            entries.append((tuple(int(part) for part in index), address))
    entries.sort(key=lambda entry: entry[0])
    left = []
    for (_, address), (_, after) in pairwise(entries):
        if number_of(address.uri) == number_of(after.uri) != "":
            continue  # Sent on to a proxy for the same person, which is no diversion.
        plain = replace(address.uri, headers="")
        left.append(Diversion(number_of(plain) or str(plain), _why(address, after)))
    return left[::-1]


_CAUSES = {
    "302": "unconditional", "404": "unknown", "408": "no-answer", "480": "deflection", "486": "user-busy",
    "487": "deflection", "503": "unavailable",
}  # fmt: skip
"""RFC 4458 §2 as words that Diversion uses."""


def _why(left: NameAddress, after: NameAddress) -> str:
    """Why an entry of a history was left: the `cause` of the one after it (RFC 4458), or the Reason that it
    carries in its own address (RFC 7044 §10.2)."""
    cause = after.uri.params.get("cause") or unescape(left.uri.headers).partition("cause=")[2][:3]
    return _CAUSES.get(cause, "")


def passports(message: Message) -> list[Passport]:
    """What carriers sign of this call, as far as it can be read. Nothing of it is verified."""
    found = []
    for value in message.headers.all("Identity")[:_MOST]:
        with suppress(ParseError):
            found.append(parse_passport(value))
    return found


def _verstats(message: Message) -> Iterator[str]:
    """What the trunk's own check of the signature came to (3GPP TS 24.229 §7.2A.20)."""
    for address in (*_addresses(message, "P-Asserted-Identity"), message.from_):
        uri = address.uri
        for text in (uri.params.get("verstat"), address.params.get("verstat")):
            if text:
                yield text
        _, found, rest = (uri.host if uri.scheme == "tel" else uri.user).partition(";verstat=")
        if found:
            yield rest.partition(";")[0]


def _user_to_user(message: Message) -> str:
    """The data, as text where it is text in hexadecimal digits, else as it stands."""
    value = (message.headers.get("User-to-User") or "").strip()
    data, *params = [part.strip() for part in value.split(";")]
    if any(param.replace(" ", "").lower() == "encoding=hex" for param in params):
        with suppress(ValueError):
            # The first byte is the protocol discriminator where the network is ISDN: 04 is text (Q.931).
            raw = bytes.fromhex(data)
            text = raw.removeprefix(b"\x04").decode("utf-8")
            return text if text.isprintable() else data
    return data.strip('"')


def _addresses(message: Message, name: str) -> list[NameAddress]:
    found: list[NameAddress] = []
    with suppress(ParseError):
        for value in message.headers.items(name)[:_MOST]:
            with suppress(ParseError):
                found.append(parse_name_address(value))
    return found


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text[:_LONGEST])


# --- calls of ours --------------------------------------------------------------------------------

ANONYMOUS = NameAddress(Uri("sip", "anonymous", "anonymous.invalid"), "Anonymous")
"""The From of a caller who is not to be shown (RFC 3323 §4.1.1.3)."""


def shown_as(caller: NameAddress, how: Shown, *, hidden: bool) -> tuple[NameAddress, dict[str, str]]:
    """From, and the headers beside it, for a call by `caller`. `hidden`: the person called is not to see
    the number. The trunk still learns it: where nothing stands beside From, it is asked to take it out."""
    headers: dict[str, str] = {}
    plain = NameAddress(caller.uri, caller.display)
    if how is Shown.ASSERTED:
        headers["P-Asserted-Identity"] = str(plain)
    elif how is Shown.PREFERRED:
        headers["P-Preferred-Identity"] = str(plain)
    elif how is Shown.REMOTE_PARTY:
        params: dict[str, str | None] = {
            "party": "calling",
            "privacy": "full" if hidden else "off",
            "screen": "yes",
        }
        headers["Remote-Party-ID"] = str(replace(plain, params=params))
    if not hidden:
        return caller, headers
    if how is Shown.FROM:
        return caller, {"Privacy": "user;id"}
    return ANONYMOUS, headers | {"Privacy": "id"}


def user_to_user(text: str) -> str:
    """A User-to-User header's value for this text (RFC 7433 §4.1)."""
    return f"{text.encode().hex()};encoding=hex"
