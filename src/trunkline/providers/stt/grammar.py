"""What is expected next, as a grammar: written as JSGF for a decoder, and asked "is this all of a
sentence of yours?" afterwards, since a decoder also gives sentences that stop half way.

A phrase is plain words, slots (`<number>`, `<money>`, `<day>`, `<time>`, `<name>`, `<digits>`,
`<letters>`) and optional parts in square brackets: `[about] <number> people`. JSGF: W3C note of
5 June 2000.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trunkline.events import Answer, Expectation
from trunkline.providers.stt.vocabularies import BY_KIND, SLOTS

MOST_PHRASES = 500
LONGEST_PHRASE = 400
_TOKEN = re.compile(r"<([a-z]+)>|([\[\]()|])|([a-z][a-z']*)")


@dataclass(frozen=True, slots=True)
class InOrder:
    """One part after the other."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Maybe:
    """This or nothing."""

    part: Part


@dataclass(frozen=True, slots=True)
class Slot:
    """A rule by name."""

    name: str


Part = str | InOrder | Choice | Maybe | Slot


class _Unreadable(ValueError):
    """A phrase that does not follow its syntax; never leaves this module."""


def read_phrase(text: str, longest: int = LONGEST_PHRASE) -> Part | None:
    """The phrase as parts; None where it cannot be used (no words, unknown slot, odd characters).

    Phrases come out of people's scenarios: case, hyphens and punctuation are smoothed over.
    """
    text = text[: longest + 1].lower().replace("’", "'").replace("-", " ")
    text = re.sub(r"[.,;:!?\"“”]+(?=\s|$)", " ", text)
    if len(text) > longest:
        return None
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            return None
        slot, mark, word = match.groups()
        if slot is not None and slot not in SLOTS:
            return None
        tokens.append(("slot", slot) if slot else ("mark", mark) if mark else ("word", word))
        place = match.end()
    try:
        part = _choice(tokens, depth=0)
    except _Unreadable:
        return None
    return part if not tokens and _must_say_something(part) else None


def _choice(tokens: list[tuple[str, str]], depth: int) -> Part:
    if depth > 20:
        raise _Unreadable("nested too deeply")
    ways: list[Part] = []
    parts: list[Part] = []
    while tokens and tokens[0] not in (("mark", "]"), ("mark", ")")):
        kind, text = tokens.pop(0)
        if kind == "slot":
            parts.append(Slot(text))
        elif kind == "word":
            parts.append(text)
        elif text == "|":
            ways.append(_sequence(parts))
            parts = []
        else:
            inner = _choice(tokens, depth + 1)
            if not tokens or tokens.pop(0)[1] != {"[": "]", "(": ")"}[text]:
                raise _Unreadable("not closed")
            parts.append(Maybe(inner) if text == "[" else inner)
    ways.append(_sequence(parts))
    return ways[0] if len(ways) == 1 else Choice(tuple(ways))


def _sequence(parts: list[Part]) -> Part:
    if not parts:
        raise _Unreadable("nothing between marks")
    return parts[0] if len(parts) == 1 else InOrder(tuple(parts))


def _must_say_something(part: Part) -> bool:
    match part:
        case Maybe():
            return False
        case InOrder(parts):
            return any(_must_say_something(each) for each in parts)
        case Choice(parts):
            return all(_must_say_something(each) for each in parts)
    return True


def _rules() -> dict[str, Part]:
    found: dict[str, Part] = {}
    for name, text in SLOTS.items():
        part = read_phrase(text, longest=10_000)
        assert part is not None, name
        found[name] = part
    return found


_RULES: dict[str, Part] = {}


def _rule(name: str) -> Part:
    if not _RULES:
        _RULES.update(_rules())
    return _RULES[name]


@dataclass(frozen=True, slots=True)
class Grammar:
    """All that is expected: one of these phrases."""

    phrases: tuple[Part, ...]

    @classmethod
    def expecting(cls, expectation: Expectation) -> Grammar:
        """The grammar of an expectation: its phrases, its key terms said alone, and what people say
        to its kind of question. Phrases that cannot be used are left out; so are those beyond the
        five-hundredth."""
        texts = [*expectation.phrases, *expectation.keyterms]
        if expectation.phrases or expectation.kind is not Answer.FREE:
            texts += BY_KIND.get(expectation.kind.value, ())
        parts = dict.fromkeys(part for text in texts[:MOST_PHRASES] if (part := read_phrase(text)))
        return cls(tuple(parts))

    def words(self) -> set[str]:
        """Every word that can be said."""
        return {word for phrase in self.phrases for word in _words(phrase, set())}

    def without(self, unknown: Callable[[str], bool]) -> Grammar:
        """The grammar without the phrases that need a word of which nobody knows the sound."""
        return Grammar(
            tuple(each for each in self.phrases if not any(unknown(word) for word in _words(each, set())))
        )

    def jsgf(self) -> str:
        """The grammar in the Java Speech Grammar Format; empty where nothing is expected."""
        if not self.phrases:
            return ""
        lines = ["#JSGF V1.0;", "grammar expected;"]
        used = sorted({name for phrase in self.phrases for name in _slots(phrase)})
        lines += [f"<{name}> = {_written(_rule(name))};" for name in used]
        ways = " | ".join(_written(phrase) for phrase in self.phrases)
        lines.append(f"<phrase> = {ways};")
        # One phrase, not a chain of them: a chain costs twice the time, and finds an "mm hm" or a
        # "who" in the noise at each end of every third sentence.
        lines.append("public <said> = <phrase>;")
        return "\n".join(lines) + "\n"

    def accepts(self, words: Sequence[str]) -> bool:
        """Whether these words are all of something expected, not the beginning of it."""
        return any(len(words) in _ends(phrase, words, 0) for phrase in self.phrases)


def _words(part: Part, seen: set[str]) -> Iterator[str]:
    match part:
        case str():
            yield part
        case InOrder(parts) | Choice(parts):
            for each in parts:
                yield from _words(each, seen)
        case Maybe(inner):
            yield from _words(inner, seen)
        case Slot(name) if name not in seen:
            seen.add(name)
            yield from _words(_rule(name), seen)


def _slots(part: Part) -> set[str]:
    match part:
        case InOrder(parts) | Choice(parts):
            return {name for each in parts for name in _slots(each)}
        case Maybe(inner):
            return _slots(inner)
        case Slot(name):
            return {name} | _slots(_rule(name))
    return set()


def _written(part: Part) -> str:
    match part:
        case str():
            return part
        case InOrder(parts):
            return "( " + " ".join(_written(each) for each in parts) + " )"
        case Choice(parts):
            return "( " + " | ".join(_written(each) for each in parts) + " )"
        case Maybe(inner):
            return f"[ {_written(inner)} ]"
        case Slot(name):
            return f"<{name}>"


def _ends(part: Part, words: Sequence[str], place: int) -> set[int]:
    """Where this part may end when it begins at `place`."""
    match part:
        case str():
            return {place + 1} if words[place : place + 1] == [part] else set()
        case InOrder(parts):
            places = {place}
            for each in parts:
                places = {end for start in places for end in _ends(each, words, start)}
            return places
        case Choice(parts):
            return {end for each in parts for end in _ends(each, words, place)}
        case Maybe(inner):
            return {place} | _ends(inner, words, place)
        case Slot(name):
            return _ends(_rule(name), words, place)
