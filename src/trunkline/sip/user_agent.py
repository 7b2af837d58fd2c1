"""The user agent: datagrams and the time in, datagrams and signals out. Start reading here.

    agent = UserAgent(identity)
    agent.receive(data, source, at)         # each datagram that comes
    agent.advance(at)                       # when `next_deadline()` has come
    session = agent.invite(uri, hop, at)    # a call of ours
    agent.outbox, agent.signals             # what is to be sent; what happened

It never raises for what comes from the network, remembers a bounded amount of it, and counts what it
throws away in `dropped`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from trunkline.errors import ParseError
from trunkline.sip.dialog import Dialog, DialogKey, callee_dialog
from trunkline.sip.digest import Credentials
from trunkline.sip.fields import NameAddress
from trunkline.sip.hop import Hop, answer_hop, host_text, note_source
from trunkline.sip.layer import METHODS, Identity, TransactionLayer, new_token
from trunkline.sip.message import Headers, Message, Request, Response, respond
from trunkline.sip.multipart import take_sdp
from trunkline.sip.options import Options
from trunkline.sip.parse import Malformed, parse_message
from trunkline.sip.registration import Account, News, Registration
from trunkline.sip.replaces import parse_replaces
from trunkline.sip.session import ALLOW, Phase, Session
from trunkline.sip.session_timer import least_refused
from trunkline.sip.signals import Incoming, Signal
from trunkline.sip.transaction import Do, On, State, Transaction
from trunkline.sip.uri import Uri, parse_uri

# Methods that exist but that we do not serve get 405; what nobody defined gets 501 (§8.2.1, §21.5.2).
_KNOWN = frozenset({
    "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "PRACK", "UPDATE", "SUBSCRIBE",
    "NOTIFY", "REFER", "MESSAGE", "PUBLISH",
})  # fmt: skip
_WITHIN_CALLS = ("BYE", "NOTIFY", "PRACK", "UPDATE", "INFO")
_SCHEMES = frozenset({"sip", "sips", "tel"})
_BUSY = (("Retry-After", "5"),)


class Refusal(NamedTuple):
    """Why a request is not served."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


class UserAgent:
    """One user agent. `most_calls` and `most_transactions` bound what strangers can make it remember."""

    def __init__(
        self,
        identity: Identity,
        *,
        options: Options | None = None,
        token: Callable[[], str] = new_token,
        most_calls: int = 2_000,
        most_transactions: int = 40_000,
    ) -> None:
        self.layer = TransactionLayer(identity, token)
        self.options = options or Options()
        self._extensions = self.options.extensions
        self.signals: deque[Signal] = deque()
        self.sessions: dict[DialogKey, Session] = {}
        self._keys: dict[Session, set[DialogKey]] = {}
        """Each session's dialogs: a forked call has several while it rings."""
        self.calls: set[Session] = set()
        self.dropped: Counter[str] = Counter()
        self.draining = False
        self.accepts: Callable[[Hop], bool] = lambda _: True
        """Whether calls from there are taken at all; others get `refused_with`."""
        self.refused_with = 403
        self.credentials_for: Callable[[Hop], tuple[Credentials, ...]] = lambda _: ()
        """Whom we are to the sender of an INVITE: our requests in a call of theirs may be challenged too."""
        self._most_calls = most_calls
        self._most_transactions = most_transactions
        self._secret = secrets.token_bytes(16)

    @property
    def outbox(self) -> deque[tuple[bytes, Hop]]:
        """What is to be sent, and where; take from the left."""
        return self.layer.outbox

    def next_deadline(self) -> float | None:
        """When `advance` wants to be called next."""
        return self.layer.timers.next_deadline()

    def advance(self, at: float) -> None:
        """Time has passed."""
        self.layer.timers.advance(at)

    def unreachable(self, hop: Hop, at: float) -> None:
        """Nothing can be sent to this hop: its name does not resolve, its connection cannot be made."""
        for transaction in [t for t in self.layer.clients.values() if t.hop == hop]:
            transaction.on(On.UNREACHABLE, at)

    # --- calls of ours ----------------------------------------------------------------------------

    def invite(
        self,
        uri: Uri,
        hop: Hop,
        at: float,
        *,
        body: bytes = b"",
        caller: NameAddress | None = None,
        headers: Mapping[str, str] | None = None,
        credentials: tuple[Credentials, ...] = (),
    ) -> Session:
        """Call `uri` by way of `hop`, with `body` as SDP offer; `credentials` answer challenges to any
        request of the call. Raises `SipError` for headers that would break the message."""
        identity = self.layer.identity
        host, port = identity.address(hop)
        sender = caller or NameAddress(parse_uri(f"sip:{identity.user}@{host_text(host)}:{port}"))
        tag = self.layer.token()
        fields = Headers()
        fields.add("Via", self.layer.via(hop))
        fields.add("Max-Forwards", "70")
        fields.add("From", f"{sender};tag={tag}")
        fields.add("To", f"<{uri.without_headers()}>")
        fields.add("Call-ID", self.layer.token() + self.layer.token())
        fields.add("CSeq", "1 INVITE")
        for name, value in (headers or {}).items():
            fields.add(name, value)
        request = Request(fields, method="INVITE", uri=str(uri.without_headers()))
        session = self._session(request, hop, inbound=False, credentials=credentials)
        session.local_tag = tag
        session.dress(request, body, hop)
        session.call(at)
        return session

    def register(self, account: Account, hop: Hop, at: float, tell: Callable[[News], None]) -> Registration:
        """Register with `account.registrar` by way of `hop`, and stay registered until told to stop."""
        registration = Registration(self.layer, account, hop, tell)
        registration.begin(at)
        return registration

    def _session(
        self, invite: Request, hop: Hop, *, inbound: bool, credentials: tuple[Credentials, ...]
    ) -> Session:
        session = Session(
            self.layer,
            invite,
            hop,
            inbound=inbound,
            tell=self.signals.append,
            know=self._know,
            forget=self._forget,
            options=self.options,
            credentials=credentials,
        )
        self.calls.add(session)
        return session

    def _know(self, session: Session, dialog: Dialog) -> None:
        self.sessions[dialog.key] = session
        self._keys.setdefault(session, set()).add(dialog.key)

    def _forget(self, session: Session) -> None:
        self.calls.discard(session)
        for key in self._keys.pop(session, ()):
            self.sessions.pop(key, None)

    # --- what comes in ----------------------------------------------------------------------------

    def receive(self, data: bytes, source: Hop, at: float) -> None:
        """Take one datagram (or one message of a stream). Never raises for what is in it."""
        if not data.strip(b"\r\n\0 "):
            return  # A keep-alive (RFC 5626 §3.5.1), or nothing.
        try:
            message = parse_message(data)
            take_sdp(message)
            if isinstance(message, Response):
                self._response(message, source, at)
            else:
                assert isinstance(message, Request)
                self._request(message, source, at)
        except Malformed as error:
            self.dropped["malformed"] += 1
            if error.request is not None:
                with suppress(ParseError):  # Where it is the Via that is broken, it stays as it is.
                    note_source(error.request, source)
                self._refuse_at_once(error.request, error.status, source, reason=_plain(error.what))
        except ParseError:
            # A header that only this request's own handling reads (Contact, Record-Route, Require).
            self.dropped["malformed"] += 1

    def _response(self, response: Response, source: Hop, at: float) -> None:
        if len(response.headers.items("Via")) != 1:
            self.dropped["misrouted"] += 1  # §18.1.2: it went through us on its way to somebody else.
            return
        transaction = self.layer.client_for(response)
        if transaction is not None:
            if source.reliable and isinstance(transaction.owner, Session):
                transaction.owner.came_by(source)
            self.layer.note_via(response, transaction.hop)
            transaction.receive(response, at)
            return
        session = self.sessions.get((response.call_id, response.from_.tag, response.to.tag))
        if session is not None and response.cseq[1] == "INVITE" and 200 <= response.status < 300:
            session.acknowledge_again(response)
        else:
            self.dropped["stray"] += 1

    def _request(self, request: Request, source: Hop, at: float) -> None:
        note_source(request, source)
        transaction = self.layer.server_for(request)
        if request.method == "ACK":
            self._acknowledged(request, transaction, at)
        elif transaction is not None:
            transaction.receive(request, at)
        elif len(self.layer) >= self._most_transactions:
            self.dropped["overload"] += 1
            self._refuse_at_once(request, 503, source, headers=_BUSY)
        elif request.method == "CANCEL":
            self._cancel(request, source, at)
        elif request.to.tag:
            self._within(request, source, at)
        else:
            self._outside(request, source, at)

    def _acknowledged(self, ack: Request, transaction: Transaction | None, at: float) -> None:
        # The ACK of a failure belongs to the INVITE's transaction; that of a 2xx is one of its own
        # and belongs to the call (§17.1.1.3), though some senders give it the INVITE's branch.
        if transaction is not None and transaction.state is not State.ACCEPTED:
            transaction.receive(ack, at)
            return
        session = self.sessions.get((ack.call_id, ack.to.tag, ack.from_.tag))
        if session is not None:
            session.acknowledged(ack, at)
        else:
            self.dropped["stray"] += 1

    def _cancel(self, cancel: Request, source: Hop, at: float) -> None:
        invite = self.layer.server_to_cancel(cancel)
        session = invite.owner if invite is not None else None
        if not isinstance(session, Session):
            self._refuse_at_once(cancel, 481, source)
            return
        transaction = self.layer.serve(cancel, source, _ignore)
        transaction.respond(respond(cancel, 200, to_tag=session.local_tag), at)
        session.cancelled(at)

    def _within(self, request: Request, source: Hop, at: float) -> None:
        """A new request that claims to belong to a call (§12.2.2)."""
        session = self.sessions.get((request.call_id, request.to.tag, request.from_.tag))
        if session is None:
            self._refuse_at_once(request, 481, source)
            return
        if refusal := self._unserved(request):
            self._refuse_at_once(request, refusal.status, source, headers=refusal.headers)
            return
        transaction = self.layer.serve(request, source, _ignore)
        try:
            session.request(request, transaction, at)
        except ParseError as error:
            transaction.respond(respond(request, 400, reason=_plain(error.what)), at)

    def _outside(self, request: Request, source: Hop, at: float) -> None:
        """A new request outside any call (§8.2)."""
        refusal = Refusal(482) if self.layer.merges(request) else self._unserved(request)
        if refusal is None and request.method in _WITHIN_CALLS:
            refusal = Refusal(481)
        if refusal is None and request.method == "REFER":
            refusal = Refusal(603)  # Nobody has us call somebody from outside a call.
        # OPTIONS asks what an INVITE would get (§11.2): whoever shares calls out passes by who takes none.
        if refusal is None and request.method in ("INVITE", "OPTIONS"):
            if not self.accepts(source):
                refusal = Refusal(self.refused_with)
            elif len(self.calls) >= self._most_calls or self.draining:
                refusal = Refusal(503, _BUSY)
            elif request.method == "INVITE" and not _accepted(request):
                refusal = Refusal(406, (("Accept", "application/sdp"),))
        if refusal is not None:
            self._refuse_at_once(request, refusal.status, source, headers=refusal.headers)
        elif request.method == "OPTIONS":
            response = respond(request, 200, to_tag=self.layer.token())
            response.headers.add("Allow", ALLOW)
            response.headers.add("Accept", "application/sdp")
            response.headers.add("Supported", ", ".join(self._extensions))
            self.layer.serve(request, source, _ignore).respond(response, at)
        else:
            self._called(request, source, at)

    def _called(self, invite: Request, source: Hop, at: float) -> None:
        try:
            dialog = callee_dialog(invite, self.layer.token())
        except ParseError as error:
            self._refuse_at_once(invite, 400, source, reason=_plain(error.what))
            return
        least = least_refused(invite, self.options)
        replaced, refusal = self._replaced(invite)
        if least:
            refusal = Refusal(422, (("Min-SE", str(least)),))
        if refusal is not None:
            self._refuse_at_once(invite, refusal.status, source, headers=refusal.headers)
            return
        if source.reliable:
            dialog.by = dialog.hop._replace(transport=source.transport, flow=source.flow)
        transaction = self.layer.serve(invite, source, _ignore)
        session = self._session(
            invite, transaction.hop, inbound=True, credentials=self.credentials_for(source)
        )
        transaction.owner = session
        session.incoming(transaction, dialog)
        self.signals.append(Incoming(session, at, replaced))

    def _replaced(self, invite: Request) -> tuple[Session | None, Refusal | None]:
        """The call whose place this one is to take, or why it cannot (RFC 3891 §3)."""
        values = invite.headers.all("Replaces")
        if not values:
            return None, None
        try:
            replaces = parse_replaces(values[0])
        except ParseError:
            return None, Refusal(400)
        if len(values) > 1 or "Join" in invite.headers:
            return None, Refusal(400)
        session = self.sessions.get((replaces.call_id, replaces.to_tag, replaces.from_tag))
        if session is None or session.phase in (Phase.CALLING, Phase.OFFERED):
            return None, Refusal(481)  # Of calls that only ring, ours alone can be taken by somebody else.
        rings = session.phase is Phase.PROCEEDING and not session.hang_up_wanted
        if not self.options.takes_replaces or not (session.is_up or rings):
            return None, Refusal(603)
        return (None, Refusal(486)) if replaces.early_only and not rings else (session, None)

    def _unserved(self, request: Request) -> Refusal | None:
        """Why this request cannot be served whatever its state, in the order of §8.2."""
        if request.method not in METHODS:
            return Refusal(405 if request.method in _KNOWN else 501, (("Allow", ALLOW),))
        if parse_uri(request.uri).scheme not in _SCHEMES:
            return Refusal(416)
        unknown = [tag for tag in request.headers.items("Require") if tag.lower() not in self._extensions]
        if unknown:
            return Refusal(420, (("Unsupported", ", ".join(unknown)[:500]),))
        if request.body and request.method == "INVITE":
            if request.content_type != "application/sdp":
                return Refusal(415, (("Accept", "application/sdp"),))
            if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
                return Refusal(415, (("Accept-Encoding", "identity"),))
        return None

    def _refuse_at_once(
        self,
        request: Request,
        status: int,
        source: Hop,
        *,
        reason: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Refuse without remembering anything (§8.2.7): the same request gets the same answer, and
        strangers cannot make us keep state."""
        if request.method == "ACK":
            return
        try:
            hop = answer_hop(request, source)
        except ParseError:
            hop = source  # Its Via is what is broken: back to where it came from.
        headers_seen = request.headers
        seed = f"{headers_seen.get('Call-ID')} {headers_seen.get('Via')}".encode("utf-8", "surrogateescape")
        tag = hashlib.blake2s(seed, key=self._secret, digest_size=8).hexdigest()
        response = respond(request, status, reason=reason, to_tag=tag)
        for name, value in headers:
            response.headers.add(name, value)
        self.layer.send(bytes(response), hop)


def _accepted(request: Request) -> bool:
    """Whether the sender takes SDP in answers (§20.1: it does where it does not say)."""
    if "Accept" not in request.headers:
        return True
    ranges = {item.partition(";")[0].strip().lower() for item in request.headers.items("Accept")}
    return bool(ranges & {"application/sdp", "application/*", "*/*"})


def _ignore(_: Transaction, __: Message | None, ___: Do, ____: float) -> None:
    """What a server transaction reports needs no more than its own end: the session has its timers."""


def _plain(text: str) -> str:
    """A text fit for a reason phrase: one short line of printable ASCII."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:120]
