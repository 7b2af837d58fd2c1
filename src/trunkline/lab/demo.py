"""`trunkline demo`: a scripted prospect and the agent hold a real call over SIP and RTP on loopback.

Nothing is short-cut. The agent is the whole service that `trunkline serve` runs; the prospect is a
second SIP user agent with its own socket, pacer and recogniser. All that both sides share is the
process. The prospect's `Ear` measures the answers from the packets the prospect received; the
agent's ledger is laid beside it afterwards.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import structlog

from trunkline.call.call import CallResult
from trunkline.call.ledger import Ledger
from trunkline.call.log import Listener
from trunkline.call.play import Play
from trunkline.call.service import CallService, ServiceSettings, open_service
from trunkline.clock import Clock, SystemClock
from trunkline.errors import CallRefused, EngineError, MediaError, RecordError
from trunkline.events import CallAnswered, Event, Expectation
from trunkline.lab.agent_words import agent_phrases, shipped_scenario
from trunkline.lab.agreement import beside_the_ledger
from trunkline.lab.console import Console
from trunkline.lab.persona import Intent, Persona, load_persona
from trunkline.lab.prospect import Prospect, ProspectReport
from trunkline.lab.recordings import Recordings
from trunkline.lab.report import write_report
from trunkline.lab.speakers import Speakers
from trunkline.legs.leg import Leg
from trunkline.legs.sip import SipService, SipSettings
from trunkline.providers.protocols import ListenOptions, Recognition
from trunkline.providers.registry import make_stt
from trunkline.rtp.pacer import Pacer
from trunkline.scenario.load import load_scenario
from trunkline.scenario.play import ScenarioPlay

logger = structlog.get_logger(__name__)

LOOPBACK = "udp:127.0.0.1:0"
RESULT_TIME = 30.0
"""Seconds the agent is given to write its record once the prospect has left."""
CONNECT_TIME = 20.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `trunkline demo` was asked for. Engine specs as on the command line."""

    settings: ServiceSettings = field(default_factory=ServiceSettings)
    """The agent's, as `trunkline serve` has them; only its address is the demo's own."""
    persona: str = "dana"
    outbound: bool = False
    scenario: str = ""
    """A scenario's name or file; empty for the one the persona was written for."""
    prospect_stt: str = "embedded,free=false"
    """The prospect's recogniser; empty: the prospect takes its cues in order."""
    listen: bool = False
    json_path: Path | None = None

    @property
    def runs(self) -> Path:
        """The folder in which the run's own folder is made."""
        return self.settings.runs or Path("runs")


@dataclass(frozen=True, slots=True)
class DemoResult:
    """How the demonstration went. `complaints` is empty when the call ended as the persona intends."""

    folder: Path
    record: dict[str, Any]
    prospect: ProspectReport
    complaints: tuple[str, ...]

    @property
    def as_intended(self) -> bool:
        return not self.complaints


@dataclass(slots=True)
class _Zero:
    """Finds the recording's first sample in monotonic time, and keeps a ledger in that time."""

    ledger: Ledger = field(default_factory=Ledger)
    answered: float | None = None

    def add(self, event: Event) -> None:
        self.ledger.add(event)
        if isinstance(event, CallAnswered) and self.answered is None:
            self.answered = event.at

    def of(self, record: dict[str, Any]) -> float:
        rows = record["ledger"]["rows"]
        if rows and self.ledger.rows:
            return self.ledger.rows[0].speech_end - float(rows[0]["speech_end"])
        return self.answered or 0.0


def load_play(name: str) -> Play:
    """The scenario that the agent plays, shipped (by name) or your own (by file)."""
    return ScenarioPlay(load_scenario(name))


async def run_demo(options: DemoOptions, clock: Clock | None = None) -> DemoResult:
    """Hold the call and show it in the terminal. Without a sound device to `listen` by, it says so and holds
    the call all the same. Raises as `hold_demo` does."""
    speakers, unheard = _speakers() if options.listen else (None, [])
    for why in unheard:
        logger.warning("the call goes on unheard", why=why)
    try:
        with Console() as console:
            result = await hold_demo(options, clock or SystemClock(), (console.on_event,), speakers)
    finally:
        if speakers is not None:
            speakers.close()
    remarks = unheard + [f"Not as {options.persona} intends: {wrong}" for wrong in result.complaints]
    if result.prospect.trouble:
        remarks.append(f"The prospect's own recogniser failed: {result.prospect.trouble}")
    remarks.append(f"Report: {result.folder / 'report.html'}")
    console.finish(result.record, tuple(remarks))
    return result


def _speakers() -> tuple[Speakers | None, list[str]]:
    """What both sides are heard through, or why they cannot be."""
    try:
        return Speakers(), []
    except MediaError as error:
        return None, [str(error)]


async def hold_demo(
    options: DemoOptions,
    clock: Clock,
    listeners: tuple[Listener, ...] = (),
    speakers: Speakers | None = None,
) -> DemoResult:
    """Hold the call and write the run folder with its report. `listeners` get the agent's events, `speakers`
    both sides' sound.

    Raises `ConfigError` for options that cannot be, `EngineError` where an engine cannot start,
    `CallRefused` where no call comes about.
    """
    persona = load_persona(options.persona)
    play = load_play(options.scenario or persona.scenario)
    zero = _Zero()
    async with AsyncExitStack() as stack:
        settings = replace(options.settings, sip=SipSettings(bind=LOOPBACK), runs=options.runs)
        service = await stack.enter_async_context(open_service(settings, clock))
        phone = await stack.enter_async_context(_phone(clock, persona.name))
        recognition = await stack.enter_async_context(_hearing(options, persona, clock))

        def prospect_on(leg: Leg) -> Prospect:
            listen_in = speakers.play if speakers is not None else None
            return Prospect(persona, leg, clock, Recordings(), recognition, listen_in)

        heard = (zero.add, *listeners)
        hold = _agent_dials if options.outbound else _prospect_dials
        result, prospect = await hold(service, phone, play, prospect_on, persona, heard)
    return await asyncio.to_thread(_write_results, options, persona, result, prospect, zero, clock)


@asynccontextmanager
async def _phone(clock: Clock, user: str) -> AsyncIterator[SipService]:
    """The prospect's own SIP user agent, with a pacer of its own."""
    pacer = Pacer(clock)
    pacer.start()
    try:
        phone = await SipService.open(SipSettings(bind=LOOPBACK, user=user), clock, pacer)
        try:
            yield phone
        finally:
            await phone.close()
    finally:
        await pacer.close()


@asynccontextmanager
async def _hearing(options: DemoOptions, persona: Persona, clock: Clock) -> AsyncIterator[Recognition | None]:
    """The prospect's recogniser, which knows the sentences that the agent's scenario holds."""
    if not options.prospect_stt:
        yield None
        return
    engine = make_stt(options.prospect_stt, clock)
    try:
        await engine.start()
        recognition = await engine.open(ListenOptions(rate=8000))
        phrases = agent_phrases(shipped_scenario(persona.scenario))
        recognition.expect(Expectation(phrases=phrases))
        yield recognition
    finally:
        await engine.close()


async def _prospect_dials(
    service: CallService,
    phone: SipService,
    play: Play,
    prospect_on: Callable[[Leg], Prospect],
    persona: Persona,
    heard: tuple[Listener, ...],
) -> tuple[CallResult, Prospect]:
    results: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = asyncio.create_task(
        service.serve(
            lambda _: play,
            stop,
            listeners_for=lambda _: heard,
            on_result=lambda result: None if results.done() else results.set_result(result),
        )
    )
    try:
        host, port = service.sip.address
        leg = await phone.dial(f"sip:agent@{host}:{port}", caller=persona.name)
        prospect = prospect_on(leg)
        await prospect.run()
        async with asyncio.timeout(RESULT_TIME):
            result = await results
    except TimeoutError as error:
        raise RecordError("the agent did not finish its record in time", where="demo") from error
    finally:
        stop.set()
        await serving
    return result, prospect


async def _agent_dials(
    service: CallService,
    phone: SipService,
    play: Play,
    prospect_on: Callable[[Leg], Prospect],
    persona: Persona,
    heard: tuple[Listener, ...],
) -> tuple[CallResult, Prospect]:
    host, port = phone.address
    placing = asyncio.create_task(
        service.place(f"sip:{persona.name}@{host}:{port}", play, caller="agent", listeners=heard)
    )
    try:
        prospect = prospect_on(await _first_call(phone))
        await prospect.run()
        async with asyncio.timeout(RESULT_TIME):
            result = await placing
    except TimeoutError as error:
        raise RecordError("the agent did not finish its record in time", where="demo") from error
    finally:
        if not placing.done():
            placing.cancel()
            with suppress(asyncio.CancelledError, CallRefused, EngineError):
                await placing
    return result, prospect


async def _first_call(phone: SipService) -> Leg:
    try:
        async with asyncio.timeout(CONNECT_TIME):
            async for leg in phone.calls():
                return leg
    except TimeoutError:
        pass
    raise CallRefused("the agent did not call", where="demo")


def complaints(intends: Intent, record: dict[str, Any]) -> tuple[str, ...]:
    """What is not as the persona intends, in plain words; empty where all is."""
    found = []
    outcome = record.get("outcome", "")
    if outcome not in intends.outcome:
        found.append(f"the outcome is {outcome or 'none'!r}, not {' or '.join(map(repr, intends.outcome))}")
    for name, wanted in intends.fields.items():
        got = (record.get("fields") or {}).get(name, {}).get("value")
        if not _same(wanted, got):
            found.append(f"{name} is {got!r}, not {wanted!r}")
    return tuple(found)


def _same(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        if isinstance(got, dict):
            got = got.get("amount")
        try:
            return Decimal(str(got)) == Decimal(str(wanted))
        except InvalidOperation:
            return False
    return str(wanted) == str(got)


def _write_results(
    options: DemoOptions, persona: Persona, result: CallResult, prospect: Prospect, zero: _Zero, clock: Clock
) -> DemoResult:
    """The ear's findings into `call.json`, the report beside it. Blocks on the disk: run in a thread."""
    record = dict(result.record)
    ear = beside_the_ledger(prospect.ear.judge(), record["ledger"]["rows"], zero.of(record))
    record["ear"] = ear
    record["persona"] = persona.name
    folder = result.folder or _new_folder(options.runs, persona, clock)
    wrong = complaints(persona.intends, record)
    figures = {
        "persona": persona.name,
        "direction": record["direction"],
        "intended": not wrong,
        "complaints": list(wrong),
        "outcome": record["outcome"],
        "fields": record["fields"],
        "turns": len(record["turns"]),
        "ledger": record["ledger"],
        "ear": ear,
        "media": record["media"],
        "unspoken_cues": list(prospect.report.unspoken),
        "folder": str(folder),
    }
    try:
        (folder / "call.json").write_text(json.dumps(record, ensure_ascii=False, indent=2) + "\n", "utf-8")
        write_report(folder)
        if options.json_path is not None:
            options.json_path.write_text(json.dumps(figures, indent=2, default=str) + "\n", "utf-8")
    except OSError as error:
        raise RecordError(
            f"cannot be written: {error.strerror or error}", where=str(error.filename)
        ) from error
    return DemoResult(folder, record, prospect.report, wrong)


def _new_folder(runs: Path, persona: Persona, clock: Clock) -> Path:
    """For the results of a call whose recorder could not make its own."""
    folder = runs / f"{clock.wall():%Y%m%d-%H%M%S}-{persona.name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordError(f"cannot be made: {error.strerror or error}", where=str(folder)) from error
    return folder
