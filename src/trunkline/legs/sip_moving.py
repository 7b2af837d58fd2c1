"""A call that goes on with somebody else, in another dialog and with the same media port and agent.

Somebody takes the place of the other end (an INVITE with Replaces, RFC 3891), or the other end asks us to
call somebody in its place (REFER, RFC 3515), which it is told the end of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.errors import MediaError, ParseError, SipError
from trunkline.sip.message import REASONS
from trunkline.sip.offer import Terms
from trunkline.sip.session import Session
from trunkline.sip.signals import Accepted, Ended, Failed, Progress, Signal

if TYPE_CHECKING:
    from trunkline.legs.sip_leg import SipLeg


def take_over(leg: SipLeg, session: Session, terms: Terms, at: float) -> None:
    """Let `session`, which rings here, take the place of the leg's other end; where that only rang, it is
    whoever answers (RFC 3891 §3: a call picked up by another phone). Refuses it with 488 where nothing is in
    common; then all stays as it was."""
    before = leg.session
    offer = session.invite.body
    try:
        if offer:
            body, agreement = terms.answer(offer)
            leg.move(session, terms, agreement)
        else:
            body = terms.offer()
            leg.move(session, terms, None)
    except (SipError, ParseError, MediaError):
        session.refuse(488, at)
        return
    session.accept(body, at)
    before.hang_up(at, "replaced by another call")
    if offer:  # Else their ACK answers our offer, and the leg is up with that.
        leg.picked_up(at)


class Following:
    """A call that the leg's other end asked for, until it is known whether the leg goes on in it."""

    def __init__(self, leg: SipLeg, asked_by: Session, session: Session, terms: Terms) -> None:
        self._leg = leg
        self._asked_by = asked_by
        self.session = session
        self._terms = terms

    def take(self, signal: Signal) -> None:
        """News of the new call."""
        if signal.session is not self.session:
            return
        news = self._asked_by.referrals.news
        match signal:
            case Progress():
                news(signal.status, REASONS.get(signal.status, "Progress"), signal.at)
            case Accepted():
                self._accepted(signal)
            case Failed():
                news(signal.status, signal.reason, signal.at)
                self._leg.stays()
            case Ended():
                news(487, REASONS[487], signal.at)
                self._leg.stays()

    def _accepted(self, signal: Accepted) -> None:
        before = self._asked_by
        try:
            self._leg.move(self.session, self._terms, self._terms.take_answer(signal.body))
        except (SipError, ParseError, MediaError) as error:
            self.session.hang_up(signal.at, f"no media in common: {error.what}")
            before.referrals.news(488, REASONS[488], signal.at)
            self._leg.stays()
            return
        # They are to know how it ended before they are hung up on, whichever of the two arrives first.
        before.referrals.news(200, "OK", signal.at, lambda at: before.hang_up(at, "transferred"))

    def give_up(self, at: float) -> None:
        """The leg ends: nobody wants the new call."""
        self.session.hang_up(at, "the call is over")
