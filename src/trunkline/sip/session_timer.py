"""Session timers (RFC 4028): a call whose other end is gone does not stay up for ever.

Both ends agree on an interval and on who refreshes the call within it. Here the one who does sends an
UPDATE without SDP where the other end allows it, else a re-INVITE with the SDP as it stands, after half
the interval; whoever sees no refresh ends the call shortly before the interval is over (§10).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from trunkline.sip.message import Message, Request, Response
from trunkline.sip.options import Options, names
from trunkline.sip.timers import Timer, Timers

_EXPIRES = re.compile(r"\s*([0-9]{1,9})\s*(?:;(.*))?", re.DOTALL)
_REFRESHER = re.compile(r"(?:^|;)\s*refresher\s*=\s*(uac|uas)\s*(?:;|$)", re.IGNORECASE)
_LEAST = 90
"""Seconds below which nobody may set Min-SE (§5)."""
_AGAIN = 10.0
"""Seconds at least between a refresh that failed and the next try."""


@dataclass(frozen=True, slots=True)
class Expires:
    """One Session-Expires: seconds, and who refreshes ("uac", "uas", or "" where it does not say)."""

    seconds: int
    refresher: str = ""


def session_expires(message: Message) -> Expires | None:
    """What a message says, None where it says nothing that can be read."""
    found = _EXPIRES.fullmatch(message.headers.get("Session-Expires") or "")
    if found is None:
        return None
    who = _REFRESHER.search(found[2] or "")
    return Expires(int(found[1]), who[1].lower() if who else "")


def min_se(message: Message) -> int:
    """What its Min-SE asks for; 0 for nothing, or nothing that can be read."""
    text = (message.headers.get("Min-SE") or "").partition(";")[0].strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def least_refused(request: Request, options: Options) -> int:
    """The Min-SE to refuse a request with (422, §9) for its interval is too short for us; 0: it is well.
    Whoever does not know session timers cannot mend it, and is not refused."""
    least = max(_LEAST, options.min_session_expires)
    asked = session_expires(request)
    if asked is None or asked.seconds >= least or "timer" not in names(request, "Supported"):
        return 0
    return least


class SessionTimer:
    """Of one session. `refresh` asks for a refresh to be sent; `expire` says that none came in time."""

    def __init__(
        self,
        timers: Timers,
        options: Options,
        *,
        refresh: Callable[[float], None],
        expire: Callable[[float], None],
    ) -> None:
        self._timers = timers
        self._options = options
        self._refresh = refresh
        self._expire = expire
        self._least = max(_LEAST, options.min_session_expires)
        """The shortest interval that both ends, and whoever is between them, agree to."""
        self._running: list[Timer] = []
        self.interval = 0
        """Seconds; 0 while the call has no such limit."""
        self.ours = False
        """Whether the refreshing is on us."""
        self._ends = 0.0

    # --- requests of ours, INVITE and UPDATE ------------------------------------------------------

    def ask(self, request: Request) -> None:
        """Put into an INVITE or UPDATE of ours what we ask for, or what is in force (§7.1, §7.4)."""
        wanted = self.interval or self._options.session_expires
        if not wanted:
            return
        wanted = max(wanted, self._least)
        who = f";refresher={'uac' if self.ours else 'uas'}" if self.interval else ""
        request.headers.set("Session-Expires", f"{wanted}{who}")
        if self._least > _LEAST:
            request.headers.set("Min-SE", str(self._least))

    def amend(self, response: Response, request: Request) -> bool:
        """They want a longer interval (422): ask for that in `request`. False where that is no help."""
        least = min_se(response)
        if response.status != 422 or least <= self._least:
            return False
        self._least = least
        self.ask(request)
        # A call may have been refused for an interval that a proxy put in, and not we (§7.3).
        request.headers.set("Min-SE", str(least))
        return True

    def heard(self, response: Response, at: float) -> None:
        """Their 2xx to an INVITE or UPDATE of ours (§7.2). One without Session-Expires: no limit, since
        what we wished for was for both."""
        agreed = session_expires(response)
        self._set(agreed, agreed is not None and agreed.refresher != "uas", at)

    # --- requests of theirs -----------------------------------------------------------------------

    def too_short(self, request: Request) -> int:
        """The Min-SE to refuse their request with (422), 0 where it is well (§9)."""
        return least_refused(request, self._options)

    def agree(self, request: Request, response: Response, at: float) -> None:
        """Put into our 2xx to their INVITE or UPDATE what counts from now on (§9, table 2)."""
        asked = session_expires(request)
        able = "timer" in names(request, "Supported") or "timer" in names(request, "Require")
        own = self._options.session_expires
        if asked is None and not (able and own):
            self._set(None, False, at)
            return
        least = max(self._least, min_se(request))
        seconds = max(own, least) if own or asked is None else asked.seconds
        if asked is not None:
            seconds = min(seconds, asked.seconds)
        # Whoever leaves it open lets us refresh: then we know that it is done, and how.
        who = (asked.refresher if asked is not None and able else "") or "uas"
        response.headers.set("Session-Expires", f"{seconds};refresher={who}")
        if who == "uac":
            response.headers.set("Require", "timer")
        self._set(Expires(seconds, who), who == "uas", at)

    # --- the time ---------------------------------------------------------------------------------

    def _set(self, agreed: Expires | None, ours: bool, at: float) -> None:
        self.stop()
        # One of no seconds would end the call at once.
        self.interval = max(agreed.seconds, _LEAST) if agreed is not None else 0
        self.ours = ours and self.interval > 0
        if not self.interval:
            return
        self._ends = at + self.interval - min(32.0, self.interval / 3)
        self._running = [self._timers.start(self._ends, self._expire)]
        if self.ours:
            self._running.append(self._timers.start(at + self.interval / 2, self._refresh))

    def failed(self, at: float) -> None:
        """Our refresh was refused for a reason of the moment: try again while there is time."""
        if self.interval and self.ours:
            self._running.append(self._timers.start(at + max(_AGAIN, (self._ends - at) / 4), self._refresh))

    def stop(self) -> None:
        """The call ends, or another agreement takes this one's place."""
        for timer in self._running:
            timer.stop()
        self._running.clear()

    def close(self) -> None:
        """The call is over: the session, which made this, is let go of."""
        self.stop()
        self._refresh = self._expire = _nobody


def _nobody(_: float) -> None:
    """The call is over."""
