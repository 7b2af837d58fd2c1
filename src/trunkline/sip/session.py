"""One call: an INVITE, the dialog it makes, changes to it, and its end (RFC 3261 §§9, 13, 14, 15).

Knows nothing of media: SDP passes through as bytes. Every method takes the time as `at`; what comes
of it is told as `signals`. Each wait for the other end's machinery has a timer here; how long a call
may ring or last is for the layer above to say, with `hang_up`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from trunkline.errors import ParseError, SipError
from trunkline.sip.asking import Asking
from trunkline.sip.changes import Changes
from trunkline.sip.dialog import Dialog, caller_dialog
from trunkline.sip.digest import Credentials
from trunkline.sip.hop import Hop
from trunkline.sip.layer import METHODS, TransactionLayer
from trunkline.sip.message import Message, Request, Response, respond
from trunkline.sip.referral import Referral
from trunkline.sip.repeated import RepeatedAnswer
from trunkline.sip.signals import (
    Accepted,
    Confirmed,
    Ended,
    Failed,
    Progress,
    Signal,
)
from trunkline.sip.timers import T64, Timer
from trunkline.sip.transaction import Do, On, State, Transaction, Upward, cancel_request
from trunkline.sip.uri import Uri

ALLOW = ", ".join(METHODS)


class Phase(Enum):
    """How far a call has come."""

    CALLING = auto()
    """Our INVITE is out, nothing is heard."""
    PROCEEDING = auto()
    """They are trying, or ringing."""
    OFFERED = auto()
    """Their INVITE waits for our answer."""
    ANSWERED = auto()
    """Our 200 waits for its ACK."""
    CONFIRMED = auto()
    CLOSING = auto()
    """Our BYE (or CANCEL) waits for its answer."""
    ENDED = auto()


class Session:
    """One call. Made by a `UserAgent`; told what to do by the leg, told what happens by the agent."""

    def __init__(
        self,
        layer: TransactionLayer,
        invite: Request,
        hop: Hop,
        *,
        inbound: bool,
        tell: Callable[[Signal], None],
        known: Callable[[Session], None],
        forget: Callable[[Session], None],
        credentials: tuple[Credentials, ...] = (),
    ) -> None:
        self.invite = invite
        self.inbound = inbound
        self.hop = hop
        """Where their messages come from (inbound), or where ours go (outbound)."""
        self.phase = Phase.OFFERED if inbound else Phase.CALLING
        self.dialog: Dialog | None = None
        self.local_tag = ""
        self.layer = layer
        self.tell = tell
        self._known = known
        self._forget = forget
        self._asking = Asking(layer, credentials)
        self._connection: Hop | None = None
        """The connection that this call lives on, where it is one."""
        self._invite_transaction: Transaction | None = None
        self._hang_up_wanted = False
        self._why = ""
        self._ack = b""
        self._ack_hop = hop
        self._acked_seq = 0
        self._timers: list[Timer] = []
        self._unacked: Transaction | None = None
        """The INVITE or re-INVITE whose 200 waits for its ACK."""
        self._repeated = RepeatedAnswer(layer)
        self._changes = Changes(self)
        self.referral = Referral(self)

    # --- calls of ours ----------------------------------------------------------------------------

    def call(self, at: float) -> None:
        """Send the INVITE."""
        self._invite_begun(
            self._asking.ask(
                self.invite,
                self.hop,
                self._invite_up,
                at,
                owner=self,
                seq=lambda: self.invite.cseq[0] + 1,
                begun=self._invite_begun,
                wanted=lambda: not self._hang_up_wanted,
            )
        )

    def _invite_begun(self, transaction: Transaction) -> None:
        # The INVITE that answers a challenge is the one to cancel, and the one whose 2xx makes the dialog.
        self._invite_transaction = transaction
        self.invite = transaction.request

    def _invite_up(self, transaction: Transaction, message: Message | None, do: Do, at: float) -> None:
        if do is not Do.DELIVER:
            status = 408 if do is Do.TIMEOUT else 503
            self._fail(status, "no answer from there" if status == 408 else "not reachable", None, at)
            return
        assert isinstance(message, Response)
        if message.status < 200:
            self._provisional(message, at)
        elif message.status < 300:
            self._taken(transaction, message, at)
        else:
            self._fail(message.status, message.reason, message, at)

    def _provisional(self, response: Response, at: float) -> None:
        if self.phase is Phase.CALLING:
            self.phase = Phase.PROCEEDING
        if self._hang_up_wanted:
            self._cancel(at)
        elif self.phase is Phase.PROCEEDING and response.status > 100:
            body = response.body if response.content_type == "application/sdp" else b""
            self.tell(Progress(self, at, response.status, body))

    def no_sign_of_life(self, at: float) -> None:
        """Whoever has not said anything at all by now is not waited for until Timer B."""
        if self.phase is Phase.CALLING and self._invite_transaction is not None:
            self._invite_transaction.on(On.GIVE_UP, at)

    def came_by(self, source: Hop) -> None:
        """A response to our INVITE came over this connection: what follows in the call goes there too,
        and to where the INVITE went should it break."""
        self._connection = self.hop._replace(transport=source.transport, flow=source.flow)

    def _taken(self, transaction: Transaction, response: Response, at: float) -> None:
        if self.dialog is not None and response.to.tag == self.dialog.remote_tag:
            self.acknowledge_again(response)
            return
        try:
            dialog = caller_dialog(transaction.request, response)
        except ParseError as error:
            self._fail(500, f"their 200 cannot be used: {error.what}", None, at)
            return
        if self.dialog is not None or self.phase not in (Phase.CALLING, Phase.PROCEEDING, Phase.CLOSING):
            # A second branch of a forked call was taken as well, or a call we had given up (§13.2.2.4).
            self._dismiss(dialog, at)
            return
        dialog.by = self._connection
        self.dialog = dialog
        self._known(self)
        self.acknowledge(transaction.request)
        self._stop_timers()
        self.phase = Phase.CONFIRMED
        if self._hang_up_wanted:
            self._bye(at)  # The CANCEL came too late.
            return
        body = response.body if response.content_type == "application/sdp" else b""
        self.tell(Accepted(self, at, body))

    def acknowledge(self, invite: Request) -> None:
        """Send the ACK for the 2xx to this INVITE or re-INVITE of ours, with its credentials, since an ACK
        cannot be challenged (§22.1)."""
        assert self.dialog is not None
        self._ack_hop = self.dialog.hop
        seq = invite.cseq[0]
        ack = self.dialog.request("ACK", self.layer.via(self._ack_hop), seq=seq)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.all(name):
                ack.headers.add(name, value)
        self._ack = bytes(ack)
        self._acked_seq = seq
        self.layer.send(self._ack, self._ack_hop)

    def acknowledge_again(self, response: Response) -> None:
        """A 2xx that was acknowledged and came again: its ACK was lost (§13.2.2.4)."""
        if response.cseq[0] == self._acked_seq and self._ack:
            self.layer.send(self._ack, self._ack_hop)

    def _dismiss(self, dialog: Dialog, at: float) -> None:
        """End a dialog that nobody wants: ACK, then BYE, and no more thought of it."""
        hop = dialog.hop
        self.layer.send(bytes(dialog.request("ACK", self.layer.via(hop), seq=dialog.local_seq)), hop)
        self._asking.ask(
            dialog.request("BYE", self.layer.via(hop)), hop, lambda *_: None, at, seq=dialog.next_seq
        )

    def _cancel(self, at: float) -> None:
        invite = self._invite_transaction
        if self.phase is Phase.CLOSING or invite is None or invite.state is not State.PROCEEDING:
            return
        self.phase = Phase.CLOSING
        self.layer.request(cancel_request(self.invite), invite.hop, lambda *_: None, at)
        # §9.1: whoever says nothing more within 64*T1 is not waited for.
        self._timers.append(self.layer.timers.start(at + T64, lambda when: invite.on(On.GIVE_UP, when)))

    def _fail(self, status: int, reason: str, response: Response | None, at: float) -> None:
        if self.phase is Phase.ENDED:
            return
        if self._hang_up_wanted:
            self._end("us", self._why, at)
            return
        self._close()
        self.tell(Failed(self, at, status, reason, response))

    # --- calls of theirs --------------------------------------------------------------------------

    def incoming(self, transaction: Transaction, dialog: Dialog) -> None:
        """Their INVITE, whose dialog exists from the start."""
        self.dialog = dialog
        self.local_tag = dialog.local_tag
        self._invite_transaction = transaction
        self._known(self)

    def ring(self, at: float, *, status: int = 180, body: bytes = b"") -> None:
        """Send a provisional response; with SDP in `body` it opens early media."""
        if self.phase is Phase.OFFERED:
            assert self._invite_transaction is not None
            self._invite_transaction.respond(self.response(self.invite, status, body), at)

    def accept(self, body: bytes, at: float) -> None:
        """Take the call; `body` is our SDP. Raises `SipError` where it is gone already."""
        if self.phase is not Phase.OFFERED:
            raise SipError("the call is over, or taken already", where="sip")
        assert self._invite_transaction is not None
        self.phase = Phase.ANSWERED
        self.answer(self._invite_transaction, body, at)

    def refuse(
        self, status: int, at: float, *, reason: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Do not take the call."""
        if self.phase is not Phase.OFFERED:
            return
        assert self._invite_transaction is not None
        response = respond(self.invite, status, reason=reason, to_tag=self.local_tag)
        for name, value in headers:
            response.headers.add(name, value)
        self._invite_transaction.respond(response, at)
        self._end("us", reason or f"refused with {status}", at)

    def cancelled(self, at: float) -> None:
        """Their CANCEL. It comes to nothing once we have answered (§9.2)."""
        if self.phase is Phase.OFFERED:
            assert self._invite_transaction is not None
            self._invite_transaction.respond(respond(self.invite, 487, to_tag=self.local_tag), at)
            self._end("them", "cancelled", at)

    def answer(self, transaction: Transaction, body: bytes, at: float) -> None:
        """Send a 200 to an INVITE, and repeat it until it is acknowledged (§13.3.1.4)."""
        response = self.response(transaction.request, 200, body)
        transaction.respond(response, at)
        self._unacked = transaction
        self._repeated.start(bytes(response), transaction.hop, at, self._unacknowledged)

    def _unacknowledged(self, at: float) -> None:
        self._stop_timers()
        self.phase = Phase.CONFIRMED
        self._why = self._why or "our 200 was never acknowledged"
        self._bye(at, by="us" if self._hang_up_wanted else "network")

    def acknowledged(self, ack: Request, at: float) -> None:
        """The ACK of our 200 to an INVITE or re-INVITE."""
        if self._unacked is None or ack.cseq[0] != self._unacked.request.cseq[0]:
            return
        self._unacked = None
        self._repeated.stop()
        first = self.phase is Phase.ANSWERED
        if first:
            self.phase = Phase.CONFIRMED
        if self._hang_up_wanted and first:
            self._bye(at)
        elif self.phase is Phase.CONFIRMED:
            self.tell(Confirmed(self, at, ack.body))

    @property
    def is_up(self) -> bool:
        """Whether both ends hold the call."""
        return self.phase is Phase.CONFIRMED

    @property
    def may_change(self) -> bool:
        """Whether the last answer is acknowledged, so that a re-INVITE may come or go."""
        return self.phase is Phase.CONFIRMED and self._unacked is None

    # --- within the call --------------------------------------------------------------------------

    def ask(
        self,
        request: Request,
        up: Upward,
        at: float,
        *,
        begun: Callable[[Transaction], None] = lambda _: None,
    ) -> Transaction:
        """Send a request of ours within the dialog; challenges to it are answered."""
        assert self.dialog is not None
        return self._asking.ask(
            request, self.dialog.hop, up, at, owner=self, seq=self.dialog.next_seq, begun=begun
        )

    def request(self, request: Request, transaction: Transaction, at: float) -> None:
        """A request of theirs within this call's dialog, but for ACK and CANCEL."""
        assert self.dialog is not None
        if not self.dialog.accept_seq(request):
            self.reply(transaction, 500, at)
        elif request.method == "BYE":
            self.reply(transaction, 200, at)
            if self.phase is Phase.OFFERED:
                assert self._invite_transaction is not None
                self._invite_transaction.respond(respond(self.invite, 487, to_tag=self.local_tag), at)
            # Crossed BYEs: both ends are answered, and ours is what ended the call.
            reason = self._why or (request.headers.get("Reason") or "hung up")[:200]
            self._end("us" if self.phase is Phase.CLOSING else "them", reason, at)
        elif request.method == "INVITE":
            self._changes.asked(request, transaction, at)
        elif request.method == "NOTIFY":
            self.referral.notified(request, transaction, at)
        elif request.method == "OPTIONS":
            self.reply(transaction, 200, at)
        else:
            self.reply(transaction, 405, at)

    def accept_change(self, body: bytes, at: float) -> None:
        """Agree to their re-INVITE; `body` is our SDP."""
        self._changes.accept(body, at)

    def refuse_change(self, status: int, at: float) -> None:
        """Refuse their re-INVITE: all stays as it was."""
        self._changes.refuse(status, at)

    def change(self, body: bytes, at: float) -> None:
        """Offer new terms with a re-INVITE. Raises `SipError` while another is in progress."""
        self._changes.offer(body, at)

    def refer(self, target: Uri, at: float) -> None:
        """Ask the other end to call `target` in our place; `Referred` tells how it goes. Raises
        `SipError` where that cannot be now."""
        self.referral.ask(target, at)

    def lost(self, at: float) -> None:
        """The other end answers no more, or no longer knows this call (§12.2.1.2)."""
        if self.phase is Phase.CONFIRMED:
            self._why = "the other end does not answer any more"
            self._bye(at, by="network")

    # --- the end ----------------------------------------------------------------------------------

    def hang_up(self, at: float, reason: str = "hung up") -> None:
        """End the call as its phase asks: CANCEL, refusal, or BYE. Safe at any time, any number of times."""
        if self._hang_up_wanted or self.phase in (Phase.CLOSING, Phase.ENDED):
            return
        self._why = reason
        if self.phase is Phase.OFFERED:
            self.refuse(480, at)
            return
        self._hang_up_wanted = True
        if self.phase is Phase.PROCEEDING:
            self._cancel(at)
        elif self.phase is Phase.CONFIRMED:
            self._bye(at)
        # CALLING waits for a sign of life before its CANCEL (§9.1), and Timer B bounds that; ANSWERED
        # waits for the ACK (§15), and its own limit bounds that.

    def _bye(self, at: float, by: str = "us") -> None:
        assert self.dialog is not None
        self._stop_timers()
        self.phase = Phase.CLOSING
        hop = self.dialog.hop

        def answered(_: Transaction, message: Message | None, __: Do, when: float) -> None:
            if message is None or (isinstance(message, Response) and message.status >= 200):
                self._end(by, self._why, when)

        self.ask(self.dialog.request("BYE", self.layer.via(hop)), answered, at)

    def _end(self, by: str, reason: str, at: float) -> None:
        if self.phase is not Phase.ENDED:
            self._close()
            self.tell(Ended(self, at, by, reason))

    def _close(self) -> None:
        self.phase = Phase.ENDED
        self._stop_timers()
        self._forget(self)

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.stop()
        self._timers.clear()
        self._repeated.stop()
        self._changes.stop()

    # --- messages ---------------------------------------------------------------------------------

    def reply(self, transaction: Transaction, status: int, at: float) -> None:
        """Answer a request of this call with nothing but a status."""
        transaction.respond(self.response(transaction.request, status), at)

    def response(self, request: Request, status: int, body: bytes = b"") -> Response:
        """A response within this call, with what its status and the request's method ask for."""
        response = respond(request, status, to_tag=self.local_tag)
        if request.method == "INVITE" and 100 < status < 300:
            for value in request.headers.all("Record-Route"):
                response.headers.add("Record-Route", value)
            self.dress(response, body, self.hop)
        elif status == 405:
            response.headers.add("Allow", ALLOW)
        return response

    def dress(self, message: Message, body: bytes, hop: Hop) -> None:
        """Contact, Allow, and the body."""
        headers = message.headers
        headers.add("Contact", self.layer.identity.contact(hop))
        headers.add("Allow", ALLOW)
        headers.add("User-Agent" if isinstance(message, Request) else "Server", self.layer.identity.software)
        if body:
            headers.add("Content-Type", "application/sdp")
            message.body = body
