"""What scenarios cost: `python benchmarks/scenario.py [--steps N] [--json PATH]`.

Milliseconds to read and check a scenario of N steps, and for one turn of a caller in it with the local
brain's plan (median and 95th percentile). Each step asks for a number of its own, which is the worst case:
words with a number in them are tried on every field. The wanted bounds are a second for 500 steps and a
millisecond a turn at 200; other work on the machine shows in all of it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random

from trunkline.scenario.actions import CallBegan, CallerSaid
from trunkline.scenario.guardrail import check_sentence
from trunkline.scenario.knowledge import Index, Passage
from trunkline.scenario.load import examine, parse_scenario
from trunkline.scenario.step import begin, step

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
PASSAGES = 2000
SENTENCES = (
    "Great, twelve people, thank you.",
    "It is ninety nine dollars a month, see www.acme.example, and we never promise a discount.",
    "We call you on Thursday the twelfth of March at half past four in the afternoon, if that suits you.",
)
LINES = ("seven people", "yes", "how much is it", "what?", "no, twelve", "yes that is right")


def written(steps: int) -> str:
    """A scenario in which as many steps each ask for a field, read it back and branch."""
    fields = "\n".join(
        f"  size_{n}: {{type: number, ask: How many of kind {n}?, confirm: true, unit: people}}".replace(
            "?", ""
        )
        for n in range(steps)
    )
    asked = "\n".join(
        f"  ask_{n}: {{kind: ask, field: size_{n}, edges: [{{when: size_{n} > 900, to: done}}, "
        f"{{to: {f'ask_{n + 1}' if n + 1 < steps else 'done'}}}]}}"
        for n in range(steps)
    )
    return (
        "trunkline: 1\nname: large\nstart: hello\npersona: {name: Ann, company: Acme}\n"
        f"fields:\n{fields}\nsteps:\n  hello: {{kind: say, say: This is an AI., edges: [{{to: ask_0}}]}}\n"
        f"{asked}\n  done: {{kind: end, outcome: done, say: Goodbye.}}\n"
        "objections: {price: {hear: [how much is it], answers: [It is ten dollars.]}}\n"
    )


def library_of(count: int) -> list[Passage]:
    """So many passages of forty words, drawn as words are in a language: a few often, most seldom."""
    chance = Random(1)
    words = [f"word{n}" for n in range(8000)]
    seldom = [1 / (n + 1) for n in range(8000)]
    return [Passage(" ".join(chance.choices(words, seldom, k=40))) for _ in range(count)]


def questions(count: int) -> list[str]:
    """Questions of four words, of which one is common."""
    return [f"word3 word{n + 10} word{n * 7 + 11} word{n * 30 + 12}" for n in range(count)]


def timed(work: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each round."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return took


def figures(took: list[float]) -> dict[str, float]:
    ranked = sorted(took)
    return {"p50": statistics.median(ranked), "p95": ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    text = written(options.steps)
    found = examine(text)
    assert found.scenario is not None, found.findings
    checking = figures(timed(lambda: examine(text), options.rounds))
    scenario = parse_scenario(text)
    state, _ = begin(scenario, CallBegan(NOW))
    for line in LINES:  # the first turn indexes the scenario
        step(scenario, state, CallerSaid(1, line, NOW))
    took = []
    for line in LINES:
        said = CallerSaid(1, line, NOW)
        took += timed(partial(step, scenario, state, said), options.rounds)
    turn = figures(took)
    guarded = []
    for sentence in SENTENCES:
        guarded += timed(partial(check_sentence, scenario, state, sentence), options.rounds)
    index = Index(library_of(PASSAGES))
    index.search("anything at all")
    asked = [timed(partial(index.answer, question), 1)[0] for question in questions(200)]
    measured = {
        "read_and_check_ms": checking,
        "turn_ms": turn,
        "guardrail_ms": figures(guarded),
        "knowledge_ms": figures(asked),
    }
    for name, figure in measured.items():
        print(f"{name:<20} p50 {figure['p50']:8.2f}   p95 {figure['p95']:8.2f}")
    if options.json is not None:
        options.json.write_text(
            json.dumps({"steps": options.steps, **measured}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
