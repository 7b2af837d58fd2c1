"""Why a call of ours was not taken, as a type instead of a number.

From the SIP status (RFC 3261 §21), and where that says little (a gateway's 480, 500 or 503) from the
telephone network's own cause in a Reason header (RFC 3326; causes: ITU-T Q.850).
"""

from __future__ import annotations

import re
from enum import StrEnum

from trunkline.errors import CallRefused, ParseError, Verdict
from trunkline.sip.message import Response


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
    428: Why.REJECTED_BY_TRUNK,  # RFC 8224: it wants an Identity, or one that it believes
    436: Why.REJECTED_BY_TRUNK,
    437: Why.REJECTED_BY_TRUNK,
    438: Why.REJECTED_BY_TRUNK,
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
_CAUSES = {
    1: Why.BAD_NUMBER,  # unallocated
    2: Why.BAD_NUMBER,  # no route to the transit network
    3: Why.BAD_NUMBER,  # no route to the destination
    17: Why.BUSY,
    18: Why.NO_ANSWER,  # no user responding
    19: Why.NO_ANSWER,  # it rang
    20: Why.NO_ANSWER,  # subscriber absent
    21: Why.DECLINED,
    22: Why.BAD_NUMBER,  # number changed
    27: Why.UNAVAILABLE,  # destination out of order
    28: Why.BAD_NUMBER,  # invalid format
    34: Why.UNAVAILABLE,  # no circuit
    38: Why.UNAVAILABLE,  # network out of order
    41: Why.UNAVAILABLE,  # temporary failure
    42: Why.UNAVAILABLE,  # congestion
    50: Why.REJECTED_BY_TRUNK,  # facility not subscribed
    55: Why.REJECTED_BY_TRUNK,  # incoming calls barred
    57: Why.REJECTED_BY_TRUNK,  # bearer capability not authorised
    65: Why.NO_COMMON_CODEC,  # bearer capability not implemented
    88: Why.NO_COMMON_CODEC,  # incompatible destination
}
_SAYS_LITTLE = frozenset({403, 404, 408, 480, 487, 500, 502, 503, 504, 580, 603})
"""Statuses that gateways give for many causes; any other is more exact than a cause beside it."""
_CAUSE = re.compile(r"\s*Q\.850\s*;(?:.*;)?\s*cause\s*=\s*([0-9]{1,3})\b", re.IGNORECASE | re.DOTALL)
_LOOK_THERE = "Check address, port and transport (`trunkline sip doctor` looks for the reason)"
_ANOTHER_TRUNK_MAY = {Why.REJECTED_BY_TRUNK, Why.UNAVAILABLE, Why.NOT_REACHABLE}


class CallNotTaken(CallRefused):
    """A call of ours was not taken. `why` says it typed, `status` is the SIP status (0: none came), `cause`
    that of the telephone network (Q.850; 0: none was told)."""

    def __init__(self, why: Why, what: str, *, status: int = 0, cause: int = 0, hint: str = "") -> None:
        super().__init__(f"{why}: {what}", where="sip", hint=hint)
        self.why = why
        self.status = status
        self.cause = cause
        self.retry_after = 0
        """Seconds for which the trunk asks not to be called again (Retry-After); 0: it does not."""
        self.verdict = Verdict.FAIL_OVER if why in _ANOTHER_TRUNK_MAY else Verdict.GIVE_UP


def not_taken(status: int, reason: str, response: Response | None) -> CallNotTaken:
    """The error for this final status. `response`: as it came; None where nobody sent it: silence (408)
    and an unreachable address (503) are such statuses."""
    if response is None:
        hint = _LOOK_THERE if status in (408, 503) else ""
        return CallNotTaken(Why.NOT_REACHABLE, reason or str(status), hint=hint)
    cause = cause_in(response)
    why = _WHY.get(status, Why.UNAVAILABLE)
    if status in _SAYS_LITTLE:
        why = _CAUSES.get(cause, why)
    if status == 603 and "network blocked" in reason.lower():
        why = Why.BLOCKED  # As carriers tell it that block a call by its analytics (ATIS-1000099).
    beside = f" (Q.850 cause {cause})" if cause else ""
    error = CallNotTaken(why, f"{status} {reason}".strip() + beside, status=status, cause=cause)
    error.retry_after = retry_after_in(response)
    return error


def retry_after_in(response: Response) -> int:
    """Retry-After in seconds (RFC 3261 §20.33: a comment and parameters may follow); 0 for none."""
    text = (response.headers.get("Retry-After") or "").partition(";")[0].partition("(")[0].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def cause_in(response: Response) -> int:
    """The Q.850 cause of a response's Reason; 0 where there is none that can be read."""
    try:
        values = response.headers.items("Reason")
    except ParseError:
        values = response.headers.all("Reason")
    return next((cause for value in values if (cause := cause_of(value))), 0)


def cause_of(reason: str) -> int:
    """The Q.850 cause that one Reason says, of a response or a BYE; 0 where it says none."""
    found = _CAUSE.match(reason)
    return int(found[1]) if found is not None else 0
