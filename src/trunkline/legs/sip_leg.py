"""One call over SIP and RTP, as the `Leg` that calls are built on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from trunkline.clock import Clock
from trunkline.errors import CallRefused, MediaError, ParseError, SipError, Verdict
from trunkline.events import CallAnswered, CallRinging, HungUp
from trunkline.legs.leg import Can, LegEvent, LegInfo, MediaQuality, NextFrame, OnFrame, TransferResult
from trunkline.legs.sip_changing import Change, refresh_path
from trunkline.legs.sip_keys import press_by_info
from trunkline.legs.sip_moving import Following
from trunkline.legs.sip_sound import CallSound
from trunkline.legs.sip_transfer import SipTransfer
from trunkline.rtp.port import MediaPort
from trunkline.sip.not_taken import CallNotTaken, Why, not_taken
from trunkline.sip.offer import Agreement, Terms
from trunkline.sip.session import Phase, Session
from trunkline.sip.signals import (
    Accepted,
    AskedToCall,
    Changed,
    ChangeRefused,
    Confirmed,
    EarlyConfirmed,
    Ended,
    Failed,
    Pressed,
    Progress,
    Referred,
    Refreshed,
    Reoffered,
    Signal,
)
from trunkline.sip.timers import T64

EVENTS_BOUND = 256
"""Events that wait to be read; a leg that nobody reads loses its oldest."""

_REFUSALS = {"busy": 486, "declined": 603, "decline": 603, "draining": 503, "not found": 404}
"""How an inbound call is refused, by the reason given to `hang_up`; 480 for any other."""


class SipLeg:
    """Made by `SipService`."""

    def __init__(
        self,
        clock: Clock,
        session: Session,
        info: LegInfo,
        *,
        settle: Callable[[], None],
        open_media: Callable[[], Awaitable[MediaPort]],
        make_terms: Callable[[MediaPort], Terms],
        ring_timeout: float,
    ) -> None:
        self.info = info
        self.can = frozenset({Can.SEND_DTMF, Can.TRANSFER})
        self.rate = 8000
        self.ended = False
        self._clock = clock
        self._session = session
        self._settle = settle
        self._open_media = open_media
        self._make_terms = make_terms
        self._sound = CallSound(clock, self._deliver)
        self.spare: tuple[MediaPort, ...] = ()
        """Ports of a call that may go on by the other family, closed with it."""
        self._sound.lost_first = self._nothing_comes
        self._terms: Terms | None = None
        self._taken = False
        self._answered = False
        self._refused: CallRefused | None = None
        self._waiting: deque[LegEvent] = deque(maxlen=EVENTS_BOUND)
        self._changed = asyncio.Event()
        self._decided = asyncio.Event()
        """Set once the call is up with media, or will never be."""
        self._gone = False
        self.trunk = info.variables.get("trunk", "") if info.direction == "inbound" else ""
        """By whose it came; of calls out the service says it, which may try several."""
        self.another_way: Callable[[CallNotTaken], Session | None] = _no_other
        """Gives the next attempt at a call that its trunk would not carry; None: there is no other."""
        self.follow: Callable[[SipLeg, AskedToCall], None] = lambda _, __: None
        """Carries out a call that the other end asks for."""
        self._transfer: SipTransfer | None = None
        self._following: Following | None = None
        self._change = Change()
        self._early = b""
        """Our SDP, where it was told before the call is taken."""
        self._ring_timeout = ring_timeout
        self._ring_limit = self._may_ring()

    def begin(self, media: MediaPort, terms: Terms) -> None:
        """The media that an outbound call offers where it goes now."""
        self._sound.adopt(media)
        self._terms = terms

    # --- the Leg ----------------------------------------------------------------------------------

    @property
    def wire_delay(self) -> float:
        """Half the round trip that RTCP measured; 0 until it has. Frames are pulled as they leave."""
        return self._sound.round_trip / 2

    @property
    def signalling(self) -> str:
        """How the call's messages travel: "udp", "tcp" or "tls"."""
        return self._session.hop.transport

    async def answer(self) -> None:
        """Take an inbound call; for an outbound one, wait until it is taken. Raises `CallNotTaken`
        (typed) or another `CallRefused`, `SipError`, `MediaError` when it will not be."""
        if self.info.direction == "inbound" and not self._taken and not self.ended:
            self._taken = True
            await self._take()
        # An outbound call's ringing has its own limit, then 64*T1 for the CANCEL to be answered; an
        # inbound one waits for its ACK, where that brings the answer to our offer.
        try:
            async with asyncio.timeout(self._ring_timeout + 3 * T64):
                await self._decided.wait()
        except TimeoutError as error:
            await self.hang_up("no answer")
            raise SipError("the call came to nothing in its time", where="sip") from error
        if self._refused is not None:
            raise self._refused
        if self.ended:
            raise CallRefused("the call is over", where="sip")

    def start(self, on_frame: OnFrame, next_frame: NextFrame) -> None:
        """Begin moving audio. Raises `MediaError` before the call is answered, and after its end."""
        if self._gone:
            raise MediaError("there is no media to start", where="sip")
        self._sound.start(on_frame, next_frame)

    async def events(self) -> AsyncIterator[LegEvent]:
        """What happens on the leg; ends after `HungUp`, or when this side hangs up."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event, HungUp):
                    return
            if self.ended:
                return
            self._changed.clear()
            await self._changed.wait()

    def clear(self) -> None:
        """Nothing is buffered here: frames are pulled as they leave."""

    async def send_dtmf(self, digits: str) -> None:
        """Press keys: in the sound (RFC 4733), or by INFO where the other end takes them only so. Raises
        `MediaError` where it takes none."""
        port, agreement = self._sound.port, self._sound.agreement
        if port is None or agreement is None or self.ended:
            raise MediaError("the call is not up", where="sip")
        if agreement.dtmf_payload_type is not None:
            await port.send_dtmf(digits)
        else:
            await press_by_info(digits, self._session, self._clock, self._settle)

    async def hold(self) -> None:
        """Tell the other end to send nothing. Raises `SipError` where it will not, or not now."""
        await self._change.offer(lambda: self._offer_change(True))

    async def resume(self) -> None:
        """End the hold. Raises `SipError`."""
        await self._change.offer(lambda: self._offer_change(False))

    async def early_media(self) -> None:
        """Let an inbound call hear us before it is taken (183): `start` may follow. Raises `SipError`
        where it is over, taken, or an outbound one; `CallRefused` where no media is in common."""
        if self.info.direction != "inbound" or self._taken or self.ended:
            raise SipError("this call cannot be given early media", where="sip")
        self._early = await self._describe()
        self._session.ring(self._clock.now(), status=183, body=self._early)
        self._settle()

    async def transfer(self, target: str) -> TransferResult:
        """Have the other end call `target` in our place (REFER): an address, or a number at the other
        end's own trunk. Returns once it is known how that ended; after `TRANSFERRED` this call has
        nothing more to do than to hang up. Raises `ParseError` for what is no address, `SipError`
        where the call is not up."""
        transfer = SipTransfer(self._session)
        return await self._handed_over(transfer, lambda at: transfer.ask(target, at))

    async def transfer_to(self, other: SipLeg) -> TransferResult:
        """Have the other end take our place in the call `other` (REFER with Replaces): both talk with each
        other, without us. Raises `SipError` where either call is not up."""
        transfer = SipTransfer(self._session)
        return await self._handed_over(transfer, lambda at: transfer.ask_for(other.session, at))

    async def _handed_over(self, transfer: SipTransfer, ask: Callable[[float], None]) -> TransferResult:
        if self.ended or self._transfer is not None:
            raise SipError("the call cannot be transferred now", where="sip")
        ask(self._clock.now())
        self._transfer = transfer
        self._settle()
        try:
            async with asyncio.timeout(self._ring_timeout + T64):
                return await transfer.result()
        except TimeoutError:
            return TransferResult.NO_ANSWER
        finally:
            self._transfer = None

    async def hang_up(self, reason: str = "") -> None:
        """End the call, or refuse or cancel it, and free its media. May be called more than once."""
        self._hang_up(reason)
        await self._free()

    def quality(self) -> MediaQuality:
        """How the media did; still known after the end."""
        return self._sound.quality()

    # --- what the service and the session tell ----------------------------------------------------

    @property
    def session(self) -> Session:
        """The signalling of the call as it is now."""
        return self._session

    @property
    def media(self) -> MediaPort | None:
        """The call's media, for whoever joins it to another's."""
        return self._sound.port

    def take(self, signal: Signal) -> None:
        """A signal of this leg's session, of one that it goes on in, or of one that it went on from."""
        if signal.session is not self._session:
            if self._following is not None:
                self._following.take(signal)
            return
        match signal:
            case Progress():
                self._ringing(signal)
            case Accepted():
                self._accepted(signal)
            case Failed():
                self._fail(not_taken(signal.status, signal.reason, signal.response))
            case Confirmed():
                self._confirmed(signal.body, signal.at)
            case EarlyConfirmed():
                self._answer_to_ours(signal.body)
            case Reoffered():
                self._reoffered(signal.body, signal.at)
            case Changed():
                self._change.answered(not self._answer_to_ours(signal.body))
            case ChangeRefused():
                self._change.answered(False)
            case Refreshed():
                self._refreshed(signal.body)
            case Pressed():
                self._sound.key(signal.key, "info", signal.at)
            case AskedToCall():
                self.follow(self, signal)
            case Referred():
                if self._transfer is not None:
                    self._transfer.heard(signal)
            case Ended():
                self._over(signal)

    @property
    def gone(self) -> bool:
        """Whether signalling has nothing more to say of this call."""
        return self._gone

    def _hang_up(self, reason: str) -> None:
        if not self.ended:
            self.ended = True
            self._ring_limit.cancel()
            self._refused = self._refused or CallRefused(reason or "hung up", where="sip")
            self._decided.set()
            self._changed.set()
            self._change.answered(False)
            now = self._clock.now()
            if self._following is not None:
                self._following.give_up(now)
            if self._session.phase is Phase.OFFERED:
                self._session.refuse(_REFUSALS.get(reason.lower(), 480), now)
            else:
                self._session.hang_up(now, reason or "hung up")
            self._settle()

    def _may_ring(self) -> asyncio.TimerHandle:
        return self._clock.call_at(self._clock.now() + self._ring_timeout, self._rang_long_enough)

    def _rang_long_enough(self) -> None:
        if not self._answered and not self.ended:
            within = f"within {self._ring_timeout:g} s"
            if self._session.phase is Phase.CALLING:  # Not even a 100: the trunk is silent, and not a person.
                self._refused = CallNotTaken(Why.NOT_REACHABLE, f"nothing came from there {within}")
            else:
                self._refused = CallNotTaken(Why.NO_ANSWER, f"nobody answered {within}")
            self._deliver(HungUp(self._clock.now(), "no answer"))
            self._hang_up("no answer")

    async def _take(self) -> None:
        """Answer an inbound call: our media opened, their offer answered (or ours made)."""
        body = self._early or await self._describe()
        self._session.accept(body, self._clock.now())
        self._ring_limit.cancel()
        self._settle()
        if self._session.invite.body:
            self._up(self._clock.now())

    async def _describe(self) -> bytes:
        """Open our media; gives the answer to an inbound call's offer, or our own offer."""
        media = await self._open_media()
        if self.ended:
            await media.close()
            raise CallRefused("the call is over", where="sip")
        self._sound.adopt(media)
        terms = self._terms = self._make_terms(media)
        offer = self._session.invite.body
        try:
            body = terms.offer()
            if offer:
                body, agreement = terms.answer(offer)
                self._configure(agreement)
        except (SipError, ParseError, MediaError) as error:
            self._session.refuse(488, self._clock.now())
            self._settle()
            raise CallRefused(f"no media in common: {error.what}", where="sip") from error
        return body

    def _nothing_comes(self) -> None:
        refresh_path(self._session, self._terms, self._clock.now())
        self._settle()

    def _configure(self, agreement: Agreement) -> None:
        """Give the media what was agreed. Raises `MediaError`; what was in force then stays so."""
        self._sound.agree(agreement)
        self.rate = self._sound.rate

    def _answer_to_ours(self, body: bytes) -> str:
        """Take an SDP answer to our offer; says what is wrong with it, or nothing."""
        assert self._terms is not None
        try:
            self._configure(self._terms.take_answer(body))
        except (SipError, ParseError, MediaError) as error:
            return error.what
        return ""

    def _ringing(self, signal: Progress) -> None:
        early = bool(signal.body) and not self._answer_to_ours(signal.body)
        self._deliver(CallRinging(signal.at, early_media=early))

    def _accepted(self, signal: Accepted) -> None:
        wrong = "their 200 has no SDP"
        if signal.settled:
            wrong = ""
        elif signal.body:
            wrong = self._answer_to_ours(signal.body)
        if wrong:
            self._refused = CallNotTaken(Why.NO_COMMON_CODEC, wrong, status=200)
            self._deliver(HungUp(signal.at, wrong))
            self._hang_up("no media in common")
        else:
            self._up(signal.at)

    def _up(self, at: float) -> None:
        assert self._sound.agreement is not None
        self._answered = True
        self._ring_limit.cancel()
        self._deliver(CallAnswered(at, self._sound.agreement.codec.name, self.rate, self.trunk))
        self._sound.fix()
        self._decided.set()

    def _confirmed(self, body: bytes, at: float) -> None:
        """Their ACK: with an answer where our 200 made the offer."""
        wrong = "" if self._sound.agreement is not None else "their ACK has no SDP"
        if body:
            wrong = self._answer_to_ours(body)
        if self._answered:
            return
        if wrong:
            self._refused = CallRefused(f"no media in common: {wrong}", where="sip")
            self._deliver(HungUp(at, wrong))
            self._hang_up("no media in common")
        else:
            self._up(at)

    def _reoffered(self, body: bytes, at: float) -> None:
        """New terms: another address, another codec, hold, resume (RFC 3264 §8)."""
        if self._terms is None:
            self._session.refuse_change(488, at)
            self._settle()
            return
        try:
            if body:
                answer, agreement = self._terms.answer(body)
                self._configure(agreement)
            else:
                answer = self._terms.offer()
        except (SipError, ParseError, MediaError):
            self._session.refuse_change(488, at)
        else:
            self._session.accept_change(answer, at)
        self._settle()

    def _offer_change(self, hold: bool) -> None:
        if self._terms is None or not self._session.is_up:
            raise SipError("the call is not up", where="sip")
        self._session.change(self._terms.offer(hold=hold), self._clock.now())
        self._settle()

    def _refreshed(self, body: bytes) -> None:
        """What counts was offered again; their answer may have moved (an address, a codec)."""
        assert self._terms is not None
        self._terms.repeat()
        self._answer_to_ours(body)

    # --- going on with somebody else --------------------------------------------------------------

    def follows(self, following: Following) -> None:
        """A call that the other end asked for is under way."""
        self._following = following

    def move(self, session: Session, terms: Terms, agreement: Agreement | None) -> None:
        """The call goes on in `session`; the one before is for the caller to end. Raises `MediaError`."""
        if agreement is not None:
            self._configure(agreement)
        self._session, self._terms, self._following = session, terms, None

    def picked_up(self, at: float) -> None:
        """Another phone than the one that rang has taken the call, or one the place of another."""
        if not self._answered and not self.ended:
            self._up(at)

    def stays(self) -> None:
        """The call that the other end asked for came to nothing."""
        self._following = None
        if self._session.phase is Phase.ENDED:
            self._finish("hung up")  # They left as soon as they had asked.

    def _fail(self, error: CallNotTaken) -> None:
        if error.verdict is Verdict.FAIL_OVER and not self.ended:
            session = self.another_way(error)
            if session is not None:
                self._session = session
                self._ring_limit.cancel()
                self._ring_limit = self._may_ring()  # Whoever is called now has all of the time.
                return
        self._refused = self._refused or error
        self._finish(error.what)

    def _over(self, signal: Ended) -> None:
        if self._following is not None and not self.ended:
            return  # Whoever had us call somebody may leave; we go on when that is answered.
        if not self._answered and self._refused is None:
            self._refused = CallRefused(signal.reason, where="sip")
        self._finish(signal.reason)

    def _finish(self, reason: str) -> None:
        self._gone = True
        self._ring_limit.cancel()
        if self._transfer is not None:
            self._transfer.call_ended()
        if not self.ended:
            self.ended = True
            self._deliver(HungUp(self._clock.now(), reason))
        self._decided.set()
        self._changed.set()
        self._change.answered(False)

    def _deliver(self, event: LegEvent) -> None:
        self._waiting.append(event)
        self._changed.set()

    async def release(self) -> None:
        """Free the media of a call that is over, for its other end too."""
        self._following = None
        await self._free()

    async def _free(self) -> None:
        """Free the media, and let go of all that holds this leg in its turn."""
        await self._sound.close()
        for port in self.spare:
            await port.close()
        self.spare = ()
        self.another_way = _no_other
        if self._refused is not None:  # Where it was raised, it has seen `answer` at work.
            self._refused.__traceback__ = None


def _no_other(_: CallNotTaken) -> Session | None:
    """There is no other way for the call."""
    return None
