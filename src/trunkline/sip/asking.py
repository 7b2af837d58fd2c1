"""Asking something of the other end: one request, sent again where it only lacked authentication.

A request that is challenged (401, 407) is asked again as a new transaction, with a new branch, the next
CSeq and the answer (RFC 3261 §8.1.3.5, §22). Whoever asked sees only what came of it in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trunkline.sip.digest import Answers, Credentials
from trunkline.sip.hop import Hop
from trunkline.sip.layer import TransactionLayer
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.transaction import Do, Transaction, Upward

LARGEST_DATAGRAM = 1_300
"""Bytes; a larger request goes over TCP first, since it might be cut on its way (RFC 3261 §18.1.1)."""
_MOST_SERVERS = 3
"""Servers that one request is sent to, where the first does not take it."""
_MOST_TRIES = 5
"""Times one request is sent in all: two proxies and the far end may each challenge it, one may go stale."""


def _nothing(_: Transaction) -> None:
    """Nobody wants to know of new transactions."""


def _never(_: Response, __: Request) -> bool:
    """Nothing is to be changed about the request."""
    return False


def _nowhere(_: Do) -> Hop | None:
    """There is no other place to send it to."""
    return None


@dataclass(slots=True, eq=False)
class _Question:
    """One request on its way, through however many transactions."""

    up: Upward
    owner: object
    seq: Callable[[], int]
    begun: Callable[[Transaction], None]
    wanted: Callable[[], bool]
    amend: Callable[[Response, Request], bool]
    elsewhere: Callable[[Do], Hop | None]
    answered: set[tuple[int, str]]
    tries: int = 1
    servers: int = 1
    """How many it was sent to."""
    datagrams: bool = False
    """Whether TCP was tried in vain."""


class Asking:
    """The requests of one call or registration, under one account's credentials (none: no answers)."""

    def __init__(self, layer: TransactionLayer, credentials: tuple[Credentials, ...] = ()) -> None:
        self._layer = layer
        self._answers = Answers(credentials, cnonce=layer.token) if credentials else None

    def ask(
        self,
        request: Request,
        hop: Hop,
        up: Upward,
        at: float,
        *,
        seq: Callable[[], int],
        owner: object = None,
        begun: Callable[[Transaction], None] = _nothing,
        wanted: Callable[[], bool] = lambda: True,
        amend: Callable[[Response, Request], bool] = _never,
        elsewhere: Callable[[Do], Hop | None] = _nowhere,
    ) -> Transaction:
        """Send `request`. `up` hears what comes of it, challenges that can be answered left out. `seq`
        gives the next CSeq number; `begun` is told of each transaction that takes the first one's place;
        where `wanted` says no, nothing is asked again. `amend` may change a request that was refused so
        that it is worth asking once more (422). `elsewhere` gives another place to send it to, where nobody
        answers at this one (`TIMEOUT`) or it cannot be sent there (RFC 3263 §4.3)."""
        if self._answers is not None:
            self._answers.sign(request)
        question = _Question(up, owner, seq, begun, wanted, amend, elsewhere, set())
        return self._begin(request, hop, question, at)

    def _begin(self, request: Request, hop: Hop, question: _Question, at: float) -> Transaction:
        by = hop
        may_move = hop.transport == "udp" and self._layer.streams and not question.datagrams
        if may_move and len(bytes(request)) > LARGEST_DATAGRAM:
            by = hop._replace(transport="tcp")
            request = _by_another_way(request, self._layer.via(by))

        def heard(transaction: Transaction, message: Message | None, do: Do, when: float) -> None:
            if do is Do.UNREACHABLE and by != hop:
                question.datagrams = True
                again = _by_another_way(transaction.request, self._layer.via(hop))
                question.begun(self._begin(again, hop, question, when))
            elif do in (Do.UNREACHABLE, Do.TIMEOUT) and (other := self._other(do, question)) is not None:
                again = _by_another_way(transaction.request, self._layer.via(other))
                question.begun(self._begin(again, other, question, when))
            elif isinstance(message, Response) and self._may_answer(message, question):
                question.begun(self._again(transaction.request, hop, question, when))
            elif isinstance(message, Response) and (better := self._amended(transaction, message, question)):
                question.begun(self._again(better, hop, question, when))
            else:
                question.up(transaction, message, do, when)

        return self._layer.request(request, by, heard, at, owner=question.owner)

    @staticmethod
    def _other(do: Do, question: _Question) -> Hop | None:
        if question.servers >= _MOST_SERVERS or not question.wanted():
            return None
        question.servers += 1
        return question.elsewhere(do)

    def _may_answer(self, response: Response, question: _Question) -> bool:
        return (
            response.status in (401, 407)
            and self._answers is not None
            and question.tries < _MOST_TRIES
            and question.wanted()
            and self._answers.take(response, question.answered)
        )

    @staticmethod
    def _amended(transaction: Transaction, response: Response, question: _Question) -> Request | None:
        if response.status < 300 or question.tries >= _MOST_TRIES or not question.wanted():
            return None
        request = transaction.request
        better = Request(request.headers.copy(), request.body, method=request.method, uri=request.uri)
        return better if question.amend(response, better) else None

    def _again(self, request: Request, hop: Hop, question: _Question, at: float) -> Transaction:
        question.tries += 1
        again = _by_another_way(request, self._layer.via(hop))
        again.headers.set("CSeq", f"{question.seq()} {request.method}")
        if self._answers is not None:
            self._answers.sign(again)
        return self._begin(again, hop, question, at)


def _by_another_way(request: Request, via: str) -> Request:
    """The same request for another transaction."""
    headers = request.headers.copy()
    headers.set("Via", via)
    return Request(headers, request.body, method=request.method, uri=request.uri)
