"""Names, companies, addresses, numbers and e-mail as people say them on the phone: a parser for each.

Each takes a field's description, the caller's words and a `Context`, and gives a `Parsed` or None.
"""

from __future__ import annotations

import re

import phonenumbers

from trunkline.scenario.assent import FILLERS, declines, yes_or_no
from trunkline.scenario.model import FieldSpec
from trunkline.scenario.numbers import find_numbers, plain
from trunkline.scenario.parsed import Context, Parsed

_EMAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def parse_email(_spec: FieldSpec, text: str, _context: Context) -> Parsed | None:
    lowered = text.lower()
    written = _EMAIL.search(lowered)
    if written:
        return Parsed(written[0].rstrip("."), text)
    if not re.search(r"\bat\b", lowered) or not re.search(r"\b(dot|point)\b", lowered):
        return None
    joined = re.sub(r"^.*\b(?:is|it is|it's|email)\s+(?=\S+.*\bat\b)", "", lowered)
    joined = re.sub(r"[,.!?]", " ", joined)
    for said, sign in (("at", "@"), ("dot|point", "."), ("underscore", "_"), ("dash|hyphen|minus", "-")):
        joined = re.sub(rf"\s+(?:{said})\s+", sign, joined)
    before, _, after = joined.partition("@")
    # Letters and digits that were spelled one by one belong together; other words before do not.
    parts = before.split()
    spelled = len(parts) > 1 and all(len(part) == 1 for part in parts)
    address = ("".join(parts) if spelled else parts[-1] if parts else "") + "@" + "".join(after.split())
    found = _EMAIL.fullmatch(address)
    return Parsed(found[0], text, sure=len(parts) == 1 or spelled) if found else None


def parse_phone(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    digits = "+" if "+" in text or plain(text).startswith("plus") else ""
    words = plain(text).split()
    repeat = 1
    for word in words:
        if word in ("double", "triple"):
            repeat = 2 if word == "double" else 3
            continue
        found = find_numbers([word])
        if found:
            digits += f"{found[0].value:.0f}" * repeat if not word.isdecimal() else word * repeat
        repeat = 1
    if len(digits.removeprefix("+")) < 6:
        return None
    try:
        number = phonenumbers.parse(digits, context.region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Parsed(written, text, sure=phonenumbers.is_valid_number(number))


_NAME = re.compile(
    r"(?:my name is|this is|i am|it is|call me|you are speaking with|speaking to|name is)\s+(.+)",
    re.IGNORECASE,
)


def parse_name(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    written = " ".join(text.replace("’", "'").split())
    expanded = re.sub(
        r"\bI'm\b",
        "I am",
        re.sub(r"\b(it|name)'s\b", r"\1 is", written, flags=re.IGNORECASE),
        flags=re.IGNORECASE,
    )
    match = _NAME.search(expanded)
    if match is None and not context.expected:
        return None
    name = (match[1] if match else expanded).strip(" .,!?")
    words = [word for word in name.split() if plain(word) not in FILLERS]
    if not 1 <= len(words) <= 4 or any(character.isdecimal() for character in name):
        return None
    if yes_or_no(name) is not None and not match:
        return None
    given = " ".join(word if word[0].isupper() else word.capitalize() for word in words)
    return Parsed(given, text, sure=len(words) <= 3)


def parse_company(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    match = re.search(r"(?:work (?:for|at)|with|from|company is|called|we are)\s+(.+)", text, re.IGNORECASE)
    if match is None and not context.expected:
        return None
    name = (match[1] if match else text).strip(" .,!?")
    return Parsed(name[:200], text, sure=len(name.split()) <= 5) if 1 <= len(name.split()) <= 8 else None


_ADDRESS = re.compile(
    r"^(?:(?:well|so|yes|um|uh),?\s+)*(?:(?:it is|it's|that is|that's|i live (?:at|in|on)|"
    r"we are (?:at|in|on)|"
    r"my address is|the address is|send it to|at)\s+)?(.+)$",
    re.IGNORECASE,
)


def parse_address(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    """A house number and words beside it, as they were said. What they name is nobody's to know here, so
    a scenario that needs it right has it read back."""
    match = _ADDRESS.match(" ".join(text.split()))
    if match is None or not context.expected or declines(text):
        return None
    said = match[1].strip(" .,!?")[:300]
    words = plain(said).split()
    numbers = find_numbers(words, guess=True)
    places = sum(number.end - number.start for number in numbers)
    if not numbers or len(words) - places < 1 or len(words) > 40 or yes_or_no(said) is False:
        return None
    return Parsed(said, text, sure=len(words) - places >= 2)


def parse_text(_: FieldSpec, text: str, context: Context) -> Parsed | None:
    kept = text.strip()[:1000]
    if declines(kept) and len(plain(kept).split()) <= 6:
        return None  # "I do not know" is no answer in the caller's own words
    return Parsed(kept, text) if context.expected and len(plain(kept)) > 1 else None
