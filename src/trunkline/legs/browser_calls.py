"""A browser's side of a call: the page and its snippet, offers answered, sockets let in, calls ended.

    GET    /browser/talk           a page to talk from
    GET    /browser/trunkline.js   the snippet for a page of one's own
    POST   /browser/calls          an offer (SDP): 201, the answer, and where the call is (as WHIP, RFC 9725)
    POST   /browser/calls/WORD     another offer, for a call whose media broke off
    DELETE /browser/calls/WORD     hang up
    POST   /browser/tickets        for a page's own server, which knows the token: a ticket for one call
    GET    /browser/stream         the WebSocket, where WebRTC does not come through

Who may: `browser_door.py`. The page's half of the protocol: `browser_page/trunkline.js`.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import structlog

from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError, TrunklineError
from trunkline.legs.browser import AGAIN, RATE, BrowserSettings, BrowserStream
from trunkline.legs.browser_door import TICKET_SECONDS, Door, Facts, Knock
from trunkline.legs.call_control import Phase
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carrier import StreamRequest, WebhookReply, WebhookRequest
from trunkline.legs.extra import extra
from trunkline.legs.leg import Can, LegInfo, TransferResult
from trunkline.legs.rtp_leg import RtpLeg
from trunkline.legs.stream import Opened, StreamProtocol, read_object, text, texts
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.webrtc import WebRtcConnection
from trunkline.legs.webrtc_sdp import parse_offer
from trunkline.legs.websocket_leg import StreamLeg

TAKEN_WITHIN = 10.0
"""Seconds in which a call must have been taken by an agent, or its offer is refused."""
PAGES = {
    "talk": ("talk.html", "text/html"),
    "talk.js": ("talk.js", "text/javascript"),
    "trunkline.js": ("trunkline.js", "text/javascript"),
}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' blob:; worker-src blob:; style-src 'unsafe-inline';"
        " connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
}

logger = structlog.get_logger(__name__)


@cache
def page(name: str) -> str:
    """One of the files that browsers are served."""
    return files("trunkline.legs").joinpath("browser_page", name).read_text("utf-8")


class BrowserHand:
    """The hand on one call: there is nothing beside its media, whose end ends it."""

    can: frozenset[Can] = frozenset()

    def __init__(self) -> None:
        self.taken = asyncio.Event()
        """An agent took the call."""

    async def answer(self) -> None:
        self.taken.set()

    async def send_dtmf(self, digits: str) -> None: ...

    async def transfer(self, target: str) -> TransferResult:  # noqa: ARG002
        return TransferResult.NOT_SUPPORTED

    async def stream_broke_off(self) -> None: ...

    async def hang_up(self) -> None: ...


class Browser:
    """All browsers. Made with their settings and the board that their calls live on."""

    name = "browser"
    page = "talk"

    def __init__(self, settings: BrowserSettings, board: Switchboard) -> None:
        """Raises `ConfigError` where WebRTC is wanted and its package is missing."""
        if settings.webrtc:
            extra("aiortc", "browser")
        self._settings = settings
        self._board = board
        self._door = Door(settings)
        self._calls: dict[str, CarriedLeg] = {}
        """By the words that pages know them by."""
        self._from: dict[CarriedLeg, str] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    # --- requests -----------------------------------------------------------------------------------

    async def webhook(self, request: WebhookRequest) -> WebhookReply:
        knock = Knock(
            request.headers.get("origin", ""), request.headers.get("host", ""), request.peer, request.near
        )
        path, _, word = request.path.partition("/")
        if path in PAGES and request.method in ("GET", "HEAD"):
            name, kind = PAGES[path]
            return WebhookReply(200, page(name), kind, _PAGE_HEADERS)
        if path not in ("calls", "tickets"):
            return WebhookReply(404)
        self._door.check_origin(knock)
        readable = self._readable(knock.origin)
        if request.method == "OPTIONS":
            return WebhookReply(204, headers=readable)
        reply = await self._asked(request, knock, path, word)
        return WebhookReply(reply.status, reply.body, reply.content_type, {**readable, **reply.headers})

    async def _asked(self, request: WebhookRequest, knock: Knock, path: str, word: str) -> WebhookReply:
        match (request.method, path, word):
            case ("POST", "calls", ""):
                return await self._offered(request, knock)
            case ("POST", "calls", _):
                return await self._offered_again(request, word)
            case ("DELETE", "calls", _) if word:
                leg = self._calls.get(word)
                if leg is not None:
                    leg.end("hung up")
                return WebhookReply(200)
            case ("POST", "tickets", ""):
                return self._ticket(request, knock)
            case _:
                return WebhookReply(405)

    def _readable(self, origin: str) -> dict[str, str]:
        """The headers that let an allowed page read what we answer."""
        if not self._door.may_read(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "POST, DELETE",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Expose-Headers": "location",
        }

    def _ticket(self, request: WebhookRequest, knock: Knock) -> WebhookReply:
        said: Mapping[str, object] = read_object(request.body, self.name) if request.body else {}
        facts = Facts(text(said, "caller"), texts(said.get("variables")))
        word = self._door.ticket(knock, _bearer(request), facts, self._board.clock.now())
        return WebhookReply.of_json({"ticket": word, "seconds": TICKET_SECONDS})

    # --- WebRTC -------------------------------------------------------------------------------------

    async def _offered(self, request: WebhookRequest, knock: Knock) -> WebhookReply:
        if not self._settings.webrtc:
            return WebhookReply(501)
        if self._busy(knock):
            return WebhookReply(503, headers={"Retry-After": "10"})
        offer = parse_offer(request.body)
        facts = self._door.admit(knock, _bearer(request), self._board.clock.now())
        hand = BrowserHand()
        leg = self._board.ring_rtp(self._info(facts, knock), hand, rate=RATE)
        word = secrets.token_urlsafe(24)
        self._keep(word, leg, knock)
        connection = self._connection()
        try:
            answer = await connection.answer(offer)
            taken = await _taken(leg, hand)
        except (MediaError, ConfigError) as error:
            logger.error("call not answered", call_id=leg.info.call_id, error=error.for_log())
            taken = False
        except BaseException:  # the page gave up waiting: nobody is there to connect to
            await connection.close()
            leg.end("hung up")
            raise
        if not taken:
            await connection.close()
            leg.end("no agent took the call")
            return WebhookReply(503, headers={"Retry-After": "10"})
        self._connect(leg, connection)
        return WebhookReply(
            201, answer.decode(), "application/sdp", {"Location": f"/{self.name}/calls/{word}"}
        )

    async def _offered_again(self, request: WebhookRequest, word: str) -> WebhookReply:
        """The page has lost its media, and offers anew for the call that it knows the word of."""
        leg = self._calls.get(word)
        if not isinstance(leg, RtpLeg) or leg.ended:
            return WebhookReply(404)
        offer = parse_offer(request.body)
        connection = self._connection()
        try:
            answer = await connection.answer(offer)
        except BaseException:
            await connection.close()
            raise
        self._connect(leg, connection)
        return WebhookReply(200, answer.decode(), "application/sdp")

    def _connection(self) -> WebRtcConnection:
        board = self._board
        return WebRtcConnection(
            board.clock, board.pacer, self._settings, lost_after=board.settings.lost_after
        )

    def _connect(self, leg: RtpLeg, connection: WebRtcConnection) -> None:
        task = asyncio.get_running_loop().create_task(
            _connected(leg, connection), name=f"connecting {leg.info.call_id}"
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    # --- WebSockets ---------------------------------------------------------------------------------

    def stream(self, request: StreamRequest) -> StreamProtocol:
        self._door.check_origin(_knock(request))
        return BrowserStream()

    def admit(self, request: StreamRequest, opened: Opened) -> StreamLeg:
        knock, word = _knock(request), opened.call_id
        if opened.stream_id == AGAIN:
            leg = self._calls.get(word)
            if not isinstance(leg, StreamLeg) or leg.ended:
                raise CallRefused("a call that is over, or never was", where=self.name)
            return leg
        if word in self._calls:
            raise CallRefused("a call that is there already", where=self.name)
        if self._busy(knock):
            raise CallRefused("as many calls as may be", where=self.name)
        facts = self._door.admit(knock, opened.token, self._board.clock.now())
        made = self._board.ring(self._info(facts, knock), BrowserHand(), rate=RATE)
        self._keep(word, made, knock)
        return made

    # --- all of them --------------------------------------------------------------------------------

    def _busy(self, knock: Knock) -> bool:
        self._forget_what_is_over()
        here = sum(peer == knock.peer for peer in self._from.values())
        settings = self._settings
        return self._board.full or len(self._from) >= settings.max_calls or here >= settings.per_address

    def _keep(self, word: str, leg: CarriedLeg, knock: Knock) -> None:
        self._calls[word] = leg
        self._from[leg] = knock.peer

    def _forget_what_is_over(self) -> None:
        for word in [word for word, leg in self._calls.items() if leg.ended]:
            del self._calls[word]
        for leg in [leg for leg in self._from if leg.ended]:
            del self._from[leg]

    def _info(self, facts: Facts, knock: Knock) -> LegInfo:
        variables = {**({"origin": knock.origin} if knock.origin else {}), **facts.variables}
        return LegInfo(str(uuid.uuid4()), "inbound", facts.caller or "browser", "", self.name, variables)

    async def dial(
        self,
        number: str,  # noqa: ARG002
        *,
        caller: str = "",  # noqa: ARG002
        variables: Mapping[str, str],  # noqa: ARG002
    ) -> StreamLeg:
        raise ConfigError("a browser cannot be called", where=self.name)

    async def close(self) -> None:
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)


async def _taken(leg: RtpLeg, hand: BrowserHand) -> bool:
    """Whether an agent takes the call, within the time for it."""
    if leg.ended:
        return False
    over = leg.next_stream()
    taken = asyncio.ensure_future(hand.taken.wait())
    try:
        await asyncio.wait((over, taken), timeout=TAKEN_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    finally:
        taken.cancel()
        over.cancel()
    return hand.taken.is_set() and not leg.ended


async def _connected(leg: RtpLeg, connection: WebRtcConnection) -> None:
    """Find the browser, and give the call its sound."""
    media = connection.media
    assert media is not None
    connection.on_gone = lambda why: leg.detach(media) if why else leg.end("hung up")
    try:
        await connection.connect()
        leg.attach(media, "OPUS")
    except TrunklineError as error:
        logger.warning("browser not connected", call_id=leg.info.call_id, why=error.for_log())
        await connection.close()
        if leg.phase is Phase.WAITING:
            leg.stream_failed("the browser could not be reached")
    except BaseException:
        await connection.close()
        raise


def _knock(request: StreamRequest) -> Knock:
    return Knock(request.origin, request.host, request.peer, request.near)


def _bearer(request: WebhookRequest) -> str:
    scheme, _, word = request.headers.get("authorization", "").partition(" ")
    if scheme and scheme.lower() != "bearer":
        raise ParseError("an authorization of another scheme", where="browser")
    return word.strip()
