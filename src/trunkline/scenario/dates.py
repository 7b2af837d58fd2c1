"""Days and times as people say them on the phone: "thursday at four", "tomorrow morning", "in an hour".

Everything is read relative to `now`, in its zone, and lies in the future. An hour without a.m. or
p.m. is one of a working day: one to seven are p.m., eight to twelve as they stand; what is understood is
always read back. Written by hand because it runs on the loop that carries audio: `dateparser` needs
about a millisecond a call and 0.2 s the first time, and does not know "half past three"
(docs/decisions/0006-scenario-engine.md has the figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from trunkline.scenario.numbers import find_numbers, ordinal_at, plain

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_PARTS = {"morning": 10, "noon": 12, "midday": 12, "lunch": 12, "afternoon": 14, "evening": 18, "tonight": 19}


@dataclass(frozen=True, slots=True)
class When:
    """A moment, or a day alone where `time` was not said. `sure` is False where we had to guess."""

    day: date
    time: time | None
    sure: bool = True

    def at(self, zone: datetime) -> datetime:
        """The moment, in the zone of `zone`. Only where the time is known."""
        assert self.time is not None
        return datetime.combine(self.day, self.time, zone.tzinfo)


def parse_when(text: str, now: datetime, *, day: date | None = None, expected: bool = False) -> When | None:
    """What moment these words name, or None. `day`: one named before, which a bare time completes.
    `expected`: a time was asked for, so a bare "four" is one."""
    words = plain(text).split()
    ahead = _from_now(words, now)
    if ahead is not None:
        return When(ahead.date(), ahead.time())
    found_day, used = _day(words, now.date())
    rest = [word if place not in used else "|" for place, word in enumerate(words)]
    found_time, exact = _time(rest, bare=expected or found_day is not None)
    if found_day is None and found_time is None:
        return None
    if found_day is None and not exact and day is None and not expected:
        return None  # "good morning" names no moment
    chosen = found_day or day
    if chosen is None:
        assert found_time is not None
        later = datetime.combine(now.date(), found_time, now.tzinfo) > now
        chosen = now.date() if later else now.date() + timedelta(days=1)
    if chosen < now.date():
        return None
    if found_time is not None and datetime.combine(chosen, found_time, now.tzinfo) <= now:
        return None
    return When(chosen, found_time)


def _from_now(words: Sequence[str], now: datetime) -> datetime | None:
    """ "in ten minutes", "in half an hour", "in two hours"."""
    for place, word in enumerate(words[:-1]):
        if word != "in":
            continue
        rest = list(words[place + 1 : place + 6])
        if rest[:3] == ["half", "an", "hour"]:
            return _minute(now + timedelta(minutes=30))
        if rest[:2] in (["an", "hour"], ["a", "hour"]):
            return _minute(now + timedelta(hours=1))
        numbers = find_numbers(rest)
        if numbers and numbers[0].start == 0 and numbers[0].end < len(rest) and numbers[0].value <= 600:
            unit = rest[numbers[0].end]
            if unit in ("minute", "minutes"):
                return _minute(now + timedelta(minutes=numbers[0].value))
            if unit in ("hour", "hours") and numbers[0].value <= 100:
                return _minute(now + timedelta(hours=numbers[0].value))
    return None


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _day(words: Sequence[str], today: date) -> tuple[date | None, set[int]]:
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        if word == "tomorrow":
            double = words[max(place - 2, 0) : place] == ["day", "after"]
            return today + timedelta(days=2 if double else 1), {place}
        if word in ("today", "tonight") or (word == "this" and after in _PARTS):
            return today, {place} if word == "today" else set()
        name = word.removesuffix("s")
        if name in WEEKDAYS:
            ahead = (WEEKDAYS.index(name) - today.weekday()) % 7 or 7
            next_week = before == "next" and ahead + today.weekday() < 7
            return today + timedelta(days=ahead + (7 if next_week else 0)), {place}
        if word in MONTHS:
            found = _month_day(words, place, today)
            if found is not None:
                return found
        ordinal = ordinal_at(words, place)
        if ordinal is not None and before == "the" and after != "of":
            return _coming(today, ordinal[0]), {place, ordinal[1] - 1}
    return _days_ahead(words, today)


def _days_ahead(words: Sequence[str], today: date) -> tuple[date | None, set[int]]:
    for place, word in enumerate(words):
        if word != "in":
            continue
        rest = words[place + 1 : place + 5]
        numbers = find_numbers(rest)
        count = numbers[0].value if numbers and numbers[0].start == 0 else 1.0 if rest[:1] == ["a"] else 0
        end = numbers[0].end if numbers and numbers[0].start == 0 else 1
        unit = rest[end] if end < len(rest) else ""
        size = {"day": 1, "days": 1, "week": 7, "weeks": 7}.get(unit, 0)
        if 0 < count * size <= 400:
            return today + timedelta(days=int(count * size)), set(range(place, place + end + 2))
    return None, set()


def _month_day(words: Sequence[str], place: int, today: date) -> tuple[date, set[int]] | None:
    month = MONTHS.index(words[place]) + 1
    after = place + 2 if words[place + 1 : place + 2] == ["the"] else place + 1
    of = words[place - 1 : place] == ["of"]  # "the twelfth of march at ten": the day stands before
    spots = [place - back for back in (3, 2, 1)] if of else [after, place - 2, place - 1]
    for spot in spots:
        if not 0 <= spot < len(words):
            continue
        ordinal = ordinal_at(words, spot)
        numbers = [] if ordinal else [n for n in find_numbers(words[spot : spot + 2]) if n.start == 0]
        number, end = ordinal or ((int(numbers[0].value), spot + numbers[0].end) if numbers else (0, 0))
        if 1 <= number <= 31:
            for year in (today.year, today.year + 1):
                found = _date(year, month, number)
                if found is not None and found >= today:
                    return found, {place, *range(spot, end)}
    return None


def _coming(today: date, number: int) -> date | None:
    for ahead in range(62):
        found = today + timedelta(days=ahead)
        if found.day == number:
            return found
    return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:  # the thirtieth of February
        return None


def _time(words: Sequence[str], *, bare: bool) -> tuple[time | None, bool]:
    """The time of day, and whether an hour was said rather than a part of the day."""
    part = next((word for word in words if word in _PARTS), "")
    joined = " ".join(words)
    for place, word in enumerate(words):
        found = _hour_minute(words, place)
        if found is None:
            continue
        hour, minute, end = found
        before = words[place - 1] if place else ""
        after = words[end : end + 2]
        clock = before in ("at", "around", "about", "past", "to", "by", "after") or after[:1] in (
            ["o"], ["oclock"], ["o'clock"], ["am"], ["pm"], ["a"], ["p"],
        ) or minute is not None  # fmt: skip
        if not (clock or bare or part) or hour > 23 or (hour == 0 and minute is None):
            continue
        if word in ("a", "the", "of"):
            continue
        half = _half(after, part)
        return _combined(hour, minute or 0, half), True
    if part and ("good " + part) not in joined:
        return time(_PARTS[part]), part in ("noon", "midday")
    return None, False


def _hour_minute(words: Sequence[str], place: int) -> tuple[int, int | None, int] | None:
    """Hour, minutes if said, and the place after them."""
    word = words[place]
    if ":" in word:
        hours_said, _, minutes = word.partition(":")
        return (int(hours_said), int(minutes), place + 1) if int(minutes) < 60 else None
    if word in ("half", "quarter", "ten", "twenty", "five") and place + 2 <= len(words) - 1:
        off = {"half": 30, "quarter": 15, "ten": 10, "twenty": 20, "five": 5}[word]
        direction = words[place + 1]
        hours = find_numbers(words[place + 2 : place + 3])
        if direction in ("past", "to") and hours and hours[0].value <= 12:
            hour = int(hours[0].value)
            if direction == "to":
                return (hour - 1 or 12), 60 - off, place + 3
            return hour, off, place + 3
    numbers = [n for n in find_numbers(words[place : place + 1]) if n.start == 0]
    if not numbers or numbers[0].value != int(numbers[0].value):
        return None
    hour, end = int(numbers[0].value), place + 1
    if hour > 24:
        return None
    minutes_said = [n for n in find_numbers(words[end : end + 2]) if n.start == 0]
    if minutes_said and 10 <= minutes_said[0].value < 60 and hour <= 12:
        return hour, int(minutes_said[0].value), end + minutes_said[0].end
    return hour, None, end


def _half(after: Sequence[str], part: str) -> str:
    if after[:1] in (["am"], ["pm"]):
        return after[0]
    if list(after[:2]) in (["a", "m"], ["p", "m"]):
        return after[0] + "m"
    return {"morning": "am", "afternoon": "pm", "evening": "pm", "tonight": "pm"}.get(part, "")


def _combined(hour: int, minute: int, half: str) -> time:
    if half == "pm" and hour < 12:
        hour += 12
    elif half == "am" and hour == 12:
        hour = 0
    elif not half and 1 <= hour <= 7:
        hour += 12
    return time(hour % 24, minute)
