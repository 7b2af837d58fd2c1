"""Written English turned into words that a voice can speak, and the way back. Pure.

`for_speech("Pay $5 by 10:30.")` is a `Wording`: its `spoken` text holds no digits, markdown, emoji,
addresses or abbreviations; `spoken_to_written(position)` tells where a place in it stands in what
was written, so that what the caller heard can be told in the original words.

A rule is a line in `_RULES`: a pattern without groups, and what is said for it. The first rule that
matches at a place wins.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from trunkline.call import spoken_numbers as numbers


@dataclass(frozen=True, slots=True)
class Wording:
    """The words as written and as spoken."""

    written: str
    spoken: str
    _spoken_at: tuple[int, ...] = field(default=(0,), repr=False)
    """Where each stretch begins in `spoken`; `_written_at` the same for `written`. Within a stretch
    places are taken in proportion."""
    _written_at: tuple[int, ...] = field(default=(0,), repr=False)

    def spoken_to_written(self, position: int) -> int:
        """How many characters of `written` are said when `position` characters of `spoken` are."""
        if position >= len(self.spoken):
            return len(self.written)
        if position <= 0:
            return 0
        stretch = bisect_right(self._spoken_at, position) - 1
        ends = (*self._spoken_at[stretch + 1 : stretch + 2], len(self.spoken))
        stops = (*self._written_at[stretch + 1 : stretch + 2], len(self.written))
        start, begin = self._spoken_at[stretch], self._written_at[stretch]
        return begin + (position - start) * (stops[0] - begin) // max(1, ends[0] - start)


def has_words(text: str) -> bool:
    """Whether a voice would find anything to say in it: models also write "…" and pictures."""
    return any(map(str.isalnum, text))


def for_speech(text: str) -> Wording:
    """`text` as a voice should speak it. Never raises; text without a rule stays as it is."""
    spoken: list[str] = []
    spoken_at, written_at = [0], [0]
    length = 0

    def add(words: str, end: int) -> None:
        nonlocal length
        spoken.append(words)
        length += len(words)
        spoken_at.append(length)
        written_at.append(end)

    last = 0
    for match in _ANY.finditer(text):
        if match.start() > last:
            add(text[last : match.start()], match.start())
        assert match.lastgroup is not None
        add(_SAY[match.lastgroup](match), match.end())
        last = match.end()
    if last < len(text):
        add(text[last:], len(text))
    return Wording(text, "".join(spoken), tuple(spoken_at[:-1]) or (0,), tuple(written_at[:-1]) or (0,))


# --- what is said for a match ---------------------------------------------------------------------

Say = Callable[[re.Match[str]], str]


def _each(say: Callable[[str], str]) -> Say:
    """A function of the matched text, kept apart from letters and digits that touch it."""

    def apart(match: re.Match[str]) -> str:
        words = say(match[0])
        before = match.string[match.start() - 1 : match.start()]
        after = match.string[match.end() : match.end() + 1]
        return f"{' ' if before.isalnum() else ''}{words}{' ' if after.isalnum() else ''}"

    return apart


def _always(words: str) -> Say:
    return lambda _match: words


def _range(text: str) -> str:
    return " to ".join(numbers.cardinal(number) for number in re.findall(r"[\d,.]*\d", text))


def _with_unit(text: str) -> str:
    match = re.match(r"([-−]?[\d,]*\.?\d+)\s?(.+)", text)
    assert match is not None
    one, many = _UNITS[match[2]]
    return f"{numbers.cardinal(match[1])} {one if match[1] == '1' else many}"


def _email(text: str) -> str:
    return _address(text).replace("@", " at ")


def _url(text: str) -> str:
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", text, flags=re.IGNORECASE)
    return _address(re.split(r"[?#]", bare)[0].rstrip("/"))


def _address(text: str) -> str:
    for sign, words in (
        (".", " dot "),
        ("/", " slash "),
        ("_", " underscore "),
        ("-", " dash "),
        ("+", " plus "),
    ):
        text = text.replace(sign, words)
    text = re.sub(r"\d+", lambda found: f" {numbers.digits(found[0])} ", text)
    return re.sub(r"[^\w@' ]|\s+", " ", text).replace("  ", " ").strip()


def _link(text: str) -> str:
    return for_speech(text[1 : text.index("](")]).spoken


def _line_end(match: re.Match[str]) -> str:
    before = match.string[: match.start()].rstrip()
    return ". " if before and before[-1].isalnum() and match.end() < len(match.string) else " "


def _saint_or_street(match: re.Match[str]) -> str:
    before = match.string[: match.start()].split()
    return "Street" if before and before[-1][:1].isupper() else "Saint"


def _year(match: re.Match[str]) -> str:
    return match[0][:-4] + numbers.year(match[0][-4:])


def _number_sign(text: str) -> str:
    return f"number {numbers.cardinal(re.sub(r'[^0-9]', '', text))}"


def _abbreviation(match: re.Match[str]) -> str:
    return _ABBREVIATIONS[match[0].rstrip(".").lower()]


# --- the rules ------------------------------------------------------------------------------------

_UNITS = {
    "km": ("kilometre", "kilometres"), "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"), "mi": ("mile", "miles"), "ft": ("foot", "feet"),
    "sq ft": ("square foot", "square feet"),
    "km/h": ("kilometre an hour", "kilometres an hour"), "mph": ("mile an hour", "miles an hour"),
    "kg": ("kilogram", "kilograms"), "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"), "MB": ("megabyte", "megabytes"), "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"), "hr": ("hour", "hours"), "hrs": ("hour", "hours"),
    "min": ("minute", "minutes"), "mins": ("minute", "minutes"), "sec": ("second", "seconds"),
    "secs": ("second", "seconds"), "ms": ("millisecond", "milliseconds"), "°": ("degree", "degrees"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°C": ("degree Celsius", "degrees Celsius"),
}  # fmt: skip
_ABBREVIATIONS = {
    "mr": "Mister", "mrs": "Missis", "ms": "Miz", "dr": "Doctor", "prof": "Professor", "sr": "Senior",
    "jr": "Junior", "e.g": "for example", "i.e": "that is", "etc": "et cetera", "vs": "versus",
    "approx": "approximately", "appt": "appointment", "dept": "department", "inc": "Incorporated",
    "ltd": "Limited", "corp": "Corporation", "co": "Company", "ave": "Avenue", "blvd": "Boulevard",
    "rd": "Road", "apt": "apartment", "ext": "extension", "govt": "government",
}  # fmt: skip

_FRACTIONS = {"1/2": "one half", "1/4": "one quarter", "3/4": "three quarters"}

# Every repetition has a bound, so that hostile text costs no more than its length.
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,6}|\d{1,40})(?:\.\d{1,40})?"
_YEAR = r"(?:1[1-9]|20)\d\d"
_DAY = r"(?:[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_MONTH = numbers.MONTH
_HALF = r"\s?[AaPp](?:\.\s?[Mm]\.|[Mm]\b)"
_LARGE = r"(?:\s?(?:thousand|million|billion|trillion)\b|(?:k|K|m|M|mm|bn|b|B)\b)"
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_SHORT = "|".join(map(re.escape, _ABBREVIATIONS))
_HOST = r"(?:[a-z0-9-]{1,63}\.){1,8}"
_TOP = r"(?:com|org|net|io|ai|co\.uk|dev|app|example)"

_EMAIL = r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
_URL = (
    r"(?i:\b(?:https?://|www\.)[^\s<>\"')\]]{0,500}[\w/]"
    rf"|(?<![\w@.-]){_HOST}{_TOP}(?:/[\w./-]{{0,500}}\w)?\b)"
)
_PHONE = (
    r"(?<![\w.])\+\d[\d\s().-]{6,20}\d"
    r"|(?<![\w.])(?:1[\s.-])?\(?\d{3}\)?[\s.-]\s?\d{3}[\s.-]\d{4}\b"
    r"|(?<![\w.$€£-])\d{3}-\d{4}(?![\w-])"
    r"|(?<![\w.,$€£-])\d{10,11}(?![\w,])"
)
_NAMED_DATE = (
    rf"\b{_MONTH}\.?\s{_DAY}\b(?:,?\s{_YEAR}\b)?"
    rf"|\b{_DAY}\s(?:of\s)?{_MONTH}\b(?:,?\s{_YEAR}\b)?"
    rf"|\b{_MONTH}\s{_YEAR}\b"
)
_PICTURES = (
    r"[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B00-\u2BFF\u2190-\u21FF\uFE0F\u200D\u20E3"
    r"\x00-\x08\x0b-\x1f\x7f]+"
)

_RULES: tuple[tuple[str, str, Say], ...] = (
    ("fence", r"```[^\n`]{0,40}\n?|`", _always("")),
    ("link", r"!?\[[^\[\]\n]{1,200}\]\([^()\s]{0,500}\)", lambda match: _link(match[0].lstrip("!"))),
    ("lead", r"(?m:^[ \t]{0,20}(?:#{1,6}|[-*•>])[ \t]+)", _always("")),
    ("email", _EMAIL, _each(_email)),
    ("url", _URL, _each(_url)),
    ("iso_date", r"\b\d{4}-\d\d-\d\d\b", _each(numbers.iso_date)),
    ("phone", _PHONE, _each(numbers.phone)),
    ("slashed_date", r"(?<![\w/])\d{1,2}/\d{1,2}/(?:\d{4}|\d\d)(?![\w/])", _each(numbers.slashed_date)),
    ("named_date", _NAMED_DATE, _each(numbers.named_date)),
    ("clock", rf"\b\d{{1,2}}(?::\d\d)?{_HALF}|\b\d{{1,2}}:\d\d\b", _each(numbers.clock_time)),
    ("money", rf"[$€£]\s?{_NUMBER}{_LARGE}?", _each(numbers.money)),
    ("percent", rf"(?<![\w.])[-−]?{_NUMBER}\s?%", _each(numbers.percent)),
    ("ordinal", r"(?<![\w.])\d[\d,]{0,20}(?:st|nd|rd|th)\b", _each(numbers.ordinal)),
    ("year", rf"(?i:\b(?:in|since|from|until|before|after|by|of|during)\s{_YEAR}\b(?![,.:-]?\d))", _year),
    ("unit", rf"(?<![\w.,])[-−]?{_NUMBER}\s?(?:{_UNIT})(?![\w/])", _each(_with_unit)),
    ("range", rf"(?<![\w.,-]){_NUMBER}\s?[-–]\s?{_NUMBER}(?![\w-])", _each(_range)),
    ("sign", r"(?<!\w)(?:#\s?|No\.\s?)\d{1,15}\b", _each(_number_sign)),
    ("fraction", r"(?<![\w/])(?:1/2|1/4|3/4)(?![\w/])", _each(_FRACTIONS.__getitem__)),
    ("number", rf"(?<![\w.,-])[-−]?{_NUMBER}(?![A-Za-z]|[,.]?\d)", _each(numbers.cardinal)),
    ("code", r"(?<!\w)(?=[A-Z-]{0,12}\d)[A-Z0-9]{1,24}(?:-[A-Z0-9]{1,24}){0,6}(?!\w)", _each(numbers.spelt)),
    ("digits", r"[0-9]+", _each(numbers.digits)),
    ("street", r"(?<=\s)St\.(?=\s|$|,)", _saint_or_street),
    ("short", rf"(?i:\b(?:{_SHORT}))\.(?!\w)", _abbreviation),
    ("asap", r"\bASAP\b", _always("as soon as possible")),
    ("half", r"\b[AaPp]\.[Mm]\.", lambda match: f"{match[0][0].upper()} M"),
    ("with", r"(?<!\S)w/(?=\s)", _always("with")),
    ("and", r"\s?&\s?", _always(" and ")),
    ("plus", r"(?<=\s)\+(?=\s)", _always("plus")),
    ("equals", r"(?<=\s)=(?=\s)", _always("equals")),
    ("at", r"(?<=\s)@(?=\s)", _always("at")),
    ("line", r"\n\s*", _line_end),
    ("markup", r"[*~^|<>{}\\#=]+|(?<!\w)_+|_+(?!\w)", _always("")),
    ("picture", _PICTURES, _always("")),
)
_SAY = {name: say for name, _, say in _RULES}
_ANY = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern, _ in _RULES))
