"""From a caller's words to what they mean here: intents, typed values, yes or no, corrections.

Nothing here decides; `plan.py` does. `Understanding.sure` says whether anything had to be guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from trunkline.scenario.assent import declines, yes_or_no
from trunkline.scenario.fields import cues_of, parse
from trunkline.scenario.intents import BUILT_IN, FIRST
from trunkline.scenario.matching import Match, Matcher, matching_patterns
from trunkline.scenario.model import ByIdentity, Edge, Scenario
from trunkline.scenario.numbers import plain
from trunkline.scenario.parsed import Context, Parsed
from trunkline.scenario.state import State
from trunkline.scenario.topics import common_topic

COMMON_SCORE = 88.0
"""How sure a pattern of `topics.py` is: it stands behind what the scenario's own sentences say."""
_CORRECTS = re.compile(
    r"\b(actually|sorry|i meant|i mean|rather|correction|no wait|wait no|let me correct|i was wrong|"
    r"my mistake|"
    r"make that|that is wrong|not \w+( \w+)? but)\b"
)


@dataclass(frozen=True, slots=True)
class Understanding:
    """What one caller's turn means at this step."""

    text: str
    said: str
    """The same in plain words."""
    first: str = ""
    """A built-in intent that goes before everything else, or empty."""
    intent: Match | None = None
    """The best of the built-in intents and the scenario's objections and questions."""
    topic: Match | None = None
    """The scenario's objection or question in it, if any."""
    judged: Edge | None = None
    """An edge of this step with `judge` whose example sentences these are."""
    yes_no: bool | None = None
    asked: Parsed | None = None
    """The value of the field that is asked for, or waits for its confirmation."""
    volunteered: dict[str, Parsed] = field(default_factory=dict)
    """Other fields' values that came with their own evidence."""
    declined: bool = False
    corrects: bool = False

    @property
    def sure(self) -> bool:
        """Whether nothing about it was guessed."""
        if self.first:
            return True
        if self.topic is not None and not self.topic.sure:
            return False
        if any(not parsed.sure for parsed in self.volunteered.values()):
            return False
        if self.asked is not None:
            return self.asked.sure
        return self.yes_no is not None or (self.intent is not None and self.intent.sure)


@lru_cache(maxsize=64)
def _matcher(scenario_key: _Key) -> Matcher:
    return Matcher(dict(scenario_key.sentences))


@lru_cache(maxsize=1)
def _built_in() -> Matcher:
    skip = ("yes", "no", "backchannel", "greeting")
    lines = {
        name: tuple(line for line in intent.hear if "<" not in line) for name, intent in BUILT_IN.items()
    }
    return Matcher({name: kept for name, kept in lines.items() if kept and name not in skip})


@dataclass(frozen=True, slots=True)
class _Key:
    sentences: tuple[tuple[str, tuple[str, ...]], ...]


def asked_field(scenario: Scenario, state: State) -> str:
    """The field that the agent's latest question is about, or empty."""
    step = scenario.steps[state.step] if state.step else None
    return state.unconfirmed or (step.field or "" if step else "")


def understand(scenario: Scenario, state: State, text: str) -> Understanding:
    """What these words mean, for this scenario in this state."""
    said = plain(text)
    asked = asked_field(scenario, state)
    patterns = matching_patterns(said)
    first = next((name for name in FIRST if name in patterns), "")
    objections = tuple((name, objection.hear) for name, objection in scenario.objections.items())
    topics = _matcher(_Key(objections)).matches(said) if objections else []
    built = [Match(name, 96.0) for name in patterns] + _built_in().matches(said)
    values = _volunteered(scenario, state, text, asked)
    parsed = _asked_value(scenario, state, text, asked)
    topic = topics[0] if topics else None
    if topic is None or not topic.sure:
        common = common_topic(said, frozenset(scenario.objections))
        topic = Match(common, COMMON_SCORE) if common else topic
    if topic is not None and not topic.sure and (parsed is not None or len(said.split()) < 2):
        topic = None  # an answer that merely resembles a question is an answer
    if topic is not None and first in ("robot", "abuse") and topic.score >= 90:
        first = ""  # the scenario has words of its own for this
    if not first:
        likely = next((match for match in built if match.name in FIRST and match.sure), None)
        first = likely.name if likely is not None and (topic is None or likely.score > topic.score) else ""
    others = [match for match in built if match.name not in FIRST]
    intent = max([*others, *([topic] if topic else [])], key=lambda match: match.score, default=None)
    return Understanding(
        text=text,
        said=said,
        first=first,
        intent=intent,
        topic=topic,
        judged=_judged(scenario, state, said),
        yes_no=yes_or_no(text),
        asked=parsed,
        volunteered=values,
        declined=declines(text),
        corrects=bool(_CORRECTS.search(said)),
    )


def _judged(scenario: Scenario, state: State, said: str) -> Edge | None:
    step = scenario.steps.get(state.step)
    edges = [edge for edge in (step.edges if step else ()) if edge.hear]
    if not edges:
        return None
    matches = _matcher(_Key(tuple((str(n), edge.hear) for n, edge in enumerate(edges)))).matches(said)
    return edges[int(matches[0].name)] if matches else None


@lru_cache(maxsize=32)
def _cues(ref: ByIdentity) -> tuple[tuple[str, frozenset[str]], ...]:
    """The cues of each field with numbers, once for a scenario: there may be hundreds."""
    kinds = ("number", "money")
    fields = ref.scenario.fields.items()
    return tuple((name, frozenset(cues_of(spec))) for name, spec in fields if spec.type in kinds)


@lru_cache(maxsize=32)
def _owners(ref: ByIdentity) -> tuple[tuple[str, str], ...]:
    """Each cue that only one field has, with that field. Of "nine people" where two fields count people
    nobody can tell which is meant."""
    found: dict[str, list[str]] = {}
    for name, cues in _cues(ref):
        for cue in cues:
            found.setdefault(cue, []).append(name)
    return tuple((f" {cue} ", names[0]) for cue, names in found.items() if len(names) == 1)


@lru_cache(maxsize=32)
def _freely_given(ref: ByIdentity) -> tuple[str, ...]:
    """The fields whose values are known by their form alone, wherever they are said."""
    never = ("number", "money", "yes_no", "text", "datetime", "company", "address")
    return tuple(name for name, spec in ref.scenario.fields.items() if spec.type not in never)


@lru_cache(maxsize=4096)
def _foreign_cues(ref: ByIdentity, name: str) -> tuple[str, ...]:
    own = set(cues_of(ref.scenario.fields[name]))
    others = (cue for other, cues in _cues(ref) if other != name for cue in cues)
    return tuple(sorted({cue for cue in others if cue not in own}))


def _foreign(scenario: Scenario, name: str) -> tuple[str, ...]:
    return _foreign_cues(ByIdentity(scenario), name)


def _asked_value(scenario: Scenario, state: State, text: str, name: str) -> Parsed | None:
    if not name:
        return None
    spec = scenario.fields[name]
    day = date.fromisoformat(state.day) if state.day else None
    if spec.type == "datetime" and name == state.unconfirmed and name in state.fields:
        # "Is that right?" "No, at five": the day that was read back still stands.
        day = date.fromisoformat(str(state.fields[name].value)[:10])
    return parse(spec, text, Context(state.now, day=day, foreign=_foreign(scenario, name)))


def _volunteered(scenario: Scenario, state: State, text: str, asked: str) -> dict[str, Parsed]:
    found: dict[str, Parsed] = {}
    ref, said = ByIdentity(scenario), f" {plain(text)} "
    counted = dict.fromkeys(name for cue, name in _owners(ref) if cue in said)
    for name in (*counted, *_freely_given(ref)):
        if name == asked:
            continue
        spec = scenario.fields[name]
        context = Context(state.now, expected=False, foreign=_foreign(scenario, name))
        parsed = parse(spec, text, context)
        held = state.fields.get(name)
        if parsed is not None and (held is None or held.value != parsed.value):
            found[name] = parsed
    return found


def callback_moment(scenario: Scenario, state: State, text: str, name: str) -> Parsed | None:
    """A day and time beside the wish to be called again, for the field of the callback's step."""
    return parse(scenario.fields[name], text, Context(state.now, expected=False))
