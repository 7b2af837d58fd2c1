"""A dialog: who talks to whom, along which route, under which tags and numbers (RFC 3261 §12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.sip.fields import NameAddress, parse_name_address
from trunkline.sip.hop import Hop, hop_to
from trunkline.sip.message import Headers, Message, Request, Response
from trunkline.sip.uri import Uri, parse_uri

DialogKey = tuple[str, str, str]
"""Call-ID, our tag, their tag."""


@dataclass(slots=True)
class Dialog:
    """One dialog. `local` and `remote` are the From and To values as they stand, tags and all."""

    call_id: str
    local: str
    remote: str
    local_tag: str
    remote_tag: str
    local_seq: int
    remote_seq: int
    target: Uri
    """The other end's Contact: where requests of this dialog are for."""
    route: tuple[NameAddress, ...]
    by: Hop | None = None
    """The connection that this dialog came about over (TCP, TLS), which often is the only way there."""

    @property
    def key(self) -> DialogKey:
        return self.call_id, self.local_tag, self.remote_tag

    def request(self, method: str, via: str, *, seq: int | None = None) -> Request:
        """The next request of this dialog (§12.2.1.1). ACK takes the number of its INVITE in `seq`."""
        if seq is None:
            seq = self.next_seq()
        uri, routes = self._request_uri()
        headers = Headers()
        headers.add("Via", via)
        for route in routes:
            headers.add("Route", str(route))
        headers.add("Max-Forwards", "70")
        headers.add("From", self.local)
        headers.add("To", self.remote)
        headers.add("Call-ID", self.call_id)
        headers.add("CSeq", f"{seq} {method}")
        return Request(headers, method=method, uri=uri)

    def next_seq(self) -> int:
        """The CSeq number of the next request of ours."""
        self.local_seq += 1
        return self.local_seq

    def _request_uri(self) -> tuple[str, list[NameAddress]]:
        target = str(self.target.without_headers())
        if not self.route or "lr" in self.route[0].uri.params:
            return target, list(self.route)
        # A strict router (RFC 2543) wants itself in the Request-URI and the target last of all.
        first = self.route[0].uri.without_headers()
        return str(first), [*self.route[1:], NameAddress(self.target)]

    @property
    def hop(self) -> Hop:
        """Where its requests are sent: its connection, or the first route, strict or loose, or the target."""
        if self.by is not None:
            return self.by
        return hop_to(self.route[0].uri if self.route else self.target)

    def elsewhere(self, broken: bool, another: Callable[[Hop], bool]) -> Hop | None:
        """Where a request of this dialog is sent next that came to nothing (RFC 3263 §4.3). `broken`: it
        could not be sent; then the connection that the dialog came about over is given up for what its route
        or target says, by the same transport. After that the next server of that name, where `another` has
        one."""
        if broken and self.by is not None:
            before, self.by = self.by, None
            if self.hop.transport != before.transport:
                self.by = before  # From TLS nothing goes on in the clear.
                return None
            if self.hop[:3] != before[:3]:
                return self.hop
        return self.hop if self.by is None and another(self.hop) else None

    def accept_seq(self, request: Request) -> bool:
        """Note the number of a request; False where it is older than one seen (§12.2.2)."""
        number = request.cseq[0]
        if number < self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def refresh_target(self, message: Message) -> None:
        """A re-INVITE or its 2xx moves the other end's target (§12.2)."""
        contact = message.contact
        if contact is not None and contact.uri.scheme in ("sip", "sips"):
            self.target = contact.uri


def _routes(message: Message) -> tuple[NameAddress, ...]:
    return tuple(parse_name_address(value) for value in message.headers.items("Record-Route"))


def _target(message: Message) -> Uri:
    contact = message.contact
    if contact is None:
        raise ParseError("no Contact", where="sip")
    if contact.uri.scheme not in ("sip", "sips"):
        raise ParseError(f"a Contact that is no SIP address: {contact.uri}", where="sip")
    return contact.uri


def callee_dialog(invite: Request, local_tag: str) -> Dialog:
    """The dialog that answering `invite` makes (§12.1.1): the route in the order it came. An
    INVITE without Contact is of RFC 2543's time, and From is its target. Raises `ParseError` where
    Contact or Record-Route are broken."""
    return Dialog(
        call_id=invite.call_id,
        local=f"{invite.headers.get('To')};tag={local_tag}",
        remote=invite.headers.get("From") or "",
        local_tag=local_tag,
        remote_tag=invite.from_.tag,
        local_seq=0,
        remote_seq=invite.cseq[0],
        target=_target(invite) if "Contact" in invite.headers else invite.from_.uri,
        route=_routes(invite),
    )


def caller_dialog(invite: Request, response: Response) -> Dialog:
    """The dialog that `response` makes for the sender of `invite` (§12.1.2): the route in reverse.
    A response without Contact (allowed in 1xx, forgiven in 2xx) leaves the INVITE's own target.
    Raises `ParseError` where Contact or Record-Route are broken."""
    target = _target(response) if "Contact" in response.headers else parse_uri(invite.uri)
    return Dialog(
        call_id=invite.call_id,
        local=invite.headers.get("From") or "",
        remote=response.headers.get("To") or "",
        local_tag=invite.from_.tag,
        remote_tag=response.to.tag,
        local_seq=invite.cseq[0],
        remote_seq=-1,
        target=target,
        route=tuple(reversed(_routes(response))),
    )
