"""How a word may sound that no dictionary knows: brands, surnames, abbreviations.

Letters to sounds by the longest spelling that fits, in the 39 phones of the CMU Pronouncing
Dictionary without stress. A rough guess: good enough for a grammar to have a chance at a name, not
for free recognition.
"""

from __future__ import annotations

import re

_LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY",
    "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N",
    "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip

_SPELLINGS = {
    # At the beginning ("^") and the end ("$") of a word.
    "^kn": "N", "^wr": "R", "^ps": "S", "^x": "Z", "^y": "Y", "^mc": "M AH K", "^al": "AE L",
    "le$": "AH L", "es$": "Z", "ed$": "D", "e$": "", "y$": "IY", "er$": "ER", "or$": "ER", "ia$": "IY AH",
    "a$": "AH", "o$": "OW", "i$": "IY", "ion$": "Y AH N", "ing$": "IH NG", "ous$": "AH S", "ify$": "IH F AY",
    # Several letters.
    "tion": "SH AH N", "sion": "ZH AH N", "ture": "CH ER", "ough": "AO", "augh": "AO", "eigh": "EY",
    "igh": "AY", "tch": "CH", "dge": "JH", "sch": "SH", "ck": "K", "ch": "CH", "sh": "SH", "th": "TH",
    "ph": "F", "wh": "W", "gh": "G", "ng": "NG", "qu": "K W", "ce": "S EH", "ci": "S IH", "cy": "S IY",
    "ge": "JH EH", "gi": "JH IH", "ee": "IY", "ea": "IY", "oo": "UW", "ou": "AW", "ow": "OW", "oa": "OW",
    "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "ei": "AY", "ey": "IY", "ie": "IY", "au": "AO",
    "aw": "AO",
    "eu": "Y UW", "ew": "Y UW", "ue": "UW", "ui": "UW", "ar": "AA R", "er": "ER", "ir": "ER", "or": "AO R",
    "ur": "ER",
    # One letter.
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IH", "z": "Z",
}  # fmt: skip

_LONG = {"a": "EY", "i": "AY", "o": "OW", "u": "UW"}
_LONGEST = max(len(each.strip("^$")) for each in _SPELLINGS)
_VOWELS = frozenset("aeiouy")
_ONE_SOUND = re.compile(r"([b-df-hj-np-tv-xz])\1")


def pronounce(word: str) -> str:
    """Phones of `word`, blanks between them; empty where it holds nothing that can be said.

    Words without a vowel ("crm") are spelled letter by letter.
    """
    letters = re.sub(r"[^a-z]", "", word.lower())
    if not letters:
        return ""
    if not _VOWELS & set(letters):
        return " ".join(_LETTERS[letter] for letter in letters)
    letters = _ONE_SOUND.sub(r"\1", letters)
    phones: list[str] = []
    place = 0
    while place < len(letters):
        spelling, sound = _longest_at(letters, place)
        phones += sound.split()
        place += len(spelling)
    return " ".join(phones)


def _longest_at(letters: str, place: int) -> tuple[str, str]:
    # A vowel, one consonant and a last e: the vowel is long ("site").
    vowel, consonant, last = tuple((letters[place:] + "   ")[:3])
    if len(letters) - place == 3 and vowel in _LONG and consonant not in _VOWELS and last == "e":
        return vowel, _LONG[vowel]
    for size in range(min(_LONGEST, len(letters) - place), 0, -1):
        spelling = letters[place : place + size]
        if place and place + size == len(letters) and spelling + "$" in _SPELLINGS:
            return spelling, _SPELLINGS[spelling + "$"]
        if not place and "^" + spelling in _SPELLINGS:
            return spelling, _SPELLINGS["^" + spelling]
        if spelling in _SPELLINGS:
            return spelling, _SPELLINGS[spelling]
    raise AssertionError(f"every letter has a sound, {letters[place]!r} too")
