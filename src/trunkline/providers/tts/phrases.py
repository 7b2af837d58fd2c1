"""Text made safe for an engine in C, in phrases of bounded length. Pure; imports nothing of ours."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARS = 200
"""The longest phrase an engine gets at once. Its first sound and a cancel wait for the analysis of a
whole phrase (flite: about 25 ms for 100 letters), so this bounds them, and memory."""
MAX_TEXT = 5_000
"""The longest text that is spoken at all; what comes after is left out."""

_GOOD_CHARS = 110
"""A phrase longer than this is cut at a comma or dash, where there is one."""
_LEAST_CHARS = 40
_WEIGHT = 5
"""A digit or sign is spoken as a word: it counts as so many letters."""

_SENTENCE_PAUSE = 0.28
_CLAUSE_PAUSE = 0.14
_WORD_PAUSE = 0.02
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*\s")
_CLAUSE_END = re.compile(r"[,;:]\s|\s-+\s")
_SPACE = re.compile(r"\s")
_SPELT = {
    "‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": " - ", "…": "...", "ß": "ss", "æ": "ae", "Æ": "AE",
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "þ": "th",
    "€": " euro ", "£": " pounds ", "¥": " yen ", "°": " degrees ", "©": " ", "®": " ", "™": " ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phrase:
    """`text` holds printable characters and single spaces. `origins[i]` is where its character `i`
    stands in the text it was made of. `pause`: seconds of silence after it (0 after the last)."""

    text: str
    origins: tuple[int, ...]
    pause: float = 0.0

    def written(self, characters: int) -> int:
        """How many characters of the original are said when `characters` of the phrase are."""
        if characters <= 0 or not self.origins:
            return 0
        return self.origins[min(characters, len(self.origins)) - 1] + 1


def phrases(text: str, *, ascii_only: bool) -> list[Phrase]:
    """The phrases of `text`, in order: control characters gone, other scripts transliterated where
    Unicode knows how (`ascii_only`), cut at sentence ends, or earlier where one is too long."""
    characters, origins = _plain(text[:MAX_TEXT], ascii_only)
    found: list[Phrase] = []
    start = 0
    while start < len(characters):
        end, pause = _phrase_end(characters, start)
        first, last = start, end
        while first < last and characters[first].isspace():
            first += 1
        while last > first and characters[last - 1].isspace():
            last -= 1
        if any(c.isalnum() for c in characters[first:last]):
            found.append(Phrase(characters[first:last], tuple(origins[first:last]), pause))
        start = end
    if found:
        found[-1] = Phrase(found[-1].text, found[-1].origins)
    return found


def _plain(text: str, ascii_only: bool) -> tuple[str, list[int]]:
    characters: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(text):
        for plain in _plain_character(character, ascii_only):
            if plain == " " and characters[-1:] == [" "]:
                continue
            characters.append(plain)
            origins.append(place)
    return "".join(characters), origins


def _plain_character(character: str, ascii_only: bool) -> str:
    if character.isspace():
        return " "
    if " " < character <= "~":
        return character
    category = unicodedata.category(character)
    if category[0] == "C" or category == "So":
        return " " if category != "Cf" else ""
    if not ascii_only:
        return character
    if character in _SPELT:
        return _SPELT[character]
    decomposed = unicodedata.normalize("NFKD", character)
    return "".join(c for c in decomposed if " " <= c <= "~") or ("" if category[0] == "M" else " ")


def _phrase_end(text: str, start: int) -> tuple[int, float]:
    limit = _limit(text, start)
    sentence = _SENTENCE_END.search(text, start, limit)
    end = sentence.end() if sentence else len(text) if len(text) <= limit else None
    if end is not None and end - start <= _GOOD_CHARS:
        return end, _SENTENCE_PAUSE
    good = min(limit, start + _GOOD_CHARS)
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, start + _LEAST_CHARS, good)]
    if clauses:
        return clauses[-1], _CLAUSE_PAUSE
    if end is not None:
        return end, _SENTENCE_PAUSE
    words = [match.end() for match in _SPACE.finditer(text, start, limit)]
    return (words[-1] if words else limit), _WORD_PAUSE


def _limit(text: str, start: int) -> int:
    """Where the text from `start` has taken all the weight that a phrase may have."""
    weight = 0
    for place in range(start, min(len(text), start + MAX_CHARS)):
        character = text[place]
        weight += 1 if character.isalpha() or character in " .,'-?!" else _WEIGHT
        if weight > MAX_CHARS:
            return max(start + 1, place)
    return start + MAX_CHARS
