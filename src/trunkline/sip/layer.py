"""The transaction layer: which transaction a message belongs to, and where new ones begin (§17)."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trunkline.sip.fields import BRANCH_MAGIC
from trunkline.sip.hop import Hop, answer_hop, host_text, is_address, plain_address
from trunkline.sip.icmp import Undelivered
from trunkline.sip.message import Request, Response
from trunkline.sip.timers import Timers
from trunkline.sip.transaction import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    On,
    Transaction,
    Upward,
    client_key,
    server_key,
)

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "NOTIFY", "PRACK", "UPDATE", "INFO", "REFER")
"""What this user agent understands."""


def new_token() -> str:
    """64 random bits as text: for tags, branches and Call-IDs, which strangers must not guess (§19.3)."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Identity:
    """How this user agent names itself. `address` gives the host and port by which the other end of
    a hop can reach it."""

    user: str
    address: Callable[[Hop], tuple[str, int]]
    software: str = "Trunkline"
    seen: Callable[[Hop], tuple[str, int] | None] = lambda _: None
    """By which address the other end of a hop says that it sees us, where that is not `address`."""

    def contact(self, hop: Hop, user: str = "", *, asked: str = "") -> str:
        """The Contact to give to the other end of this hop; `user` in place of our own. What was `asked`
        for at a SIPS address is to be had at one (RFC 3261 sections 8.1.1.8 and 12.1.1)."""
        host, port = self.seen(hop) or self.address(hop)
        if hop.transport == "tls" and asked[:5].lower() == "sips:":
            return f"<sips:{user or self.user}@{host_text(host)}:{port}>"
        transport = "" if hop.transport == "udp" else f";transport={hop.transport}"
        return f"<sip:{user or self.user}@{host_text(host)}:{port}{transport}>"


class TransactionLayer:
    """All transactions in progress. What is to be sent gathers in `outbox`."""

    def __init__(self, identity: Identity, token: Callable[[], str] = new_token) -> None:
        self.identity = identity
        self.token = token
        self.streams = False
        """Whether TCP can be used: requests too large for a datagram then go that way."""
        self.seen_as: Callable[[Hop, str, int], None] = lambda _, __, ___: None
        """Told by which address the other end of a hop sees us, as its responses say (RFC 3581)."""
        self.another: Callable[[Hop], bool] = lambda _: False
        """Told that the server which a hop leads to does not answer; says whether it leads to another."""
        self.led: Callable[[Hop], Hop] = lambda hop: hop
        """Where what was for a hop was sent last, in digits."""
        self.timers = Timers()
        self.outbox: deque[tuple[bytes, Hop]] = deque()
        self.clients: dict[object, Transaction] = {}
        self.servers: dict[object, Transaction] = {}
        self._merged: dict[object, Transaction] = {}

    def __len__(self) -> int:
        return len(self.clients) + len(self.servers)

    def send(self, data: bytes, hop: Hop) -> None:
        """Have these bytes sent."""
        self.outbox.append((data, hop))

    def via(self, hop: Hop) -> str:
        """A Via for a new transaction, with a branch of its own; asks for `rport` (RFC 3581)."""
        host, port = self.identity.address(hop)
        branch = BRANCH_MAGIC + self.token()
        return f"SIP/2.0/{hop.transport.upper()} {host_text(host)}:{port};branch={branch};rport"

    def request(
        self, request: Request, hop: Hop, up: Upward, at: float, *, owner: object = None
    ) -> Transaction:
        """Begin a client transaction with this request."""
        transaction = Transaction(
            INVITE_CLIENT if request.method == "INVITE" else CLIENT,
            client_key(request),
            request,
            hop,
            timers=self.timers,
            send=self.send,
            up=up,
            ended=lambda ended: self._drop(self.clients, ended),
            owner=owner,
        )
        self.clients[transaction.key] = transaction
        transaction.begin(at)
        return transaction

    def serve(self, request: Request, source: Hop, up: Upward) -> Transaction:
        """Begin a server transaction for a request that came from `source`."""
        merge = None if request.to.tag else _merge_key(request)

        def ended(transaction: Transaction) -> None:
            self._drop(self.servers, transaction)
            if merge is not None and self._merged.get(merge) is transaction:
                del self._merged[merge]

        transaction = Transaction(
            INVITE_SERVER if request.method == "INVITE" else SERVER,
            server_key(request),
            request,
            answer_hop(request, source),
            timers=self.timers,
            send=self.send,
            up=up,
            ended=ended,
        )
        self.servers[transaction.key] = transaction
        if merge is not None:
            self._merged[merge] = transaction
        return transaction

    @staticmethod
    def _drop(transactions: dict[object, Transaction], ended: Transaction) -> None:
        if transactions.get(ended.key) is ended:
            del transactions[ended.key]

    def client_for(self, response: Response) -> Transaction | None:
        """The transaction that this response answers."""
        return self.clients.get(client_key(response))

    def undelivered(self, news: Sequence[Undelivered], at: float) -> None:
        """The network says that these did not arrive: ends the requests that they were, where nothing came to
        them yet (§18.4). Those within a dialog go on being sent: a call that is up does not end because its
        server starts anew.

        Anybody can say so, but only who saw a request knows its branch. What quotes too little for that
        counts for requests that were sent again: who is there has had the time to answer."""
        short: dict[tuple[str, int], Undelivered] = {}
        for error in news:
            if (key := error.branch) is None:
                short[error.host, error.port] = (
                    error  # One a place is enough: a flood of them costs one look.
                )
            elif (found := self.clients.get(key)) is not None:
                self._lost(found, error, at)
        if short:
            for transaction in [one for one in self.clients.values() if one.sent_again and one.unanswered]:
                place = self.led(transaction.hop)
                about = short.get((plain_address(place.host), place.port))
                if about is not None and transaction.began(about.quoted):
                    self._lost(transaction, about, at)

    def _lost(self, transaction: Transaction, error: Undelivered, at: float) -> None:
        place = self.led(transaction.hop)
        there = (place.transport, plain_address(place.host), place.port) == ("udp", error.host, error.port)
        if there and transaction.unanswered and not transaction.request.to.tag:
            transaction.trouble = str(error)
            transaction.on(On.UNREACHABLE, at)

    def note_via(self, response: Response, hop: Hop) -> None:
        """What the other end wrote into our Via: the address and port that our request came from."""
        via = response.via
        port = via.params.get("rport") or ""
        host = (via.params.get("received") or via.host).strip("[]")
        if is_address(host) and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536:
            self.seen_as(hop, host, int(port))

    def server_for(self, request: Request) -> Transaction | None:
        """The transaction that this request repeats, or that this ACK acknowledges."""
        return self.servers.get(server_key(request))

    def merges(self, request: Request) -> bool:
        """Whether this request has come already, by another way (§8.2.2.2): the same but for its branch."""
        return _merge_key(request) in self._merged

    def server_to_cancel(self, cancel: Request) -> Transaction | None:
        """The INVITE that this CANCEL is about (§9.2)."""
        return self.servers.get((*server_key(cancel)[:-1], "INVITE"))


def _merge_key(request: Request) -> tuple[str, str, tuple[int, str]]:
    return request.from_.tag, request.call_id, request.cseq
