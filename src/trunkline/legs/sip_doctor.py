"""Looks at a trunk as a doctor would: finds it, registers, asks, calls an echo, and listens for itself.

`examine` does so and gives what was seen, which `sip_diagnosis.diagnose` puts into words. It takes a port of
its own, so that it can run beside a service, and leaves nothing registered.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

import numpy as np

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError, SipError
from trunkline.events import HungUp
from trunkline.legs.leg import Leg
from trunkline.legs.probe_sound import clock_ppm, loudest_dbfs, own_sound, sweep
from trunkline.legs.sip import SipService
from trunkline.legs.sip_diagnosis import Observed, Reply
from trunkline.legs.sip_settings import SipSettings
from trunkline.legs.sip_trace import MediaTap
from trunkline.legs.sip_trunk import Trunk, number_in
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.packet import looks_like_rtcp
from trunkline.sip.asking import Asking
from trunkline.sip.connections import TlsFiles
from trunkline.sip.endpoint import SipEndpoint
from trunkline.sip.hop import Hop
from trunkline.sip.message import Headers, Message, Request, Response
from trunkline.sip.parse import parse_message
from trunkline.sip.pcap import Address
from trunkline.sip.registration import Account, News, Standing
from trunkline.sip.sdp import parse_sdp
from trunkline.sip.transaction import Do, Transaction
from trunkline.sip.uri import escape_user

CONNECT_SECONDS = 4.0
OPTIONS_SECONDS = 5.0
REGISTER_SECONDS = 8.0
RING_SECONDS = 20.0
LISTEN_SECONDS = 6.0
_SWEEPS_AT = (0.8, 3.4)
"""Seconds into the call; the first may be lost while both ends learn where to send."""
_HEARD_BOUND = 3_000
_MESSAGES_BOUND = 1_000
_ARRIVALS_BOUND = 5_000


@dataclass(slots=True)
class Witness:
    """Sees all that passes, and keeps what the diagnosis asks for."""

    clock: Clock
    messages: list[tuple[float, bool, Address, Message]] = field(default_factory=list)
    """When, whether we sent it, whom it went to or came from, and what."""
    arrivals: dict[tuple[int, int], list[tuple[float, int]]] = field(default_factory=dict)
    """Arrival and RTP timestamp of each packet, by SSRC and payload type."""
    media_from: Address = ("", 0)
    ours: set[Address] = field(default_factory=set)

    def saw(self, transport: str, source: Address, target: Address, data: bytes) -> None:
        """A message passed."""
        del transport
        if len(self.messages) >= _MESSAGES_BOUND:
            return
        with suppress(ParseError):
            message = parse_message(data)
            sent = source in self.ours
            self.messages.append((self.clock.now(), sent, target if sent else source, message))

    def media_tap(self, host: str) -> MediaTap | None:
        """For the media of the call."""
        del host

        def tap(sent: bool, port: int, other: Address, data: bytes) -> None:
            del port
            if sent or len(data) < 12 or looks_like_rtcp(data):
                return
            self.media_from = other
            key = int.from_bytes(data[8:12], "big"), data[1] & 0x7F
            times = self.arrivals.setdefault(key, []) if len(self.arrivals) < 16 else []
            if len(times) < _ARRIVALS_BOUND:
                times.append((self.clock.now(), int.from_bytes(data[4:8], "big")))

        return tap

    def responses(self, method: str) -> list[Response]:
        """The answers to requests of ours, in order."""
        return [
            message
            for _, sent, _, message in self.messages
            if not sent and isinstance(message, Response) and message.cseq[1] == method
        ]

    def reply(self, method: str) -> Reply:
        """What the requests of this method came to."""
        answers = self.responses(method)
        final = [one for one in answers if one.status >= 200]
        asked = [at for at, sent, _, one in self.messages
                 if sent and isinstance(one, Request) and one.method == method]  # fmt: skip
        heard = [at for at, sent, _, one in self.messages
                 if not sent and isinstance(one, Response) and one.cseq[1] == method]  # fmt: skip
        last = final[-1] if final else None
        return Reply(
            method,
            last.status if last is not None else 0,
            last.reason if last is not None else "",
            heard[0] - asked[0] if heard and asked else 0.0,
            any(one.status in (401, 407) for one in final),
        )


async def examine(
    settings: SipSettings,
    trunk: Trunk,
    clock: Clock,
    *,
    echo: str = "",
    tell: Callable[[str], object] = lambda _: None,
    listen: float = LISTEN_SECONDS,
) -> Observed:
    """Look at `trunk`; `echo`: an address or a number that gives sound back. `tell` hears of each step.
    Raises `ConfigError` for what cannot be, `SipError` where this machine has no port for it."""
    uri = trunk.uri
    seen = Observed(f"{uri.host}:{uri.address[1]}", uri.transport, bool(trunk.credentials), echo=echo)
    host = settings.bind.rpartition(":")[0]
    settings = replace(
        settings, bind=f"{host}:0", tls_bind="", trunks=(replace(trunk, register=False, preset=""),),
        test_lines=False, known_peers_only=False, trace="", ring_timeout=RING_SECONDS,
    )  # fmt: skip
    pacer = Pacer(clock)
    pacer.start()
    try:
        service = await SipService.open(settings, clock, pacer)
        witness = Witness(clock)
        service.watch(witness)
        try:
            hop = await _find(service.endpoint, trunk, seen, tell)
            if hop is not None:
                witness.ours.add(service.endpoint.agent.layer.identity.address(hop))
                tell("asking whether it is there")
                seen.connect_error = await _connect(settings, trunk, hop, service.endpoint)
                if not seen.connect_error:
                    await _ask(service.endpoint, trunk, hop, clock)
                    seen.options = witness.reply("OPTIONS")
                    if trunk.register:
                        tell("registering")
                        seen.granted = await _register(service.endpoint, trunk, hop, clock)
                        seen.register = witness.reply("REGISTER")
                    if echo:
                        tell(f"calling {echo}")
                        await _call(service, trunk, seen, witness, listen)
                    _note_headers(seen, witness, clock)
        finally:
            await service.close()
    finally:
        await pacer.close()
    return seen


async def _find(
    endpoint: SipEndpoint, trunk: Trunk, seen: Observed, tell: Callable[[str], object]
) -> Hop | None:
    tell(f"looking for {seen.server}")
    try:
        hop = await endpoint.locate(trunk.uri)
    except SipError as error:
        seen.resolve_error = error.what
        return None
    seen.addresses = (endpoint.resolved(hop),)
    return hop


async def _connect(settings: SipSettings, trunk: Trunk, hop: Hop, endpoint: SipEndpoint) -> str:
    """Why nobody can be talked with there, as far as the system says; empty where it says nothing."""
    host = endpoint.resolved(hop)
    if hop.transport == "udp":
        return await _knock(host, hop.port)
    tls = TlsFiles(
        settings.tls_certificate_file, settings.tls_key_file, settings.tls_trusted_file
    ).client() if hop.transport == "tls" else None  # fmt: skip
    name = trunk.uri.address[0] if tls is not None else None
    answers = False
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, hop.port)
            answers = True
            if tls is not None:
                writer.close()
                _, writer = await asyncio.open_connection(host, hop.port, ssl=tls, server_hostname=name)
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "it does not speak TLS at that port" if answers else "timeout"
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return (error.strerror or str(error)) if tls is not None else "timeout"
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    return ""


async def _knock(host: str, port: int) -> str:
    """A datagram that asks for nothing: where nobody listens, most systems say so (ICMP)."""
    loop = asyncio.get_running_loop()
    refused: asyncio.Future[None] = loop.create_future()

    class Knock(asyncio.DatagramProtocol):
        def error_received(self, exc: Exception) -> None:
            if isinstance(exc, ConnectionRefusedError) and not refused.done():
                refused.set_result(None)

    try:
        transport, _ = await loop.create_datagram_endpoint(Knock, remote_addr=(host, port))
    except OSError:
        return "timeout"
    try:
        transport.sendto(b"\r\n\r\n")
        async with asyncio.timeout(0.5):
            await refused
    except TimeoutError:
        return ""
    finally:
        transport.close()
    return "refused"


async def _ask(endpoint: SipEndpoint, trunk: Trunk, hop: Hop, clock: Clock) -> None:
    """OPTIONS (RFC 3261 section 11), and a while for the answer."""
    layer = endpoint.agent.layer
    target = str(replace(trunk.uri, headers=""))
    headers = Headers()
    host, port = layer.identity.address(hop)
    for name, value in (
        ("Via", layer.via(hop)),
        ("Max-Forwards", "70"),
        ("From", f"<sip:{layer.identity.user}@{host}:{port}>;tag={layer.token()}"),
        ("To", f"<{target}>"),
        ("Call-ID", layer.token() + layer.token()),
        ("CSeq", "1 OPTIONS"),
        ("Contact", layer.identity.contact(hop)),
        ("Accept", "application/sdp"),
        ("User-Agent", layer.identity.software),
    ):
        headers.add(name, value)
    answered = asyncio.Event()

    def heard(_: Transaction, message: Message | None, __: Do, ___: float) -> None:
        if not isinstance(message, Response) or message.status >= 200:
            answered.set()

    counter = iter(range(2, 100))
    request = Request(headers, method="OPTIONS", uri=target)
    asking = Asking(layer, trunk.credentials)
    asking.ask(request, hop, heard, clock.now(), seq=lambda: next(counter))
    endpoint.settle()
    await _within(answered, OPTIONS_SECONDS)


async def _register(endpoint: SipEndpoint, trunk: Trunk, hop: Hop, clock: Clock) -> int:
    """Register, and unregister again. Gives the seconds that were granted."""
    address = replace(trunk.uri, user=escape_user(trunk.user), params={})
    told, ended = asyncio.Event(), asyncio.Event()
    granted = 0

    def tell(news: News) -> None:
        nonlocal granted
        granted = max(granted, news.granted)
        told.set()
        if news.standing is Standing.ENDED:
            ended.set()

    account = Account(trunk.uri, address, trunk.credentials, trunk.expires)
    registration = endpoint.agent.register(account, hop, clock.now(), tell)
    endpoint.settle()
    await _within(told, REGISTER_SECONDS)
    registration.stop(clock.now())
    endpoint.settle()
    if granted:
        await _within(ended, REGISTER_SECONDS)
    return granted


async def _within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _call(service: SipService, trunk: Trunk, seen: Observed, witness: Witness, listen: float) -> None:
    """Call the echo, say something, and listen for it."""
    try:
        leg = await service.dial(seen.echo, credentials=() if number_in(seen.echo) else trunk.credentials)
    except CallRefused as refused:
        seen.invite = Reply("INVITE", getattr(refused, "status", 0), refused.what)
        return
    try:
        await leg.answer()
        await _talk(leg, seen, witness, listen)
    except (CallRefused, SipError, MediaError, ConfigError) as error:
        seen.ended_early = error.what if seen.answered else ""
    finally:
        await leg.hang_up()
        seen.invite = witness.reply("INVITE")
        _note_media(seen, witness)


async def _talk(leg: Leg, seen: Observed, witness: Witness, listen: float) -> None:
    seen.answered = True
    rate, clock = leg.rate, witness.clock
    sound = sweep(rate)
    size = rate // 50
    padded = np.concatenate((sound, np.zeros(-len(sound) % size, np.int16)))
    pieces = [padded[start : start + size].tobytes() for start in range(0, len(padded), size)]
    heard: list[Frame] = []
    said: list[float] = []
    began = clock.now()
    waiting = list(_SWEEPS_AT)
    left: list[bytes] = []

    def hear(frame: Frame) -> None:
        if len(heard) < _HEARD_BOUND:
            heard.append(frame)

    def say(at: float) -> bytes | None:
        if waiting and at - began >= waiting[0]:
            waiting.pop(0)
            said.append(at)
            left[:] = pieces
        return left.pop(0) if left else None

    leg.start(hear, say)
    ended = asyncio.create_task(_until_hung_up(leg), name="hung up")
    try:
        done, _ = await asyncio.wait((ended,), timeout=listen)
        if done:
            seen.ended_early = ended.result()
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
    _note_sound(seen, heard, said, sound, rate)
    quality = leg.quality()
    seen.codec, seen.sent, seen.received = quality.codec, quality.packets_sent, quality.packets_received
    seen.lost, seen.jitter_ms = quality.packets_lost, quality.jitter_ms
    seen.remote_loss, seen.round_trip_ms = quality.remote_loss, quality.round_trip_ms
    longest = max(witness.arrivals.values(), key=len, default=[])
    seen.clock_ppm = clock_ppm(
        longest, 48_000 if quality.codec == "OPUS" else 8_000 if quality.codec == "G722" else rate
    )


async def _until_hung_up(leg: Leg) -> str:
    async for event in leg.events():
        if isinstance(event, HungUp):
            return event.reason or "hung up"
    return "hung up"


def _note_sound(seen: Observed, heard: list[Frame], said: list[float], sound: np.ndarray, rate: int) -> None:
    """Whether one of the sounds came back, and how long it took."""
    for at in said:
        later = [frame for frame in heard if frame.at >= at]
        samples = np.frombuffer(b"".join(frame.pcm for frame in later), "<i2")
        share, place = own_sound(sound, samples)
        if share > seen.own_share:
            seen.own_share = share
            seen.echo_delay = later[0].at - at + place / rate
    samples = np.frombuffer(b"".join(frame.pcm for frame in heard if not frame.concealed), "<i2")
    seen.level_dbfs = loudest_dbfs(samples, rate)


def _note_media(seen: Observed, witness: Witness) -> None:
    """What both SDPs named, and where sound really came from."""
    seen.media_from = witness.media_from
    for _, sent, _, message in witness.messages:
        if not message.body or message.cseq[1] != "INVITE":
            continue
        with suppress(ParseError):
            description = parse_sdp(message.body)
            for media in description.media:
                if media.kind != "audio":
                    continue
                place = description.host_of(media), media.port
                if sent and isinstance(message, Request):
                    seen.our_media = place
                    maps = media.rtpmaps()
                    names = [maps[int(one)][0] for one in media.formats if one.isdigit() and int(one) in maps]
                    seen.offered = tuple(name for name in names if name != "TELEPHONE-EVENT")
                elif not sent and isinstance(message, Response):
                    seen.their_media = place


def _note_headers(seen: Observed, witness: Witness, clock: Clock) -> None:
    """As whom they see us, what they call themselves, and what time they think it is."""
    for at, sent, _, message in witness.messages:
        if sent or not isinstance(message, Response):
            continue
        via = message.via
        port = via.port or 5060
        seen.our_address = via.host.strip("[]"), port
        received, rport = via.params.get("received"), via.params.get("rport") or ""
        if received or rport:
            seen.seen_as = received or seen.our_address[0], int(rport) if rport.isdigit() else port
        for name in ("Server", "User-Agent"):
            if value := message.headers.get(name):
                seen.others[name] = value[:80]
        if date := message.headers.get("Date"):
            with suppress(ValueError, TypeError):
                ours = clock.wall().timestamp() - (clock.now() - at)
                seen.server_date = parsedate_to_datetime(date).timestamp() - ours
