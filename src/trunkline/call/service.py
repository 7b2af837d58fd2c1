"""Answering and placing calls: one SIP socket, one pacer, one voice batch, one set of engines.

`open_service` starts everything that calls share and takes it down again; `serve` answers until told
to stop and then drains; `place` makes one call.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from trunkline.call.after_call import AfterCalls
from trunkline.call.call import Call, CallResult, Engines
from trunkline.call.duplex import line_maker
from trunkline.call.fixed_lines import beginnings_cache, cache_for
from trunkline.call.log import Listener as EventListener
from trunkline.call.once import Once
from trunkline.call.play import Play, settings_for
from trunkline.call.record import RunRecorder
from trunkline.call.settings import CallSettings
from trunkline.call.sounded_end import ends_for
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import RecordError, TrunklineError
from trunkline.events import Event
from trunkline.integrations.settings import Tool
from trunkline.integrations.toolbox import Toolbox
from trunkline.legs.leg import Leg, LegInfo
from trunkline.legs.sip import SipService, SipSettings
from trunkline.providers.costs import prices_in_force
from trunkline.providers.failover import FailoverLanguageModel, FailoverTextToSpeech
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.protocols import LanguageModel, SpeechToText, TextToSpeech
from trunkline.providers.registry import make_llm, make_s2s, make_stt, make_tts
from trunkline.providers.s2s.protocol import SpeechToSpeech
from trunkline.providers.stt_failover import FailoverSpeechToText
from trunkline.providers.voice_cache import Prepared
from trunkline.rtp.pacer import Pacer

REVIEW_TIME = 10.0
"""Seconds that reviews under way may still take when the service stops."""

COLLECT_AFTER = (10_000, 2, 20)
"""When the garbage collector runs, as `gc.set_threshold` takes it: for the young fourteen times as rarely as
by default. See docs/decisions/0039-garbage-is-collected-rarely.md."""

logger = structlog.get_logger(__name__)

TELL_SECONDS = 60.0
"""Between two lines of the log about calls that are refused."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """What a service needs to know. Engine specs as on the command line: "NAME[,key=value…]"."""

    sip: SipSettings = field(default_factory=SipSettings)
    stt: tuple[str, ...] = ("embedded",)
    """In the order in which they are tried."""
    llm: str | tuple[str, ...] = "brain"
    """One, or several in the order in which they are tried."""
    tts: str | tuple[str, ...] = "embedded"
    """The same."""
    tools: tuple[Tool, ...] = ()
    """What steps of kind call may use."""
    judge: str = ""
    """The model that watches over a scenario's rules in plain words; empty: none."""
    s2s: str = ""
    """What hears and speaks by itself, in place of the three, which are then behind it; empty: none."""
    call: CallSettings = field(default_factory=CallSettings)
    runs: Path | None = None
    """Each call's record becomes a folder in here; None: no records."""
    max_calls: int = 200
    """More calls at once are refused as busy."""
    drain_time: float = 30.0
    """How long calls may go on after a stop is asked for, before they are told goodbye."""


@asynccontextmanager
async def running_engines(settings: ServiceSettings, clock: Clock) -> AsyncIterator[Engines]:
    """All engines, started; stopped again on leaving. A failed start raises its `EngineError`."""
    recognisers = [make_stt(spec, clock) for spec in settings.stt]
    stt = [FailoverSpeechToText(recognisers, clock, tell=_engine_failed)]
    llm = _one_model(settings.llm, clock)
    tts = _one_voice(settings.tts, clock)
    prices_in_force()  # a wrong table is told now, not when the first call ends
    everything: list[SpeechToText | LanguageModel | TextToSpeech | SpeechToSpeech] = [*stt, llm, tts]
    s2s = make_s2s(settings.s2s, clock) if settings.s2s else None
    if s2s is not None:
        everything.append(s2s)
        logger.warning("one engine hears and speaks", engine=s2s.name, cannot=s2s.cannot)
    spec = settings.call.budget.llm if "fast-model" in settings.call.budget.allowed else ""
    fast = make_llm(spec, clock) if spec else None
    judge = make_llm(settings.judge, clock) if settings.judge else None
    everything += [model for model in (fast, judge) if model is not None]
    ends = ends_for(settings.call.smart_turn, clock, _no_ends)
    try:
        for engine in everything:
            await engine.start()
        if ends is not None:
            await ends.start()
        first = settings.s2s or (settings.tts if isinstance(settings.tts, str) else settings.tts[0])
        async with Toolbox(settings.tools) as tools:
            lines = cache_for(settings.call)
            yield Engines(
                stt,
                llm,
                tts,
                lines=lines,
                beginnings=beginnings_cache(),
                fast=fast,
                ends=ends,
                voice=first,
                tools=tools,
                judge=judge,
                s2s=s2s,
            )
    finally:
        if ends is not None:
            await ends.close()
        for engine in everything:
            await engine.close()


def _no_ends(error: TrunklineError) -> None:
    logger.error("end of turn goes on without its acoustic model", error=error.for_log())


def _one_model(specs: str | tuple[str, ...], clock: Clock) -> LanguageModel:
    """One alone is a list too, so that it is asked again where that may help and nothing was said yet."""
    models = [make_llm(spec, clock) for spec in ((specs,) if isinstance(specs, str) else specs)]
    here = len(models) == 1 and models[0].name == LocalBrain.name
    return models[0] if here else FailoverLanguageModel(models, clock, tell=_engine_failed)


def _one_voice(specs: str | tuple[str, ...], clock: Clock) -> TextToSpeech:
    voices = [make_tts(spec, clock) for spec in ((specs,) if isinstance(specs, str) else specs)]
    return voices[0] if len(voices) == 1 else FailoverTextToSpeech(voices, clock, tell=_engine_failed)


def _spent(event: Event) -> None:
    logger.info("tokens for lines made ahead", spent=asdict(event))


def _engine_failed(name: str, error: TrunklineError) -> None:
    # At the start the others go on without it, and a person should know before the first call; later it is
    # what was asked outside of calls: reviews, and lines made ahead.
    logger.warning("an engine failed outside of a call", engine=name, error=error.for_log())


@asynccontextmanager
async def open_service(settings: ServiceSettings, clock: Clock) -> AsyncIterator[CallService]:
    """Everything that calls share, up and running."""
    async with running_engines(settings, clock) as engines:
        pacer = Pacer(clock)
        pacer.start()
        usual = gc.get_threshold()
        batch = VoiceBatch(clock, on_trouble=_no_network)
        try:
            await batch.start()
            sip = await SipService.open(settings.sip, clock, pacer)
            try:
                service = CallService(settings, clock, engines, batch, sip, pacer)
                # What is loaded by now lives as long as the service: the garbage collector need not
                # walk through models and grammars while calls wait for their next 20 ms.
                gc.collect()
                gc.freeze()
                gc.set_threshold(*COLLECT_AFTER)
                yield service
                await service.drain(0.0)
            finally:
                gc.set_threshold(*usual)
                gc.unfreeze()
                await sip.close()
        finally:
            await batch.close()
            await pacer.close()


def _no_network(error: TrunklineError) -> None:
    # Calls go on: the gate decides alone, and a person should know that it hears noise as speech.
    logger.error("voice activity goes on without its network", error=error.for_log())


class CallService:
    """Made by `open_service`."""

    def __init__(
        self,
        settings: ServiceSettings,
        clock: Clock,
        engines: Engines,
        batch: VoiceBatch,
        sip: SipService,
        pacer: Pacer,
    ) -> None:
        self.settings = settings
        self.sip = sip
        self.engines = engines
        self.clock = clock
        self.pacer = pacer
        """The beat of every call's media, for legs of other kinds too."""
        self.screen: Callable[[LegInfo], int] = lambda _: 0
        """Gives the status with which a call is refused before it is answered; 0: it is not."""
        self.once: Once[CallResult] = Once()
        """Calls of ours by the keys that they were asked for with."""
        self._refused = 0
        self._tell_at = 0.0
        self.batch = batch
        """Voice activity, for whoever else listens."""
        self._calls: dict[Call, asyncio.Task[CallResult]] = {}
        self._after = AfterCalls(engines.llm, wanted=settings.call.review == "model")

    @property
    def active(self) -> int:
        """How many calls are up."""
        return len(self._calls)

    def is_full(self) -> bool:
        """Whether a call that comes now is one too many; it is then counted as refused. People are told at
        most once a minute: whoever floods us with calls is not to fill the log too."""
        if self.active < self.settings.max_calls:
            return False
        self._refused += 1
        now = self.clock.now()
        if now >= self._tell_at:
            self._tell_at = now + TELL_SECONDS
            logger.warning(
                "calls refused", why="too many", limit=self.settings.max_calls, in_all=self._refused
            )
        return True

    def screen_with(self, screen: Callable[[LegInfo], int]) -> None:
        """Have `screen` say which calls are refused, and with which status, before they ring."""
        self.screen = self.sip.screen = screen

    async def prepare(self, play: Play, rate: int = 8000) -> None:
        """Make a play's fixed lines before its first call, for legs of this rate."""
        if self.engines.lines is not None:
            settings = settings_for(play, self.settings.call)
            maker = line_maker(self.engines, settings, _spent, self.clock)
            assert maker is not None
            made: list[Prepared] = []
            await maker.prepare(play, {}, rate, made.append)
            total = sum(made, Prepared())
            logger.info("fixed lines", play=play.name, made=total.lines, characters=total.characters)

    async def serve(
        self,
        play_for: Callable[[LegInfo], Play],
        stop: asyncio.Event,
        *,
        listeners_for: Callable[[LegInfo], Sequence[EventListener]] = lambda _: (),
        on_result: Callable[[CallResult], None] = lambda _: None,
    ) -> None:
        """Answer every call until `stop` is set; then drain within the settings' time."""
        accepting = asyncio.create_task(self._accept(play_for, listeners_for, on_result), name="accept")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait((accepting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if accepting.done():
                accepting.result()
        finally:
            accepting.cancel()
            stopping.cancel()
            await asyncio.gather(accepting, stopping, return_exceptions=True)
        await self.drain(self.settings.drain_time)

    async def _accept(
        self,
        play_for: Callable[[LegInfo], Play],
        listeners_for: Callable[[LegInfo], Sequence[EventListener]],
        on_result: Callable[[CallResult], None],
    ) -> None:
        async for leg in self.sip.calls():
            if self.is_full():
                await leg.hang_up("busy")
                continue
            task = self.take(leg, play_for(leg.info), listeners_for(leg.info))
            task.add_done_callback(lambda done: on_result(done.result()) if not done.cancelled() else None)

    async def place(
        self,
        uri: str,
        play: Play,
        *,
        caller: str = "",
        facts: Mapping[str, str] | None = None,
        listeners: Sequence[EventListener] = (),
        key: str = "",
    ) -> CallResult:
        """Dial `uri` and hold the call to its end. Cancelling it says goodbye and ends the call. `key`: a
        call that was asked for with the same one is not dialled again; its result is given again."""

        async def dial() -> CallResult:
            leg = await self.sip.dial(uri, caller=caller)
            return await self.hold(leg, play, facts=facts, listeners=listeners)

        return await (self.once.do(key, dial) if key else dial())

    def take(self, leg: Leg, play: Play, listeners: Sequence[EventListener] = ()) -> asyncio.Task[CallResult]:
        """Answer a call that came in on a leg of any kind. It counts, is recorded and drained as all are."""
        return self._run(self._make(leg, play, {}, listeners))

    async def hold(
        self,
        leg: Leg,
        play: Play,
        *,
        facts: Mapping[str, str] | None = None,
        listeners: Sequence[EventListener] = (),
    ) -> CallResult:
        """Hold a call that was placed on a leg of any kind to its end. Cancelling it says goodbye."""
        call = self._make(leg, play, dict(facts or {}), listeners)
        task = self._run(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            call.must_end("cancelled")
            await asyncio.wait((task,), timeout=self.settings.call.goodbye_time + 5)
            raise

    def _make(
        self,
        leg: Leg,
        play: Play,
        facts: dict[str, str],
        listeners: Sequence[EventListener],
    ) -> Call:
        return Call(
            leg,
            play,
            self.engines,
            self.settings.call,
            self.clock,
            self.batch,
            self._recorder(leg),
            facts,
            listeners,
            dial=self.sip.dial,
        )

    def _recorder(self, leg: Leg) -> RunRecorder | None:
        if self.settings.runs is None:
            return None
        when = self.clock.wall().strftime("%Y%m%d-%H%M%S")
        safe = "".join(c if c.isalnum() else "-" for c in leg.info.call_id)[:24].strip("-")
        recorder = RunRecorder(
            self.settings.runs / f"{when}-{safe or 'call'}",
            lambda error: logger.error("record", error=error.for_log()),
        )
        try:
            recorder.start()
        except RecordError as error:
            # A call without a record is better than no call; the log says what is missing.
            logger.error("record", error=error.for_log())
            return None
        return recorder

    def _run(self, call: Call) -> asyncio.Task[CallResult]:
        task = asyncio.create_task(call.run(), name=f"call {call.leg.info.call_id}")
        self._calls[call] = task
        task.add_done_callback(lambda done: self._over(call, done))
        return task

    def _over(self, call: Call, task: asyncio.Task[CallResult]) -> None:
        self._calls.pop(call, None)
        if not task.cancelled() and task.exception() is None:
            self._after.take(call.finished())

    async def drain(self, limit: float) -> None:
        """No new calls; wait up to `limit` seconds, tell the rest goodbye, end what is left."""
        self.sip.drain()
        if self._calls and limit > 0:
            await asyncio.wait(self._calls.values(), timeout=limit)
        for call in list(self._calls):
            call.must_end("the service stops")
        if self._calls:
            await asyncio.wait(self._calls.values(), timeout=self.settings.call.goodbye_time + 5)
        for task in list(self._calls.values()):
            task.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)
        await self._after.close(REVIEW_TIME)
