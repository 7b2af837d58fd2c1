"""One call: an INVITE, the dialog it makes, changes to it, and its end (RFC 3261 §§9, 12 to 15).

What happens before it is up is in `calling.py` and `called.py`, changes to it are in `changes.py`,
transfers in `referral.py`. Knows nothing of media: SDP passes through as bytes. Every method takes the
time as `at`; what comes of it is told as `signals`. Each wait for the other end's machinery has a timer
here; how long a call may ring or last is for the layer above to say, with `hang_up`.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.errors import SipError
from trunkline.sip.asking import Asking
from trunkline.sip.called import Called
from trunkline.sip.calling import Calling
from trunkline.sip.changes import Changes
from trunkline.sip.dialog import Dialog
from trunkline.sip.digest import Credentials
from trunkline.sip.dtmf_relay import PLAIN, RELAY, key_in, relay_of
from trunkline.sip.hop import Hop
from trunkline.sip.layer import METHODS, TransactionLayer
from trunkline.sip.message import Message, Request, Response, respond
from trunkline.sip.options import Options, Peer
from trunkline.sip.phase import Phase
from trunkline.sip.referral import Referral
from trunkline.sip.referred import Referrals
from trunkline.sip.repeated import RepeatedAnswer
from trunkline.sip.session_timer import SessionTimer
from trunkline.sip.signals import Confirmed, Ended, Failed, Pressed, Signal
from trunkline.sip.timers import Timer
from trunkline.sip.transaction import Do, Transaction, Upward
from trunkline.sip.uri import Uri

__all__ = ["ALLOW", "Phase", "Session"]

ALLOW = ", ".join(METHODS)
_MAY_CHANGE_TARGET = ("INVITE", "UPDATE")
_EARLY = ("CANCEL", "PRACK", "UPDATE", "INFO", "OPTIONS", "BYE", "NOTIFY")
"""What may come in a call before it is up."""


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
        know: Callable[[Session, Dialog], None],
        forget: Callable[[Session], None],
        options: Options,
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
        self.options = options
        self.tell = tell
        self.peer = Peer()
        self.asking = Asking(layer, credentials)
        self.connection: Hop | None = None
        """The connection that this call lives on, where it is one."""
        self.hang_up_wanted = False
        self.described = b""
        """Our SDP as it counts now."""
        self.ack_hop = hop
        self._know = know
        self._forget = forget
        self._why = ""
        self._ack = b""
        self._acked_seq = 0
        self._timers: list[Timer] = []
        self._unacked: Transaction | None = None
        """The INVITE or re-INVITE whose 200 waits for its ACK."""
        self._repeated = RepeatedAnswer(layer)
        self.changes = Changes(self)
        self.timer = SessionTimer(layer.timers, options, refresh=self.changes.refresh, expire=self._expired)
        self.referral = Referral(self)
        self.referrals = Referrals(self)
        self._calling: Calling | None = None
        self._called: Called | None = None

    # --- calls of ours ----------------------------------------------------------------------------

    def call(self, at: float) -> None:
        """Send the INVITE."""
        self.described = self.invite.body
        self.timer.ask(self.invite)
        self._calling = Calling(self)
        self._calling.begin(at)

    def no_sign_of_life(self, at: float) -> None:
        """Whoever has not said anything at all by now is not waited for until Timer B."""
        if self.phase is Phase.CALLING and self._calling is not None:
            self._calling.give_up(at)

    def note_change(self) -> None:
        """Other terms were agreed on; while the call rings, its answer has nothing to say about them."""
        if self._calling is not None and not self.is_up:
            self._calling.note_change()

    def came_by(self, source: Hop) -> None:
        """A response to our INVITE came over this connection: what follows in the call goes there too,
        and to where the INVITE went should it break."""
        self.connection = self.hop._replace(transport=source.transport, flow=source.flow)

    def acknowledge(self, invite: Request) -> None:
        """Send the ACK for the 2xx to this INVITE or re-INVITE of ours, with its credentials, since an ACK
        cannot be challenged (§22.1)."""
        assert self.dialog is not None
        self.ack_hop = self.dialog.hop
        seq = invite.cseq[0]
        ack = self.dialog.request("ACK", self.layer.via(self.ack_hop), seq=seq)
        for name in ("Authorization", "Proxy-Authorization"):
            for value in invite.headers.all(name):
                ack.headers.add(name, value)
        self._ack = bytes(ack)
        self._acked_seq = seq
        self.layer.send(self._ack, self.ack_hop)

    def acknowledge_again(self, response: Response) -> None:
        """A 2xx that was acknowledged and came again: its ACK was lost (§13.2.2.4)."""
        if response.cseq[0] == self._acked_seq and self._ack:
            self.layer.send(self._ack, self.ack_hop)

    def fail(self, status: int, reason: str, response: Response | None, at: float) -> None:
        """A call of ours comes to nothing."""
        if self.phase is Phase.ENDED:
            return
        if self.hang_up_wanted:
            self._end("us", self._why, at)
            return
        self._close()
        self.tell(Failed(self, at, status, reason, response))

    # --- calls of theirs --------------------------------------------------------------------------

    def incoming(self, transaction: Transaction, dialog: Dialog) -> None:
        """Their INVITE, whose dialog exists from the start."""
        self.dialog = dialog
        self.local_tag = dialog.local_tag
        self.peer.note(self.invite)
        self._called = Called(self, transaction)
        self.know(dialog)

    def ring(self, at: float, *, status: int = 180, body: bytes = b"") -> None:
        """Send a provisional response; with SDP in `body` it opens early media."""
        if self._called is not None:
            self._called.ring(at, status=status, body=body)

    def accept(self, body: bytes, at: float) -> None:
        """Take the call; `body` is our SDP. Raises `SipError` where it is gone already."""
        if self._called is None:
            raise SipError("a call of ours is not ours to take", where="sip")
        self._called.accept(body, at)

    def refuse(
        self, status: int, at: float, *, reason: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """Do not take the call."""
        if self.phase is Phase.OFFERED and self._called is not None:
            self._called.refuse(status, at, reason=reason, headers=headers)
            self._end("us", reason or f"refused with {status}", at)

    def cancelled(self, at: float) -> None:
        """Their CANCEL. It comes to nothing once we have answered (§9.2)."""
        if self.phase is Phase.OFFERED and self._called is not None:
            self._called.refuse(487, at, reason="", headers=())
            self._end("them", "cancelled", at)

    def answer(self, transaction: Transaction, body: bytes, at: float) -> None:
        """Send a 200 to an INVITE, and repeat it until it is acknowledged (§13.3.1.4)."""
        response = self.response(transaction.request, 200, body)
        self.timer.agree(transaction.request, response, at)
        self.described = body or self.described
        transaction.respond(response, at)
        self._unacked = transaction
        self._repeated.start(bytes(response), transaction.hop, at, self._unacknowledged)

    def _unacknowledged(self, at: float) -> None:
        self.stop_timers()
        self.phase = Phase.CONFIRMED
        self._why = self._why or "our 200 was never acknowledged"
        self.bye(at, by="us" if self.hang_up_wanted else "network")

    def acknowledged(self, ack: Request, at: float) -> None:
        """The ACK of our 200 to an INVITE or re-INVITE."""
        if self._unacked is None or ack.cseq[0] != self._unacked.request.cseq[0]:
            return
        self._unacked = None
        self._repeated.stop()
        first = self.phase is Phase.ANSWERED
        if first:
            self.phase = Phase.CONFIRMED
        if self.hang_up_wanted and first:
            self.bye(at)
        elif self.phase is Phase.CONFIRMED:
            self.tell(Confirmed(self, at, ack.body))

    # --- how far it is ----------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether both ends hold the call."""
        return self.phase is Phase.CONFIRMED

    @property
    def is_early(self) -> bool:
        """Whether it rings with SDP offered and answered, so that this may be changed already (UPDATE)."""
        if self.phase is Phase.OFFERED:
            return self._called is not None and self._called.settled
        return self.phase is Phase.PROCEEDING and self._talking is not None

    @property
    def may_change(self) -> bool:
        """Whether the last answer is acknowledged, so that a re-INVITE may come or go."""
        return self.phase is Phase.CONFIRMED and self._unacked is None

    @property
    def _talking(self) -> Dialog | None:
        """The dialog that requests of ours go to."""
        return self.dialog or (self._calling.settled if self._calling is not None else None)

    # --- within the call --------------------------------------------------------------------------

    def within(self, method: str) -> tuple[Request, Hop]:
        """A request of ours within this call, and where it goes. Raises `SipError` where it is not up."""
        dialog = self._talking
        if dialog is None or self.phase is Phase.ENDED:
            raise SipError("the call is not up", where="sip")
        return dialog.request(method, self.layer.via(dialog.hop)), dialog.hop

    def ask(
        self,
        request: Request,
        up: Upward,
        at: float,
        *,
        begun: Callable[[Transaction], None] = lambda _: None,
        amend: Callable[[Response, Request], bool] = lambda _, __: False,
    ) -> Transaction:
        """Send a request of ours within the dialog; challenges to it are answered."""
        dialog = self._talking
        assert dialog is not None
        return self.asking.ask(
            request,
            dialog.hop,
            up,
            at,
            owner=self,
            seq=dialog.next_seq,
            begun=begun,
            amend=amend,
            elsewhere=lambda do: dialog.elsewhere(do is Do.UNREACHABLE, self.layer.another),
        )

    def request(self, request: Request, transaction: Transaction, at: float) -> None:
        """A request of theirs within this call's dialog, but for ACK and CANCEL. Raises `ParseError`."""
        dialog = self._dialog_of(request)
        if dialog is None:
            self.reply(transaction, 481, at)
        elif not dialog.accept_seq(request):
            self.reply(transaction, 500, at)
        elif request.method == "BYE":
            self._said_bye(request, transaction, at)
        elif request.method not in _EARLY and self.phase not in (
            Phase.CONFIRMED, Phase.ANSWERED, Phase.CLOSING
        ):  # fmt: skip
            self.reply(transaction, 500, at)
        else:
            if request.method in _MAY_CHANGE_TARGET:
                self.peer.note(request)
            self._serve(request, transaction, dialog, at)

    def _serve(self, request: Request, transaction: Transaction, dialog: Dialog, at: float) -> None:
        match request.method:
            case "INVITE":
                self.changes.asked(request, transaction, at)
            case "UPDATE":
                self.changes.updated(request, transaction, dialog, at)
            case "PRACK" if self._called is not None:
                self._called.prack(request, transaction, at)
            case "NOTIFY":
                self.referral.notified(request, transaction, at)
            case "REFER":
                self.referrals.asked(request, transaction, at)
            case "INFO":
                self._informed(request, transaction, at)
            case "OPTIONS":
                self.reply(transaction, 200, at)
            case _:
                self.reply(transaction, 481 if request.method == "PRACK" else 405, at)

    def _dialog_of(self, request: Request) -> Dialog | None:
        tag = request.from_.tag
        if self.dialog is not None:
            return self.dialog if self.dialog.remote_tag == tag else None
        early = self._calling.dialogs() if self._calling is not None else ()
        return next((dialog for dialog in early if dialog.remote_tag == tag), None)

    def _said_bye(self, request: Request, transaction: Transaction, at: float) -> None:
        self.reply(transaction, 200, at)
        if self.dialog is None:
            return  # One of several phones that ring; what it wants to say it says with its answer.
        if self.phase is Phase.OFFERED and self._called is not None:
            self._called.refuse(487, at, reason="", headers=())
        # Crossed BYEs: both ends are answered, and ours is what ended the call.
        reason = self._why or (request.headers.get("Reason") or "hung up")[:200]
        self._end("us" if self.phase is Phase.CLOSING else "them", reason, at)

    def _informed(self, request: Request, transaction: Transaction, at: float) -> None:
        """An INFO: a key, or nothing at all, which some send to see whether we are there."""
        if not request.body:
            self.reply(transaction, 200, at)
        elif key := key_in(request.content_type, request.body):
            self.reply(transaction, 200, at)
            self.tell(Pressed(self, at, key))
        else:
            response = self.response(request, 415)
            response.headers.add("Accept", f"{RELAY}, {PLAIN}")
            transaction.respond(response, at)

    def press(self, key: str, at: float, done: Callable[[bool, float], None]) -> None:
        """Press a key by INFO, for an end that takes none in its media; `done` is told whether it took
        this one. Raises `SipError` where the call is not up."""
        request, _ = self.within("INFO")
        request.headers.add("Content-Type", RELAY)
        request.body = relay_of(key)

        def answered(_: Transaction, message: Message | None, do: Do, when: float) -> None:
            if do is not Do.DELIVER or (isinstance(message, Response) and message.status >= 200):
                done(isinstance(message, Response) and message.status < 300, when)

        self.ask(request, answered, at)

    def accept_change(self, body: bytes, at: float) -> None:
        """Agree to their re-INVITE or UPDATE; `body` is our SDP."""
        self.changes.accept(body, at)

    def refuse_change(self, status: int, at: float) -> None:
        """Refuse their re-INVITE or UPDATE: all stays as it was."""
        self.changes.refuse(status, at)

    def change(self, body: bytes, at: float) -> None:
        """Offer new terms: with a re-INVITE, or an UPDATE while it rings. Raises `SipError` while another
        change is in progress, and where the other end takes no UPDATE."""
        self.changes.offer(body, at)

    def refer(self, target: Uri, at: float, *, replaces: Session | None = None) -> None:
        """Ask the other end to call `target` in our place, or to take the place of our end of the call
        `replaces`; `Referred` tells how it goes. Raises `SipError` where that cannot be now."""
        self.referral.ask(target, at, replaces)

    def lost(self, at: float) -> None:
        """The other end answers no more, or no longer knows this call (§12.2.1.2)."""
        if self.phase is Phase.CONFIRMED:
            self._why = "the other end does not answer any more"
            self.bye(at, by="network")

    def _expired(self, at: float) -> None:
        """Nobody refreshed the call in time (RFC 4028 §10)."""
        if self.phase is Phase.CONFIRMED:
            self._why = "the session expired"
            self.bye(at, by="network", because='SIP;cause=408;text="Session expired"')

    # --- the end ----------------------------------------------------------------------------------

    def hang_up(self, at: float, reason: str = "hung up") -> None:
        """End the call as its phase asks: CANCEL, refusal, or BYE. Safe at any time, any number of times."""
        if self.hang_up_wanted or self.phase in (Phase.CLOSING, Phase.ENDED):
            return
        self._why = reason
        if self.phase is Phase.OFFERED:
            self.refuse(480, at)
            return
        self.hang_up_wanted = True
        if self.phase is Phase.PROCEEDING and self._calling is not None:
            self._calling.cancel(at)
        elif self.phase is Phase.CONFIRMED:
            self.bye(at)
        # CALLING waits for a sign of life before its CANCEL (§9.1), and Timer B bounds that; ANSWERED
        # waits for the ACK (§15), and its own limit bounds that.

    def bye(self, at: float, by: str = "us", because: str = "") -> None:
        """Say BYE. `because`: a Reason for it (RFC 3326)."""
        self.stop_timers()
        self.phase = Phase.CLOSING
        request, _ = self.within("BYE")
        if because:
            request.headers.add("Reason", because)

        def answered(_: Transaction, message: Message | None, __: Do, when: float) -> None:
            if message is None or (isinstance(message, Response) and message.status >= 200):
                self._end(by, self._why, when)

        self.ask(request, answered, at)

    def _end(self, by: str, reason: str, at: float) -> None:
        if self.phase is not Phase.ENDED:
            self._close()
            self.tell(Ended(self, at, by, reason))

    def _close(self) -> None:
        self.phase = Phase.ENDED
        self.stop_timers()
        self.timer.close()
        self._forget(self)

    def know(self, dialog: Dialog) -> None:
        """Requests of this dialog belong to this session."""
        self._know(self, dialog)

    def limit(self, when: float, fire: Callable[[float], None]) -> None:
        """Do something at that time, if the session still waits then."""
        self._timers.append(self.layer.timers.start(when, fire))

    def stop_timers(self) -> None:
        """Nothing of this call is waited for any more, but for the answer to its BYE."""
        for timer in self._timers:
            timer.stop()
        self._timers.clear()
        self._repeated.stop()
        self.changes.stop()
        self.timer.stop()
        if self._called is not None:
            self._called.stop()

    # --- messages ---------------------------------------------------------------------------------

    def reply(self, transaction: Transaction, status: int, at: float) -> None:
        """Answer a request of this call with nothing but a status."""
        transaction.respond(self.response(transaction.request, status), at)

    def response(self, request: Request, status: int, body: bytes = b"") -> Response:
        """A response within this call, with what its status and the request's method ask for."""
        response = respond(request, status, to_tag=self.local_tag)
        if request.method in _MAY_CHANGE_TARGET and 100 < status < 300:
            if request.method == "INVITE":
                for value in request.headers.all("Record-Route"):
                    response.headers.add("Record-Route", value)
            self.dress(response, body, self.hop)
        elif status == 405 or (request.method == "OPTIONS" and status == 200):
            response.headers.add("Allow", ALLOW)
            response.headers.add("Accept", "application/sdp")
            response.headers.add("Supported", ", ".join(self.options.extensions))
        return response

    def dress(self, message: Message, body: bytes, hop: Hop) -> None:
        """Contact, what we can do, and the body."""
        headers = message.headers
        headers.add("Contact", self.layer.identity.contact(hop, asked=self.invite.uri))
        headers.add("Allow", ALLOW)
        headers.add("Supported", ", ".join(self.options.extensions))
        headers.add("User-Agent" if isinstance(message, Request) else "Server", self.layer.identity.software)
        if body:
            headers.add("Content-Type", "application/sdp")
            message.body = body
