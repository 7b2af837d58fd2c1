"""One phone call, from ringing to record: wiring only.

Bytes arrive on a wire. The leg turns them into 20 ms frames (`_on_frame`); the listener gives each
to voice activity and to the recogniser; what they hear goes to the floor (`_emit`), where
turn-taking decides; decisions go to the thinker and the speaker (`_act`); the thinker asks the
scenario and the model; the speaker turns their sentences into frames, which the leg fetches when
they must leave (`_next_frame`). Every event passes `_emit` or the floor once, into the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from trunkline.audio.frame import Frame
from trunkline.call.after_call import Finished
from trunkline.call.answer import Tools
from trunkline.call.budget import LiveBudget
from trunkline.call.consult import Asking
from trunkline.call.duplex import bound, line_maker
from trunkline.call.early_media import EarlyMedia
from trunkline.call.economy import Economy
from trunkline.call.engines import Engines
from trunkline.call.fixed_lines import LineMaker, LinesAhead
from trunkline.call.floor import Floor
from trunkline.call.handoff import Dial, HandOff
from trunkline.call.hold import Hold
from trunkline.call.judge import Judge
from trunkline.call.listen import Listener
from trunkline.call.log import EventLog
from trunkline.call.log import Listener as EventListener
from trunkline.call.logged_play import LoggedPlay
from trunkline.call.loss import LossLimit
from trunkline.call.openers import Openers
from trunkline.call.play import Play, settings_for
from trunkline.call.recaps import Recaps
from trunkline.call.record import RunRecorder
from trunkline.call.result import CallResult, written
from trunkline.call.settings import CallSettings
from trunkline.call.speak import Speaker
from trunkline.call.started import call_started
from trunkline.call.summary import CallSummary
from trunkline.call.tasks import CallTasks
from trunkline.call.think import Thinker
from trunkline.call.tool_work import ToolWork
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import CallRefused, EngineError, SipError, TrunklineError, Verdict
from trunkline.events import (
    AnsweredBy,
    Answerer,
    Backchannel,
    CallEnded,
    CallerSilent,
    Dtmf,
    Ducked,
    EngineAsked,
    Event,
    Expecting,
    GuardrailBlocked,
    HungUp,
    Interrupted,
    LinesPrepared,
    MailboxReady,
    MediaLost,
    OutcomeDecided,
    Resumed,
    SpeakingStarted,
    SpeakingStopped,
    TransferDone,
    Trouble,
    TurnEnded,
    TurnLikely,
    TurnResumed,
    TurnStarted,
)
from trunkline.legs.leg import Leg
from trunkline.providers.failover import model_reporting_to, voices_reporting_to
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.protocols import KeepsWarm, LanguageModel, ListenOptions, Voice, VoiceOptions
from trunkline.scenario.actions import End, Expect, Recapped, StartTimer, TimeUp, ToolResult, Transfer
from trunkline.sip.not_taken import CallNotTaken
from trunkline.turn.taking import TurnTaking

__all__ = ["Call", "CallResult", "Engines"]

LAST_WORDS_TAIL = 0.3
"""Seconds between the last word's leaving and the BYE, so that it is played out at the far end."""
TRANSFER_RESULT_TIME = 2.0
"""Seconds that a transfer's result is waited for after the leg was hung up."""
HANG_UP_LIMIT = 10.0
"""Seconds that a leg may take to end."""
_DEAF = "the recogniser failed"

logger = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Call:
    """One call on one leg. Make it, `await run()` once."""

    leg: Leg
    play: Play
    engines: Engines
    settings: CallSettings
    clock: Clock
    voice_batch: VoiceBatch
    recorder: RunRecorder | None = None
    facts: dict[str, str] = field(default_factory=dict)
    listeners: Sequence[EventListener] = ()
    dial: Dial | None = None
    """How persons are called whom this call may be handed to; None: only the caller's own end can."""
    _budget: LiveBudget = field(init=False)
    _economy: Economy | None = None
    _log: EventLog = field(default_factory=EventLog)
    _summary: CallSummary = field(default_factory=CallSummary)
    _floor: Floor = field(init=False)
    _thinker: Thinker | None = None
    _speaker: Speaker | None = None
    _listener: Listener | None = None
    _ended: asyncio.Future[tuple[str, str]] = field(init=False)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)
    _outcome: str = ""
    _must_end: str = ""
    _caller_speaks: bool = False
    _handoff: HandOff | None = None
    _hold: Hold = field(default_factory=Hold)
    _deaf: bool = False
    """Nobody hears the caller any more."""
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _ahead: LinesAhead | None = None
    _finished: Finished | None = None

    async def run(self) -> CallResult:
        """The whole call. Never raises for anything that happens in it; the result tells."""
        self._ended = asyncio.get_running_loop().create_future()
        self.settings = settings_for(self.play, self.settings)
        self._log.subscribe(self._summary.add)
        self._budget = LiveBudget(self.settings.budget)
        self._log.subscribe(self._watch_budget)
        for listener in self.listeners:
            self._log.subscribe(listener)
        if self.recorder is not None:
            self._log.subscribe(self.recorder.event)
        self._floor = Floor(TurnTaking(self.settings.turn), self.clock, self._log.add, self._act)
        early = EarlyMedia(self.leg, self.engines, self.settings, self.clock, self.voice_batch, self._emit)
        self._emit(call_started(self.leg.info, self.play, self.engines, self.settings.turn, self.clock))
        if (maker := self._line_maker()) is not None:
            self._ahead = LinesAhead(maker, self.play, {**self.facts, **self.leg.info.variables})
            self._ahead.begin(self.leg.rate)
        by, reason = await self._guarded(early)
        await early.close()
        if self._ahead is not None and (made := await self._ahead.stop()).lines:
            self._emit(LinesPrepared(self.clock.now(), made.lines, made.characters))
        if self._speaker is not None:
            self._speaker.cut("the call ended")  # the record is to know what was heard
        self._floor.close()
        for timer in self._timers:
            timer.cancel()
        # The call is over either way, and the record says how.
        with suppress(TrunklineError, TimeoutError):
            async with asyncio.timeout(HANG_UP_LIMIT):
                await self.leg.hang_up(reason)
        self._log.add(CallEnded(self.clock.now(), by, reason, self._outcome or f"ended by {by}"))
        finished, now = self.finished(), self.clock.now()
        self._let_go()
        return await written(
            by,
            reason,
            leg=self.leg,
            summary=self._summary,
            finished=finished,
            recorder=self.recorder,
            now=now,
        )

    def _let_go(self) -> None:
        """The call is over. Its parts are told what to do with methods of its own: while it holds them, none
        of them is freed before the garbage collector stops all calls to look for it."""
        self._thinker = self._speaker = self._listener = None
        self._economy = self._ahead = None
        self._log.close()

    async def _guarded(self, early: EarlyMedia) -> tuple[str, str]:
        """Who ended the call and why, whatever went wrong in it."""
        try:
            async with early:
                await self._answer()
            if self._ahead is not None:
                self._ahead.answered(self.leg.rate)
            return await self._converse(early)
        except CallRefused as error:
            error.__traceback__ = None  # the leg may keep it, and it would keep all that it has seen
            self._outcome = self._outcome or (error.why if isinstance(error, CallNotTaken) else error.what)
            return "network", str(error)
        except TrunklineError as error:
            self._trouble("call", error)
            return "network" if isinstance(error, SipError) else "error", str(error)
        except asyncio.CancelledError:
            # Whoever runs the calls is in a hurry; the record is still written.
            return "drain", "the service stopped"
        except Exception as error:  # a fault in one call must not end the others
            logger.exception("call failed", call_id=self.leg.info.call_id)
            first = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            self._log.add(
                Trouble(self.clock.now(), "call", type(first).__name__, str(first), Verdict.GIVE_UP)
            )
            return "error", "an internal error"

    async def _answer(self) -> None:
        """Wait until the call is up; a call that must end while it still rings is given up at once."""
        answering = asyncio.ensure_future(self.leg.answer())
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait((answering, hurry), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise CallRefused(f"given up while it rang: {self._must_end}")
            answering.result()
        finally:
            answering.cancel()
            hurry.cancel()
            await asyncio.gather(answering, hurry, return_exceptions=True)
            del answering, hurry  # an error that one of them holds has seen this frame, and would keep it

    async def _converse(self, early: EarlyMedia) -> tuple[str, str]:
        rate = self.leg.rate
        language = self.settings.language
        mine, self.settings = bound(
            self.engines, self.settings, self.clock, self._emit, self._trouble, self._voice_asked
        )
        voices = voices_reporting_to(mine.tts, self._trouble, self._voice_asked)
        voice: Voice = await voices.open(
            VoiceOptions(self.settings.voice, self.settings.words_per_minute, language, rate)
        )
        if (maker := self._line_maker()) is not None:
            voice = maker.cached(voice)
        listener = Listener(
            mine.stt, ListenOptions(rate, language), self.clock, self._emit, self.engines.ends
        )
        try:
            await listener.open(self.voice_batch, self.settings.vad)
            async with CallTasks() as tasks:
                self._wire(voice, listener, mine.llm, tasks)
                if isinstance(mine.llm, KeepsWarm):
                    tasks.spawn(mine.llm.warm(), "warm")
                tasks.spawn(self._leg_events(early), "leg events")
                tasks.spawn(self._listen(listener), "listen")
                assert self._thinker is not None
                self.leg.start(self._on_frame, self._next_frame)
                self._thinker.begin({**self.facts, **self.leg.info.variables})
                try:
                    return await self._ended
                finally:
                    self._thinker.over()
        finally:
            await listener.close()
            await voice.close()

    def _line_maker(self) -> LineMaker | None:
        return line_maker(self.engines, self.settings, self._emit, self.clock)

    def _wire(self, voice: Voice, listener: Listener, llm: LanguageModel, tasks: CallTasks) -> None:
        self._listener = listener
        self._speaker = Speaker(voice, self.leg.rate, self.settings, self.clock, self._emit, self.leg.clear)
        play = LoggedPlay(self.play, self.clock, self._emit)
        model = model_reporting_to(llm, self._trouble)
        writer = model_reporting_to(self.engines.llm, self._trouble)
        own = LocalBrain(clock=self.clock)
        local = self.settings.simple_turns == "brain" and model.name != LocalBrain.name
        self._economy = Economy(self.settings.budget, model, own if local else model, self.engines.fast, own)
        tools = Tools(
            play=play,
            speaker=self._speaker,
            settings=self.settings,
            clock=self.clock,
            emit=self._emit,
            stamp=lambda event: replace(event, at=self.clock.now()),
            expect=self._expect,
            wall=self.clock.wall,
            openers=Openers(self.settings.openers),
            call_tool=ToolWork(
                self.engines.tools, tasks, self.clock, self._emit, self._came_from_outside
            ).begin,
            start_timer=self._start_timer,
            judge=Judge(self.engines.judge, self.play, tasks, self.clock, self._emit, self._judged).look,
            recap=Recaps(writer, tasks, self.clock, self._emit, self._recapped).begin,
            economy=self._economy,
        )
        self._thinker = Thinker(tools, play.initial(), tasks, self._finale, self._mute)
        now = self.clock.now()
        if self.recorder is not None:
            self.recorder.begin_audio(now, self.leg.rate)
        self._summary.ledger.wire_delay = self.leg.wire_delay
        self._at(now + self.settings.max_duration, self._talked_long_enough)
        if self._must_end:
            self.must_end(self._must_end)

    # --- audio ------------------------------------------------------------------------------------

    def _on_frame(self, frame: Frame) -> None:
        if self.recorder is not None and self.settings.record_audio:
            self.recorder.caller(frame)
        if self._listener is not None:
            self._listener.hear(self._hold.heard(frame), tones=self._floor.wants_tones)

    def _next_frame(self, at: float) -> bytes | None:
        speaker = None if self._hold.on else self._speaker
        pcm = speaker.next_frame(at) if speaker is not None else None
        if pcm is None and self._handoff is not None:
            pcm = self._handoff.next_frame()
        if self._listener is not None:
            self._listener.played(pcm)
        if self.recorder is not None and self.settings.record_audio:
            self.recorder.agent(at, pcm or bytes(self.leg.rate // 50 * 2))
        return pcm

    # --- events -----------------------------------------------------------------------------------

    def _emit(self, event: Event) -> None:
        """Everything that happens, in order."""
        self._hold.note(event)
        self._floor.feed(event)
        if isinstance(event, OutcomeDecided):
            self._outcome = event.outcome
        elif isinstance(event, TransferDone) and event.result == "transferred":
            self._outcome = self._outcome or "transferred"
        elif self._thinker is None:
            return
        elif isinstance(event, SpeakingStarted):
            self._thinker.agent_started(event.generation)
        elif isinstance(event, SpeakingStopped):
            self._thinker.agent_stopped(event)

    def _watch_budget(self, event: Event) -> None:
        """Each turn's row, as soon as it is complete."""
        ledger = self._summary.ledger
        row = ledger.rows[-1] if ledger.rows else None
        if not isinstance(event, SpeakingStarted) or row is None or row.generation != event.generation:
            return
        if (found := self._budget.add(row, event.at, ledger.wire_delay)) is not None:
            self._emit(found)
            if self._economy is not None:
                self._economy.move(found)

    def _act(self, decision: Event) -> None:
        """Carry out what turn-taking decided."""
        if isinstance(decision, TurnStarted | TurnResumed | TurnEnded):
            self._caller_speaks = not isinstance(decision, TurnEnded)
        thinker, speaker, listener = self._thinker, self._speaker, self._listener
        if thinker is None or speaker is None or listener is None or self._ended.done():
            return
        match decision:
            case Ducked():
                speaker.duck(hold=decision.hold)
            case Resumed() | Backchannel():
                speaker.resume()
            case Interrupted():
                speaker.cut(decision.why)
                thinker.interrupted()
            case TurnLikely():
                thinker.turn_likely(decision)
            case TurnResumed():
                thinker.turn_resumed(decision)
            case TurnEnded():
                listener.finalise()
                thinker.turn_ended(decision)
            case CallerSilent():
                thinker.caller_silent(decision)
            case AnsweredBy():
                thinker.call_taken(decision.who)
            case MailboxReady():
                thinker.call_taken(Answerer.MACHINE, ready=True)

    def _came_from_outside(self, happening: ToolResult | TimeUp) -> None:
        if self._thinker is not None and not self._ended.done():
            self._thinker.from_outside(happening, caller_speaks=self._caller_speaks)

    def _recapped(self, written: Recapped) -> None:
        if self._thinker is not None and not self._ended.done():
            self._thinker.recapped(written)

    def _judged(self, generation: int, sentence: str, rule: str) -> None:
        if self._thinker is not None and not self._ended.done():
            self._emit(GuardrailBlocked(self.clock.now(), generation, f"judge: {rule}", sentence, ""))
            if self._handoff is not None:
                return  # To take the sentence back would take the person back too.
            self._thinker.judged(sentence, rule, caller_speaks=self._caller_speaks)

    def _start_timer(self, timer: StartTimer) -> None:
        self._at(
            self.clock.now() + timer.seconds,
            lambda: self._came_from_outside(TimeUp(timer.key, self.clock.wall())),
        )

    def _expect(self, action: Expect) -> None:
        if self._listener is not None:
            self._listener.expect(action.expectation)
        self._emit(Expecting(self.clock.now(), action.expectation, action.silence))

    async def _leg_events(self, early: EarlyMedia) -> None:
        lost = partial(self._end, "network", "no audio came any more", outcome="audio_lost")
        with LossLimit(self.clock, self.settings.media_lost_limit, lost) as loss:
            await self._follow(early, loss)

    async def _follow(self, early: EarlyMedia, loss: LossLimit) -> None:
        async for event in early.events():
            if isinstance(event, Dtmf) and self._handoff is not None and self._handoff.joined:
                self._handoff.key(event.digit)
                continue  # What the caller presses now is the person's, and not for our log.
            self._emit(event)
            loss.note(event)
            match event:
                case HungUp() if self._handoff is not None and self._handoff.leaving:
                    # Trunks hang up as soon as a transfer is through; its result is on its way.
                    ended = partial(self._end, "caller", event.reason)
                    self._at(event.at + TRANSFER_RESULT_TIME, ended)
                case HungUp():
                    self._end("caller", event.reason)
                case MediaLost() if self._thinker is not None:
                    self._thinker.audio_lost(event.seconds)

    async def _listen(self, listener: Listener) -> None:
        try:
            await listener.run()
        except EngineError:
            # Each failure is in the log already. A caller nobody hears is told so, and let go; but not while
            # they talk with a person, or one is asked: an engine that is given no sound may well give up.
            self._deaf = True
            if self._handoff is None:
                self.must_end(_DEAF)

    # --- the end ----------------------------------------------------------------------------------

    def must_end(self, why: str) -> None:
        """Say goodbye and end, within `goodbye_time`. May be called at any time of the call."""
        self._must_end = why
        self._hurry.set()
        if self._thinker is None or self._ended.done():
            return
        self._thinker.must_end(why)
        self._at(self.clock.now() + self.settings.goodbye_time, lambda: self._end("agent", why))

    async def _finale(self, action: Transfer | End) -> None:
        if isinstance(action, End):
            self._outcome = action.outcome
            await self.clock.sleep(LAST_WORDS_TAIL)
            self._end("agent", action.reason)
            return
        settings = self.settings
        self._handoff = handoff = HandOff(
            self.leg,
            action,
            self.clock,
            self._emit,
            dial=self.dial,
            asking=Asking(self.engines, settings, self.clock, self.voice_batch, self._emit),
            agent=(self._on_frame, self._next_frame),
            recorder=self.recorder if settings.record_audio and settings.record_joined else None,
        )
        try:
            result, ending = await handoff.run()
        finally:
            self._handoff = None
        if ending is not None:
            if result == "transferred" and self._thinker is not None:
                self._thinker.handed_over()
            self._end(ending.by, ending.reason)
        elif self._deaf:
            self.must_end(_DEAF)
        elif self._thinker is not None:
            self._thinker.transfer_ended(result)

    def _talked_long_enough(self) -> None:
        """A caller who talks with a person is not the agent's to end."""
        if self._handoff is None or not self._handoff.joined:
            self.must_end("the longest call")

    def _mute(self, why: str) -> None:
        """The agent has lost its voice: silence would be worse than hanging up."""
        self._end("error", f"the voice failed: {why}")

    def _end(self, by: str, reason: str, *, outcome: str = "") -> None:
        if not self._ended.done():
            self._outcome = self._outcome or outcome
            self._ended.set_result((by, reason))

    def _at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        timer = self.clock.call_at(when, callback)
        self._timers.append(timer)
        return timer

    def _voice_asked(self, name: str, characters: float) -> None:
        self._emit(EngineAsked(self.clock.now(), "tts", name, characters=int(characters)))

    def _trouble(self, where: str, error: TrunklineError) -> None:
        self._log.add(Trouble(self.clock.now(), where, type(error).__name__, str(error), error.verdict))

    def finished(self) -> Finished:
        """What is left of the call when it is over."""
        if self._finished is None:
            numbered = self._thinker.state if self._thinker is not None else None
            state = numbered.inner if numbered is not None else self.play.initial()
            self._finished = Finished(self.play, state, self.recorder)
        return self._finished
