"""What the scenario knows beside its steps: passages of text, and which of them answers a question.

The passages are indexed once for a scenario, in SQLite's full-text search (FTS5, in memory);
a question costs well under a millisecond (benchmarks/scenario.py). A passage answers where it holds enough of
the question's telling words; otherwise nothing does, and the agent says that it does not know.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log2

from trunkline.errors import ScenarioError
from trunkline.scenario.matching import stem
from trunkline.scenario.model import ByIdentity, Scenario
from trunkline.scenario.numbers import plain

LONGEST_PASSAGE = 80
"""Words; a longer paragraph is cut between its sentences."""
MOST_PASSAGES = 5000
TELLING = 5.0
"""The weight of a word that a sixteenth of the passages has: commoner ones find too many of them."""
SEARCHED = 3
"""Words of a question that are searched for."""
SHORT_ANSWER = 25
"""Words of a passage that is said whole."""
ENOUGH = 0.5
"""The share of a question's weight that a passage must hold to answer it. Words that no passage has weigh
as much as the rarest: a question about something else is not answered by what it has in common with one."""
SHORT_PROMPT = 1500
"""Characters of knowledge that a model gets whole in every prompt; of more it gets what fits the question."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_ASKING = frozenset([
    "a", "about", "above", "accept", "actually", "after", "all", "allow", "allowed", "also", "always",
    "am", "an", "and", "any", "anybody", "anyone", "anything", "are", "as", "ask", "asking", "at",
    "available", "be", "been", "before", "behind", "being", "below", "best", "between", "bring", "but",
    "buy", "by", "can", "come", "could", "did", "do", "does", "doing", "during", "each", "else", "ever",
    "every", "far", "find", "for", "from", "get", "gets", "give", "go", "good", "got", "had", "happen",
    "happens", "has", "have", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "if", "in",
    "include", "included", "into", "is", "it", "its", "just", "know", "let", "like", "long", "main",
    "make", "many", "maybe", "me", "mean", "might", "more", "much", "my", "near", "need", "new", "nice",
    "no", "not", "of", "off", "offer", "often", "okay", "on", "one", "or", "order", "other", "our", "out",
    "over", "own", "please", "possible", "provide", "question", "quick", "really", "right", "say", "she",
    "should", "so", "some", "something", "sort", "still", "sure", "tell", "than", "thank", "thanks",
    "that", "the", "their", "them", "then", "there", "these", "they", "thing", "things", "this", "those",
    "through", "to", "too", "understand", "up", "us", "use", "used", "using", "usually", "want", "was",
    "way", "we", "well", "were", "what", "when", "where", "which", "while", "who", "whom", "why", "will",
    "wish", "with", "wonder", "wondering", "work", "works", "would", "yeah", "yes", "yet", "you", "your",
    "yours",
])  # fmt: skip
"""Words of asking, not of what is asked about."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the knowledge. `heading`: what it stands under, to be found by and not to be said; `source`:
    the file it stands in, or empty."""

    text: str
    heading: str = ""
    source: str = ""


def passages_of(text: str, source: str = "") -> list[Passage]:
    """A text in passages: its paragraphs and list items, headings kept with what follows them."""
    found: list[Passage] = []
    heading = ""
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*•]|\d+\.)\s)", text):
        lines = [line.strip() for line in block.strip().splitlines() if line.strip()]
        while lines and lines[0].startswith("#"):
            heading = lines.pop(0).strip("# ")
        body = " ".join(re.sub(r"^(?:[-*•]|\d+\.)\s+", "", line) for line in lines)
        found += [Passage(piece, heading, source) for piece in _pieces(body)]
    return found


def _pieces(body: str) -> list[str]:
    """The text, cut between sentences where it is too long to be one passage."""
    pieces: list[str] = []
    for sentence in _SENTENCE.split(body):
        if pieces and len(f"{pieces[-1]} {sentence}".split()) <= LONGEST_PASSAGE:
            pieces[-1] = f"{pieces[-1]} {sentence}"
        elif sentence:
            pieces.append(sentence)
    return pieces


class Index:
    """The passages of one scenario, searchable. Read only once built, so that calls may share it."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = tuple(passages[:MOST_PASSAGES])
        self._table = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._table.execute("create virtual table passage using fts5(text, tokenize='porter unicode61')")
        except sqlite3.OperationalError as error:
            self._table.close()
            hint = "Use a Python whose SQLite has full-text search, or remove the knowledge."
            raise ScenarioError("this Python's SQLite has no FTS5", where="knowledge", hint=hint) from error
        texts = [plain(f"{passage.heading} {passage.text}") for passage in self.passages]
        self._table.executemany("insert into passage(rowid, text) values (?, ?)", enumerate(texts))
        self._stems = [frozenset(map(_term, _words(text))) for text in texts]
        spread = Counter(term for terms in self._stems for term in terms)
        # The rarer a word, the more it tells; one that is nowhere, the most.
        total = len(self.passages) + 1
        self._weight = {term: 1.0 + log2(total / count) for term, count in spread.items()}
        self._unknown = 1.0 + log2(total)

    def __del__(self) -> None:
        self._table.close()

    def search(self, question: str, most: int = 3) -> list[Passage]:
        """The passages that answer these words, best first; none where nothing does."""
        words = telling_words(question)
        if not words or not self.passages:
            return []
        weights = {term: self._weight.get(term, self._unknown) for term in map(_term, words)}
        whole = sum(weights.values())
        # The rarest find the passages; words that most have would only rank them all.
        known = [word for word in words if _term(word) in self._weight]
        rarest = sorted(known, key=lambda word: -weights[_term(word)])[:SEARCHED]
        rarest = [word for word in rarest if word == rarest[0] or weights[_term(word)] >= TELLING]
        if not rarest:
            return []
        query = " OR ".join(f'"{word}"' for word in rarest)
        found = self._table.execute(
            "select rowid from passage where passage match ? order by bm25(passage) limit ?",
            (query, most * 3),
        ).fetchall()
        best = [(self._share(weights, self._stems[number]) / whole, number) for (number,) in found]
        best = sorted((pair for pair in best if pair[0] >= ENOUGH), key=lambda pair: -pair[0])
        return [self.passages[number] for _, number in best[:most]]

    @staticmethod
    def _share(weights: dict[str, float], held: frozenset[str]) -> float:
        return sum(weight for term, weight in weights.items() if term in held)

    def answer(self, question: str) -> str:
        """The best passage, or of a long one the sentence that holds most of the question; or empty."""
        found = self.search(question, 1)
        if not found:
            return ""
        if len(found[0].text.split()) <= SHORT_ANSWER:
            return found[0].text
        weights = {term: self._weight.get(term, 0.0) for term in map(_term, telling_words(question))}
        sentences = _SENTENCE.split(found[0].text)
        held = [self._share(weights, frozenset(map(_term, _words(plain(one))))) for one in sentences]
        return sentences[held.index(max(held))]


def telling_words(question: str) -> tuple[str, ...]:
    """What a question is about: its words without those of asking, each once."""
    return tuple(dict.fromkeys(word for word in _words(plain(question)) if word not in _ASKING))


def _term(word: str) -> str:
    """The stem; short words lose their plural too."""
    found = stem(word)
    return found[:-1] if len(found) > 3 and found.endswith("s") and not found.endswith("ss") else found


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


@lru_cache(maxsize=32)
def _index(ref: ByIdentity) -> Index:
    found = [passage for line in ref.scenario.knowledge for passage in passages_of(line)]
    for name, text in ref.scenario.documents.items():
        found += passages_of(text, name)
    return Index(found)


def knows(scenario: Scenario) -> bool:
    """Whether there is any knowledge to search."""
    return bool(scenario.knowledge or scenario.documents)


def answer(scenario: Scenario, question: str) -> str:
    """The sentence that answers, or empty: then the agent says that it does not know."""
    return _index(ByIdentity(scenario)).answer(question) if knows(scenario) else ""


def relevant(scenario: Scenario, question: str, most: int = 3) -> list[str]:
    """The passages for a model's prompt."""
    if not knows(scenario):
        return []
    return [passage.text for passage in _index(ByIdentity(scenario)).search(question, most)]


def is_short(scenario: Scenario) -> bool:
    """Whether a model gets all of it in every prompt."""
    return not scenario.documents and sum(map(len, scenario.knowledge)) <= SHORT_PROMPT
