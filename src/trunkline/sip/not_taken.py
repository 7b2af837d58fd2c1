"""Why a call of ours was not taken, as a type instead of a number (RFC 3261 §21)."""

from __future__ import annotations

from enum import StrEnum

from trunkline.errors import CallRefused, Verdict


class Why(StrEnum):
    """What became of a call that was not taken."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    DECLINED = "declined"
    BLOCKED = "blocked"
    BAD_NUMBER = "bad-number"
    REJECTED_BY_TRUNK = "rejected-by-trunk"
    NO_COMMON_CODEC = "no-common-codec"
    UNAVAILABLE = "unavailable"
    NOT_REACHABLE = "not-reachable"


_WHY = {
    401: Why.REJECTED_BY_TRUNK,
    402: Why.REJECTED_BY_TRUNK,
    403: Why.REJECTED_BY_TRUNK,
    404: Why.BAD_NUMBER,
    407: Why.REJECTED_BY_TRUNK,
    408: Why.NO_ANSWER,
    410: Why.BAD_NUMBER,
    415: Why.NO_COMMON_CODEC,
    416: Why.BAD_NUMBER,
    480: Why.NO_ANSWER,
    484: Why.BAD_NUMBER,
    486: Why.BUSY,
    487: Why.NO_ANSWER,
    488: Why.NO_COMMON_CODEC,
    600: Why.BUSY,
    603: Why.DECLINED,
    604: Why.BAD_NUMBER,
    606: Why.NO_COMMON_CODEC,
    607: Why.BLOCKED,
    608: Why.BLOCKED,
}
_ANOTHER_TRUNK_MAY = {Why.REJECTED_BY_TRUNK, Why.UNAVAILABLE, Why.NOT_REACHABLE}


class CallNotTaken(CallRefused):
    """A call of ours was not taken. `why` says it typed, `status` is the SIP status (0: none came)."""

    def __init__(self, why: Why, what: str, *, status: int = 0) -> None:
        super().__init__(f"{why}: {what}", where="sip")
        self.why = why
        self.status = status
        self.verdict = Verdict.FAIL_OVER if why in _ANOTHER_TRUNK_MAY else Verdict.GIVE_UP


def not_taken(status: int, reason: str, *, answered: bool = True) -> CallNotTaken:
    """The error for this final status. `answered`: whether anybody sent it; silence (408) and an
    unreachable address (503) are statuses that nobody sent."""
    why = _WHY.get(status, Why.UNAVAILABLE) if answered else Why.NOT_REACHABLE
    return CallNotTaken(why, f"{status} {reason}".strip(), status=status if answered else 0)
