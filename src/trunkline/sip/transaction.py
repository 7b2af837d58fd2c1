"""The four transaction machines (RFC 3261 §17, with the Accepted state of RFC 6026), as tables.

A table is {state: {event: (next state, actions)}}. Timers are events like any other; what is not in
the table for a state is ignored there. `Transaction` walks a table; it starts and stops the timers
and sends (again); whatever concerns the layer above comes back through its two callbacks.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from trunkline.sip.hop import Hop
from trunkline.sip.message import Headers, Message, Request, Response
from trunkline.sip.timers import T1, T2, T4, T64, Timer, Timers


class State(Enum):
    """Where a transaction stands. `TERMINATED` is the end of each."""

    CALLING = auto()
    TRYING = auto()
    PROCEEDING = auto()
    ACCEPTED = auto()
    COMPLETED = auto()
    CONFIRMED = auto()
    TERMINATED = auto()


class On(Enum):
    """What can happen to a transaction: messages in, messages to send, timers."""

    REQUEST = auto()
    """The request again (server)."""
    ACK = auto()
    PROVISIONAL = auto()
    """1xx: received by a client, sent by a server. So the next two."""
    SUCCESS = auto()
    FAILURE = auto()
    UNREACHABLE = auto()
    """The transport says that sending failed."""
    GIVE_UP = auto()
    """The layer above waits no longer (§9.1: no final response 64*T1 after the CANCEL)."""
    A = auto()
    B = auto()
    D = auto()
    E = auto()
    F = auto()
    G = auto()
    H = auto()
    I = auto()  # noqa: E741 - the RFC's name
    J = auto()
    K = auto()
    L = auto()
    M = auto()


class Do(Enum):
    """What a machine asks for, in order."""

    SEND = auto()
    """Send the message at hand, and remember it as the last one."""
    RESEND = auto()
    """Send the last one again."""
    ACK = auto()
    """Acknowledge the failure at hand (§17.1.1.3)."""
    DELIVER = auto()
    """Hand the message at hand to the layer above."""
    TIMEOUT = auto()
    """Tell the layer above that the other end does not answer."""
    UNREACHABLE = auto()
    """Tell the layer above that the other end cannot be reached."""
    STOP = auto()
    """Stop all timers."""
    START_A = auto()
    START_B = auto()
    START_D = auto()
    START_E = auto()
    START_F = auto()
    START_G = auto()
    START_H = auto()
    START_I = auto()
    START_J = auto()
    START_K = auto()
    START_L = auto()
    START_M = auto()


Table = dict[State, dict[On, tuple[State, tuple[Do, ...]]]]
S = State

INVITE_CLIENT: Table = {
    S.CALLING: {
        On.A: (S.CALLING, (Do.RESEND, Do.START_A)),
        On.B: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.GIVE_UP: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.STOP, Do.DELIVER)),
        On.SUCCESS: (S.ACCEPTED, (Do.STOP, Do.START_M, Do.DELIVER)),
        On.FAILURE: (S.COMPLETED, (Do.STOP, Do.START_D, Do.ACK, Do.DELIVER)),
    },
    S.PROCEEDING: {
        On.GIVE_UP: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.DELIVER,)),
        On.SUCCESS: (S.ACCEPTED, (Do.START_M, Do.DELIVER)),
        On.FAILURE: (S.COMPLETED, (Do.START_D, Do.ACK, Do.DELIVER)),
    },
    # RFC 6026 §7.2: each repeated or forked 2xx goes up; its ACK comes from there.
    S.ACCEPTED: {
        On.SUCCESS: (S.ACCEPTED, (Do.DELIVER,)),
        On.M: (S.TERMINATED, (Do.STOP,)),
    },
    S.COMPLETED: {
        On.FAILURE: (S.COMPLETED, (Do.ACK,)),
        On.D: (S.TERMINATED, (Do.STOP,)),
    },
}

CLIENT: Table = {
    S.TRYING: {
        On.E: (S.TRYING, (Do.RESEND, Do.START_E)),
        On.F: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.DELIVER,)),
        On.SUCCESS: (S.COMPLETED, (Do.STOP, Do.START_K, Do.DELIVER)),
        On.FAILURE: (S.COMPLETED, (Do.STOP, Do.START_K, Do.DELIVER)),
    },
    S.PROCEEDING: {
        On.E: (S.PROCEEDING, (Do.RESEND, Do.START_E)),
        On.F: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.DELIVER,)),
        On.SUCCESS: (S.COMPLETED, (Do.STOP, Do.START_K, Do.DELIVER)),
        On.FAILURE: (S.COMPLETED, (Do.STOP, Do.START_K, Do.DELIVER)),
    },
    S.COMPLETED: {
        On.K: (S.TERMINATED, (Do.STOP,)),
    },
}

INVITE_SERVER: Table = {
    S.PROCEEDING: {
        On.REQUEST: (S.PROCEEDING, (Do.RESEND,)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.SEND,)),
        On.SUCCESS: (S.ACCEPTED, (Do.SEND, Do.START_L)),
        On.FAILURE: (S.COMPLETED, (Do.SEND, Do.START_G, Do.START_H)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
    },
    # RFC 6026 §7.1: repeated INVITEs are absorbed; the layer above repeats the 2xx until its ACK.
    S.ACCEPTED: {
        On.REQUEST: (S.ACCEPTED, ()),
        On.SUCCESS: (S.ACCEPTED, (Do.SEND,)),
        On.ACK: (S.ACCEPTED, (Do.DELIVER,)),
        On.L: (S.TERMINATED, (Do.STOP,)),
    },
    S.COMPLETED: {
        On.REQUEST: (S.COMPLETED, (Do.RESEND,)),
        On.G: (S.COMPLETED, (Do.RESEND, Do.START_G)),
        On.H: (S.TERMINATED, (Do.STOP, Do.TIMEOUT)),
        On.ACK: (S.CONFIRMED, (Do.STOP, Do.START_I)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
    },
    S.CONFIRMED: {
        On.I: (S.TERMINATED, (Do.STOP,)),
    },
}

SERVER: Table = {
    S.TRYING: {
        On.PROVISIONAL: (S.PROCEEDING, (Do.SEND,)),
        On.SUCCESS: (S.COMPLETED, (Do.SEND, Do.START_J)),
        On.FAILURE: (S.COMPLETED, (Do.SEND, Do.START_J)),
    },
    S.PROCEEDING: {
        On.REQUEST: (S.PROCEEDING, (Do.RESEND,)),
        On.PROVISIONAL: (S.PROCEEDING, (Do.SEND,)),
        On.SUCCESS: (S.COMPLETED, (Do.SEND, Do.START_J)),
        On.FAILURE: (S.COMPLETED, (Do.SEND, Do.START_J)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
    },
    S.COMPLETED: {
        On.REQUEST: (S.COMPLETED, (Do.RESEND,)),
        On.J: (S.TERMINATED, (Do.STOP,)),
        On.UNREACHABLE: (S.TERMINATED, (Do.STOP, Do.UNREACHABLE)),
    },
}

# What a START action starts: the timer, its delay over an unreliable and over a reliable transport
# (None: not started at all), and the most that it doubles to. Table 4 of RFC 3261; L and M of 6026.
_TIMERS: dict[Do, tuple[On, float | None, float | None, float]] = {
    Do.START_A: (On.A, T1, None, T64),
    Do.START_B: (On.B, T64, T64, 0.0),
    Do.START_D: (On.D, T64, 0.0, 0.0),
    Do.START_E: (On.E, T1, None, T2),
    Do.START_F: (On.F, T64, T64, 0.0),
    Do.START_G: (On.G, T1, None, T2),
    Do.START_H: (On.H, T64, T64, 0.0),
    Do.START_I: (On.I, T4, 0.0, 0.0),
    Do.START_J: (On.J, T64, 0.0, 0.0),
    Do.START_K: (On.K, T4, 0.0, 0.0),
    Do.START_L: (On.L, T64, T64, 0.0),
    Do.START_M: (On.M, T64, T64, 0.0),
}

Send = Callable[[bytes, Hop], None]
Upward = Callable[["Transaction", Message | None, Do, float], None]
"""Told of `Do.DELIVER` (with the message), `Do.TIMEOUT` and `Do.UNREACHABLE`, at a time."""


class Transaction:
    """One transaction, walking its table. `request` began it; `hop` is where it sends to."""

    __slots__ = (
        "_doubled", "_ended", "_last", "_running", "_send", "_table", "_timers", "_up",
        "hop", "key", "owner", "request", "sent_again", "state", "trouble",
    )  # fmt: skip

    def __init__(
        self,
        table: Table,
        key: object,
        request: Request,
        hop: Hop,
        *,
        timers: Timers,
        send: Send,
        up: Upward,
        ended: Callable[[Transaction], None],
        owner: object = None,
    ) -> None:
        self._table = table
        self.key = key
        self.request = request
        self.hop = hop
        self.owner = owner
        """Whatever the layer above ties to this transaction (a session)."""
        self.state = next(iter(table))
        self.sent_again = False
        """Whether the last message was sent more than once."""
        self.trouble = ""
        """Why it cannot be sent there, where that is known."""
        self._timers = timers
        self._send = send
        self._up = up
        self._ended = ended
        self._last = b""
        self._running: dict[On, Timer] = {}
        self._doubled: dict[On, float] = {}

    def begin(self, at: float) -> None:
        """Send the request for the first time (clients)."""
        self._last = bytes(self.request)
        starts = (Do.START_A, Do.START_B) if self._table is INVITE_CLIENT else (Do.START_E, Do.START_F)
        for action in starts:
            self._act(action, None, at)
        self._send(self._last, self.hop)

    @property
    def unanswered(self) -> bool:
        """Whether nothing at all came to a request of ours."""
        return self.state in (State.CALLING, State.TRYING)

    def began(self, quoted: bytes) -> bool:
        """Whether the last message sent began with this."""
        return self._last.startswith(quoted)

    def respond(self, response: Response, at: float) -> None:
        """Send this response (servers)."""
        self.on(_kind(response), at, response)

    def receive(self, message: Message, at: float) -> None:
        """Take a message that belongs to this transaction."""
        if isinstance(message, Response):
            self.on(_kind(message), at, message)
        else:
            ack = isinstance(message, Request) and message.method == "ACK"
            self.on(On.ACK if ack else On.REQUEST, at, message)

    def on(self, event: On, at: float, message: Message | None = None) -> None:
        """Make the move that the table has for this event, if it has one."""
        move = self._table.get(self.state, {}).get(event)
        if move is None:
            return
        self.state, actions = move
        for action in actions:
            self._act(action, message, at)
        if self.state is State.TERMINATED:
            self._ended(self)
            # Nothing more is told: whoever was told holds this transaction too.
            self._up, self.owner = _nobody, None

    def _act(self, action: Do, message: Message | None, at: float) -> None:
        if action in _TIMERS:
            self._start(action, at)
        elif action is Do.SEND:
            self._last = bytes(message) if message is not None else self._last
            self._send(self._last, self.hop)
        elif action is Do.RESEND:
            if self._last:
                self.sent_again = True
                self._send(self._last, self.hop)
        elif action is Do.STOP:
            for timer in self._running.values():
                timer.stop()
            self._running.clear()
        elif action is Do.ACK:
            assert isinstance(message, Response)
            self._send(bytes(ack_failure(self.request, message)), self.hop)
        else:
            self._up(self, message, action, at)

    def _start(self, action: Do, at: float) -> None:
        event, unreliable, reliable, most = _TIMERS[action]
        delay = reliable if self.hop.reliable else unreliable
        if delay is None:
            return
        if most:
            delay = self._doubled.get(event, delay)
            self._doubled[event] = min(2 * delay, most)
        if (running := self._running.get(event)) is not None:
            running.stop()
        self._running[event] = self._timers.start(at + delay, lambda when: self.on(event, when))


def _nobody(_: Transaction, __: Message | None, ___: Do, ____: float) -> None:
    """The transaction is over."""


def _kind(response: Response) -> On:
    if response.status < 200:
        return On.PROVISIONAL
    return On.SUCCESS if response.status < 300 else On.FAILURE


def ack_failure(invite: Request, response: Response) -> Request:
    """The ACK for a failed INVITE: the INVITE's topmost Via and Route, the response's To (§17.1.1.3)."""
    ack = Request(Headers(), method="ACK", uri=invite.uri)
    headers = ack.headers
    headers.add("Via", str(invite.via))
    for route in invite.headers.all("Route"):
        headers.add("Route", route)
    headers.add("Max-Forwards", "70")
    headers.add("From", invite.headers.get("From") or "")
    headers.add("To", response.headers.get("To") or "")
    headers.add("Call-ID", invite.call_id)
    headers.add("CSeq", f"{invite.cseq[0]} ACK")
    return ack


def cancel_request(invite: Request) -> Request:
    """The CANCEL for an INVITE in progress: same Via, Request-URI, Route and CSeq number (§9.1)."""
    cancel = Request(Headers(), method="CANCEL", uri=invite.uri)
    cancel.headers.add("Via", str(invite.via))
    for name in ("Route", "From", "To", "Call-ID"):
        for value in invite.headers.all(name):
            cancel.headers.add(name, value)
    cancel.headers.add("Max-Forwards", "70")
    cancel.headers.add("CSeq", f"{invite.cseq[0]} CANCEL")
    return cancel


def client_key(message: Message) -> tuple[str, str]:
    """What a response and its request share (§17.1.3): branch and method."""
    return message.via.branch, message.cseq[1]


def server_key(request: Request) -> tuple[object, ...]:
    """What a request and its repetitions, and its ACK, share (§17.2.3)."""
    via = request.via
    method = "INVITE" if request.method == "ACK" else request.method
    if via.has_magic:
        return via.branch.lower(), via.sent_by, method
    # An RFC 2543 sender. Its ACK may carry a To tag that its INVITE did not, so To is left out.
    return request.call_id, request.cseq[0], request.from_.tag, via.sent_by, via.branch, method
