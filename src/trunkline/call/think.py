"""What the agent does about what happens: starts answers, prepares them early, drops them, ends.

Decisions come from turn-taking, one method each. The scenario's state lives here; it changes only
by the pure step function, through an `Answer` or through `_note`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from trunkline.call.answer import Answer, Tools
from trunkline.call.tasks import CallTasks
from trunkline.events import (
    Answerer,
    CallerSilent,
    SpeakingStopped,
    TurnEnded,
    TurnLikely,
    TurnResumed,
)
from trunkline.scenario.actions import (
    AgentHeard,
    AudioLost,
    CallBegan,
    CallerQuiet,
    CallerSaid,
    CallTaken,
    End,
    Expect,
    Happening,
    MustEnd,
    Note,
    Recap,
    Recapped,
    SentenceJudged,
    TimeUp,
    ToolResult,
    Transfer,
    TransferEnded,
)
from trunkline.turn.courtesy import adds_nothing

_ASKED_BY_WHO_SPEAKS = CallerSaid | CallerQuiet | AudioLost | ToolResult | TimeUp
"""Answers to these are void, or can wait, when the caller goes on; all others are said over them."""

FinalePlayer = Callable[[Transfer | End], Awaitable[None]]


class Thinker:
    """One for each call."""

    def __init__(
        self,
        tools: Tools,
        state: Any,
        tasks: CallTasks,
        carry_out_finale: FinalePlayer,
        on_mute: Callable[[str], None],
    ) -> None:
        self.state = state
        self._tools = tools
        self._tasks = tasks
        self._carry_out_finale = carry_out_finale
        self._on_mute = on_mute
        self._generation = 0
        self._turn = 0
        self._draft: Answer | None = None
        self._running: dict[Answer, asyncio.Task[Any]] = {}
        self._ending = False
        self._taken_by = Answerer.HUMAN
        self._owed: list[ToolResult | TimeUp] = []
        """What came while the caller spoke, or was cut before the scenario heard of it: each tool and each
        step has one at a time, so there are never more than a few."""

    # --- what happens -----------------------------------------------------------------------------

    def begin(self, facts: dict[str, str]) -> None:
        """The call is answered: greet."""
        self._start(CallBegan(self._tools.wall(), facts))

    def turn_likely(self, event: TurnLikely) -> None:
        """The caller has probably finished: prepare the answer to these words."""
        if not self._tools.settings.speculate or self._ending or self._busy():
            return
        if self._draft is not None:
            if adds_nothing(_words_of(self._draft), event.text):
                return
            self._drop_draft("the words changed")
        self._turn = event.turn
        said = CallerSaid(event.turn, event.text, self._tools.wall(), speculative=True)
        self._draft = self._launch(said, held=True)

    def turn_resumed(self, event: TurnResumed) -> None:
        """The caller goes on: what was prepared or begun for this turn, and not heard, is void."""
        self._drop_draft("the caller goes on")
        for answer in reversed(list(self._running)):  # the newest first: states go back in that order
            answers_it = answer.turn == event.turn and isinstance(answer.happening, _ASKED_BY_WHO_SPEAKS)
            if answer.committed and answers_it and not answer.settled:
                self._stop(answer, "the caller goes on", void=True)

    def turn_ended(self, event: TurnEnded) -> None:
        """The caller has finished: answer."""
        if not self._ending:
            self._answer_turn(event)
            self._tell_owed()

    def _answer_turn(self, event: TurnEnded) -> None:
        self._turn = event.turn
        draft, self._draft = self._draft, None
        if draft is not None:
            usable = not event.garbled and not event.keys and draft.turn == event.turn
            if usable and draft.before is self.state and adds_nothing(_words_of(draft), event.text):
                self._adopt(draft)
                return
            self._stop(draft, "the words changed")
        self._start(
            CallerSaid(
                event.turn,
                event.text,
                self._tools.wall(),
                confidence=event.confidence,
                garbled=event.garbled,
                keys=event.keys,
            )
        )

    def interrupted(self) -> None:
        """The agent was cut: the model is not to go on writing what nobody will hear."""
        self._drop_draft("interrupted")
        for answer in list(self._running):
            if isinstance(answer.finale, End):
                continue  # a call that is ending ends
            self._stop(answer, "interrupted")

    def caller_silent(self, event: CallerSilent) -> None:
        """Nobody answered."""
        if self._ending or self._busy():
            return
        if self._owed:
            self._tell_owed()
        else:
            self._start(CallerQuiet(event.seconds, event.count, self._tools.wall()))

    def agent_started(self, generation: int) -> None:
        """The caller hears this answer: what it asked for is done."""
        for answer in list(self._running):
            if answer.generation == generation:
                answer.settle()

    def agent_stopped(self, event: SpeakingStopped) -> None:
        """An utterance ended: the scenario learns which words were heard."""
        self._note(AgentHeard(event.heard, event.unheard, interrupted=not event.complete))

    def recapped(self, written: Recapped) -> None:
        """The older turns are summarised."""
        self._note(written)

    def audio_lost(self, seconds: float) -> None:
        """No packets come from the caller."""
        if not self._ending and not self._busy():
            self._start(AudioLost(seconds))

    def call_taken(self, who: Answerer, *, ready: bool = False) -> None:
        """It is known what took the call: a person until something else is told."""
        if who is Answerer.HUMAN and self._taken_by is Answerer.HUMAN:
            return
        if self._ending or any(isinstance(answer.finale, End) for answer in self._running):
            return  # the call is being ended already, and is ended as it was begun
        self._taken_by = who
        # What the agent is saying, it says to somebody who is not there.
        self._tools.speaker.cut(f"the call was taken by: {who.value}")
        for answer in list(self._running):
            self._stop(answer, "somebody else took the call")
        self._start(CallTaken(who, self._tools.wall(), ready))

    def handed_over(self) -> None:
        """The call is a person's now: the scenario says what it came to."""
        self._note(TransferEnded("transferred"))

    def transfer_ended(self, result: str) -> None:
        """A hand-over came to its result, and the call is still ours."""
        self._start(TransferEnded(result))

    def from_outside(self, happening: ToolResult | TimeUp, *, caller_speaks: bool) -> None:
        """A tool has answered, or a step's time is up: the scenario is told when the caller has finished."""
        if self._ending:
            return
        self._owed.append(happening)
        if not caller_speaks:
            self._tell_owed()

    def judged(self, sentence: str, rule: str, *, caller_speaks: bool) -> None:
        """What the agent says should not have been said: it stops, and takes it back. Where the call ends, or
        the caller has the floor, the log alone knows."""
        if self._ending or caller_speaks or any(isinstance(a.finale, End) for a in self._running):
            return
        self._tools.speaker.cut("a rule is broken")
        self.interrupted()
        self._start(SentenceJudged(sentence, rule))

    def must_end(self, why: str) -> None:
        """Say goodbye, whatever is going on; once, for a call that is ending ends as it began to."""
        if self._ending or any(isinstance(answer.happening, MustEnd) for answer in self._running):
            return
        self._drop_draft(why)
        self._tools.speaker.cut(why)
        for answer in list(self._running):
            self._stop(answer, why)
        self._start(MustEnd(why))

    def over(self) -> None:
        """The call has ended: what was decided counts, though the caller did not stay to hear it."""
        for answer in list(self._running):
            self._keep(answer)

    # --- answers ----------------------------------------------------------------------------------

    def _busy(self) -> bool:
        return bool(self._running) and any(answer.committed for answer in self._running)

    def _owe(self, answer: Answer) -> None:
        """What came from outside is not lost with the answer to it."""
        happening = answer.happening
        if isinstance(happening, ToolResult | TimeUp) and happening not in self._owed:
            self._owed.append(happening)

    def _tell_owed(self) -> None:
        owed, self._owed = self._owed, []
        for happening in owed:
            self._start(happening)

    def _start(self, happening: Happening) -> None:
        self._drop_draft("something else happened")
        self._launch(happening, held=False)

    def _launch(self, happening: Happening, *, held: bool) -> Answer:
        self._generation += 1
        answer = Answer(self._tools, self._generation, self._turn, happening, self.state, held=held)
        before = [task for running, task in self._running.items() if running.committed]
        task = self._tasks.spawn(self._run(answer, before), f"answer {self._generation}")
        self._running[answer] = task
        task.add_done_callback(lambda _: self._running.pop(answer, None))
        return answer

    def _adopt(self, draft: Answer) -> None:
        """The prepared answer is the answer."""
        if isinstance(draft.happening, CallerSaid):
            draft.happening = replace(draft.happening, speculative=False)
        draft.commit()
        self.state = draft.state

    async def _run(self, answer: Answer, before: list[asyncio.Task[Any]]) -> None:
        if before:  # the agent has one mouth: what is being said is said first
            await asyncio.wait(before)
            if answer.committed:
                answer.before = answer.state = self.state
        self._tasks.spawn(self._tools.speaker.synthesise(answer.utterance), f"synthesis {answer.generation}")
        await answer.write()
        if answer.committed:
            self.state = answer.state
        await answer.utterance.ended.wait()
        answer.settle()
        if answer.utterance.failure and not answer.utterance.audible and answer.committed:
            self._on_mute(answer.utterance.failure)
        if answer.finale is not None and answer.committed and not answer.dropped:
            cut = answer.utterance.dropped and answer.utterance.audible
            if isinstance(answer.finale, End):
                self._ending = True
            elif cut:
                return  # the caller objected to being handed over: answer them first
            await self._carry_out_finale(answer.finale)

    def _stop(self, answer: Answer, why: str, *, void: bool = False) -> None:
        """`void`: it never was. Else it counts as far as it got."""
        if void and answer.begun:
            self.state = answer.before
        if void or not answer.written.is_set():
            self._owe(answer)
        if not void and (answer.utterance.audible or answer.happening not in self._owed):
            self._keep(answer)
        answer.drop(why)
        if (task := self._running.pop(answer, None)) is not None:
            task.cancel()

    def _keep(self, answer: Answer) -> None:
        """The scenario goes on from where this answer has got to, and what it asked for is done."""
        if answer.committed and answer.begun and not answer.dropped:
            if not answer.written.is_set():
                self.state = answer.state
            answer.settle()

    def _drop_draft(self, why: str) -> None:
        if self._draft is not None:
            self._stop(self._draft, why)
            self._draft = None

    def _note(self, happening: Happening) -> None:
        """Tell the scenario something that asks for no answer."""
        # While an answer is written, what happens goes into its state: `self.state` becomes that in the end.
        begun = [answer for answer in self._running if answer.committed and answer.begun]
        writing = next((answer for answer in begun if not answer.written.is_set()), None)
        state, actions = self._tools.play.step(writing.state if writing else self.state, happening)
        if writing is not None:
            writing.state = state
        self.state = state
        for action in actions:
            if isinstance(action, Note):
                self._tools.emit(self._tools.stamp(action.event))
            elif isinstance(action, Expect):
                self._tools.expect(action)
            elif isinstance(action, Recap):
                self._tools.recap(action)


def _words_of(answer: Answer) -> str:
    return answer.happening.text if isinstance(answer.happening, CallerSaid) else ""
