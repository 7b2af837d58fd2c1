"""A call in text: lines to the scenario and a language model, what is said back. No audio, no clock.

For tests, and for trying a scenario in the terminal. It carries actions out the way a call does:
each sentence of a model is checked, its tools go through the scenario, and what was said is told back.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from trunkline.errors import EngineError
from trunkline.events import Event, Expectation
from trunkline.prompt import Delta, Prompt, Token, ToolCall
from trunkline.scenario.actions import (
    Action,
    AgentHeard,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    CallTool,
    End,
    Expect,
    Generate,
    Happening,
    ModelCalled,
    ModelDone,
    ModelFailed,
    Note,
    Say,
    StartTimer,
    TimeUp,
    ToolAnswer,
    ToolResult,
    Transfer,
)
from trunkline.scenario.guardrail import check_sentence
from trunkline.scenario.look_up import picked
from trunkline.scenario.model import Scenario
from trunkline.scenario.state import State
from trunkline.scenario.step import step

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MOST_ROUNDS = 6
_MOST_TOOLS = 20
"""Tools called one after the other before the caller says something."""


class Streams(Protocol):
    """A language model, as far as a text needs it."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]: ...


@dataclass(slots=True)
class Conversation:
    """One call in text. `said`: each of the agent's utterances; `local`: how many turns were answered
    without the model, `asked_model`: how many with it."""

    scenario: Scenario
    model: Streams
    now: datetime
    state: State = field(default_factory=State)
    said: list[str] = field(default_factory=list)
    notes: list[Event] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    expectation: Expectation | None = None
    transferred_to: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    """What each tool answers, instead of the scenario's own example; None: it fails."""
    called: list[CallTool] = field(default_factory=list)
    """The tools that were called."""
    timers: list[tuple[datetime, str]] = field(default_factory=list)
    """When which step's time is up."""
    local: int = 0
    asked_model: int = 0

    @property
    def ended(self) -> bool:
        return self.state.ended

    async def begin(self, facts: dict[str, str] | None = None) -> str:
        """The call is answered: the agent's first words."""
        return await self.happen(CallBegan(self.now, facts or {}))

    async def hear(self, text: str, *, garbled: bool = False, keys: str = "") -> str:
        """The caller says this; gives what the agent answers."""
        before = self.asked_model
        turn = CallerSaid(self.state.turn + 1, text, self.now, garbled=garbled, keys=keys)
        words = await self.happen(turn)
        self.local += self.asked_model == before
        return words

    async def silence(self, count: int = 1) -> str:
        """Nobody says anything, for the `count`-th time in a row."""
        return await self.happen(CallerQuiet(6.0 * count, count, self.now))

    async def wait(self, seconds: float) -> str:
        """Time passes without a word; steps whose time is up are told so."""
        until, words = self.now + timedelta(seconds=seconds), []
        while due := [timer for timer in self.timers if timer[0] <= until]:
            self.timers.remove(min(due))
            self.now, key = max(self.now, min(due)[0]), min(due)[1]
            words.append(await self.happen(TimeUp(key, self.now)))
        self.now = until
        return " ".join(one for one in words if one)

    async def happen(self, happening: Happening) -> str:
        """Anything at all happens; gives what the agent says, whole."""
        words = await self._once(happening)
        for _ in range(_MOST_TOOLS):  # a tool answers as soon as the agent has said that it looks
            if not self.state.calling:
                break
            words = f"{words} {await self._once(self._answer(self.called[-1]))}".strip()
        return words

    async def _once(self, happening: Happening) -> str:
        words = " ".join(await self._carry_out(self._step(happening), _MOST_ROUNDS))
        if words:
            self.said.append(words)
            self._step(AgentHeard(words))
        return words

    def _answer(self, call: CallTool) -> ToolResult:
        spec = self.scenario.tools.get(call.tool)
        answer = self.answers.get(call.tool, spec.example if spec else None)
        values = picked(call.results, answer)
        why = "" if answer is not None else "it is not called here, and has no example"
        return ToolResult(call.id, answer is not None, self.now, values, why)

    def interrupt(self, heard: str, unheard: str) -> None:
        """The latest utterance was cut: only `heard` of it came through."""
        self.said[-1] = heard
        last = self.state.lines[-1]
        assert last.who == "agent"
        self.state = replace(self.state, lines=self.state.lines[:-1])
        self._step(AgentHeard(heard, unheard, interrupted=True))

    def _step(self, happening: Happening) -> list[Action]:
        self.state, actions = step(self.scenario, self.state, happening)
        return actions

    async def _carry_out(self, actions: list[Action], rounds: int) -> list[str]:
        words: list[str] = []
        for action in actions:
            match action:
                case Say():
                    words.append(action.text)
                case Generate():
                    words += await self._generate(action.prompt, rounds)
                case Note():
                    self.notes.append(action.event)
                case Expect():
                    self.expectation = action.expectation
                case Transfer():
                    self.transferred_to = action.target
                case CallTool():
                    self.called.append(action)
                case StartTimer():
                    self.timers.append((self.now + timedelta(seconds=action.seconds), action.key))
                case ToolAnswer():
                    self.refusals += [action.content] if action.refused else []
                case End():
                    pass  # the state knows
        return words

    async def _generate(self, prompt: Prompt, rounds: int) -> list[str]:
        self.asked_model += 1
        text = ""
        if rounds <= 0:
            return await self._carry_out(self._step(ModelFailed("it called tools without end")), 0)
        try:
            async for delta in self.model.stream(prompt):
                if isinstance(delta, Token):
                    text += delta.text
                elif isinstance(delta, ToolCall):
                    called = ModelCalled(delta.id, delta.name, delta.arguments, self.now)
                    await self._carry_out(self._step(called), 0)
        except EngineError as error:
            return await self._carry_out(self._step(ModelFailed(error.what)), 0)
        words = [self._checked(sentence) for sentence in _SENTENCE.split(text.strip()) if sentence]
        return words + await self._carry_out(self._step(ModelDone(text.strip())), rounds - 1)

    def _checked(self, sentence: str) -> str:
        verdict = check_sentence(self.scenario, self.state, sentence)
        if verdict.ok:
            return sentence
        self.blocked.append(sentence)
        return verdict.replacement
