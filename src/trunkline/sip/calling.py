"""A call of ours until one answer to it is kept (RFC 3261 §§9, 13.2, RFC 3262 §4).

Its INVITE may be answered by several phones at once (forking): each has an early dialog of its own, and
the first that takes the call gets it. It may be sent on to other addresses, asked for a password, or
want a longer session interval; whoever asked for the call sees only what came of it in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trunkline.errors import ParseError
from trunkline.sip.asking import Asking
from trunkline.sip.dialog import Dialog, caller_dialog
from trunkline.sip.hop import hop_to
from trunkline.sip.message import Message, Request, Response
from trunkline.sip.options import names
from trunkline.sip.part import SessionPart
from trunkline.sip.phase import Phase
from trunkline.sip.redirects import Redirects
from trunkline.sip.signals import Accepted, Progress
from trunkline.sip.timers import T64
from trunkline.sip.transaction import Do, On, State, Transaction, cancel_request
from trunkline.sip.uri import parse_uri

if TYPE_CHECKING:
    from trunkline.sip.session import Session

_MOST_BRANCHES = 16
"""Early dialogs of one call; phones that ring beyond these are heard, and may still take it."""


@dataclass(slots=True)
class _Branch:
    """One phone that a forked call reached."""

    dialog: Dialog
    rseq: int = -1
    """The last reliable provisional response of it that was acknowledged; -1: none."""
    body: bytes = b""
    """The latest SDP of its provisional responses."""
    settled: bool = False
    """Whether that came reliably, and so is the answer to our offer."""
    changed: bool = False
    """Whether the terms have changed since then."""


class Calling(SessionPart):
    """The outbound half of a session."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._transaction: Transaction | None = None
        self._branches: dict[str, _Branch] = {}
        self._dismissed: dict[str, bytes] = {}
        """Branches that took the call too late, by their tags, and our ACKs to them."""
        self._redirects = Redirects(parse_uri(session.invite.uri), session.options.most_redirects)

    def begin(self, at: float) -> None:
        """Send the INVITE."""
        session = self._session
        self._begun(
            session.asking.ask(
                session.invite,
                session.hop,
                self._up,
                at,
                owner=session,
                seq=lambda: session.invite.cseq[0] + 1,
                begun=self._begun,
                wanted=lambda: not session.hang_up_wanted,
                amend=session.timer.amend,
            )
        )

    def give_up(self, at: float) -> None:
        """Wait no longer for an answer to the INVITE."""
        if self._transaction is not None:
            self._transaction.on(On.GIVE_UP, at)

    def _begun(self, transaction: Transaction) -> None:
        # The INVITE that answers a challenge is the one to cancel, and the one whose 2xx makes the dialog.
        self._transaction = transaction
        self._session.invite = transaction.request
        self._branches.clear()

    def _up(self, transaction: Transaction, message: Message | None, do: Do, at: float) -> None:
        session = self._session
        if do is not Do.DELIVER:
            if do is Do.TIMEOUT:
                session.fail(408, "no answer from there", None, at)
            else:
                session.fail(503, transaction.trouble or "nothing can be sent there", None, at)
            return
        assert isinstance(message, Response)
        session.peer.note(message)
        if message.status < 200:
            self._provisional(message, at)
        elif message.status < 300:
            self._taken(transaction, message, at)
        elif not self._sent_on(message, at):
            session.fail(message.status, message.reason, message, at)

    # --- sent on ----------------------------------------------------------------------------------

    def _sent_on(self, response: Response, at: float) -> bool:
        """Call the next address that a redirect named, if there is one."""
        session = self._session
        if session.hang_up_wanted or session.phase is Phase.ENDED:
            return False
        uri = self._redirects.next_after(response)
        if uri is None:
            return False
        before = session.hop
        session.hop = hop = hop_to(uri)
        session.connection = None
        headers = session.invite.headers.copy()
        for name in ("Authorization", "Proxy-Authorization", "Route"):
            headers.drop(name)
        headers.set("Via", session.layer.via(hop))
        headers.set("CSeq", f"{session.invite.cseq[0] + 1} INVITE")
        headers.set("Contact", session.layer.identity.contact(hop, asked=str(uri)))
        session.invite = Request(headers, session.invite.body, method="INVITE", uri=str(uri))
        if hop.host not in (before.host, before.name):
            # Our password is for those whom the call was sent to, not for whomever they name.
            session.asking = Asking(session.layer)
        session.phase = Phase.CALLING
        self.begin(at)
        return True

    # --- ringing ----------------------------------------------------------------------------------

    def _provisional(self, response: Response, at: float) -> None:
        session = self._session
        if session.phase is Phase.CALLING:
            session.phase = Phase.PROCEEDING
        branch = self._branch(response)
        if branch is not None and not self._acknowledged(branch, response, at):
            return
        body = response.body if response.content_type == "application/sdp" else b""
        if branch is not None and body and not branch.settled:
            branch.body = body
            branch.settled = branch.rseq >= 0 and "100rel" in names(response, "Require")
        if session.hang_up_wanted:
            self.cancel(at)
        elif session.phase is Phase.PROCEEDING and response.status > 100:
            session.tell(Progress(session, at, response.status, body))

    def _branch(self, response: Response) -> _Branch | None:
        """The early dialog that a provisional response makes or belongs to (§12.1)."""
        assert self._transaction is not None
        tag = response.to.tag
        branch = self._branches.get(tag)
        if branch is None and tag and response.status > 100 and len(self._branches) < _MOST_BRANCHES:
            try:
                dialog = caller_dialog(self._transaction.request, response)
            except ParseError:
                return None  # Its 2xx may be better.
            dialog.by = self._session.connection
            branch = self._branches[tag] = _Branch(dialog)
            self._session.know(dialog)
        return branch

    def _acknowledged(self, branch: _Branch, response: Response, at: float) -> bool:
        """Send a PRACK where the response asks for it. False for one that came before, or too early."""
        text = (response.headers.get("RSeq") or "").strip()
        if "100rel" not in names(response, "Require") or not (text.isascii() and text.isdigit()):
            return True
        if len(text) > 10 or (branch.rseq >= 0 and int(text) != branch.rseq + 1):
            return False
        branch.rseq = int(text)
        session, dialog = self._session, branch.dialog
        request = dialog.request("PRACK", session.layer.via(dialog.hop))
        request.headers.add("RAck", f"{branch.rseq} {response.cseq[0]} {response.cseq[1]}")
        # Whatever becomes of it: without it they repeat theirs, and in the end refuse the call.
        session.asking.ask(request, dialog.hop, _ignore, at, owner=session, seq=dialog.next_seq)
        return True

    def dialogs(self) -> Iterator[Dialog]:
        """The early dialogs."""
        return (branch.dialog for branch in self._branches.values())

    @property
    def settled(self) -> Dialog | None:
        """The one early dialog in which our offer has its answer; None where there is none, or several."""
        settled = [branch.dialog for branch in self._branches.values() if branch.settled]
        return settled[0] if len(settled) == 1 and len(self._branches) == 1 else None

    def note_change(self) -> None:
        """Other terms were agreed on while it rings (UPDATE)."""
        for branch in self._branches.values():
            branch.changed = branch.settled

    # --- taken ------------------------------------------------------------------------------------

    def _taken(self, transaction: Transaction, response: Response, at: float) -> None:
        session = self._session
        tag = response.to.tag
        if session.dialog is not None and tag == session.dialog.remote_tag:
            session.acknowledge_again(response)
            return
        if tag in self._dismissed:
            session.layer.send(self._dismissed[tag], session.ack_hop)
            return
        try:
            dialog = caller_dialog(transaction.request, response)
        except ParseError as error:
            session.fail(500, f"their 200 cannot be used: {error.what}", None, at)
            return
        dialog.by = session.connection
        branch = self._branches.get(tag)
        if branch is not None:
            # The route is that of the 2xx (§13.2.2.4), the numbers go on from what was asked before.
            dialog.local_seq = max(dialog.local_seq, branch.dialog.local_seq)
            dialog.remote_seq = branch.dialog.remote_seq
        waiting = session.phase in (Phase.CALLING, Phase.PROCEEDING, Phase.CLOSING)
        if session.dialog is not None or not waiting:
            # A second branch of a forked call was taken as well, or a call we had given up (§13.2.2.4).
            self._dismiss(dialog, at)
            return
        session.dialog = dialog
        session.know(dialog)
        session.acknowledge(transaction.request)
        session.stop_timers()
        session.phase = Phase.CONFIRMED
        if session.hang_up_wanted:
            session.bye(at)  # The CANCEL came too late.
            return
        session.timer.heard(response, at)
        body = response.body if response.content_type == "application/sdp" else b""
        # The answer may have come in a 183 of this phone, and not again; that of another is none.
        if branch is not None and branch.changed:
            session.tell(Accepted(session, at, b"", settled=True))
        else:
            session.tell(Accepted(session, at, body or (branch.body if branch is not None else b"")))

    def _dismiss(self, dialog: Dialog, at: float) -> None:
        """End a dialog that nobody wants: ACK, then BYE, and no more thought of it but for its repeated
        200, which wants its ACK again."""
        session, hop = self._session, dialog.hop
        ack = dialog.request("ACK", session.layer.via(hop), seq=session.invite.cseq[0])
        if len(self._dismissed) < _MOST_BRANCHES:
            self._dismissed[dialog.remote_tag] = bytes(ack)
        session.layer.send(bytes(ack), hop)
        session.asking.ask(
            dialog.request("BYE", session.layer.via(hop)), hop, _ignore, at, seq=dialog.next_seq
        )

    # --- given up ---------------------------------------------------------------------------------

    def cancel(self, at: float) -> None:
        """Send a CANCEL, where something has come that it can be about (§9.1)."""
        session, invite = self._session, self._transaction
        if session.phase is Phase.CLOSING or invite is None or invite.state is not State.PROCEEDING:
            return
        session.phase = Phase.CLOSING
        session.layer.request(cancel_request(session.invite), invite.hop, _ignore, at)
        # §9.1: whoever says nothing more within 64*T1 is not waited for.
        session.limit(at + T64, lambda when: invite.on(On.GIVE_UP, when))


def _ignore(_: Transaction, __: Message | None, ___: Do, ____: float) -> None:
    """Whatever comes of it changes nothing."""
