"""Calls found by their ids, streams let in by tickets, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from legs.test_websocket_leg import OPENED, Hand, PaperWire, Plain
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import CallRefused
from trunkline.legs.leg import LegInfo
from trunkline.legs.switchboard import TICKET_SECONDS, WAITING_CALLS, Switchboard
from trunkline.rtp.pacer import Pacer


def info(call_id: str = "C1", kind: str = "plain") -> LegInfo:
    return LegInfo(call_id, "inbound", "+1", "+2", kind)


def told(story: Callable[[VirtualClock, Switchboard], Awaitable[None]]) -> None:
    async def whole(clock: VirtualClock) -> None:
        board = Switchboard(clock, Pacer(clock))
        await story(clock, board)
        await board.close()
        assert board.active == 0
        assert [leg async for leg in board.calls()] == []

    run_virtual(whole)


def test_a_ticket_lets_one_stream_in_once() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        leg = board.ring(info(), Hand())
        word = board.ticket(leg)
        assert board.expects(word)
        assert board.admit(word, "plain", "C1") is leg
        with pytest.raises(CallRefused, match="nobody announced"):
            board.admit(word, "plain", "C1")

    told(story)


def test_a_ticket_grows_old() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        word = board.ticket(board.ring(info(), Hand()))
        await clock.sleep(TICKET_SECONDS + 0.1)
        assert not board.expects(word)
        with pytest.raises(CallRefused):
            board.admit(word, "plain")

    told(story)


def test_a_new_ticket_makes_the_one_before_worthless() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        leg = board.ring(info(), Hand())
        first, second = board.ticket(leg), board.ticket(leg)
        assert not board.expects(first)
        assert board.expects(second)

    told(story)


@pytest.mark.parametrize(("kind", "call_id"), [("other", "C1"), ("plain", "C2")])
def test_a_ticket_is_for_its_own_call_and_carrier(kind: str, call_id: str) -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        word = board.ticket(board.ring(info(), Hand()))
        with pytest.raises(CallRefused, match="another call"):
            board.admit(word, kind, call_id)

    told(story)


def test_a_call_that_is_over_is_forgotten_with_its_ticket() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        leg = board.ring(info(), Hand())
        word = board.ticket(leg)
        leg.end("over")
        assert not board.expects(word)
        assert board.find("plain", "C1") is None
        assert board.ring(info(), Hand()) is not leg

    told(story)


def test_two_calls_cannot_have_one_id() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        first = board.ring(info(), Hand())
        with pytest.raises(CallRefused):
            board.ring(info(), Hand())
        assert board.place(info(kind="other"), Hand()) is not first
        second = board.place(info("C2"), Hand())
        with pytest.raises(CallRefused):
            board.name(second, "C1")
        board.name(second, "C3")
        assert board.find("plain", "C2") is board.find("plain", "C3") is second
        assert second.info.call_id == "C3"
        assert board.active == 3

    told(story)


def test_calls_that_nobody_takes_are_bounded_and_none_is_taken_while_draining() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        for number in range(WAITING_CALLS):
            board.ring(info(f"C{number}"), Hand())
        with pytest.raises(CallRefused):
            board.ring(info("one more"), Hand())
        await anext(aiter(board.calls()))
        assert not board.full
        board.draining = True
        with pytest.raises(CallRefused):
            board.ring(info("one more"), Hand())

    told(story)


def test_a_call_that_ended_while_it_waited_is_given_to_nobody() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        board.ring(info("C1"), Hand()).end("gone")
        second = board.ring(info("C2"), Hand())
        assert await anext(aiter(board.calls())) is second

    told(story)


def test_closing_hangs_up_and_does_not_wait_for_a_carrier_that_does_not() -> None:
    async def story(clock: VirtualClock, board: Switchboard) -> None:
        willing, unwilling = Hand(), Hand(refuses=True)
        board.ring(info("C1"), willing)
        leg = board.ring(info("C2"), unwilling)
        leg.attach(Plain(), PaperWire(clock), OPENED)
        await board.close()
        assert willing.asked == unwilling.asked == ["hang up"]
        assert leg.ended

    told(story)
