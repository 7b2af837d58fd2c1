"""The XML that is sent about: grammars (SRGS), texts to be spoken (SSML). Pure; from strangers, so bounded.

A grammar is read for the sentences in it, as far as they can be counted up: alternatives, rules that refer
to others, options. Weights, tags and repeats mean nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from trunkline.errors import ParseError

MOST_BYTES = 500_000
MOST_PHRASES = 500
_DEEPEST = 24
_MARKS = 1000


def parse_xml(data: bytes, where: str) -> ElementTree.Element:
    """A document. Raises `ParseError`; one that defines entities is refused, as they can grow without end."""
    if len(data) > MOST_BYTES or b"<!ENTITY" in data or (b"<!DOCTYPE" in data.upper() and b"[" in data):
        raise ParseError("XML that is too long, or defines entities", where=where)
    try:
        return ElementTree.fromstring(data)  # noqa: S314 - bounded, and without entities of its own
    except (ElementTree.ParseError, ValueError, LookupError, RecursionError) as error:
        raise ParseError(f"not XML: {error}", where=where) from error


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


# --- grammars ---------------------------------------------------------------------------------------


def print_grammar(phrases: Iterable[str], language: str) -> bytes:
    """A grammar of whole sentences (SRGS 1.0, XML form). Raises `ParseError` where none is left."""
    plain = [" ".join(phrase.split()) for phrase in phrases]
    items = "".join(f"<item>{escape(one)}</item>" for one in plain if one and one.isprintable())
    if not items:
        raise ParseError("no phrase that a grammar can hold", where="srgs")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<grammar xmlns="http://www.w3.org/2001/06/grammar" version="1.0" xml:lang="{escape(language)}"'
        f' mode="voice" root="said"><rule id="said" scope="public"><one-of>{items}</one-of></rule></grammar>'
    ).encode("utf-8", "replace")


def phrases_of(data: bytes) -> tuple[str, ...]:
    """The sentences of a grammar, up to a bound. Raises `ParseError` for what is none."""
    root = parse_xml(data, "srgs")
    if _name(root) != "grammar":
        raise ParseError("a grammar that does not begin as one", where="srgs")
    rules = {rule.get("id", ""): rule for rule in root if _name(rule) == "rule"}
    first = rules.get(root.get("root", "")) or next(iter(rules.values()), None)
    if first is None:
        raise ParseError("a grammar without rules", where="srgs")
    said = _Expanding(rules).sequence(first, 0)
    return tuple(dict.fromkeys(" ".join(one.split()) for one in said if one.strip()))[:MOST_PHRASES]


class _Expanding:
    """Counts up what rules can say. Rules that refer to themselves end at a depth."""

    def __init__(self, rules: dict[str, ElementTree.Element]) -> None:
        self._rules = rules

    def sequence(self, element: ElementTree.Element, depth: int) -> list[str]:
        """What an element's text and children say, one after the other."""
        parts: list[Sequence[str]] = [[element.text or ""]]
        for child in element:
            parts += [self._said(child, depth + 1), [child.tail or ""]]
        said = [""]
        for part in parts:
            said = [f"{one} {other}" for one, other in product(said[:MOST_PHRASES], part[:MOST_PHRASES])]
            said = said[:MOST_PHRASES]
        return said

    def _said(self, element: ElementTree.Element, depth: int) -> list[str]:
        if depth > _DEEPEST:
            return [""]
        match _name(element):
            case "one-of":
                items = [self._said(item, depth + 1) for item in element if _name(item) == "item"]
                return [one for item in items for one in item][:MOST_PHRASES] or [""]
            case "item":
                said = self.sequence(element, depth)
                return ["", *said] if element.get("repeat", "").startswith("0") else said
            case "ruleref":
                rule = self._rules.get(element.get("uri", "").removeprefix("#"))
                return self.sequence(rule, depth + 1) if rule is not None else [""]
            case "tag" | "meta" | "metadata" | "lexicon":
                return [""]
            case _:
                return self.sequence(element, depth)


# --- texts to be spoken -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Script:
    """A text to be spoken. `marks`: names, and how many characters come before each."""

    text: str
    marks: tuple[tuple[str, int], ...] = ()


def print_script(text: str, language: str) -> tuple[bytes, dict[str, int]]:
    """SSML with a mark behind each word, and how many characters of the text are spoken by each mark."""
    marks: dict[str, int] = {}
    pieces: list[str] = []
    place = 0
    for word in text.split():
        at = text.index(word, place)
        place = at + len(word)
        clean = "".join(char if char >= " " and char not in "\ufffe\uffff" else " " for char in word)
        pieces.append(escape(clean))
        if len(marks) < _MARKS:
            name = f"c{place}"
            marks[name] = place
            pieces[-1] += f'<mark name="{name}"/>'
    body = " ".join(pieces).encode("utf-8", "replace").decode()
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="{escape(language)}">'
        f"{body}</speak>"
    ).encode(), marks


def parse_script(data: bytes) -> Script:
    """The text of SSML: prosody and the like are passed over, marks are kept. Raises `ParseError`."""
    root = parse_xml(data, "ssml")
    if _name(root) != "speak":
        raise ParseError("a script that does not begin as one", where="ssml")
    words: list[str] = []
    marks: list[tuple[str, int]] = []

    def walk(element: ElementTree.Element, depth: int) -> None:
        if depth > _DEEPEST:
            raise ParseError("a script nested too deeply", where="ssml")
        words.extend((element.text or "").split())
        for child in element:
            name = _name(child)
            if name == "mark":
                marks.append((child.get("name", "")[:200], len(" ".join(words))))
            elif name == "sub":
                words.extend(child.get("alias", "").split())
            elif name not in ("meta", "metadata", "lexicon", "desc", "audio", ""):
                walk(child, depth + 1)
            words.extend((child.tail or "").split())

    walk(root, 0)
    return Script(" ".join(words), tuple(marks[:_MARKS]))
