"""What a user agent does beyond RFC 3261: its extensions, and the limits that settings may move."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.sip.message import Message

SUPPORTED = ("100rel", "replaces", "timer")
"""Extensions that the other end may require of us (RFC 3262, RFC 3891, RFC 4028)."""


@dataclass(frozen=True, slots=True)
class Options:
    """The defaults ask nothing of anybody; whoever asks us is served."""

    session_expires: int = 0
    """Seconds after which a call that was not refreshed counts as over; 0: only where others ask."""
    min_session_expires: int = 90
    """The shortest such time that is agreed to (RFC 4028 §5: not below 90)."""
    reliable: bool = True
    """Acknowledge provisional responses, and send those with SDP so that they are acknowledged."""
    most_redirects: int = 5
    """Addresses that one call may be sent on to in all; 0: none."""
    takes_referrals: bool = False
    """Call somebody else where the other end of a call asks for it (REFER); else 603."""
    takes_replaces: bool = True
    """Let a new call take the place of one whose identifiers it knows."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """Those of `SUPPORTED` that are in force: what others are told, and may require."""
        off = {"" if self.reliable else "100rel", "" if self.takes_replaces else "replaces"}
        return tuple(name for name in SUPPORTED if name not in off)


class Peer:
    """What the other end of a call has said that it can do. Nothing is believed that it did not say."""

    def __init__(self) -> None:
        self._allowed: frozenset[str] | None = None
        self._refused: set[str] = set()

    def note(self, message: Message) -> None:
        """Read its Allow; a message without one changes nothing."""
        try:
            if "Allow" in message.headers:
                self._allowed = frozenset(item.upper() for item in message.headers.items("Allow"))
        except ParseError:
            return  # Unreadable: what it said before counts.

    def allows(self, method: str) -> bool:
        """Whether it has said that it takes this method, and never refused it."""
        return self._allowed is not None and method in self._allowed and method not in self._refused

    def refused(self, method: str) -> None:
        """It answered 405 or 501, whatever it said."""
        self._refused.add(method)


def names(message: Message, header: str) -> frozenset[str]:
    """The option tags of Supported or Require, in lower case; of an unreadable one, none."""
    try:
        return frozenset(item.lower() for item in message.headers.items(header))
    except ParseError:
        return frozenset()
