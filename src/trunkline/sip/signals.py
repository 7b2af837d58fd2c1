"""What a user agent tells the layer above. Each names the session it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.sip.message import Response
    from trunkline.sip.session import Session
    from trunkline.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Signal:
    """Something happened in `session` at `at` (seconds on the monotonic clock)."""

    session: Session
    at: float


@dataclass(frozen=True, slots=True)
class Incoming(Signal):
    """Somebody calls. `session.invite` is their INVITE. Answer with `ring`, `accept` or `refuse`."""

    replaces: Session | None = None
    """The call whose place this one takes, where it names one (RFC 3891)."""


@dataclass(frozen=True, slots=True)
class Progress(Signal):
    """A call of ours rings (or waits, or is forwarded). `body`: SDP of early media, or nothing."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Accepted(Signal):
    """A call of ours is taken, and acknowledged. `body`: their SDP answer, be it that of the 200 or, where
    that has none, of a provisional response of the same phone; empty where neither had any."""

    body: bytes
    settled: bool = False
    """The terms were agreed on while it rang, and changed since (UPDATE): they stand, and `body` is empty."""


@dataclass(frozen=True, slots=True)
class Failed(Signal):
    """A call of ours will not be taken. 408 and 503 are also what silence and an unreachable
    address look like; `response` is None for these."""

    status: int
    reason: str
    response: Response | None = None


@dataclass(frozen=True, slots=True)
class Confirmed(Signal):
    """Our 200 is acknowledged. `body`: the SDP answer where the offer was in our 200."""

    body: bytes


@dataclass(frozen=True, slots=True)
class EarlyConfirmed(Signal):
    """Our provisional response is acknowledged. `body`: the SDP answer where the offer was in it."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Reoffered(Signal):
    """A re-INVITE, or an offer in an UPDATE or PRACK. `body`: their new offer, or nothing where they ask
    for ours. Answer with `accept_change` or `refuse_change`."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Changed(Signal):
    """Our offer was accepted; `body`: their answer."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Refreshed(Signal):
    """Our SDP was offered again as it stood, to refresh the session; `body`: their answer."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ChangeRefused(Signal):
    """Our offer was refused; all stays as it was."""

    status: int


@dataclass(frozen=True, slots=True)
class Referred(Signal):
    """How a transfer of ours goes: the status of the call that the other end makes, or of its answer to
    our REFER where it will make none. `final`: nothing follows about it."""

    status: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class AskedToCall(Signal):
    """The other end asks us to call `target` (a REFER, accepted); its headers may name a call to replace.
    `by`: who they say asks. Tell them how it goes with `session.referrals.news`."""

    target: Uri
    by: str


@dataclass(frozen=True, slots=True)
class Pressed(Signal):
    """The other end pressed a key, and says so in an INFO."""

    key: str


@dataclass(frozen=True, slots=True)
class Ended(Signal):
    """The session is over. Nothing follows."""

    by: str
    """"them", "us" or "network" (nobody answers any more)."""
    reason: str
