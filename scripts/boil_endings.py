"""Makes `src/trunkline/turn/english/endings.txt`: how often an English sentence ends after a word.

    .venv/bin/python scripts/boil_endings.py

Boiled down from the trigram model that comes with pocketsphinx (CMU Sphinx, BSD licence; see NOTICE). Of its
commonest words it keeps how likely a sentence ends after them, and whether they are verbs: a word that
follows "they" or "he" much more often than "the" is one. Of the commonest pairs it keeps those that end
otherwise than their last word would say: "think so" does, "so" alone does not. Takes half a minute; the
result is committed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pocketsphinx import Config, LogMath, NGramModel, get_model_path

WORDS = 7000
PAIR_WORDS = 2500
PAIRS = 14_000
OUT = Path(__file__).parents[1] / "src" / "trunkline" / "turn" / "english" / "endings.txt"
SUBJECTS = ("they", "he", "it", "we", "i")
ARTICLES = ("the", "a", "my")
CRUDE = re.compile(r"fuck|shit|nigg|cunt|bitch|porn|dick")
RAREST_VERB = -19.0
"""Natural logarithm of the probability below which nothing is said of a word's kind."""

_model = NGramModel(Config(), LogMath(), f"{get_model_path()}/en-us/en-us.lm.bin")
_PER_STEP = math.log(1.0001)


@cache
def after(word: str, *before: str) -> float:
    """ln P(word | before), `before` in the order of speech."""
    return float(_model.prob([word, *reversed(before)])) * _PER_STEP


def tenths_of_bels(natural: float) -> int:
    """A probability's logarithm as a whole number: 10 for one in ten, 20 for one in a hundred."""
    return min(99, round(-10 * natural / math.log(10)))


def words() -> list[str]:
    """The model's commonest words, the commonest first."""
    dictionary = Path(get_model_path()) / "en-us" / "cmudict-en-us.dict"
    names = {line.split()[0] for line in dictionary.read_text("utf-8").splitlines() if line.strip()}
    plain = [name for name in names if re.fullmatch(r"[a-z]+(?:'[a-z]+)*", name)]
    unknown = after("zzzzunheardof")
    known = sorted((after(name), name) for name in plain if after(name) > unknown)
    return [name for _, name in reversed(known) if not CRUDE.search(name)][:WORDS]


def kind(word: str) -> str:
    """`v` for a verb, `m` for what may be one, `n` for the rest."""
    alone = after(word)
    if alone < RAREST_VERB:
        return "n"
    subject = max(after(word, one) for one in SUBJECTS) - alone
    article = max(after(word, one) for one in ARTICLES) - alone
    if subject > 1.15 and subject > article + 0.3:
        return "v"
    return "m" if subject > 0.0 or after(word, "to") - alone > 0.5 else "n"


def pairs(common: list[str]) -> Iterator[tuple[float, str, str, int]]:
    """How much is lost without each pair, the pair, and its ending."""
    for last in common:
        plain = after("</s>", last)
        for first in common:
            joint = after(first) + after(last, first)
            if joint < -17.5:
                continue
            ending = after("</s>", first, last)
            if abs(ending - plain) > 0.25:
                lost = math.exp(joint) * abs(math.exp(ending) - math.exp(plain))
                yield lost, first, last, tenths_of_bels(ending)


def main() -> None:
    known = words()
    kept = sorted(pairs(known[:PAIR_WORDS]), reverse=True)[:PAIRS]
    by_last: dict[str, list[str]] = {}
    for _, first, last, ending in sorted(kept, key=lambda pair: (pair[2], pair[1])):
        by_last.setdefault(last, []).append(f"{first}:{ending}")
    lines = [
        "# Made by scripts/boil_endings.py from CMU Sphinx' English model. A line: a word; how rarely a",
        "# sentence ends after it, in tenths of a bel; v for a verb, m for what may be one, n for the rest;",
        "# then the words before it with which it ends otherwise.",
    ]
    lines += [
        " ".join([word, str(tenths_of_bels(after("</s>", word))), kind(word), *by_last.get(word, [])])
        for word in sorted(known)
    ]
    OUT.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{OUT}: {len(known)} words, {len(kept)} pairs, {OUT.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
