"""A call of theirs until our answer to it is sent (RFC 3261 §13.3, RFC 3262 §3)."""

from __future__ import annotations

import re
import zlib
from collections import deque
from typing import TYPE_CHECKING

from trunkline.errors import SipError
from trunkline.sip.message import Request, respond
from trunkline.sip.options import names
from trunkline.sip.part import SessionPart
from trunkline.sip.phase import Phase
from trunkline.sip.repeated import RepeatedAnswer
from trunkline.sip.signals import EarlyConfirmed
from trunkline.sip.timers import T64
from trunkline.sip.transaction import Transaction

if TYPE_CHECKING:
    from trunkline.sip.session import Session

_RACK = re.compile(r"([0-9]{1,10})\s+([0-9]{1,10})\s+(\S+)", re.ASCII)
_WAITING = 4
"""Provisional responses that wait for the one before to be acknowledged; of more, the oldest are lost."""


class Called(SessionPart):
    """The inbound half of a session: their INVITE, which `transaction` answers."""

    def __init__(self, session: Session, transaction: Transaction) -> None:
        super().__init__(session)
        self._transaction = transaction
        invite = session.invite
        wanted = names(invite, "Require")
        self._demanded = "100rel" in wanted
        self._able = self._demanded or "100rel" in names(invite, "Supported")
        # §3: between 1 and 2^31 - 1, and not to be guessed.
        self._rseq = 1 + zlib.crc32(session.layer.token().encode()) % 2**30
        self._repeated = RepeatedAnswer(session.layer, most=T64)
        self._unacknowledged = False
        self._carries_sdp = False
        self._waiting: deque[tuple[int, bytes]] = deque(maxlen=_WAITING)
        self._accepting: bytes | None = None
        """Our SDP, where the call is taken as soon as the SDP before it is acknowledged (§3)."""
        self.settled = False
        """Whether SDP was offered and answered reliably before the call was taken."""

    def ring(self, at: float, *, status: int, body: bytes) -> None:
        """A provisional response. One with SDP goes reliably where they can (so that what it opens is not
        lost), and any where they demand it."""
        session = self._session
        if session.phase is not Phase.OFFERED or self._accepting is not None:
            return
        if not self._able or not session.options.reliable or not (self._demanded or body):
            # Nothing but an answer may go in one that nobody acknowledges (RFC 3261 §13.2.1).
            said = body if session.invite.body else b""
            self._transaction.respond(session.response(session.invite, status, said), at)
        elif not (body or session.invite.body or self.settled):
            # The first reliable response would have to offer (RFC 3261 §13.2.1): this one says less.
            self._transaction.respond(respond(session.invite, 100), at)
        elif self._unacknowledged:
            self._waiting.append((status, body))
        else:
            self._send(status, body, at)

    def _send(self, status: int, body: bytes, at: float) -> None:
        session = self._session
        self._rseq += 1
        response = session.response(session.invite, status, body)
        response.headers.add("Require", "100rel")
        response.headers.add("RSeq", str(self._rseq))
        self._unacknowledged, self._carries_sdp = True, bool(body)
        if body:
            session.described = body
        self._transaction.respond(response, at)
        self._repeated.start(bytes(response), self._transaction.hop, at, self._nobody_heard)

    def _nobody_heard(self, at: float) -> None:
        """§3: no PRACK within 64*T1."""
        self._session.refuse(504, at, reason="Provisional Response Not Acknowledged")

    def prack(self, request: Request, transaction: Transaction, at: float) -> None:
        """Their PRACK: of what we sent last, or of something else (481)."""
        session = self._session
        found = _RACK.fullmatch((request.headers.get("RAck") or "").strip())
        about = (int(found[1]), int(found[2]), found[3].upper()) if found else None
        invite = session.invite.cseq[0]
        if not self._unacknowledged or about != (self._rseq, invite, "INVITE"):
            session.reply(transaction, 481, at)
            return
        self._unacknowledged = False
        self._repeated.stop()
        first = self._carries_sdp and not self.settled
        self.settled = self.settled or self._carries_sdp
        if request.body and first and not session.invite.body:
            session.reply(transaction, 200, at)
            session.tell(EarlyConfirmed(session, at, request.body))
        elif request.body:
            session.changes.offered(transaction, request.body, at)
        else:
            session.reply(transaction, 200, at)
        if self._accepting is not None:
            body, self._accepting = self._accepting, None
            self._answer(body, at)
        elif self._waiting and session.phase is Phase.OFFERED:
            self._send(*self._waiting.popleft(), at)

    def accept(self, body: bytes, at: float) -> None:
        """Take the call. Raises `SipError` where it is gone already."""
        if self._session.phase is not Phase.OFFERED or self._accepting is not None:
            raise SipError("the call is over, or taken already", where="sip")
        self._waiting.clear()
        if self._unacknowledged and self._carries_sdp:
            self._accepting = body
        else:
            self._answer(body, at)

    def _answer(self, body: bytes, at: float) -> None:
        session = self._session
        self.stop()
        session.phase = Phase.ANSWERED
        # What a reliable response has answered is not answered again (RFC 6337 §2.2).
        session.answer(self._transaction, b"" if self.settled else body, at)

    def refuse(self, status: int, at: float, *, reason: str, headers: tuple[tuple[str, str], ...]) -> None:
        """Do not take the call."""
        response = respond(self._session.invite, status, reason=reason, to_tag=self._session.local_tag)
        for name, value in headers:
            response.headers.add(name, value)
        self.stop()
        self._transaction.respond(response, at)

    def stop(self) -> None:
        """Nothing provisional is repeated any more; a PRACK on its way is answered all the same."""
        self._repeated.stop()
