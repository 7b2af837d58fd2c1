"""A registration: telling a registrar where calls for an address go, and keeping it told (RFC 3261 §10).

    registration = agent.register(Account(…), hop, at, tell)
    registration.stop(at)                       # unregister

`tell` hears of each turn it takes, as `News`. A failure is tried again after a time that doubles, as
RFC 5626 §4.5 asks, or after the time that the registrar names.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from trunkline.errors import ParseError
from trunkline.sip.asking import Asking
from trunkline.sip.digest import Credentials
from trunkline.sip.fields import parse_name_address
from trunkline.sip.hop import Hop
from trunkline.sip.layer import TransactionLayer
from trunkline.sip.message import Headers, Message, Request, Response
from trunkline.sip.timers import T64, Timer
from trunkline.sip.transaction import Do, Transaction
from trunkline.sip.uri import Uri

LONGEST = 7 * 86_400
"""Seconds; whatever a registrar asks for beyond this is not believed."""
_FIRST_WAIT, _LONGEST_WAIT = 30.0, 1_800.0
"""Seconds after the first failure, and at most."""


class Standing(StrEnum):
    """How a registration stands."""

    REGISTERED = "registered"
    FAILED = "failed"
    """Not registered; it is tried again, in `News.again_in` seconds."""
    ENDED = "ended"
    """Unregistered, as was asked."""


@dataclass(frozen=True, slots=True)
class Account:
    """What is to be registered. `address`: the address of record, `sip:user@domain`."""

    registrar: Uri
    address: Uri
    credentials: tuple[Credentials, ...] = ()
    expires: int = 3600
    """Seconds to ask for; the registrar may grant fewer."""


@dataclass(frozen=True, slots=True)
class News:
    """What became of one REGISTER, and of its repetitions with credentials."""

    standing: Standing
    at: float
    granted: int = 0
    """Seconds for which the registrar sends calls here."""
    again_in: float = 0.0
    """Seconds until the next REGISTER of ours."""
    status: int = 0
    """The final status; 0 where none came."""
    reason: str = ""
    contacts: int = 0
    """How many places are registered for this address, ours among them."""


class Registration:
    """Made by `UserAgent.register`."""

    def __init__(
        self,
        layer: TransactionLayer,
        account: Account,
        hop: Hop,
        tell: Callable[[News], None],
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.account = account
        self.hop = hop
        self._layer = layer
        self._tell = tell
        self._chance = chance
        self._asking = Asking(layer, account.credentials)
        self._call_id = layer.token() + layer.token()
        self._tag = layer.token()
        self._seq = 0
        self._expires = account.expires
        self._failures = 0
        self._timer: Timer | None = None
        self._asked = False
        """Whether a REGISTER of ours waits for its answer."""
        self._registered = False
        self._told = ""
        """The Contact of the last REGISTER."""
        self._granted_to = ""
        """The Contact that the registrar has; empty where none."""
        self._corrected = False
        """Whether the last REGISTER only told another Contact than the one before."""
        self._stopping = False
        self._ended = False

    def begin(self, at: float) -> None:
        """Send the first REGISTER."""
        self._send(self._expires, at)

    def stop(self, at: float) -> None:
        """Unregister, and try nothing again. Safe at any time, any number of times."""
        if self._stopping:
            return
        self._stopping = True
        if self._timer is not None:
            self._timer.stop()
        if self._asked:
            return  # Its answer is waited for first: two at once could arrive in either order.
        if self._registered:
            self._send(0, at)
        else:
            self._finish(at, 0, "was not registered")

    def again(self, at: float, hop: Hop | None = None) -> None:
        """Register anew now, by way of `hop` where one is given: the server that was asked so far does not
        answer, or the connection that calls would come by broke."""
        if hop is not None:
            self.hop = hop
        if self._stopping or self._asked:
            return
        if self._timer is not None:
            self._timer.stop()
        self._send(self._expires, at)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _send(self, expires: int, at: float) -> None:
        headers = Headers()
        headers.add("Via", self._layer.via(self.hop))
        headers.add("Max-Forwards", "70")
        headers.add("From", f"<{self.account.address}>;tag={self._tag}")
        headers.add("To", f"<{self.account.address}>")
        headers.add("Call-ID", self._call_id)
        headers.add("CSeq", f"{self._next_seq()} REGISTER")
        self._told = self._contact()
        headers.add("Contact", f"{self._told};expires={expires}")
        if self._granted_to not in ("", self._told):
            headers.add("Contact", f"{self._granted_to};expires=0")  # Nobody is there any more.
        headers.add("Expires", str(expires))
        headers.add("User-Agent", self._layer.identity.software)
        request = Request(headers, method="REGISTER", uri=str(self.account.registrar))
        self._asked = True

        def heard(asked: Transaction, message: Message | None, do: Do, when: float) -> None:
            if do is Do.DELIVER:
                assert isinstance(message, Response)
                if message.status >= 200:
                    self._answered(message, expires, when)
            else:
                self._asked = False
                reason = "no answer from there" if do is Do.TIMEOUT else asked.trouble or "not reachable"
                self._failed(0, reason, when)

        self._asking.ask(request, self.hop, heard, at, seq=self._next_seq)

    def _contact(self) -> str:
        account = self.account
        return self._layer.identity.contact(self.hop, account.address.user, asked=str(account.registrar))

    def _answered(self, response: Response, asked: int, at: float) -> None:
        self._asked = False
        if response.status == 423 and (least := _seconds(response, "Min-Expires")) > self._expires:
            self._expires = least
            self._send(least, at)
        elif response.status >= 300:
            self._failed(response.status, response.reason, at, _seconds(response, "Retry-After"))
        elif asked == 0:
            self._finish(at, response.status, response.reason)
        else:
            self._granted(response, asked, at)

    def _granted(self, response: Response, asked: int, at: float) -> None:
        granted, contacts = self._binding(response, asked)
        if granted <= 0:
            self._failed(response.status, "the registrar granted no time", at)
            return
        self._failures = 0
        self._registered = True
        self._granted_to = self._told
        if self._stopping:
            self._send(0, at)
            return
        if self._contact() != self._told and not self._corrected:
            # Its answer says by which address it sees us (RFC 3581). Once: some NATs change it each time.
            self._corrected = True
            self._send(self._expires, at)
            return
        self._corrected = False
        # Early enough that a REGISTER which times out can be sent once more in time.
        again = max(granted / 2, granted - 2 * T64)
        self._wait(again, at)
        self._tell(News(Standing.REGISTERED, at, granted, again, response.status, response.reason, contacts))

    def _binding(self, response: Response, asked: int) -> tuple[int, int]:
        """For how long our Contact counts, and how many there are (§10.2.4)."""
        otherwise = _seconds(response, "Expires") if "Expires" in response.headers else asked
        ours = parse_name_address(self._told).uri
        try:
            contacts = [parse_name_address(value) for value in response.headers.items("Contact")]
        except ParseError:
            return otherwise, 0  # Somebody else's broken contact does not make ours less registered.
        for contact in contacts:
            uri = contact.uri
            if (uri.user, uri.host.lower(), uri.address[1]) == (
                ours.user,
                ours.host.lower(),
                ours.address[1],
            ):
                text = contact.params.get("expires") or ""
                return (_number(text) if text else otherwise), len(contacts)
        return otherwise, len(contacts)

    def _failed(self, status: int, reason: str, at: float, retry_after: int = 0) -> None:
        if self._stopping:
            # It lapses by itself; nobody is there to be told twice.
            self._finish(at, status, reason)
            return
        self._registered = False
        longest = min(_FIRST_WAIT * 2 ** min(self._failures, 16), _LONGEST_WAIT)
        self._failures += 1
        # Half of it is left to chance, so that a thousand phones do not come back in the same second.
        again = max(longest * (0.5 + self._chance() / 2), min(float(retry_after), 2 * _LONGEST_WAIT))
        self._wait(again, at)
        self._tell(News(Standing.FAILED, at, 0, again, status, reason))

    def _wait(self, seconds: float, at: float) -> None:
        def again(when: float) -> None:
            self._send(self._expires, when)

        self._timer = self._layer.timers.start(at + seconds, again)

    def _finish(self, at: float, status: int, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._registered = False
            self._tell(News(Standing.ENDED, at, status=status, reason=reason))


def _seconds(response: Response, header: str) -> int:
    """A header that holds seconds (and perhaps a comment or parameters); 0 where it makes no sense."""
    return _number((response.headers.get(header) or "").partition(";")[0].partition("(")[0].strip())


def _number(text: str) -> int:
    return min(int(text), LONGEST) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
