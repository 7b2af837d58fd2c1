"""What the agent of a scenario may say, as phrases for the prospect's recogniser.

A grammar of the scenario's own sentences is what the embedded recogniser understands best. Each
sentence is one phrase, and each of its clauses too, because a voice pauses at commas.
"""

from __future__ import annotations

import re

from trunkline.errors import ConfigError
from trunkline.scenario.findings import VARIABLE
from trunkline.scenario.load import library, load_scenario
from trunkline.scenario.model import Scenario

SLOT_OF_TYPE = {"number": "<number>", "money": "<money>", "datetime": "<day> at <time>"}
FEWEST_WORDS = 2
"""Shorter clauses would match anything."""


def shipped_scenario(name: str) -> Scenario:
    """The shipped scenario of this name. Raises `ConfigError` where there is none."""
    if name not in library():
        raise ConfigError(f"no shipped scenario is called {name!r}", where="scenario")
    return load_scenario(name)


def agent_phrases(scenario: Scenario) -> tuple[str, ...]:
    """The agent's sentences and clauses in plain lower-case words, with slots for what varies."""
    read_back = {spec.read_back: spec.type for spec in scenario.fields.values() if spec.read_back}
    phrases: dict[str, None] = {}
    for text in scenario.spoken_words:
        filled = _filled(text, scenario, read_back.get(text, ""))
        for sentence in re.split(r"(?<=[.!?])\s+", filled):
            for clause in (sentence, *re.split(r"[,;:]\s+", sentence)):
                words = re.findall(r"<[a-z]+>|[a-z0-9']+", clause.lower())
                if len(words) >= FEWEST_WORDS:
                    phrases[" ".join(words)] = None
    return tuple(phrases)


def _filled(text: str, scenario: Scenario, kind: str) -> str:
    built_in = {"agent": scenario.persona.name, "company": scenario.persona.company}

    def fill(found: re.Match[str]) -> str:
        name, fallback = found[1], (found[2] or "|")[1:]
        if name == "value":
            return SLOT_OF_TYPE.get(kind, "")
        known = scenario.facts.get(name) or built_in.get(name)
        if known or name not in scenario.fields:
            return known or fallback
        return SLOT_OF_TYPE.get(scenario.fields[name].type, fallback)

    return VARIABLE.sub(fill, text)
