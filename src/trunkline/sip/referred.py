"""A REFER from the other end: it asks us to call somebody else (RFC 3515), and is told how that goes.

Whether we do is for `Options.takes_referrals` to say, and for the layer above to carry out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trunkline.errors import SipError
from trunkline.sip.fields import parse_name_address
from trunkline.sip.message import Message, Request
from trunkline.sip.part import SessionPart
from trunkline.sip.replaces import parse_replaces, replaces_in
from trunkline.sip.signals import AskedToCall
from trunkline.sip.transaction import Do, Transaction

if TYPE_CHECKING:
    from trunkline.sip.session import Session

_EXPIRES = 180
"""Seconds that our news of one referral may take."""


class Referrals(SessionPart):
    """What one session was asked to call; one at a time."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._asked = 0
        """CSeq of the REFER whose end is to be told; 0: none."""
        self._first = 0
        self._silent = False

    def asked(self, request: Request, transaction: Transaction, at: float) -> None:
        """A REFER. Raises `ParseError` for a Refer-To that cannot be read (400)."""
        session = self._session
        values = request.headers.items("Refer-To")
        if len(values) != 1:
            session.reply(transaction, 400, at)
            return
        target = parse_name_address(values[0]).uri
        if target.scheme not in ("sip", "sips"):
            session.reply(transaction, 416, at)
            return
        if text := replaces_in(target):
            parse_replaces(text)  # A call that could replace nothing is not begun.
        other_method = (target.params.get("method") or "INVITE").upper() != "INVITE"
        if not session.options.takes_referrals or self._asked or not session.is_up or other_method:
            session.reply(transaction, 603, at)
            return
        self._asked = request.cseq[0]
        self._first = self._first or self._asked
        self._silent = (request.headers.get("Refer-Sub") or "").strip().lower() == "false"
        response = session.response(request, 202)
        contact = session.layer.identity.contact(session.hop, asked=session.invite.uri)
        response.headers.add("Contact", contact)
        if self._silent:
            response.headers.add("Refer-Sub", "false")
        transaction.respond(response, at)
        self.news(100, "Trying", at)
        by = (request.headers.get("Referred-By") or "")[:500]
        session.tell(AskedToCall(session, at, target, by))

    @property
    def pending(self) -> bool:
        """Whether they wait to be told how it ended."""
        return self._asked != 0

    def news(self, status: int, reason: str, at: float, then: Callable[[float], None] | None = None) -> None:
        """Tell them how the call that they asked for goes; a final status ends the telling, and `then` is
        called once they know it, or cannot be told."""
        session = self._session
        asked, final = self._asked, status >= 200
        if not asked:
            return
        if final:
            self._asked = 0
        told = then or _nothing
        if self._silent or not session.is_up:
            told(at)
            return
        try:
            request, _ = session.within("NOTIFY")
        except SipError:
            told(at)
            return
        event = "refer" if asked == self._first else f"refer;id={asked}"
        state = "terminated;reason=noresource" if final else f"active;expires={_EXPIRES}"
        contact = session.layer.identity.contact(session.hop, asked=session.invite.uri)
        request.headers.add("Contact", contact)
        request.headers.add("Event", event)
        request.headers.add("Subscription-State", state)
        request.headers.add("Content-Type", "message/sipfrag;version=2.0")
        request.body = f"SIP/2.0 {status} {reason}\r\n".encode("ascii", "replace")

        def answered(_: Transaction, message: Message | None, do: Do, when: float) -> None:
            if do is not Do.DELIVER or message is not None:
                told(when)

        session.ask(request, answered, at)


def _nothing(_: float) -> None:
    """Nobody waits."""
