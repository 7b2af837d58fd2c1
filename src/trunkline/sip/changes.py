"""Changes to a call: re-INVITE (RFC 3261 §14), UPDATE (RFC 3311), ours and theirs, and their collisions.

A change asks for other terms, or for none: then it refreshes the session timer. One of ours and one of
theirs at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from trunkline.errors import ParseError, SipError
from trunkline.sip.dialog import Dialog
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.part import SessionPart
from trunkline.sip.phase import Phase
from trunkline.sip.signals import Changed, ChangeRefused, Refreshed, Reoffered
from trunkline.sip.timers import T1, Timer
from trunkline.sip.transaction import Do, Transaction

if TYPE_CHECKING:
    from trunkline.sip.session import Session

_AFTER_GLARE = {"caller": 3.0, "called": 1.0}
"""Seconds to wait after a 491 (§14.1): the middle of 2.1 to 4 for whoever made the Call-ID, of 0 to 2
for the other, so that both never try again together."""
_NOT_SERVED = (405, 501)


class Changes(SessionPart):
    """The changes of one session: at most one of ours and one of theirs at a time."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._ours: Transaction | None = None
        self._method = "INVITE"
        self._body = b""
        self._refreshes = False
        """Whether ours only says again what counts already."""
        self._theirs: Transaction | None = None
        """Their INVITE, UPDATE or PRACK whose offer waits for our answer."""
        self._retry: Timer | None = None

    def stop(self) -> None:
        """The call ends: nothing is tried again."""
        if self._retry is not None:
            self._retry.stop()
            self._retry = None

    # --- ours -------------------------------------------------------------------------------------

    def offer(self, body: bytes, at: float) -> None:
        """Send `body` as offer, with a re-INVITE, or an UPDATE while the call rings. Raises `SipError`
        where that cannot be now."""
        session = self._session
        early = session.is_early and session.peer.allows("UPDATE")
        if self._busy or not (session.may_change or early):
            raise SipError("the call cannot be changed now", where="sip")
        self._method, self._body, self._refreshes = "UPDATE" if early else "INVITE", body, False
        self._send(at)

    @property
    def _busy(self) -> bool:
        return (self._ours or self._theirs or self._retry) is not None

    def refresh(self, at: float) -> None:
        """Say that the call is still there (RFC 4028 §7.4): with an UPDATE where they allow it, since that
        leaves the media alone, else with a re-INVITE that offers what counts already."""
        if self._ours is not None or self._retry is not None:
            self._session.timer.failed(at)  # What is under way refreshes too; if not, there is time left.
            return
        self._refreshes = True
        self._method = "UPDATE" if self._session.peer.allows("UPDATE") else "INVITE"
        self._body = b"" if self._method == "UPDATE" else self._session.described
        self._send(at)

    def _send(self, at: float) -> None:
        self._retry = None
        session = self._session
        may = session.may_change or session.is_early
        if not may or (self._theirs is not None and self._body):
            # Their change came while ours waited: theirs first.
            self._again(at + T1)
            return
        if self._refreshes and self._body:
            self._body = session.described  # It may have changed while this waited.
        request, hop = session.within(self._method)
        session.dress(request, self._body, hop)
        session.timer.ask(request)
        self._began(session.ask(request, self._answered, at, begun=self._began, amend=session.timer.amend))

    def _began(self, transaction: Transaction) -> None:
        self._ours = transaction

    def _again(self, when: float) -> None:
        self._retry = self._session.layer.timers.start(when, self._send)

    def _answered(self, transaction: Transaction, message: Message | None, do: Do, at: float) -> None:
        session = self._session
        if do is not Do.DELIVER:
            self._ours = None
            session.lost(at)
            return
        assert isinstance(message, Response)
        if message.status >= 300:
            self._ours = None
            self._refused(message.status, at)
        elif message.status >= 200:
            if self._ours is not transaction:
                if self._method == "INVITE":
                    session.acknowledge_again(message)
                return
            self._ours = None
            self._agreed(transaction, message, at)

    def _agreed(self, transaction: Transaction, message: Response, at: float) -> None:
        session = self._session
        session.peer.note(message)
        if session.dialog is not None:
            with suppress(ParseError):  # An unreadable new Contact leaves the one that worked so far.
                session.dialog.refresh_target(message)
        if transaction.request.method == "INVITE":
            session.acknowledge(transaction.request)
        if session.is_up:
            session.timer.heard(message, at)
        if not session.is_up and not session.is_early:
            return
        session.described = self._body or session.described
        if self._body:
            session.note_change()
        if not self._refreshes:
            session.tell(Changed(session, at, message.body))
        elif message.body:
            session.tell(Refreshed(session, at, message.body))

    def _refused(self, status: int, at: float) -> None:
        session = self._session
        if not session.is_up and not session.is_early:
            return
        if status == 491:
            self._again(at + _AFTER_GLARE["called" if session.inbound else "caller"])
        elif status in (408, 481):
            session.lost(at)
        elif self._refreshes and self._method == "UPDATE" and status in _NOT_SERVED:
            session.peer.refused("UPDATE")  # Whatever their Allow says.
            self.refresh(at)
        elif self._refreshes:
            session.timer.failed(at)
        else:
            session.tell(ChangeRefused(session, at, status))

    # --- theirs -----------------------------------------------------------------------------------

    def asked(self, request: Request, transaction: Transaction, at: float) -> None:
        """Their re-INVITE. Raises `ParseError` for a broken Contact."""
        session = self._session
        if self._ours is not None and (self._method == "INVITE" or self._body):
            session.reply(transaction, 491, at)
        elif self._theirs is not None or not session.may_change:
            # The one before is not answered, or its answer not acknowledged (§14.2).
            self._later(transaction, at)
        elif not self._too_short(transaction, at):
            assert session.dialog is not None
            session.dialog.refresh_target(request)
            self._theirs = transaction
            session.tell(Reoffered(session, at, request.body))

    def updated(self, request: Request, transaction: Transaction, dialog: Dialog, at: float) -> None:
        """Their UPDATE (RFC 3311 §5.2): with an offer, or none. Raises `ParseError` for a broken Contact."""
        session = self._session
        if self._too_short(transaction, at):
            return
        if not request.body:
            dialog.refresh_target(request)
            response = session.response(request, 200)
            if session.phase in (Phase.CONFIRMED, Phase.ANSWERED):
                session.timer.agree(request, response, at)
            transaction.respond(response, at)
        elif request.content_type != "application/sdp":
            session.reply(transaction, 415, at)
        elif self._ours is not None and self._body:
            session.reply(transaction, 491, at)
        elif not session.inbound and not session.is_up and not session.is_early:
            session.reply(transaction, 491, at)  # Our INVITE's own offer has no answer yet.
        elif self._theirs is not None or not (session.may_change or session.is_early):
            self._later(transaction, at)
        else:
            dialog.refresh_target(request)
            self.offered(transaction, request.body, at)

    def offered(self, transaction: Transaction, body: bytes, at: float) -> None:
        """An offer of theirs in a request that is answered with a 200 of its own (UPDATE, PRACK)."""
        if self._theirs is not None:
            self._later(transaction, at)
            return
        self._theirs = transaction
        self._session.tell(Reoffered(self._session, at, body))

    def _too_short(self, transaction: Transaction, at: float) -> bool:
        least = self._session.timer.too_short(transaction.request)
        if least:
            response = self._session.response(transaction.request, 422)
            response.headers.add("Min-SE", str(least))
            transaction.respond(response, at)
        return least > 0

    def _later(self, transaction: Transaction, at: float) -> None:
        response = self._session.response(transaction.request, 500)
        response.headers.add("Retry-After", "2")
        transaction.respond(response, at)

    def accept(self, body: bytes, at: float) -> None:
        """Agree to theirs."""
        session = self._session
        transaction, self._theirs = self._theirs, None
        if transaction is None or session.phase is Phase.ENDED:
            return
        request = transaction.request
        if request.method == "INVITE":
            if session.is_up:
                session.answer(transaction, body, at)
            return
        response = session.response(request, 200, body)
        if request.method == "PRACK":
            response.headers.add("Content-Type", "application/sdp")
            response.body = body
        elif session.is_up:
            session.timer.agree(request, response, at)
        session.described = body
        session.note_change()
        transaction.respond(response, at)

    def refuse(self, status: int, at: float) -> None:
        """Refuse theirs."""
        transaction, self._theirs = self._theirs, None
        if transaction is not None and self._session.phase is not Phase.ENDED:
            self._session.reply(transaction, status, at)
