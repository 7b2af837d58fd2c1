"""The ways of one call of ours, tried one after another: trunks, and the servers of each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from trunkline.errors import SipError
from trunkline.legs.sip_ports import MediaPorts
from trunkline.legs.sip_trunking import Attempt, SipTrunking
from trunkline.rtp.port import MediaPort
from trunkline.sip.offer import Terms
from trunkline.sip.session import Session


@dataclass(frozen=True, slots=True)
class Begun:
    """A call that was sent one of its ways, with the media that was offered there."""

    session: Session
    media: MediaPort
    terms: Terms


class _Invite(Protocol):
    def __call__(self, attempt: Attempt, offer: bytes, *, more: bool) -> Session: ...


class Ways:
    """What is left to try of one call, with its media ports: each way is told the address by which it reaches
    us, and they may be of different families. `more`: whoever asked will call somewhere else afterwards."""

    def __init__(
        self,
        attempts: Iterable[Attempt],
        ports: dict[str, MediaPort],
        makes: MediaPorts,
        trunking: SipTrunking,
        invite: _Invite,
        *,
        more: bool,
    ) -> None:
        self.left = deque(attempts)
        self._ports = ports
        self._makes = makes
        self._trunking = trunking
        self._invite = invite
        self._more = more

    @property
    def media(self) -> Iterator[MediaPort]:
        """Every port that was opened for this call."""
        return iter(self._ports.values())

    def go(self, before: Attempt | None = None) -> Begun | None:
        """Call the next way whose trunk has room; None where none is left. `before`: the one that came to
        nothing just now. Raises `SipError`."""
        while self.left:
            attempt = self.left.popleft()
            if not self._trunking.take(attempt, before):
                continue
            media = self._ports[self._makes.endpoint.listens_on(attempt.hop)]
            terms = self._makes.terms(attempt.hop, media)
            try:
                session = self._invite(attempt, terms.offer(), more=self._more or bool(self.left))
            except SipError:
                self._trunking.give_back(attempt)
                raise
            return Begun(session, media, terms)
        return None

    async def close(self) -> None:
        """Close the ports of a call that was never sent."""
        for media in self._ports.values():
            await media.close()
