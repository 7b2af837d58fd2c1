"""Changes to a call that is up: re-INVITEs, ours and theirs, and their collisions (RFC 3261 §14)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from trunkline.errors import ParseError, SipError
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.signals import Changed, ChangeRefused, Reoffered
from trunkline.sip.timers import T1, Timer
from trunkline.sip.transaction import Do, Transaction

if TYPE_CHECKING:
    from trunkline.sip.session import Session

_AFTER_GLARE = {"caller": 3.0, "called": 1.0}
"""Seconds to wait after a 491 (§14.1): the middle of 2.1 to 4 for whoever made the Call-ID, of 0 to 2
for the other, so that both never try again together."""


class Changes:
    """The re-INVITEs of one session: at most one of ours and one of theirs at a time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._ours: Transaction | None = None
        self._body = b""
        self._theirs: Transaction | None = None
        """Their re-INVITE that waits for our answer."""
        self._retry: Timer | None = None

    def stop(self) -> None:
        """The call ends: nothing is tried again."""
        if self._retry is not None:
            self._retry.stop()
            self._retry = None

    # --- ours -------------------------------------------------------------------------------------

    def offer(self, body: bytes, at: float) -> None:
        """Send a re-INVITE with `body` as offer. Raises `SipError` where that cannot be now."""
        busy = self._ours or self._theirs or self._retry
        if busy is not None or not self._session.may_change:
            raise SipError("the call cannot be changed now", where="sip")
        self._body = body
        self._send(at)

    def _send(self, at: float) -> None:
        self._retry = None
        session = self._session
        if self._theirs is not None or not session.may_change:
            # Their change came while ours waited out a 491: theirs first.
            self._again(at + T1)
            return
        assert session.dialog is not None
        hop = session.dialog.hop
        request = session.dialog.request("INVITE", session.layer.via(hop))
        session.dress(request, self._body, hop)
        self._began(session.ask(request, self._answered, at, begun=self._began))

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
                session.acknowledge_again(message)
                return
            self._ours = None
            assert session.dialog is not None
            with suppress(ParseError):  # An unreadable new Contact leaves the one that worked so far.
                session.dialog.refresh_target(message)
            session.acknowledge(transaction.request)
            if session.is_up:
                session.tell(Changed(session, at, message.body))

    def _refused(self, status: int, at: float) -> None:
        session = self._session
        if not session.is_up:
            return
        if status == 491:
            self._again(at + _AFTER_GLARE["called" if session.inbound else "caller"])
        elif status in (408, 481):
            session.lost(at)
        else:
            session.tell(ChangeRefused(session, at, status))

    # --- theirs -----------------------------------------------------------------------------------

    def asked(self, request: Request, transaction: Transaction, at: float) -> None:
        """Their re-INVITE. Raises `ParseError` for a broken Contact."""
        session = self._session
        if self._ours is not None:
            session.reply(transaction, 491, at)
        elif self._theirs is not None or not session.may_change:
            # The one before is not answered, or its answer not acknowledged (§14.2).
            response = session.response(request, 500)
            response.headers.add("Retry-After", "2")
            transaction.respond(response, at)
        else:
            assert session.dialog is not None
            session.dialog.refresh_target(request)
            self._theirs = transaction
            session.tell(Reoffered(session, at, request.body))

    def accept(self, body: bytes, at: float) -> None:
        """Agree to their re-INVITE."""
        transaction, self._theirs = self._theirs, None
        if transaction is not None and self._session.is_up:
            self._session.answer(transaction, body, at)

    def refuse(self, status: int, at: float) -> None:
        """Refuse their re-INVITE."""
        transaction, self._theirs = self._theirs, None
        if transaction is not None and self._session.is_up:
            self._session.reply(transaction, status, at)
