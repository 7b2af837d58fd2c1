"""Whether words are just a time, and a whole one: "Thursday at four", "half past two", "March the third"."""

from __future__ import annotations

import re

from trunkline.turn.amounts import CLOSING
from trunkline.turn.wording import NUMBERS, one_of

_WEEKDAY = one_of("monday, tuesday, wednesday, thursday, friday, saturday, sunday")
_MONTH = one_of(
    "january, february, march, april, may, june, july, august, september, october, november, december"
)
_ORDINAL = one_of(
    "first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth, eleventh, twelfth, "
    "thirteenth, fourteenth, fifteenth, sixteenth, seventeenth, eighteenth, nineteenth, twentieth, "
    "twenty first, twenty second, twenty third, twenty fourth, twenty fifth, twenty sixth, twenty seventh, "
    r"twenty eighth, twenty ninth, thirtieth, thirty first, \d\d?(?:st|nd|rd|th)"
)
_PART = "(?: (?:in the )?(?:morning|afternoon|evening)| night)"
_DAY = f"(?:(?:on |next |this |on the )?{_WEEKDAY}|today|tomorrow|the day after tomorrow|this)"
_ON = f"(?:on )?(?:{_WEEKDAY} )?"
_DATE = f"(?:{_ON}(?:the )?{_ORDINAL} (?:of )?{_MONTH}|{_ON}{_MONTH} (?:the )?{_ORDINAL})"
"""Without its month a day's number may go on: "the fifth" (of March)."""

_HOUR = one_of(",".join([*(word for word, value in NUMBERS.items() if 0 < value < 13), r"\d\d?"]))
_MINUTES = r"(?:(?:ten|fifteen|twenty|thirty|forty|fifty)(?: five)?|oh five|\d\d)"
_DAYTIME = one_of("a ?m, p ?m, o'clock, o clock, in the morning, in the afternoon, in the evening, at night")
_SHARE = one_of("half, quarter, a quarter, five, ten, twenty, twenty five")
_CLOCK = (
    f"(?:{_HOUR}(?: {_MINUTES})? {_DAYTIME}|{_HOUR} {_MINUTES}|{_SHARE} (?:past|to) {_HOUR}(?: {_DAYTIME})?"
    "|noon|midday|midnight)"
)
"""An hour alone ("at three") is none: the minutes may follow."""

_LEADING = one_of(
    "let's say, how about, what about, maybe, perhaps, make it, i'd say, i think, it's, it is, say, "
    "at about, at around, around, about, best, better, from, after, before, not before"
)
_AT = "(?:at |around |about )?"
_MOMENT = re.compile(
    f"(?:{_LEADING} )*"
    f"(?:(?:{_DAY}|{_DATE}){_PART}? {_AT}(?:{_CLOCK}|{_HOUR})"
    f"|(?:at )?{_CLOCK}(?: (?:{_DAY}|{_DATE}){_PART}?)?"
    f"|at {_HOUR} (?:{_DAY}|{_DATE}){_PART}?"
    f"|{_DATE}|{_DAY}{_PART})"
    f"{CLOSING}?"
)


def is_moment(text: str) -> bool:
    """Whether `text`, plain words with one space between them, is a moment and nothing else."""
    return _MOMENT.fullmatch(text) is not None
