"""What a session is made of: its parts know it, and do not keep it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.sip.session import Session


class SessionPart:
    """A part of one session, made by it. The session is kept by the user agent until its end, by its leg, and
    by each transaction in progress; when none of these holds it any more, it goes at once. Parts that kept it
    would leave each ended call to the garbage collector, which stops all others while it looks."""

    def __init__(self, session: Session) -> None:
        self._whole = weakref.ref(session)

    @property
    def _session(self) -> Session:
        session = self._whole()
        assert session is not None, "a part is only spoken to by what keeps its session"
        return session
