"""Fits the weights of `turn/completeness.py` on `lab/pauses/tuning.txt`, and nothing else.

    PYTHONPATH=src .venv/bin/python scripts/fit_completeness.py [--show]

A pause of that file is an example of words that are not all, each line's end one of words that are; so are,
with less weight, all other places within the lines, and the whole answers in `lab/pauses/whole.txt`. Prints
what ten-fold cross-validation says, by whole lines, and writes `src/trunkline/turn/english/weights.json`.
With `--show`, what the model gets wrong. Takes some seconds; the result is committed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trunkline.events import Answer
from trunkline.lab.pause_trial import read_turns, shipped
from trunkline.turn.asked import DICTATED
from trunkline.turn.completeness import features, settled_completeness, without_fillers
from trunkline.turn.wording import plain_words

Numbers = NDArray[np.float64]
OUT = Path(__file__).parents[1] / "src" / "trunkline" / "turn" / "english" / "weights.json"
WITHIN, WHOLE_ANSWERS = 0.1, 0.6
"""The weight of places without a pause, and of the lines of `whole.txt`; a pause and its end have 1."""
RIDGE = 1.0
FOLDS = 10
CAUGHT = 0.95
"""The share of ends whose score decides where "perhaps all" begins."""


@dataclass(frozen=True)
class Example:
    text: str
    kind: Answer
    is_end: bool
    weight: float
    line: int


def examples() -> Iterator[Example]:
    """All that is learned from."""
    turns = read_turns(shipped("tuning"), "tuning")
    for number, turn in enumerate(turns):
        if turn.asked in DICTATED:
            continue
        words = " ".join(turn.pieces).split()
        cuts = {len(" ".join(turn.pieces[:count]).split()) for count in range(1, len(turn.pieces))}
        yield Example(" ".join(words), turn.asked, True, 1.0, number)
        for count in range(1, len(words)):
            weight = 1.0 if count in cuts else WITHIN
            yield Example(" ".join(words[:count]), turn.asked, False, weight, number)
    for number, turn in enumerate(read_turns(shipped("whole"), "whole"), start=len(turns)):
        yield Example(" ".join(turn.pieces), turn.asked, True, WHOLE_ANSWERS, number)


def said(text: str) -> tuple[list[str], list[str]]:
    words = plain_words(text)
    return words, without_fillers(words)


def logistic(seen: Numbers, ends: Numbers, weights: Numbers) -> Numbers:
    """The weights of the features, by Newton's method, with a ridge."""
    found = np.zeros(seen.shape[1])
    ridge = RIDGE * np.eye(seen.shape[1])
    for _ in range(80):
        sure = 1 / (1 + np.exp(-seen @ found))
        slope = seen.T @ (weights * (sure - ends)) + ridge @ found
        curve = (seen.T * (weights * sure * (1 - sure))) @ seen + ridge
        step = np.linalg.solve(curve, slope)
        found -= step
        if np.abs(step).max() < 1e-7:
            break
    return found


def area(scores: Numbers, ends: Numbers) -> float:
    """The share of pairs, an end and a pause, that the scores put in the right order."""
    good = scores[ends == 1][:, None]
    bad = scores[ends == 0][None, :]
    return float(((good > bad) + 0.5 * (good == bad)).mean())


def main() -> None:
    asked = []
    settled: list[tuple[Example, float]] = []
    for example in examples():
        words, plain = said(example.text)
        known = settled_completeness(words, plain, example.kind) if plain else 0.1
        if known is None:
            asked.append((example, features(plain, example.kind)))
        else:
            settled.append((example, known))
    names = sorted({name for _, found in asked for name in found})
    seen = np.array([[found.get(name, 0.0) for name in names] for _, found in asked])
    ends = np.array([float(example.is_end) for example, _ in asked])
    weights = np.array([example.weight for example, _ in asked])
    folds = np.random.default_rng(0).permutation(1 + max(example.line for example, _ in asked)) % FOLDS
    fold = folds[[example.line for example, _ in asked]]
    scores = np.zeros(len(asked))
    for number in range(FOLDS):
        out = fold == number
        scores[out] = seen[out] @ logistic(seen[~out], ends[~out], weights[~out])
    report(asked, settled, scores)
    final = logistic(seen, ends, weights)
    table = {name: round(float(value), 3) for name, value in zip(names, final, strict=True)}
    OUT.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{OUT}: {len(table)} weights")


def report(
    asked: list[tuple[Example, dict[str, float]]], settled: list[tuple[Example, float]], scores: Numbers
) -> None:
    """What cross-validation says of the pauses and ends of full weight."""
    sure = 1 / (1 + np.exp(-scores))
    judged = [(example, float(value)) for (example, _), value in zip(asked, sure, strict=True)] + settled
    counted = [(example, value) for example, value in judged if example.weight == 1.0]
    values = np.array([value for _, value in counted])
    ends = np.array([float(example.is_end) for example, _ in counted])
    print(f"{int(ends.sum())} ends, {int((1 - ends).sum())} pauses; area {area(values, ends):.4f}")
    for share in (0.9, CAUGHT, 0.97):
        bar = np.quantile(values[ends == 1], 1 - share)
        print(
            f"  {share:.0%} of ends from {bar:.2f} on, and {(values[ends == 0] >= bar).mean():.1%} of pauses"
        )
    for bar in (0.35, 0.6, 0.8, 0.9):
        kept, taken = (float((values[ends == side] >= bar).mean()) for side in (1, 0))
        print(f"  from {bar:.2f} on: {kept:.1%} of ends, {taken:.1%} of pauses")
    if "--show" in sys.argv:
        bar = float(np.quantile(values[ends == 1], 1 - CAUGHT))
        for is_end, title in ((False, "pauses taken for ends"), (True, "ends taken for pauses")):
            wrong = [pair for pair in counted if pair[0].is_end is is_end and (pair[1] >= bar) is not is_end]
            print(f"\n{title}:")
            for example, value in sorted(wrong, key=lambda pair: pair[1], reverse=not is_end):
                print(f"  {value:.2f} {example.kind}: {example.text}")
        rest = [pair for pair in judged if pair[0].weight == WHOLE_ANSWERS and pair[1] < bar]
        print(f"\nwhole answers taken for pauses: {len(rest)}")
        print("; ".join(f"{example.text} {value:.2f}" for example, value in rest))


if __name__ == "__main__":
    main()
