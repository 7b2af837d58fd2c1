"""Signalling forgets a call by itself: nothing of it waits for the garbage collector."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from freed import without_collector
from sip.wire import LOST, OFFER, Fate, Phone, Wire, answering
from trunkline.sip.session import Session
from trunkline.sip.signals import Accepted, Incoming, Signal
from trunkline.sip.uri import parse_uri

LONG_AFTER = 200.0
"""Seconds in which every transaction has ended."""


def ringing(phone: Phone, signal: Signal, at: float) -> None:
    if isinstance(signal, Incoming):
        signal.session.ring(at)


def refusing(phone: Phone, signal: Signal, at: float) -> None:
    if isinstance(signal, Incoming):
        signal.session.refuse(486, at)


def changing(phone: Phone, signal: Signal, at: float) -> None:
    if isinstance(signal, Accepted):
        signal.session.change(OFFER, at)


def ask_for_another(session: Session, at: float) -> None:
    session.refer(parse_uri("sip:carol@192.0.2.3"), at)


def hang_up(session: Session, at: float) -> None:
    session.hang_up(at)


@pytest.mark.parametrize("fates", [(), (LOST, Fate(), LOST, Fate(copies=2), LOST)])
@pytest.mark.parametrize("theirs", [answering, ringing, refusing])
@pytest.mark.parametrize("ours", [lambda *_: None, changing])
@pytest.mark.parametrize("first", [hang_up, ask_for_another])
def test_nothing_of_a_call_that_is_over_waits_for_the_collector(
    fates: tuple[Fate, ...],
    theirs: Callable[[Phone, Signal, float], None],
    ours: Callable[[Phone, Signal, float], None],
    first: Callable[[Session, float], None],
) -> None:
    alice, bob = Phone("alice", "192.0.2.1", ours), Phone("bob", "192.0.2.2", theirs)
    wire = Wire(alice, bob, fates)
    with without_collector() as alive:
        session = alice.agent.invite(parse_uri("sip:bob@192.0.2.2"), bob.hop, 0.0, body=OFFER)
        wire.run(10.0)
        if session.is_up or first is hang_up:
            first(session, wire.at)
        wire.run(20.0)
        session.hang_up(wire.at)
        wire.run(LONG_AFTER)
        del session
        for phone in (alice, bob):
            assert not phone.agent.calls
            assert len(phone.agent.layer) == 0
            phone.signals.clear()
        assert not {"Session", "Transaction", "Calling", "Called", "Dialog"} & set(alive("sip"))
