"""The small closed vocabularies that grammars know: numbers, money, days, times, names, letters.

Each is written in the phrase syntax of `grammar.py`. They give words, not values: "thirty five" is
understood by whoever reads the transcript.
"""

from __future__ import annotations

_NAMES = """
    adam alan alex alice amanda amy andrea andrew angela anna anne anthony barbara ben benjamin betty
    brian carol caroline catherine charles charlotte chris christine christopher claire daniel dave
    david dana deborah dennis diana donald dorothy edward elizabeth emily emma eric eva frank gary
    george grace hannah harry heather helen henry jack jacob james jane jason jeff jennifer jessica jim
    joan joe john jonathan joseph joshua julia julie justin karen kate katherine kathleen keith kelly
    kenneth kevin kim laura lauren linda lisa louise lucas lucy mark margaret maria marie martin mary
    matthew maya melissa michael michelle mike nancy natalie nathan nicholas nicole nora olivia pamela
    patricia patrick paul peter philip rachel rebecca richard rick robert roger ronald rose ruth ryan
    samantha samuel sandra sara sarah scott sharon simon sophia stephanie stephen steven susan teresa
    thomas tim timothy tom tyler victoria virginia walter william
"""


def _any(words: str) -> str:
    return "( " + " | ".join(words.split()) + " )"


SLOTS: dict[str, str] = {
    "one": _any("one two three four five six seven eight nine"),
    "below": "<one> | "
    + _any("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
    + " | "
    + _any("twenty thirty forty fifty sixty seventy eighty ninety")
    + " [ <one> ]",
    "number": "<below> | ( a | <one> ) hundred [ [ and ] <below> ]"
    " | ( a | <below> ) thousand [ <one> hundred ] [ [ and ] <below> ]",
    "money": "<number> ( dollars | pounds | euros ) [ [ and ] <below> [ cents | pence ] ] | <number>",
    "weekday": _any("monday tuesday wednesday thursday friday saturday sunday"),
    "month": _any("january february march april may june july august september october november december"),
    "ordinal": _any(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
        "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
    )
    + " | ( twenty | thirty ) "
    + _any("first second third fourth fifth sixth seventh eighth ninth"),
    "day": "( today | tomorrow | the day after tomorrow | next week | [ on | next | this ] <weekday>"
    " | [ on ] <month> [ the ] <ordinal> | [ on ] the <ordinal> [ of <month> ] )"
    " [ morning | afternoon | evening ]",
    "hour": _any("one two three four five six seven eight nine ten eleven twelve"),
    "time": "( <hour> [ o'clock | thirty | fifteen | forty five ] | ( half | quarter ) past <hour>"
    " | quarter to <hour> ) [ in the morning | in the afternoon | in the evening | a m | p m ] | noon",
    "name": _any(_NAMES),
    "digit": _any("zero oh one two three four five six seven eight nine"),
    # Grammars here have no loops, so that every sentence has an end: ten digits, twelve letters.
    "digits": "<digit> " + "[ <digit> " * 9 + "] " * 9,
    "letter": _any("a b c d e f g h i j k l m n o p q r s t u v w x y z"),
    "letters": "<letter> " + "[ <letter> " * 7 + "] " * 7,
}
"""What a slot stands for. Those that refer to others are small enough to be spelled out."""

_AGREE = (
    "yes", "yeah", "yes please", "yes that is right", "that is right", "that's right", "yes that's right",
    "right", "correct", "that is correct", "sure", "okay", "of course", "yes of course",
)  # fmt: skip
_DENY = (
    "no", "no thank you", "no thanks", "no that is wrong", "that is wrong", "that's wrong", "not really",
    "no it is not", "not quite",
)  # fmt: skip

BY_KIND: dict[str, tuple[str, ...]] = {
    "yes-no": (*_AGREE, *_DENY),
    "number": ("[ about | around | maybe | roughly | just ] <number>",),
    "money": ("[ about | around | maybe | roughly ] <money> [ a month | a year ]",),
    "date": ("<day> [ at <time> ]", "[ at ] <time> [ <day> ]", "<day> <time>"),
    "name": ("[ my name is | i am | it is | this is ] <name>",),
    "phone": ("[ it is | my number is ] <digits>",),
    "spelling": ("<letters>",),
}
"""What people say to a kind of question (`Answer`), beside the scenario's own phrases."""
