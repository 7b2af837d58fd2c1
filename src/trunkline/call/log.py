"""A call's event log: every event goes through here once, in order, to whoever listens."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.events import Event

Listener = Callable[[Event], object]


class EventLog:
    """Hands each event to every listener, in the order of their joining.

    Listeners run on the event loop and must be quick; what is slow (disks, browsers) queues for
    itself. Nothing is kept here: a long call's log is on disk, its figures are folds.
    """

    __slots__ = ("_listeners", "count")

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self.count = 0

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def add(self, event: Event) -> None:
        self.count += 1
        for listener in self._listeners:
            listener(event)

    def close(self) -> None:
        """Nothing more happens: those who listened are let go of."""
        self._listeners.clear()
