"""What people say on the telephone and are done: "tell me more", "who is this", "I'm not interested".

A model of sentences is unsure of what is so short, and the caller would wait for it; but these are said so
often that they can be written down. `english/formulas.txt` has them, as patterns; it is read when this
module is imported. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from trunkline.errors import ParseError
from trunkline.turn.alike import alike

SURELY, MOSTLY = 0.89, 0.84
"""How probable it is that such words are all: hardly anything follows the first ones."""
_MOST_WORDS = 14
_PIECE = re.compile(r"[\[\](|)]|[^\s\[\](|)]+")
_OPENINGS = (
    "[oh|ah|well|so|and|but|then|because|okay|yes|yeah|yep|yup|no|nope|nah|sure|right|fine|good|great|hi|hello|hey|"
    "sorry|look|listen|actually|honestly|please|thanks|thank you|i am afraid|i am sorry|i said|excuse me|wow|"
    "alright|perfect|now|maybe|absolutely|exactly|no thanks|no thank you|you know|like i said|as i said|"
    "to be honest]"
)
_COURTESIES = (
    "[please|thanks|thank you|very much|so much|sir|madam|ma'am|mate|man|dear|though|then|actually|really|"
    "anyway|i think|i guess|you know|okay|right|yes|yeah|no|bye|goodbye|cheers|sorry|i am afraid]"
)


class Formulas:
    """The patterns, compiled. Raises `ParseError` where a line is none, naming it."""

    __slots__ = ("_said",)

    def __init__(self, text: str) -> None:
        by_grade: dict[str, list[str]] = {"surely": [], "mostly": []}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            grade, _, pattern = line.partition(":")
            if grade not in by_grade or not pattern.strip():
                raise ParseError(
                    'begins neither with "surely:" nor with "mostly:"', where=f"formulas:{number}"
                )
            by_grade[grade].append(_compiled(pattern, f"formulas:{number}"))
        surely, mostly = ("|".join(patterns) or "(?!)" for patterns in by_grade.values())
        openings, courtesies = _compiled(_OPENINGS, "openings"), _compiled(_COURTESIES, "courtesies")
        # Several one after another count by the last one. Optional parts alone must not make one.
        self._said = re.compile(
            f"(?:{openings[:-1]}|(?=.)(?:{surely}|{mostly}))*?(?=.)(?:({surely})|{mostly})(?:{courtesies[:-1]})*"
        )

    def judged(self, said: Sequence[str]) -> float:
        """How probable it is that these plain words are all, 0 where they are no formula."""
        if not said or len(said) > _MOST_WORDS:
            return 0.0
        found = self._said.fullmatch(alike(" ".join(said)) + " ")
        if found is None:
            return 0.0
        return SURELY if found[1] else MOSTLY


def _compiled(pattern: str, where: str) -> str:
    """A pattern as a regular expression over words that each have a space behind them."""
    made: list[str] = []
    open_brackets: list[str] = []
    for piece in _PIECE.findall(pattern):
        match piece:
            case "(" | "[":
                made.append("(?:")
                open_brackets.append(piece)
            case ")" | "]":
                if not open_brackets or open_brackets.pop() + piece not in ("()", "[]"):
                    raise ParseError("brackets do not fit", where=where)
                made.append(")" if piece == ")" else ")?")
            case "|":
                if not open_brackets:
                    raise ParseError("a | stands outside of brackets", where=where)
                made.append("|")
            case _:
                made.extend(f"{re.escape(word)} " for word in alike(piece).split())
    if open_brackets:
        raise ParseError("a bracket is not closed", where=where)
    return "".join(made)


FORMULAS = Formulas((files("trunkline.turn") / "english" / "formulas.txt").read_text(encoding="utf-8"))
