"""Two user agents under any pattern of loss, duplication and delay."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sip.wire import ANSWER, LOST, OFFER, Fate, Phone, Wire, answering, call, is_up
from trunkline.sip.session import Phase
from trunkline.sip.signals import Incoming, Signal
from trunkline.sip.transaction import State

fates = st.lists(
    st.builds(
        Fate, copies=st.sampled_from([0, 0, 1, 1, 1, 2]), delay=st.sampled_from([0.001, 0.02, 0.7, 3.0])
    ),
    max_size=60,
)


def nothing_left(wire: Wire) -> None:
    """All transactions ended, nothing is remembered of calls that are over, no timer runs."""
    for phone in wire.phones.values():
        assert len(phone.agent.layer) == 0
        assert phone.agent.next_deadline() is None
        assert set(phone.agent.sessions.values()) == phone.agent.calls


@given(fates)
@settings(max_examples=300, deadline=None)
def test_a_call_that_nobody_ends_is_up_at_both_ends_or_at_neither(pattern: list[Fate]) -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two, pattern)
    session = call(wire, one, two)
    wire.run()
    assert is_up(one) == is_up(two)
    assert session.phase in (Phase.CONFIRMED, Phase.ENDED)
    assert len(two.agent.calls) == len(one.agent.calls)
    assert two.kinds.count("Incoming") <= 1
    nothing_left(wire)


@given(fates, st.floats(0, 40), st.sampled_from(["one", "two", "both"]))
@settings(max_examples=300, deadline=None)
def test_a_call_that_somebody_ends_is_over_at_both_ends(pattern: list[Fate], when: float, who: str) -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two, pattern)
    call(wire, one, two)

    def hang_up() -> None:
        for phone in (one, two):
            if who in (phone.name, "both"):
                for session in list(phone.agent.calls):
                    session.hang_up(wire.at)

    wire.plan(when, hang_up)
    # Once more, long after: whoever had no call yet at `when` has none left either.
    wire.plan(400.0, hang_up)
    wire.run()
    assert not one.agent.calls
    assert not two.agent.calls
    for phone in (one, two):
        ends = [kind for kind in phone.kinds if kind in ("Ended", "Failed")]
        assert len(ends) == (1 if phone.signals else 0)
        assert not ends or phone.kinds[-1] == ends[0]
    nothing_left(wire)


@given(fates, fates)
@settings(max_examples=150, deadline=None)
def test_changes_and_glare_leave_both_ends_with_the_same_call(before: list[Fate], after: list[Fate]) -> None:
    one, two = Phone("one", "192.0.2.1", answering), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two, [*before[:5], *[Fate()] * 5, *after])
    call(wire, one, two)

    def change() -> None:
        for phone in (one, two):
            for session in phone.agent.calls:
                if session.phase is Phase.CONFIRMED:
                    session.change(OFFER if phone is one else ANSWER, wire.at)

    wire.plan(100.0, change)
    wire.run()
    assert is_up(one) == is_up(two)
    nothing_left(wire)


@given(fates, st.sampled_from([486, 603, 480, 404]))
@settings(max_examples=150, deadline=None)
def test_a_refusal_arrives_or_the_call_times_out(pattern: list[Fate], status: int) -> None:
    def refuse(phone: Phone, signal: Signal, at: float) -> None:
        if isinstance(signal, Incoming):
            signal.session.refuse(status, at)

    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", refuse)
    wire = Wire(one, two, pattern)
    call(wire, one, two)
    wire.run()
    (failed,) = [signal for signal in one.signals if type(signal).__name__ == "Failed"]
    assert getattr(failed, "status", None) in (status, 408)
    assert not two.agent.calls
    nothing_left(wire)


def test_nobody_there_is_known_after_timer_b() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2")
    wire = Wire(one, two, [LOST] * 1000)
    call(wire, one, two)
    wire.run()
    assert one.kinds == ["Failed"]
    assert one.signals[0].at == 32.0
    # Timer A doubles: at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s.
    assert len(wire.sent) == 7


def test_a_lost_ack_is_sent_again_for_each_repeated_200() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    # INVITE, 180, 200 pass; then the ACK is lost twice.
    wire = Wire(one, two, [Fate(), Fate(), Fate(), LOST, Fate(), LOST])
    call(wire, one, two)
    wire.run()
    acks = [data for who, data in wire.sent if data.startswith(b"ACK")]
    assert len(acks) == 3
    assert len(set(acks)) == 1
    assert two.kinds == ["Incoming", "Confirmed"]


def test_a_200_that_is_never_acknowledged_ends_in_a_bye() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two, [Fate(), *[LOST] * 500])
    call(wire, one, two)
    wire.run()
    assert one.kinds == ["Failed"]
    assert two.kinds == ["Incoming", "Ended"]
    assert any(data.startswith(b"BYE") for who, data in wire.sent if who == two.host)
    assert two.session().dialog is not None


def test_a_cancel_that_crosses_the_200_becomes_a_bye() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2")
    wire = Wire(one, two)
    session = call(wire, one, two)

    def ring(phone: Phone, signal: Signal, at: float) -> None:
        if isinstance(signal, Incoming):
            signal.session.ring(at)
            wire.plan(1.0, lambda: signal.session.accept(ANSWER, wire.at))

    two.on = ring
    wire.plan(1.0, lambda: session.hang_up(wire.at))
    wire.run()
    assert one.kinds == ["Progress", "Ended"]
    assert two.kinds[-1] == "Ended"
    assert any(data.startswith(b"CANCEL") for _, data in wire.sent)
    assert any(data.startswith(b"BYE") for who, data in wire.sent if who == one.host)
    nothing_left(wire)


def test_every_state_of_a_transaction_is_reached_and_left() -> None:
    seen: set[State] = set()
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two)
    session = call(wire, one, two)

    def note() -> None:
        for phone in (one, two):
            for transaction in (*phone.agent.layer.clients.values(), *phone.agent.layer.servers.values()):
                seen.add(transaction.state)

    for step in range(200):
        wire.plan(step * 0.005, note)
    wire.plan(0.5, lambda: session.hang_up(wire.at))
    wire.run()
    assert {State.CALLING, State.ACCEPTED, State.TRYING, State.COMPLETED} <= seen
    nothing_left(wire)


def test_glare_is_resolved_and_both_changes_happen() -> None:
    one, two = Phone("one", "192.0.2.1", answering), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two)
    call(wire, one, two)

    def both_change() -> None:
        for phone in (one, two):
            (session,) = phone.agent.calls
            session.change(OFFER if phone is one else ANSWER, wire.at)

    wire.plan(1.0, both_change)
    wire.run()
    assert sum(data.startswith(b"SIP/2.0 491") for _, data in wire.sent) >= 1
    assert one.kinds.count("Changed") == two.kinds.count("Changed") == 1
    assert one.kinds.count("Reoffered") == two.kinds.count("Reoffered") == 1
    assert is_up(one)
    assert is_up(two)


def test_a_change_that_the_other_end_no_longer_knows_ends_the_call() -> None:
    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answering)
    wire = Wire(one, two)
    session = call(wire, one, two)
    wire.run(until=50.0)
    two.agent.sessions.clear()  # It was started anew, say.
    wire.plan(60.0, lambda: session.change(OFFER, wire.at))
    wire.run()
    assert one.kinds[-1] == "Ended"
    assert one.agent.calls == set()


def test_whoever_hangs_up_before_its_200_is_acknowledged_says_bye_after_it() -> None:
    def answer_and_leave(phone: Phone, signal: Signal, at: float) -> None:
        if isinstance(signal, Incoming):
            signal.session.accept(ANSWER, at)
            signal.session.hang_up(at)

    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", answer_and_leave)
    wire = Wire(one, two)
    call(wire, one, two)
    wire.run()
    assert one.kinds == ["Accepted", "Ended"]
    assert two.kinds == ["Incoming", "Ended"]
    methods = [data.split(b" ")[0] for _, data in wire.sent]
    assert methods.index(b"BYE") > methods.index(b"ACK")
    nothing_left(wire)


def test_a_repeated_request_gets_the_same_answer_again_at_once() -> None:
    def refuse(phone: Phone, signal: Signal, at: float) -> None:
        if isinstance(signal, Incoming):
            signal.session.refuse(486, at)

    one, two = Phone("one", "192.0.2.1"), Phone("two", "192.0.2.2", refuse)
    call(Wire(one, two), one, two)
    invite = one.agent.outbox.popleft()[0]
    two.agent.receive(invite, one.hop, 0.0)
    refuse(two, two.agent.signals.popleft(), 0.0)
    two.agent.receive(invite, one.hop, 0.1)
    (first, _), (second, _) = two.agent.outbox
    assert first == second
    assert first.startswith(b"SIP/2.0 486")
