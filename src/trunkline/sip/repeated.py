"""Answers to an INVITE that are sent again until they are acknowledged: the 200 until its ACK (RFC 3261
§13.3.1.4), a reliable provisional response until its PRACK (RFC 3262 §3)."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.sip.hop import Hop
from trunkline.sip.layer import TransactionLayer
from trunkline.sip.timers import T1, T2, T64, Timer


class RepeatedAnswer:
    """Sends a response again after T1, twice that, … up to each `most` seconds, for 64*T1 in all.

    The transaction does not do it: over any transport the ACK of a 2xx comes from the other end's
    application, so the repetition has to come from ours.
    """

    def __init__(self, layer: TransactionLayer, most: float = T2) -> None:
        self._layer = layer
        self._most = most
        self._again: Timer | None = None
        self._limit: Timer | None = None

    def start(self, data: bytes, hop: Hop, at: float, gave_up: Callable[[float], None]) -> None:
        """`data` was sent at `at`; call `gave_up` if `stop` is not called in time."""
        self.stop()
        self._limit = self._layer.timers.start(at + T64, gave_up)
        self._wait(data, hop, at, T1)

    def _wait(self, data: bytes, hop: Hop, at: float, delay: float) -> None:
        def again(when: float) -> None:
            self._layer.send(data, hop)
            self._wait(data, hop, when, min(2 * delay, self._most))

        self._again = self._layer.timers.start(at + delay, again)

    def stop(self) -> None:
        """The ACK came, or nobody waits for it any more."""
        for timer in (self._again, self._limit):
            if timer is not None:
                timer.stop()
        self._again = self._limit = None
