"""Sentences cut from tokens as they come. Pure; imports nothing of ours.

What leaves early is heard early: the first clause goes to the voice as soon as it can be spoken (at
a comma or a dash after a few words), later pieces grow longer, because by then there is sound to
play while they are made. Nothing is cut inside "Mr. Smith", "3.5", "$1,200.50", "10 a.m. tomorrow",
an e-mail address or a URL.

Where a cut depends on what follows ("a.m." before a capital ends the sentence, before "tomorrow" it
does not), the cutter waits for it. So each decision rests on the text alone, never on how it was
split into tokens, and the same text always gives the same pieces.
"""

from __future__ import annotations

import re
from enum import Enum

CLAUSE_WORDS = (2, 8, 14, 20)
"""How many words a piece needs before a comma or dash may end it: first piece, second, ..."""
SENTENCE_WORDS = (1, 1, 4, 6)
"""The same for a full stop: from the third piece on, very short sentences go together."""
MAX_CHARS = 240
"""No piece is longer, whatever the text."""

_LOOK_AHEAD = 12
"""How much white space is looked past before a doubtful mark counts as the end."""
_MARKS_IN_A_ROW = 6
"""So many stops, quotes and brackets may close a sentence together; more are not a sentence's end."""
_STOPS = frozenset(".!?…")
_CLOSERS = frozenset("\"')]}”’»*_")
_OPENERS = frozenset('"([{“«*_')
"""A comma after one of these may still have its closing mark behind it."""
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_WIDE_STOPS = frozenset("。！？")
_CLAUSE_MARKS = frozenset(",;:")
_DASHES = frozenset("–—-")

_BEFORE_A_NAME = re.compile(
    r"mrs?|ms|mx|dr|prof|st|sr|fr|rev|hon|gen|col|maj|capt|cmdr|lt|sgt|gov|messrs|ph\.d|vs|cf|approx|fig|dept"
)
"""Abbreviations that something always follows."""
_BEFORE_A_NUMBER = re.compile(r"nos?|pp?|vol|ch|sec|art|ext")
_MAYBE_LAST = re.compile(
    r"[ap]\.m|etc|inc|ltd|co|corp|jr|ave|blvd|rd|bros|ft|plc|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|mon|tues?|wed|thu(?:rs?)?|fri|sat|sun"
)
"""Abbreviations that may also end a sentence: a capital after them says so."""
_AFTER_A_CLAUSE = re.compile(r"[,;:](?=\s)")
_AFTER_A_WORD = re.compile(r"\s")
_DOTTED = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")


class _Cut(Enum):
    NO = "no"
    CLAUSE = "clause"
    SENTENCE = "sentence"
    WAIT = "wait"


class SentenceCutter:
    """Feed it tokens, take pieces to speak. One for each answer.

    The pieces, put one after another, are the text that was fed, up to white space.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        """Everything before this place in `_text` has been looked at and not cut."""
        self._given = 0

    def feed(self, token: str) -> list[str]:
        """Take the next piece of the model's text; gives the sentences that are complete by it."""
        self._text += token
        pieces = []
        while (piece := self._next_piece()) is not None:
            pieces.append(piece)
        return pieces

    @property
    def waits(self) -> bool:
        """Whether there is text that was not given yet."""
        return bool(self._text.strip())

    def flush(self) -> list[str]:
        """The text is over: gives what is left, and is ready for another answer."""
        pieces = []
        if last := self._text.strip():
            pieces.append(last)
        self._text, self._at, self._given = "", 0, 0
        return pieces

    def _next_piece(self) -> str | None:
        blank = len(self._text) - len(self._text.lstrip())
        if blank:
            self._text = self._text[blank:]
            self._at = max(0, self._at - blank)
        while self._at < len(self._text):
            if self._at >= MAX_CHARS - _MARKS_IN_A_ROW - 1:
                return self._take(self._best_place())
            cut, end = self._judge(self._at)
            if cut is _Cut.WAIT:
                return None
            if cut is not _Cut.NO and self._long_enough(cut, end):
                return self._take(end)
            self._at = max(end, self._at + 1)
        return None

    def _take(self, end: int) -> str:
        piece, self._text = self._text[:end].strip(), self._text[end:]
        self._at = 0
        self._given += 1
        return piece

    def _long_enough(self, cut: _Cut, end: int) -> bool:
        needed = SENTENCE_WORDS if cut is _Cut.SENTENCE else CLAUSE_WORDS
        words = sum(any(c.isalnum() for c in word) for word in self._text[:end].split())
        return words >= needed[min(self._given, len(needed) - 1)]

    def _best_place(self) -> int:
        """Where to cut text that has grown too long without an end: after a comma, else a word."""
        for mark in (_AFTER_A_CLAUSE, _AFTER_A_WORD):
            places = [found.end() for found in mark.finditer(self._text, 0, self._at)]
            if places and places[-1] > MAX_CHARS // 3:
                return places[-1]
        return self._at

    # --- judging one place ------------------------------------------------------------------------

    def _judge(self, at: int) -> tuple[_Cut, int]:
        """Whether the text may be cut after what stands at `at`, and where exactly."""
        mark = self._text[at]
        if mark == "\n":
            return _Cut.SENTENCE, at + 1
        if mark in _WIDE_STOPS:
            return _Cut.SENTENCE, at + 1
        if mark in _STOPS:
            return self._judge_stop(at)
        if mark in _CLAUSE_MARKS:
            return self._judge_clause_mark(at)
        if mark in _DASHES:
            return self._judge_dash(at)
        return _Cut.NO, at + 1

    def _judge_stop(self, at: int) -> tuple[_Cut, int]:
        end = self._run(at, _STOPS | _CLOSERS)
        if end == len(self._text):
            return _Cut.WAIT, end
        if not self._text[end].isspace():
            return _Cut.NO, end
        if self._text[at] in "!?":
            return _Cut.SENTENCE, end
        return self._judge_full_stop(at, end), end

    def _judge_full_stop(self, at: int, end: int) -> _Cut:
        word = self._word_before(at)
        low = word.lower()
        if _BEFORE_A_NAME.fullmatch(low) or (word.isdigit() and self._begins_line(at - len(word))):
            return _Cut.NO
        if word == "" or self._text[at : at + 2] == ".." or self._text[at] == "…":
            return self._by_next(end, capital=_Cut.SENTENCE, digit=_Cut.CLAUSE, other=_Cut.CLAUSE)
        if _BEFORE_A_NUMBER.fullmatch(low):
            return self._by_next(end, capital=_Cut.SENTENCE, digit=_Cut.NO, other=_Cut.SENTENCE)
        if _MAYBE_LAST.fullmatch(low):
            return self._by_next(end, capital=_Cut.SENTENCE, digit=_Cut.NO, other=_Cut.NO)
        if _DOTTED.fullmatch(word):
            return _Cut.NO
        if len(word) == 1 and word.isupper() and word != "I":
            return _Cut.NO
        return _Cut.SENTENCE

    def _judge_clause_mark(self, at: int) -> tuple[_Cut, int]:
        plain = self._text[at] == "," and _PLAIN_WORD.fullmatch(self._word_before(at))
        if plain and _OPENERS.isdisjoint(self._text[:at]):
            # "All right," needs no look at what follows, and so leaves one token earlier.
            return _Cut.CLAUSE, at + 1
        end = self._run(at, _CLOSERS)
        if end == len(self._text):
            return _Cut.WAIT, end
        if not self._text[end].isspace():
            return _Cut.NO, end
        if self._word_before(at)[-1:].isdigit():
            # "January 5, 2026" and "5, 10 or 20" stay together.
            return self._by_next(end, capital=_Cut.CLAUSE, digit=_Cut.NO, other=_Cut.CLAUSE), end
        return _Cut.CLAUSE, end

    def _judge_dash(self, at: int) -> tuple[_Cut, int]:
        end = self._run(at, _DASHES)
        if end == len(self._text):
            return _Cut.WAIT, end
        spaced = at > 0 and self._text[at - 1].isspace() and self._text[end].isspace()
        joined = "—" in self._text[at:end] and at > 0 and not self._text[at - 1].isdigit()
        if not (spaced or joined):
            return _Cut.NO, end
        if spaced and self._word_before(at - 1)[-1:].isdigit():
            return self._by_next(end, capital=_Cut.CLAUSE, digit=_Cut.NO, other=_Cut.CLAUSE), end
        return _Cut.CLAUSE, end

    def _run(self, at: int, marks: frozenset[str]) -> int:
        """The end of the run of `marks` after the one at `at`."""
        end, limit = at + 1, min(len(self._text), at + _MARKS_IN_A_ROW)
        while end < limit and self._text[end] in marks:
            end += 1
        return end

    def _by_next(self, end: int, *, capital: _Cut, digit: _Cut, other: _Cut) -> _Cut:
        """Decided by the first character after the white space at `end`."""
        for follower in self._text[end : end + _LOOK_AHEAD]:
            if follower == "\n":
                return capital
            if not follower.isspace():
                if follower.isdigit():
                    return digit
                return capital if follower.isupper() or not follower.isalnum() else other
        return capital if len(self._text) >= end + _LOOK_AHEAD else _Cut.WAIT

    def _word_before(self, at: int) -> str:
        start = at
        while start > 0 and not self._text[start - 1].isspace():
            start -= 1
        return self._text[start:at].lstrip("\"'([{“‘*_$€£#")

    def _begins_line(self, at: int) -> bool:
        before = self._text[:at].rstrip(" \t*_#>")
        return not before or before.endswith("\n")
