"""Transfer by REFER: asking the other end to call somebody else, and hearing how that goes (RFC 3515).

Blind, to an address; or attended, to the end of another call of ours, whose place they then take (RFC
3891).
One referral at a time in a call. Its NOTIFYs may come before the answer to the REFER, and the BYE of
the other end before the last NOTIFY: both orders are met with in the field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from trunkline.errors import SipError
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.part import SessionPart
from trunkline.sip.replaces import our_end_of, with_replaces
from trunkline.sip.signals import Referred
from trunkline.sip.transaction import Do, Transaction

if TYPE_CHECKING:
    from trunkline.sip.session import Session
    from trunkline.sip.uri import Uri

_FRAGMENT = re.compile(rb"\s*SIP/2\.0 +([1-6][0-9][0-9])(?: +([^\r\n]*))?", re.IGNORECASE)


class Referral(SessionPart):
    """The referral of one session, while it lasts."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._pending = False
        self.accepted = False
        """Whether the other end has said that it will call."""

    def ask(self, target: Uri, at: float, replaces: Session | None = None) -> None:
        """Send the REFER. `replaces`: a call of ours to `target`, whose end of ours they are to take over.
        Raises `SipError` where either call is not up, or one is under way."""
        session = self._session
        if self._pending or not session.is_up or (replaces is not None and not replaces.is_up):
            raise SipError("the call cannot be transferred now", where="sip")
        if replaces is not None:
            assert replaces.dialog is not None
            # Their own address, since only that very phone knows the call that is to be replaced.
            target = with_replaces(replaces.dialog.target, our_end_of(replaces.dialog))
        request, hop = session.within("REFER")
        request.headers.add("Refer-To", f"<{target}>")
        request.headers.add("Referred-By", session.layer.identity.contact(hop))
        session.dress(request, b"", hop)
        self._pending, self.accepted = True, False
        session.ask(request, self._answered, at)

    def _answered(self, _: Transaction, message: Message | None, do: Do, at: float) -> None:
        if not self._pending:
            return  # A NOTIFY has told the end already.
        if do is not Do.DELIVER:
            self._over(408 if do is Do.TIMEOUT else 503, "no answer to REFER", at)
            return
        assert isinstance(message, Response)
        if message.status >= 300:
            self._over(message.status, message.reason, at)
        elif message.status >= 200:
            self.accepted = True
            if (message.headers.get("Refer-Sub") or "").strip().lower() == "false":
                # They will not tell how it goes (RFC 4488), so their word is all there will be.
                self._over(message.status, message.reason, at)

    def notified(self, request: Request, transaction: Transaction, at: float) -> None:
        """A NOTIFY within the call."""
        event = (request.headers.get("Event") or "").partition(";")[0].strip().lower()
        if event != "refer":
            self._session.reply(transaction, 489, at)
            return
        if not self._pending:
            self._session.reply(transaction, 481, at)
            return
        self._session.reply(transaction, 200, at)
        self.accepted = True
        found = _FRAGMENT.match(request.body)
        status = int(found[1]) if found else 0
        reason = found[2].decode("utf-8", "replace")[:200] if found and found[2] else ""
        state = (request.headers.get("Subscription-State") or "").partition(";")[0].strip().lower()
        if status >= 200 or state == "terminated":
            # A subscription that ends without a final status leaves it unknown: that is no success.
            self._over(status if status >= 200 else 500, reason or "the outcome was never told", at)
        elif status:
            self._session.tell(Referred(self._session, at, status, reason, final=False))

    def _over(self, status: int, reason: str, at: float) -> None:
        self._pending = False
        self._session.tell(Referred(self._session, at, status, reason, final=True))

    @property
    def pending(self) -> bool:
        """Whether a REFER is out whose outcome is not known."""
        return self._pending
