"""One answer of the agent: the scenario asked, the model asked, sentences on their way to the voice.

An answer is made for one happening (the caller's turn ended, the caller is silent, the call began).
It may be begun before the turn is decided: then it changes nothing outside itself (state, log,
effects) until `commit`, and `drop` leaves no trace but its cost. What cannot be taken back (tools, a
step's time, what is noted) waits longer, until the caller hears it (`settle`): who goes on before that
has not been answered, and a table must not be booked twice because they did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from trunkline.call.economy import Economy
from trunkline.call.openers import Openers
from trunkline.call.play import Play
from trunkline.call.sentences import SentenceCutter
from trunkline.call.settings import CallSettings
from trunkline.call.speak import Speaker
from trunkline.call.wording import has_words
from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.events import (
    Event,
    FirstToken,
    GenerationDone,
    GenerationStarted,
    GuardrailBlocked,
    OpenerSaid,
    OptedOut,
    ToolCalled,
    Trouble,
    TurnDecided,
)
from trunkline.prompt import Delta, Token, ToolCall, Usage
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.actions import (
    Action,
    CallerSaid,
    CallTool,
    End,
    Expect,
    Generate,
    Happening,
    ModelCalled,
    ModelDone,
    ModelFailed,
    MustEnd,
    Note,
    Recap,
    Say,
    StartTimer,
    ToolAnswer,
    Transfer,
)

_Call = tuple[str, dict[str, Any]]

MAX_ROUNDS = 4
"""How often a model may be asked again within one answer (after tools), so that none goes in circles."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What an answer works with; one for each call."""

    play: Play
    speaker: Speaker
    settings: CallSettings
    clock: Clock
    emit: Callable[[Event], None]
    stamp: Callable[[Event], Event]
    """Gives a scenario's event its time."""
    expect: Callable[[Expect], None]
    wall: Callable[[], datetime]
    openers: Openers
    call_tool: Callable[[CallTool], None]
    """Begins to carry it out; its result comes to the thinker."""
    start_timer: Callable[[StartTimer], None]
    judge: Callable[[int, str], None]
    """Looks at a sentence of the model's, beside the call."""
    recap: Callable[[Recap], None]
    """Begins to have older turns summarised."""
    economy: Economy


class Answer:
    """Run it as a task. `state` is the scenario's state as this answer leaves it."""

    def __init__(
        self, tools: Tools, generation: int, turn: int, happening: Happening, state: Any, *, held: bool
    ) -> None:
        self.generation = generation
        self.turn = turn
        self.happening = happening
        self.before = state
        """The state before this answer, to go back to when the turn was not over after all."""
        self.state = state
        self.committed = not held
        self.finale: Transfer | End | None = None
        """What to do once everything said is heard."""
        self.written = asyncio.Event()
        """All of its words are known."""
        self.dropped = False
        self.begun = False
        """Its turn to speak has come: `state` is its own."""
        # Who is told goodbye because the call must end is told all of it.
        interruptible = not isinstance(happening, MustEnd)
        self.utterance = tools.speaker.open(generation, held=held, interruptible=interruptible)
        self._tools = tools
        self.settled = False
        """It was heard, or there was nothing to hear: it happened, and what it asked for is done."""
        self._deferred: list[Callable[[], None]] = []
        """Until it is committed."""
        self._effects: list[Callable[[], None]] = []
        """Until it is settled."""
        self._started = False
        self._text: list[str] = []
        self._model = ""
        """The one that `GenerationStarted` names."""
        self._used: dict[str, Usage] = {}
        """By model."""
        self._said_any = False
        self._called: list[_Call] = []
        self._asking = False
        self._asked = ""
        """The model that was asked first."""
        self._opener: asyncio.TimerHandle | None = None

    # --- deciding about it ------------------------------------------------------------------------

    def commit(self) -> None:
        """The turn is over and these words were meant: speak, log, let effects happen."""
        if self.committed or self.dropped:
            return
        self.committed = True
        for effect in self._deferred:
            effect()
        self._deferred.clear()
        self._tools.speaker.release(self.utterance)
        self._await_opener()

    def settle(self) -> None:
        """What it asked for can no longer be taken back: do it."""
        if self.committed and not self.settled:
            self.settled = True
            effects, self._effects = self._effects, []
            for effect in effects:
                effect()

    def drop(self, why: str) -> None:
        """Nothing (more) of it will be said or done. The task that runs it is to be cancelled."""
        if not self.dropped:
            self.dropped = True
            self._no_opener()
            self._deferred.clear()
            self._effects.clear()
            self._tools.speaker.drop(self.utterance, why)

    # --- making it --------------------------------------------------------------------------------

    async def write(self) -> None:
        """Ask the scenario, and the model where the scenario says so, until all words are known."""
        self.begun = True
        try:
            await self._carry_out(actions := self._step(self.happening), MAX_ROUNDS)
            self._tell_who_decided(actions)
            if self._started:
                self._tools.emit(self._done())
        finally:
            self._no_opener()
            self._tools.speaker.seal(self.utterance)
            if not self._said_any:
                self._tools.speaker.drop(self.utterance, "nothing to say")
            self.written.set()

    def _done(self) -> GenerationDone:
        whole = sum(self._used.values(), Usage())
        others = {model: list(used.counts) for model, used in self._used.items() if model != self._model}
        now, text = self._tools.clock.now(), " ".join(self._text)
        return GenerationDone(now, self.generation, text, *whole.counts, others)

    def _tell_who_decided(self, actions: list[Action]) -> None:
        if not isinstance(self.happening, CallerSaid):
            return
        asked = next((action for action in actions if isinstance(action, Generate)), None)
        by, simple, agreed = "scenario", True, None
        if asked is not None:
            simple, by = asked.simple, self._asked
            if asked.foreseen is not None and by != LocalBrain.name:
                agreed = _same_calls(self._called, asked.foreseen)
        turn = self.turn
        self._later(lambda: self._tools.emit(TurnDecided(self._tools.clock.now(), turn, by, simple, agreed)))

    def _step(self, happening: Happening) -> list[Action]:
        self.state, actions = self._tools.play.step(self.state, happening)
        return actions

    async def _carry_out(self, actions: list[Action], rounds: int) -> None:
        for action in actions:
            match action:
                case Say():
                    self._begin("scenario")
                    self._mark_interruptible(action.interruptible)
                    self._say_all(action.text)
                case Generate():
                    self._mark_interruptible(action.interruptible)
                    await self._generate(action, rounds)
                case Note(event=OptedOut()):
                    # Said is said: who wishes not to be called again may hang up on the next word.
                    self._later(partial(self._note, action.event))
                case Note():
                    self._once_settled(partial(self._note, action.event))
                case Expect():
                    self._once_settled(partial(self._tools.expect, action))
                case CallTool():
                    self._once_settled(partial(self._tools.call_tool, action))
                case StartTimer():
                    self._once_settled(partial(self._tools.start_timer, action))
                case Transfer() | End():
                    self.finale = action
                case ToolAnswer():
                    pass  # the scenario keeps it for the model's next prompt; the log has ToolCalled

    def _later(self, effect: Callable[[], None]) -> None:
        if self.committed:
            effect()
        else:
            self._deferred.append(effect)

    def _once_settled(self, effect: Callable[[], None]) -> None:
        if self.settled:
            effect()
        else:
            self._effects.append(effect)

    def _note(self, event: Event) -> None:
        self._tools.emit(self._tools.stamp(event))

    def _begin(self, model: str) -> None:
        if not self._started:
            self._started = True
            self._model = model
            self._tools.emit(
                GenerationStarted(
                    self._tools.clock.now(), self.generation, self.turn, model, not self.committed
                )
            )

    def _mark_interruptible(self, interruptible: bool) -> None:
        # One uninterruptible line (a legal notice) makes the whole utterance so.
        self.utterance.interruptible = self.utterance.interruptible and interruptible

    def _say_all(self, text: str) -> None:
        cutter = SentenceCutter()
        for sentence in [*cutter.feed(text), *cutter.flush()]:
            self._say(sentence)

    def _say(self, sentence: str) -> None:
        self._no_opener()
        self._text.append(sentence)
        self._said_any = True
        self._tools.speaker.say(self.utterance, sentence)

    # --- the model --------------------------------------------------------------------------------

    def _await_opener(self) -> None:
        """From when the caller has finished and the model was asked, it has so long until one is said."""
        if self.committed and self._asking and not self._said_any and self._opener is None:
            clock = self._tools.clock
            self._opener = clock.call_at(clock.now() + self._tools.settings.opener_after, self._say_opener)

    def _no_opener(self) -> None:
        self._asking = False
        if self._opener is not None:
            self._opener.cancel()

    def _say_opener(self) -> None:
        happening = self.happening
        if not self._asking or not isinstance(happening, CallerSaid):
            return
        if words := self._tools.openers.choose(happening.text, self.turn):
            self._tools.emit(OpenerSaid(self._tools.clock.now(), self.generation, words))
            self._say(words)

    async def _generate(self, asked: Generate, rounds: int) -> None:
        model, prompt = self._tools.economy.asked(asked.prompt, simple=asked.simple)
        self._asked = self._asked or model.name
        self._begin(model.name)
        self._asking = not self._said_any
        self._await_opener()
        if rounds <= 0:
            await self._fail("the model called tools again and again without an answer", rounds)
            return
        cutter = SentenceCutter()
        said: list[str] = []
        try:
            async with aclosing(model.stream(prompt)) as stream:
                first = True
                while (delta := await self._next_delta(stream, first, model.name)) is not None:
                    if first and not isinstance(delta, Usage):
                        self._tools.emit(FirstToken(self._tools.clock.now(), self.generation))
                        first = False
                    match delta:
                        case Token():
                            said.append(delta.text)
                            self._guard_and_say(cutter.feed(delta.text))
                        case ToolCall():
                            await self._call_tool(delta, rounds)
                        case Usage():
                            self._count(delta, delta.model or model.name)
            if first:
                raise EngineDown("the model gave nothing", where=model.name)
        except EngineError as error:
            self._tools.economy.failed(model, error)
            now = self._tools.clock.now()
            self._tools.emit(Trouble(now, "llm", type(error).__name__, str(error), error.verdict))
            self._guard_and_say(cutter.flush())
            if not "".join(said).strip():
                await self._fail(error.what, rounds)
                return
        self._guard_and_say(cutter.flush())
        await self._carry_out(self._step(ModelDone("".join(said).strip())), rounds - 1)

    async def _fail(self, why: str, rounds: int) -> None:
        await self._carry_out(self._step(ModelFailed(why)), min(rounds, 0))

    async def _next_delta(self, stream: object, first: bool, name: str) -> Delta | None:
        settings = self._tools.settings
        limit = settings.first_token_timeout if first else settings.token_timeout
        try:
            async with asyncio.timeout(limit):
                return await anext(stream, None)  # type: ignore[call-overload, no-any-return]
        except TimeoutError:
            raise EngineTimeout(f"no token within {limit:g} s", where=name) from None

    async def _call_tool(self, call: ToolCall, rounds: int) -> None:
        actions = self._step(ModelCalled(call.id, call.name, call.arguments, self._tools.wall()))
        refused = next((a.content for a in actions if isinstance(a, ToolAnswer) and a.refused), "")
        now = self._tools.clock.now()
        self._tools.emit(ToolCalled(now, self.generation, call.name, call.arguments, refused))
        if not refused:
            self._called.append((call.name, call.arguments))
        await self._carry_out(actions, rounds - 1)

    def _count(self, usage: Usage, model: str) -> None:
        self._used[model] = self._used.get(model, Usage()) + usage

    def _guard_and_say(self, sentences: list[str]) -> None:
        for sentence in sentences:
            rule, replacement = self._tools.play.check_sentence(self.state, sentence)
            if rule:
                now = self._tools.clock.now()
                self._tools.emit(GuardrailBlocked(now, self.generation, rule, sentence, replacement))
            words = replacement if rule else sentence
            if has_words(words):
                self._say(words)
            if not rule:
                self._once_settled(partial(self._tools.judge, self.generation, sentence))


def _same_calls(made: Sequence[_Call], foreseen: Sequence[_Call]) -> bool:
    """Whether these are the same tools with the same arguments, in any order; 20, 20.0 and "20" are
    the same."""
    return sorted(map(_plain_call, made)) == sorted(map(_plain_call, foreseen))


def _plain_call(call: _Call) -> tuple[str, tuple[tuple[str, str], ...]]:
    name, arguments = call
    return name, tuple(sorted((key, _plain_value(value)) for key, value in arguments.items()))


def _plain_value(value: object) -> str:
    try:
        return f"{float(value):g}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(value).strip().casefold()
