"""Numbers, money, dates, times and their like, written out as English speech. Pure.

Each function takes what a rule of `wording.py` matched and gives words without digits. They never
raise: what makes no sense as a date or a time is read as plain numbers.
"""

from __future__ import annotations

import re

from trunkline.scenario.number_words import cardinal_words, ordinal_words, year_words

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?"
    r"|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
"""An English month, in full or short."""
_COINS = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
_LARGE = {"k": "thousand", "m": "million", "mm": "million", "bn": "billion", "b": "billion"}
_LONGEST = 15
"""Numbers of more digits than this are read digit by digit."""


def digits(text: str) -> str:
    """The digits of `text` one by one: "four oh" is for people; machines say "four zero"."""
    return " ".join(_DIGITS[int(c)] for c in text if "0" <= c <= "9")


def cardinal(text: str) -> str:
    """ "1,200.50", "-3", "0042": numbers as counted; codes (leading zeros, very long) as digits."""
    sign = "minus " if text[0] in "-−" else ""
    whole, _, fraction = text.lstrip("-−").replace(",", "").partition(".")
    if len(whole) > _LONGEST or (len(whole) > 1 and whole[0] == "0"):
        words = digits(whole)
    else:
        words = _counted(int(whole or "0"))
    return f"{sign}{words} point {digits(fraction)}" if fraction else sign + words


def ordinal(text: str) -> str:
    """ "3rd", "21"."""
    number = re.sub(r"\D", "", text)
    return digits(number) if len(number) > _LONGEST else _plain(ordinal_words(int(number)))


def year(text: str) -> str:
    """ "2026" as "twenty twenty-six"; other than four digits as a number."""
    if len(text) != 4 or text[0] == "0":
        return cardinal(text)
    return _plain(year_words(int(text)))


def money(text: str) -> str:
    """ "$1,200.50", "£3", "€2.5 million", "$5k"."""
    match = re.fullmatch(r"([$€£])\s?([\d,]+)(\.\d+)?\s?([A-Za-z]+)?", text)
    if match is None:
        return cardinal(re.sub(r"[^\d.]", "", text) or "0")
    sign, whole, fraction, large = match.groups()
    unit, coin = _COINS[sign]
    whole = whole.replace(",", "") or "0"
    if large:
        return f"{cardinal(whole + (fraction or ''))} {_LARGE.get(large.lower(), large)} {unit}s"
    if fraction and len(fraction) != 3:
        return f"{cardinal(whole + fraction)} {unit}s"
    cents = int(fraction[1:]) if fraction else 0
    coins = f"{_counted(cents)} {_plural(coin, cents)}"
    if cents and not int(whole):
        return coins
    amount = f"{cardinal(whole.lstrip('0') or '0')} {_plural(unit, int(whole))}"
    return f"{amount} and {coins}" if cents else amount


def percent(text: str) -> str:
    """ "3.5%"."""
    return f"{cardinal(text.rstrip('% '))} percent"


def clock_time(text: str) -> str:
    """ "10:30 a.m.", "14:05", "3pm", "9:00"."""
    match = re.match(r"(\d{1,2})(?::(\d\d))?\s?([AaPp])?", text)
    assert match is not None
    hour, minute, half = int(match[1]), int(match[2] or 0), match[3]
    end = f" {half.upper()} M" if half else ""
    if hour > 24 or minute > 59:
        return f"{_counted(hour)} {_counted(minute)}{end}"
    if minute == 0:
        if half or match[2] is None:
            return _counted(hour) + end
        return f"{_counted(hour)} o'clock" if 1 <= hour <= 12 else f"{_counted(hour)} hundred"
    return f"{_counted(hour)} {'oh ' if minute < 10 else ''}{_counted(minute)}{end}"


def iso_date(text: str) -> str:
    """ "2026-01-05"."""
    year_text, month, day = text.split("-")
    return _date(int(month), int(day), year_text) or cardinals(text)


def slashed_date(text: str) -> str:
    """ "1/5/2026", month first, unless only the second number can be a month."""
    first, second, year_text = re.split(r"[/.]", text)
    if int(first) > 12:
        first, second = second, first
    year_text = f"20{year_text}" if len(year_text) == 2 else year_text
    return _date(int(first), int(second), year_text) or cardinals(text)


def named_date(text: str) -> str:
    """ "January 5, 2026", "Jan. 5th", "5 January 2026"."""
    name = re.search(MONTH, text)
    numbers = re.findall(r"\d+", text)
    assert name is not None
    month = next(i for i, full in enumerate(_MONTHS, 1) if full.startswith(name[0][:3]))
    if len(numbers[0]) == 4:  # "March 2026"
        return f"{_MONTHS[month - 1]} {year(numbers[0])}"
    return _date(month, int(numbers[0]), numbers[1] if len(numbers) > 1 else "") or cardinals(text)


def phone(text: str) -> str:
    """Digit groups as they were written; a number without groups in threes and a last four."""
    groups = re.findall(r"\d+", text)
    if len(groups) == 1:
        number = groups[0]
        threes = [number[max(0, i - 3) : i] for i in range(len(number) - 4, 0, -3)]
        groups = [*reversed(threes), number[-4:]]
    lead = "plus " if text.lstrip("( ").startswith("+") else ""
    return lead + ", ".join(digits(group) for group in groups)


def spelt(text: str) -> str:
    """A code such as "AB-12": letters and digits one by one."""
    return " ".join(_DIGITS[int(c)] if c in "0123456789" else c.upper() for c in text if c.isalnum())


def cardinals(text: str) -> str:
    """Every number in `text` read by itself, signs between them left out."""
    return " ".join(cardinal(number) for number in re.findall(r"\d+", text))


def _date(month: int, day: int, year_text: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ""
    words = f"{_MONTHS[month - 1]} {ordinal(str(day))}"
    return f"{words}, {year(year_text)}" if year_text else words


def _counted(number: int) -> str:
    return _plain(cardinal_words(number))


def _plain(words: str) -> str:
    return words.replace(",", "")


def _plural(unit: str, count: int) -> str:
    if count == 1:
        return unit
    return "pence" if unit == "penny" else f"{unit}s"
