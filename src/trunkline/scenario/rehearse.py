"""Playing the conversations of a test file in text, and comparing them with what was expected.

`rehearse(talk, …)` holds one conversation and gives what was not as it should be. Nothing here knows which
model speaks for the agent, or for a caller who is played by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from trunkline.errors import EngineError
from trunkline.events import Event, StepEntered
from trunkline.prompt import Message, Prompt, Token
from trunkline.scenario.actions import TransferEnded
from trunkline.scenario.conversation import Conversation, Streams
from trunkline.scenario.model import Scenario
from trunkline.scenario.numbers import plain
from trunkline.scenario.rehearsal import NOISE, SILENCE, CallerLine, Expected, Player, Rehearsal, Talk
from trunkline.scenario.state import State

MOST_TURNS = 80
"""Turns after which a played caller has had enough: no call is that long."""
LONGEST_LINE = 400
"""Characters of one line of a caller whom a model plays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one conversation went. `wrong`: what was not as expected; empty where all was."""

    name: str
    wrong: tuple[str, ...]
    transcript: tuple[str, ...]
    turns: int
    outcome: str
    local: int
    asked_model: int

    @property
    def passed(self) -> bool:
        return not self.wrong


class Held(Protocol):
    """A conversation that was held, by text or by voice, as far as it is compared with what was expected."""

    @property
    def scenario(self) -> Scenario: ...

    @property
    def state(self) -> State: ...

    @property
    def said(self) -> Sequence[str]: ...

    @property
    def notes(self) -> Sequence[Event]: ...

    @property
    def transferred_to(self) -> str: ...


async def rehearse(
    scenario: Scenario, rehearsal: Rehearsal, talk: Talk, model: Streams, caller: Streams | None = None
) -> Outcome:
    """Hold this conversation. `model` speaks for the agent; `caller`, where given, for a persona with a
    `character`. Raises nothing for what is said; an engine that fails makes it fail."""
    held = Conversation(scenario, model, rehearsal.now)
    held.answers = {**rehearsal.tools, **talk.tools}
    transcript: list[str] = []
    wrong: list[str] = []
    transcript.append(f"agent: {await held.begin({**rehearsal.facts, **talk.facts})}")
    try:
        if talk.persona is None:
            await _read_out(held, talk, transcript, wrong)
        else:
            await _played(held, talk.persona, caller, transcript)
    except EngineError as error:
        wrong.append(f"the caller's model failed: {error}")
    wrong += at_the_end(held, rehearsal, talk)
    return Outcome(
        talk.name,
        tuple(wrong),
        tuple(transcript),
        held.state.turn,
        held.state.outcome,
        held.local,
        held.asked_model,
    )


async def _read_out(held: Conversation, talk: Talk, transcript: list[str], wrong: list[str]) -> None:
    silences = 0
    for number, line in enumerate(talk.caller, 1):
        if held.ended:
            left = len(talk.caller) - number + 1
            wrong.append(f"the call ended ({held.state.outcome}) with {left} of the caller's lines left")
            return
        silences = silences + 1 if line.say == SILENCE else 0
        words = await do_line(held, line, silences)
        transcript += [f"caller: {shown(line)}", f"agent: {words}"]
        wrong += differences(held, line.expect, f"after line {number} ({shown(line)})", [words])


async def do_line(held: Conversation, line: CallerLine, silences: int) -> str:
    """The caller does this; gives what the agent says. `silences`: how many in a row, with this one."""
    if line.transfer is not None:
        return await held.happen(TransferEnded(line.transfer))
    if line.wait is not None:
        return await held.wait(line.wait)
    if line.keys is not None:
        return await held.hear("", keys=line.keys)
    if line.say == SILENCE:
        return await held.silence(silences)
    if line.say == NOISE:
        return await held.hear("", garbled=True)
    return await held.hear(line.say or "")


def shown(line: CallerLine) -> str:
    """The line as people read it."""
    if line.transfer is not None:
        return f"(transfer: {line.transfer})"
    if line.wait is not None:
        return f"(waits {line.wait:g} s)"
    return line.say if line.say is not None else f"(keys {line.keys})"


# --- a caller who is played -------------------------------------------------------------------------


async def _played(held: Conversation, player: Player, caller: Streams | None, transcript: list[str]) -> None:
    raises = list(player.raises)
    while not held.ended and not held.state.transferring and held.state.turn < MOST_TURNS:
        if caller is not None and player.character:
            line = await line_of_model(held, player, caller)
        else:
            line = raises.pop(0) if raises else line_of_answers(held, player)
        transcript.append(f"caller: {line}")
        transcript.append(f"agent: {await held.hear(line)}")


def line_of_answers(held: Held, player: Player) -> str:
    """What a caller without a model says to what is asked now."""
    state = held.state
    if state.unconfirmed:
        return player.confirms
    step = held.scenario.steps[state.step]
    return player.answers.get(step.field or "", player.answers.get(state.step, player.otherwise))


async def line_of_model(held: Held, player: Player, caller: Streams) -> str:
    """What a caller whom a model plays says now. Raises the model's `EngineError`."""
    rules = (
        "You play a person who is on the phone. Say only what this person says next, in one or two short "
        f"spoken sentences, without a name before it. You are: {player.character}"
    )
    # The two change places: to this model, the agent is the one it talks with.
    said = [
        Message("user" if line.who == "agent" else "assistant", line.text) for line in held.state.lines[-30:]
    ]
    text = ""
    async for delta in caller.stream(Prompt((Message("system", rules), *said), max_tokens=80)):
        if isinstance(delta, Token):
            text += delta.text
    return " ".join(text.split())[:LONGEST_LINE] or player.otherwise


# --- what was expected ------------------------------------------------------------------------------


def at_the_end(held: Held, rehearsal: Rehearsal, talk: Talk) -> list[str]:
    """What was not as expected of the whole conversation."""
    wrong = differences(held, talk.expect, "at the end", held.said)
    spoken = plain(" ".join(held.said))
    return wrong + [f"the agent says {words!r}" for words in rehearsal.never if plain(words) in spoken]


def differences(held: Held, expected: Expected, when: str, said: Sequence[str]) -> list[str]:
    """What is not as expected at this point; `said`: the agent's words that count for it."""
    state, given = held.state, expected.model_fields_set
    wrong = []
    if "step" in given and state.step != expected.step:
        wrong.append(f"the step is {state.step!r}, not {expected.step!r}")
    if "outcome" in given and state.outcome != (expected.outcome or ""):
        wrong.append(f"the outcome is {state.outcome!r}, not {expected.outcome or ''!r}")
    if "turns" in given and expected.turns is not None and state.turn > expected.turns:
        wrong.append(f"it took {state.turn} turns, more than {expected.turns}")
    if "transferred_to" in given and held.transferred_to != expected.transferred_to:
        wrong.append(f"it was transferred to {held.transferred_to!r}, not {expected.transferred_to!r}")
    entered = [note.step for note in held.notes if isinstance(note, StepEntered)]
    for step in expected.steps:
        if step not in entered:
            wrong.append(f"step {step!r} is not entered, or not in this order")
            break
        entered = entered[entered.index(step) + 1 :]
    wrong += [f"{name!r} was not raised" for name in expected.objections if name not in held.state.objections]
    for name, value in expected.fields.items():
        field = state.fields.get(name)
        found = field.value if field is not None else None
        if found != value or isinstance(found, bool) != isinstance(value, bool):
            wrong.append(f"{name} is {found!r}, not {value!r}")
    spoken = plain(" ".join(said))
    wrong += [f"the agent does not say {words!r}" for words in expected.says if plain(words) not in spoken]
    wrong += [f"the agent says {words!r}" for words in expected.never if plain(words) in spoken]
    return [f"{when}: {difference}" for difference in wrong]
