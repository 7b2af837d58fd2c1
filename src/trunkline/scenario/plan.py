"""What should be done about a caller's turn, as far as typed understanding can tell.

`make_plan` gives the tool calls that a good model would make and the words it would say. The engine
carries a plan out by itself where it is `local`; the local brain streams it as a language model's answer; a
hosted model's failure falls back on it. So there is one decision, in one place, whoever speaks it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from trunkline.scenario import knowledge, tools, walk
from trunkline.scenario.edge_cases import nth
from trunkline.scenario.model import Scenario
from trunkline.scenario.numbers import plain
from trunkline.scenario.parsed import Parsed
from trunkline.scenario.spoken import fill, value_words
from trunkline.scenario.state import State
from trunkline.scenario.understand import Understanding, asked_field, callback_moment, understand

Call = tuple[str, dict[str, Any]]

_THANKS = ("Thank you.", "Great.", "Good, thank you.", "Okay.")
ACKNOWLEDGEMENTS = (*_THANKS, "I understand.", "That is fine.", "Sorry about that.", "Please, go on.")
"""Words of the engine's own that open an answer."""
_QUESTION_WORDS = frozenset(
    [
        "what",
        "how",
        "who",
        "why",
        "when",
        "where",
        "which",
        "can",
        "could",
        "do",
        "does",
        "did",
        "is",
        "are",
        "will",
        "would",
        "should",
        "may",
        "have",
        "has",
        "tell",
    ]
)
_SIMPLE_TOOLS = frozenset(["set_field", "confirm_field", "clear_field", "decline_field", "go_to_step"])
_SIMPLE_FIELDS = frozenset(["yes_no", "number", "money", "choice"])
_SIMPLE_WORDS = 8
"""Who says more than this may have said more than the answer."""
_ASKS_TOO = re.compile(r"\b(what|how|who|why|when|where|which|can|could|does|did|would|should|tell|but)\b")
"""A word of these in an answer: there is more in it than the answer."""
_VAGUE = re.compile(r"\b(next (week|month)|any ?time|some ?time|whenever|later|another day|a few days)\b")
_OPENERS = frozenset(
    [
        "how",
        "what",
        "when",
        "which",
        "is",
        "are",
        "do",
        "does",
        "roughly",
        "about",
        "could",
        "would",
        "can",
        "who",
        "where",
        "will",
        "shall",
    ]
)


@dataclass(frozen=True, slots=True)
class Plan:
    """`calls`: tools with their arguments, in order. `words`: what the speaker of the plan says; words
    that belong to the engine (fixed steps, endings) are not in it. `case`: the edge case it is, if
    one. `sure`: nothing is guessed. `local`: sure, and no freedom of words is needed. `simple`: sure, and
    no more than a yes, a no, a number or a named choice. `unclear`: not understood. `known`: a question
    that the scenario's knowledge answers."""

    calls: tuple[Call, ...] = ()
    words: str = ""
    case: str = ""
    local: bool = False
    simple: bool = False
    sure: bool = False
    unclear: bool = False
    known: bool = False


def make_plan(scenario: Scenario, state: State, text: str) -> Plan:
    """What to do about these words. `state` has the turn counted and the words among its lines."""
    heard = understand(scenario, state, text)
    if heard.first:
        return _first(scenario, state, heard)
    calls = _values(scenario, state, heard) + _wishes(scenario, state, heard)
    if not calls:
        return _without_tools(scenario, state, heard)
    after, refused = carried_out(scenario, state, calls)
    if len(refused) == len(calls):
        return _without_tools(scenario, state, heard)
    done = tuple(call for call in calls if call not in refused)
    words = _words(scenario, state, after, heard, done)
    local = heard.sure and not after.answered and _engine_speaks(scenario, state, after)
    simple = not refused and _is_simple(scenario, state, heard, done)
    return Plan(done, words, local=local, simple=simple, sure=heard.sure and not refused)


def _is_simple(scenario: Scenario, state: State, heard: Understanding, calls: tuple[Call, ...]) -> bool:
    """Whether a small model would do: an answer to what was asked, for certain, and nothing else."""
    asked = asked_field(scenario, state)
    plain_answer = not asked or scenario.fields[asked].type in _SIMPLE_FIELDS or asked == state.unconfirmed
    return (
        heard.sure
        and plain_answer
        and not (heard.volunteered or heard.topic or state.interrupted)
        and scenario.steps[state.step].kind in ("ask", "callback", "say", "decide")
        and len(heard.said.split()) <= _SIMPLE_WORDS
        and not _ASKS_TOO.search(heard.said)
        and all(name in _SIMPLE_TOOLS for name, _ in calls)
    )


def carried_out(scenario: Scenario, state: State, calls: tuple[Call, ...]) -> tuple[State, list[Call]]:
    """The state after these calls, and those that were refused."""
    refused: list[Call] = []
    for name, arguments in calls:
        applied = tools.apply(scenario, state, name, arguments)
        state = applied.state
        if applied.refused:
            refused.append((name, arguments))
    return state, refused


def _engine_speaks(scenario: Scenario, before: State, after: State) -> bool:
    step = scenario.steps[after.step]
    return bool(after.closing) or not step.asks or (step.fixed and after.step != before.step)


# --- what goes before everything ------------------------------------------------------------------


def _first(scenario: Scenario, state: State, heard: Understanding) -> Plan:
    match heard.first:
        case "opt_out":
            return Plan((("opt_out", {}),), local=True)
        case "human":
            return Plan((("transfer", {}),), local=True)
        case "wrong_person":
            return Plan((("end_call", {"reason": "wrong_person"}),), local=True)
        case "minor":
            return Plan((("end_call", {"reason": "minor"}),), local=True)
        case "abuse" if state.count("case:abuse") >= scenario.case("abuse").limit:
            return Plan((("end_call", {"reason": "abuse"}),), local=True)
    return case_plan(scenario, state, heard.first)


def case_plan(scenario: Scenario, state: State, case: str) -> Plan:
    """The case's words, and the question again."""
    words = fill(nth(scenario.case(case).words, state.count(f"case:{case}") + 1), scenario, state)
    return Plan(words=_joined(words, walk.question(scenario, state)), case=case, local=True)


# --- values ---------------------------------------------------------------------------------------


def _values(scenario: Scenario, state: State, heard: Understanding) -> tuple[Call, ...]:
    calls: list[Call] = []
    step = scenario.steps[state.step]
    if state.unconfirmed:
        calls += _confirmation(scenario, state, heard)
    elif step.field and heard.asked is not None and not _means_something_else(scenario, state, heard):
        calls.append(("set_field", {"name": step.field, "value": heard.asked.value}))
    for name, parsed in heard.volunteered.items():
        calls.append(("set_field", {"name": name, "value": parsed.value}))
    declines = heard.declined and heard.asked is None and not heard.volunteered
    if declines and step.field and not state.unconfirmed and not scenario.fields[step.field].required:
        calls.append(("decline_field", {"name": step.field}))
    return tuple(calls)


def _confirmation(scenario: Scenario, state: State, heard: Understanding) -> list[Call]:
    name = state.unconfirmed
    held, parsed = state.fields[name], heard.asked
    if parsed is not None and parsed.value != held.value and (heard.yes_no is not True or heard.corrects):
        if scenario.fields[name].type not in ("text", "name", "company", "address") or heard.corrects:
            return [("set_field", {"name": name, "value": parsed.value})]
        if heard.yes_no is None and heard.intent is None:
            return [("set_field", {"name": name, "value": parsed.value})]
    if heard.yes_no is True or (parsed is not None and parsed.value == held.value and heard.yes_no is None):
        return [("confirm_field", {"name": name})]
    if heard.yes_no is False and not (heard.topic is not None and heard.topic.sure):
        return [("clear_field", {"name": name})]
    return []


def _means_something_else(scenario: Scenario, state: State, heard: Understanding) -> bool:
    """Whether words that could be the answer are rather a wish or an objection: "no, I am busy, call
    me on Thursday", "no, I am not interested"."""
    step = scenario.steps[state.step]
    if not step.field:
        return False
    kind = scenario.fields[step.field].type
    intent = heard.intent
    wants_call = intent is not None and intent.name == "callback" and intent.sure
    if wants_call and kind != "datetime" and _when(scenario, state, heard):
        return True  # "call me at four" is no answer to "how many"
    if kind in ("number", "money", "email", "phone"):
        return False
    if kind == "datetime":
        return False
    if kind == "yes_no" and heard.asked is not None and heard.asked.value is True:
        return False
    if kind == "choice" and heard.asked is not None and heard.asked.sure:
        return False
    objection = heard.topic is not None and heard.topic.sure
    if objection and heard.topic is not None and not scenario.objections[heard.topic.name].question:
        return True
    if kind in ("text", "name", "company", "address"):
        return (intent is not None and intent.sure and intent.name not in ("yes", "no")) or objection
    return intent is not None and intent.sure and intent.name in ("callback", "goodbye", "repeat", "hold")


# --- wishes, objections, questions ----------------------------------------------------------------


def _wishes(scenario: Scenario, state: State, heard: Understanding) -> tuple[Call, ...]:
    calls: list[Call] = []
    step = scenario.steps[state.step]
    intent = heard.intent
    if heard.topic is not None and not (intent and intent.sure and intent.score > heard.topic.score):
        calls.append(("answer_objection", {"name": heard.topic.name}))
    named = {heard.topic.name} if heard.topic else set()
    if intent is not None:
        named.add(intent.name)
    if heard.yes_no is not None and heard.asked is None and not state.unconfirmed and not heard.topic:
        named.add("yes" if heard.yes_no else "no")
    target = next((edge.to for edge in step.edges if edge.intent in named), "")
    if not target and heard.judged is not None:
        target = heard.judged.to
    if target:
        return (("go_to_step", {"step": target}),)
    wants_call = intent is not None and intent.name == "callback" and intent.sure
    answers = heard.asked is not None and not _means_something_else(scenario, state, heard)
    if answers and heard.asked is not None and heard.asked.value is False and not state.unconfirmed:
        answers = False  # "no, I am busy" answers, and says what to do about it
    if wants_call and not answers:
        return (("schedule_callback", {"when": _when(scenario, state, heard)}),)
    taken = heard.asked is not None and not _means_something_else(scenario, state, heard)
    if intent is not None and intent.name == "goodbye" and intent.sure and not taken:
        calls.append(("end_call", {"reason": "goodbye"}))
    return tuple(calls)


def _when(scenario: Scenario, state: State, heard: Understanding) -> str:
    go = scenario.case("callback").go
    name = scenario.steps[go].field if go else None
    if name is None:
        return ""
    moment: Parsed | None = callback_moment(scenario, state, heard.text, name)
    return "" if moment is None else str(moment.value)


def _without_tools(scenario: Scenario, state: State, heard: Understanding) -> Plan:
    intent = heard.intent
    if intent is not None and intent.sure and intent.name == "repeat":
        return replace(case_plan(scenario, state, "repeat"), words=_repeated(scenario, state))
    if intent is not None and intent.sure and intent.name == "who":
        return case_plan(scenario, state, "who")
    if intent is not None and intent.sure and intent.name == "hold":
        return Plan(words=fill(nth(scenario.case("hold").words, 1), scenario, state), case="hold", local=True)
    again = walk.question(scenario, state)
    if intent is not None and intent.name in ("greeting", "backchannel"):
        return Plan(words=again or _repeated(scenario, state))
    kind = scenario.fields[field].type if (field := asked_field(scenario, state)) else ""
    if kind == "datetime" and _VAGUE.search(heard.said):
        return Plan(words="Which day would be best, and at what time?")
    if scenario.steps[state.step].kind == "talk" and heard.yes_no is True:
        return Plan(words="Please, go on.")
    first = heard.said.split(" ", 1)[0] if heard.said else ""
    if first in _QUESTION_WORDS or heard.text.rstrip().endswith("?"):
        if found := knowledge.answer(scenario, heard.text):
            return Plan(words=_joined(fill(found, scenario, state), _back_to(again)), known=True)
        words = nth(scenario.case("not_known").words, 1)
        return Plan(words=_joined(fill(words, scenario, state), _back_to(again)), unclear=True)
    words = nth(scenario.case("unclear").words, state.count("stuck") + 1)
    return Plan(words=_joined(fill(words, scenario, state), again), unclear=True)


def _repeated(scenario: Scenario, state: State) -> str:
    """What was said last, or what it asked: a long speech is not repeated whole."""
    last = state.last_said()
    if last and len(last) <= 200:
        return last
    return walk.question(scenario, state) or last


# --- words ----------------------------------------------------------------------------------------


def _words(
    scenario: Scenario, before: State, after: State, heard: Understanding, calls: tuple[Call, ...]
) -> str:
    names = [name for name, _ in calls]
    pieces: list[str] = []
    if after.answered:
        pieces.append(_taken_up(scenario, before, heard) + after.answered)
    asks = "" if _engine_speaks(scenario, before, after) else _asks(scenario, after)
    if "clear_field" in names:
        pieces.append("Sorry about that.")
    elif after.unconfirmed and "set_field" in names:
        pieces.append("Sorry." if before.unconfirmed == after.unconfirmed else "")
    elif "set_field" in names or "confirm_field" in names:
        thanks = _acknowledged(scenario, before, after, heard)
        silent = after.answered or _engine_speaks(scenario, before, after)
        pieces.insert(0, "" if silent else _corrected(scenario, before, after) or thanks)
    elif "decline_field" in names:
        pieces.append("That is fine.")
    asks = _back_to(asks) if after.answered and before.step == after.step else asks
    return _joined(*pieces, asks)


def _acknowledged(scenario: Scenario, before: State, after: State, heard: Understanding) -> str:
    """A short word that the answer arrived; none where the next step begins with one of its own."""
    entering = before.step != after.step
    if entering and (walk.opening(scenario, after) or scenario.steps[after.step].kind == "talk"):
        return ""
    if heard.asked is not None and heard.asked.value is False:
        return "I understand."
    return _THANKS[before.turn % len(_THANKS)]


def _corrected(scenario: Scenario, before: State, after: State) -> str:
    """A field that was known and is now another, though something else is being asked."""
    for name, held in after.fields.items():
        was, spec = before.fields.get(name), scenario.fields[name]
        if was is not None and was.value is not None and held.value not in (None, was.value):
            value = value_words(spec, held.value, scenario, after.now)
            return f"I have corrected that to {value} {spec.unit}".rstrip() + "."
    return ""


def _asks(scenario: Scenario, after: State) -> str:
    return _joined(*after.due, walk.opening(scenario, after), walk.question(scenario, after))


def _taken_up(scenario: Scenario, before: State, heard: Understanding) -> str:
    """After an interruption, a word that shows it was heard."""
    about = scenario.objections[heard.topic.name].about if heard.topic else ""
    return f"Sure, about {about}: " if before.interrupted and about else ""


def _back_to(asks: str) -> str:
    """The question, as one comes back to it after something else."""
    first, _, rest = asks.partition(" ")
    return f"So, {first.lower()} {rest}" if first.lower() in _OPENERS and first[:1].isupper() else asks


def _joined(*pieces: str) -> str:
    return " ".join(piece for piece in (part.strip() for part in pieces) if piece)


def covers(said: str, asks: str) -> bool:
    """Whether these spoken words put that question already."""
    return "?" in said or (bool(asks) and plain(asks) in plain(said))
