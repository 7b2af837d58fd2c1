"""Whether a caller says yes, says no, or will not say."""

from __future__ import annotations

import re

from trunkline.scenario.numbers import plain

NO_WORDS = frozenset({"no", "not", "never", "negative", "wrong", "incorrect"})
YES_WORDS = frozenset(
    {"yes", "sure", "okay", "right", "correct", "absolutely", "definitely", "certainly", "exactly", "fine",
     "alright", "yea", "aye", "indeed", "please", "true", "agreed", "perfect", "great"}
)  # fmt: skip
_YES_PHRASES = (
    "i think so", "go on", "of course", "that is right", "that is correct", "sounds good", "why not",
    "that works", "i will be there", "i have a minute", "that would be good",
    "uh huh", "mm hm", "mhm", "i suppose", "i guess so", "by all means", "make it quick", "go ahead",
)  # fmt: skip
_NO_PHRASES = (
    "not really",
    "afraid not",
    "do not think so", "not now", "not right now", "no way", "i am busy", "i do not", "bad time",
    "not a good time",
    "i can not", "that is wrong", "that is not right", "not quite", "i am driving", "in a meeting",
    "have no time", "do not have time", "some other time",
)  # fmt: skip
_YES_ALONE = frozenset(
    {"i do", "i am", "i can", "we do", "it is", "they do", "i would", "you can", "we are", "it does",
     "i have", "speaking", "that is me", "this is me", "it is me", "this is she", "this is he",
     "that would be me"}
)  # fmt: skip
_ASKING = frozenset({"what", "how", "who", "why", "when", "where", "which"})
"""First words of a question: "what happens if I do not pay" is no no."""
_DECLINES = (
    "i do not know", "no idea", "not sure", "i would rather not", "rather not say", "none of your business",
    "i can not say", "i will not say", "can not tell you", "do not want to say", "prefer not to", "skip that",
    "hard to say", "i have no clue", "could not say", "no comment", "not going to tell",
)  # fmt: skip
FILLERS = frozenset({"um", "uh", "well", "so", "er", "hm", "ah", "oh", "like", "just", "about", "maybe"})


def yes_or_no(text: str) -> bool | None:
    """Whether these words mean yes or no; None where they mean neither, or both."""
    joined = plain(text)
    # "So, yes" begins with a filler; "I think so" ends with an answer.
    kept = enumerate(joined.split())
    words = [word for place, word in kept if word not in FILLERS or (word == "so" and place)]
    joined = " ".join(words)
    no = any(phrase in joined for phrase in _NO_PHRASES)
    yes = not no and any(re.search(rf"\b{phrase}\b", joined) for phrase in _YES_PHRASES)
    if joined.startswith(("no problem", "no worries", "not at all", "why not")):
        return True
    if joined in _YES_ALONE:
        return True
    first = words[0] if words else ""
    if first in _ASKING:
        return None
    if first in NO_WORDS or no:
        return False if first not in YES_WORDS else None
    if first in YES_WORDS or yes:
        return None if {"no", "not", "but"} & set(words) and len(words) > 5 and not yes else True
    if NO_WORDS & set(words):
        return None
    return True if YES_WORDS & set(words) and len(words) <= 4 else None


def declines(text: str) -> bool:
    """Whether the caller does not know or will not say."""
    words = plain(text)
    return any(phrase in words for phrase in _DECLINES)
