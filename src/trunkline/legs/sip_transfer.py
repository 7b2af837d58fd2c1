"""Handing a SIP call to somebody else, and what became of it as a type."""

from __future__ import annotations

import asyncio

from trunkline.errors import ParseError, SipError
from trunkline.legs.leg import TransferResult
from trunkline.sip.session import Session
from trunkline.sip.signals import Referred
from trunkline.sip.uri import Uri, escape_user, parse_uri

_RESULTS = {
    403: TransferResult.DECLINED,
    405: TransferResult.NOT_SUPPORTED,
    408: TransferResult.NO_ANSWER,
    420: TransferResult.NOT_SUPPORTED,
    480: TransferResult.NO_ANSWER,
    486: TransferResult.BUSY,
    487: TransferResult.NO_ANSWER,
    501: TransferResult.NOT_SUPPORTED,
    600: TransferResult.BUSY,
    603: TransferResult.DECLINED,
}


class SipTransfer:
    """One transfer by REFER, from its request to its result."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._result: asyncio.Future[TransferResult] = asyncio.get_running_loop().create_future()

    def ask(self, target: str, at: float) -> None:
        """Send the REFER. Raises `ParseError`, `SipError`."""
        self._session.refer(target_of(target, self._session), at)

    def ask_for(self, other: Session, at: float) -> None:
        """Send a REFER to our end of the call `other`. Raises `SipError`."""
        if other.dialog is None:
            raise SipError("the other call is not up", where="sip")
        self._session.refer(other.dialog.target, at, replaces=other)

    def heard(self, signal: Referred) -> None:
        """News of it from the other end."""
        if signal.final and not self._result.done():
            self._result.set_result(result_of(signal.status))

    def call_ended(self) -> None:
        """The call is over before the outcome was told. Whoever accepts a REFER and then hangs up has
        gone where it was sent: trunks do so, without a last NOTIFY or with one that crosses the BYE."""
        if not self._result.done():
            went = self._session.referral.accepted
            self._result.set_result(TransferResult.TRANSFERRED if went else TransferResult.FAILED)

    async def result(self) -> TransferResult:
        """How it ended; waits until that is known."""
        return await self._result


def result_of(status: int) -> TransferResult:
    """What the final status of a referral comes to."""
    if 200 <= status < 300:
        return TransferResult.TRANSFERRED
    return _RESULTS.get(status, TransferResult.FAILED)


def target_of(text: str, session: Session) -> Uri:
    """The address to refer to. A bare number is one at the other end's own domain. Raises `ParseError`."""
    target = address_or_number(text)
    if isinstance(target, Uri):
        return target
    invite = session.invite
    theirs = invite.from_.uri if session.inbound else parse_uri(invite.uri)
    return Uri(theirs.scheme, escape_user(target), theirs.host, theirs.port)


def address_or_number(text: str) -> Uri | str:
    """What somebody wrote for whom a call is to be handed to. Raises `ParseError`."""
    text = text.strip()
    if text.partition(":")[0].lower() in ("sip", "sips", "tel"):
        return parse_uri(text)
    number = "".join(char for char in text if char not in " -.()/")
    if not number.removeprefix("+").isalnum() or not any(char.isdigit() for char in number):
        raise ParseError(f"{text[:80]!r} is neither an address nor a number", where="sip")
    return number
