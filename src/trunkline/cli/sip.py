"""`trunkline sip …`: trying a trunk or a phone without an agent."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson, Assignments, ConfigFile, Debug, Trace, settings_from, with_log

if TYPE_CHECKING:
    from trunkline.legs.sip import SipSettings
    from trunkline.legs.sip_leg import SipLeg

_ANY_PORT = "udp:0.0.0.0:0"
_LONGEST_CALL = 24 * 3600.0
From = Annotated[str, typer.Option("--from", metavar="NUMBER", help="Whom the call comes from.")]
Bind = Annotated[str, typer.Option("--sip", metavar="udp:HOST:PORT", help="Where to send from.")]


@dataclass(slots=True)
class DialResult:
    """What became of one call; `result` is "answered", or why it was not (`busy`, `no-answer`, …)."""

    result: str = ""
    status: int = 0
    cause: int = 0
    """The telephone network's, by Q.850, of the refusal or of their BYE; 0: none was told."""
    what: str = ""
    hint: str = ""
    """What to do about it."""
    target: str = ""
    codec: str = ""
    early_media: bool = False
    ended_by: str = ""
    transfer: str = ""
    packets_sent: int = 0
    packets_received: int = 0
    packets_lost: int = 0

    @property
    def good(self) -> bool:
        return self.result == "answered" and self.transfer in ("", "transferred")


def dial(
    uri: Annotated[str, typer.Argument(metavar="URI", help="Whom to call: sip:echo@192.0.2.7:5060")],
    auth: Annotated[str, typer.Option("--auth", metavar="USER:PASSWORD", help="Whom to log in as.")] = "",
    ring_timeout: Annotated[
        float, typer.Option("--ring-timeout", min=0.1, metavar="S", help="Seconds that it may ring.")
    ] = 60.0,
    hangup_after: Annotated[
        float | None,
        typer.Option("--hangup-after", min=0, metavar="S", help="Hang up so long after the answer."),
    ] = None,
    second_trunk: Annotated[
        str,
        typer.Option(
            "--second-trunk", metavar="URI", help="Called where the first is out of order (not if busy)."
        ),
    ] = "",
    refer: Annotated[
        str, typer.Option("--refer", metavar="URI", help="Hand the call over to this address.")
    ] = "",
    codec: Annotated[
        list[str] | None, typer.Option("--codec", metavar="NAME", help="May be repeated, best first.")
    ] = None,
    srtp: Annotated[
        str | None, typer.Option("--srtp", metavar="off|preferred|required", help="Encrypt the media.")
    ] = None,
    caller: From = "",
    sip: Bind = _ANY_PORT,
    config: ConfigFile = None,
    assignments: Assignments = None,
    as_json: AsJson = False,
    debug: Debug = False,
    trace: Trace = None,
) -> None:
    """Place one call without a scenario, and tell what became of it.

    Exit status 0 where it was answered (and, with --refer, taken over by the other person), else 1. Without
    --hangup-after the call lasts until the other end, or Ctrl-C, ends it.
    """
    from trunkline.cli.running import run

    loaded = settings_from(
        config,
        assignments,
        debug=debug,
        sip__bind=("--sip", sip),
        sip__trace=("--trace", trace),
        sip__ring_timeout=("--ring-timeout", ring_timeout),
        sip__codecs=("--codec", tuple(codec or ())),
        sip__srtp=("--srtp", srtp),
    )
    user, _, password = auth.partition(":")
    if auth and not (user and password):
        raise typer.BadParameter("it is not of the form USER:PASSWORD", param_hint="--auth")
    targets = [uri, second_trunk] if second_trunk else [uri]
    settings = with_log(loaded.settings).sip
    check_targets(settings, targets, refer)
    result = run(_dial(settings, targets, caller, (user, password), hangup_after, refer))
    if as_json:
        typer.echo(json.dumps(asdict(result)))
    else:
        typer.echo("; ".join(f"{name}: {value}" for name, value in asdict(result).items() if value))
    if not result.good:
        raise typer.Exit(ExitStatus.OTHERWISE)


def check_targets(settings: SipSettings, targets: list[str], refer: str = "") -> None:
    """What cannot be called is told before anybody's phone rings. Raises `ParseError`."""
    from trunkline.legs.sip_transfer import address_or_number
    from trunkline.legs.sip_trunk import number_in
    from trunkline.sip.uri import parse_uri

    for target in targets:
        if not (settings.trunks and number_in(target)):
            parse_uri(target)
    if refer:
        address_or_number(refer)


async def _dial(
    settings: SipSettings,
    targets: list[str],
    caller: str,
    login: tuple[str, str],
    hangup_after: float | None,
    refer: str,
) -> DialResult:
    from trunkline.clock import SystemClock
    from trunkline.errors import Verdict
    from trunkline.legs.sip import SipService
    from trunkline.rtp.pacer import Pacer
    from trunkline.sip.digest import Credentials
    from trunkline.sip.not_taken import CallNotTaken

    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    result = DialResult()
    credentials = (Credentials(*login),) if login[0] else ()
    try:
        service = await SipService.open(settings, clock, pacer)
        try:
            for place, target in enumerate(targets, start=1):
                result = DialResult(target=target)
                more = place < len(targets)
                try:
                    leg = await service.dial(target, caller=caller, credentials=credentials, elsewhere=more)
                    await _hold(leg, result, hangup_after, refer)
                except CallNotTaken as refused:
                    result.result, result.status, result.what = refused.why, refused.status, refused.what
                    result.cause, result.hint = refused.cause, refused.hint
                    if refused.verdict is Verdict.FAIL_OVER:
                        continue
                break
        finally:
            await service.close()
    finally:
        await pacer.close()
    return result


async def _hold(leg: SipLeg, result: DialResult, hangup_after: float | None, refer: str) -> None:
    """One call from its ringing to its end. Raises `CallNotTaken`."""
    import asyncio

    from trunkline.cli.running import stopped_by_signals
    from trunkline.events import CallAnswered, CallRinging, Dtmf, HungUp
    from trunkline.sip.not_taken import cause_of

    async def listen() -> None:
        async for event in leg.events():
            match event:
                case CallRinging():
                    result.early_media = result.early_media or event.early_media
                    _note("early media" if event.early_media else "ringing")
                case CallAnswered():
                    result.codec = event.codec
                    _note(f"answered: {event.codec} at {event.rate} Hz")
                case Dtmf():
                    _note(f"DTMF: {event.digit}")
                case HungUp():
                    result.ended_by = "them"
                    result.cause = cause_of(event.reason)

    async with stopped_by_signals(lambda: _note("hanging up")) as stop:
        listening = asyncio.create_task(listen(), name="listen")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        answering = asyncio.create_task(leg.answer(), name="answer")
        try:
            await asyncio.wait((answering, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                await leg.hang_up("cancelled")
                raise asyncio.CancelledError  # `run` turns it into the status of Ctrl-C
            await answering
            result.result = "answered"
            leg.start(lambda _: None, lambda _: None)
            if refer:
                result.transfer = await leg.transfer(refer)
            else:
                limit = _LONGEST_CALL if hangup_after is None else hangup_after
                await asyncio.wait((listening, stopping), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            result.ended_by = result.ended_by or "us"
            await leg.hang_up()
            for task in (listening, stopping, answering):
                task.cancel()
            await asyncio.gather(listening, stopping, answering, return_exceptions=True)
    quality = leg.quality()
    result.packets_sent = quality.packets_sent
    result.packets_received = quality.packets_received
    result.packets_lost = quality.packets_lost


def _note(text: str) -> None:
    print(f"trunkline: {text}", file=sys.stderr, flush=True)


def register(
    uri: Annotated[str, typer.Argument(metavar="URI", help="The registrar: sip:pbx.example.com")],
    user: Annotated[str, typer.Argument(metavar="USER", help="Whom to register.")],
    password: Annotated[str, typer.Argument(metavar="PASSWORD", help="The account's password.")],
    expires: Annotated[
        int, typer.Option("--expires", min=1, max=604_800, metavar="S", help="Seconds to ask for.")
    ] = 3600,
    sip: Bind = _ANY_PORT,
    config: ConfigFile = None,
    assignments: Assignments = None,
    debug: Debug = False,
    trace: Trace = None,
) -> None:
    """Register with a trunk or PBX, stay registered, and unregister on Ctrl-C.

    Tells what the registrar granted each time. Exit status 0 where it was registered, 4 where it never was.
    """
    from trunkline.cli.running import run

    loaded = settings_from(
        config, assignments, debug=debug, sip__bind=("--sip", sip), sip__trace=("--trace", trace)
    )
    run(_register(with_log(loaded.settings).sip, uri, user, password, expires))


async def _register(settings: SipSettings, uri: str, user: str, password: str, expires: int) -> None:
    import asyncio
    from dataclasses import replace

    from trunkline.cli.running import stopped_by_signals
    from trunkline.clock import SystemClock
    from trunkline.errors import ParseError, SipError
    from trunkline.legs.sip import open_endpoint
    from trunkline.legs.sip_trace import trace_of
    from trunkline.sip.digest import Credentials
    from trunkline.sip.registration import Account, News, Standing
    from trunkline.sip.uri import escape_user, parse_uri

    registrar = replace(parse_uri(uri), user="").without_headers()
    if registrar.scheme not in ("sip", "sips"):
        raise ParseError(f"{uri!r} is no registrar's address: sip:HOST[:PORT]", where="sip")
    if not user:
        raise ParseError("nobody is to be registered: the user is empty", where="sip")
    address = replace(registrar, user=escape_user(user), params={})
    clock = SystemClock()
    changed = asyncio.Event()
    last: list[News] = []
    registered = False

    def tell(news: News) -> None:
        nonlocal registered
        last[:] = [news]
        registered = registered or news.standing is Standing.REGISTERED
        changed.set()
        match news.standing:
            case Standing.REGISTERED:
                typer.echo(f"registered {address} for {news.granted} s ({news.contacts} places in all)")
            case Standing.FAILED:
                why = f"{news.status or ''} {news.reason}".strip()
                if not news.status and registrar.transport == "tls" and endpoint.distrusted:
                    why += f", for its certificate does not convince ({endpoint.distrusted})"
                typer.echo(f"not registered: {why}; again in {news.again_in:.0f} s")
            case Standing.ENDED if registered:
                typer.echo("unregistered")
        sys.stdout.flush()

    endpoint = await open_endpoint(settings, clock, lambda _: None)
    trace = await trace_of(settings, clock, endpoint)
    try:
        hop = await endpoint.locate(registrar)
        account = Account(registrar, address, (Credentials(user, password),), expires)
        async with stopped_by_signals(lambda: _note("unregistering")) as stop:
            registration = endpoint.agent.register(account, hop, clock.now(), tell)
            endpoint.settle()
            await _either(stop, changed)
            if last and last[0].standing is Standing.FAILED and 400 <= last[0].status < 500:
                raise SipError(f"the registrar refuses: {last[0].status} {last[0].reason}", where=uri)
            await stop.wait()
            failed = last[0] if last else None
            registration.stop(clock.now())
            endpoint.settle()
            if not registered:
                why = f"{failed.status or ''} {failed.reason}".strip() if failed else "no answer yet"
                hint = f"`trunkline sip doctor {registrar}` looks for the reason"
                raise SipError(f"it was never registered ({why})", where=uri, hint=hint)
            async with asyncio.timeout(40):
                while last[0].standing is not Standing.ENDED:
                    changed.clear()
                    await changed.wait()
    finally:
        await endpoint.close()
        if trace is not None:
            await asyncio.to_thread(trace.close)


async def _either(*events: Any) -> None:
    import asyncio

    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
