"""A typed call: turns are taken back whole, and a saved call passes as a test."""

import pytest

from scenario.talks import MONDAY, small
from scenario.test_look_up import DESK
from trunkline.clock import SystemClock
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.actions import Happening
from trunkline.scenario.load import parse_scenario
from trunkline.scenario.rehearsal import NOISE, SILENCE, CallerLine, parse_rehearsal
from trunkline.scenario.rehearse import rehearse
from trunkline.scenario.typed_call import TypedCall

BRAIN = LocalBrain(clock=SystemClock())


async def begun(**facts: str) -> TypedCall:
    call = TypedCall(small(), BRAIN, MONDAY, facts)
    assert "Ann" in await call.begin()
    return call


async def test_undo_takes_a_turn_back_whole() -> None:
    call = await begun()
    states = [call.talk.state]
    said = [list(call.talk.said)]
    for words in ("twelve", "no, nine", "yes"):
        await call.do(CallerLine(say=words))
        states.append(call.talk.state)
        said.append(list(call.talk.said))
    assert call.talk.state.outcome == "little"
    for state, words_before in list(zip(states, said, strict=True))[-2::-1]:
        assert call.undo()
        assert call.talk.state == state
        assert call.talk.said == words_before
    assert not call.undo()
    assert call.lines == ()


async def test_another_way_after_an_undo() -> None:
    call = await begun()
    await call.do(CallerLine(say="nine"))
    call.undo()
    await call.do(CallerLine(say="twelve"))
    await call.do(CallerLine(say="yes"))
    assert call.talk.state.outcome == "big"


async def test_a_saved_call_passes_as_a_test() -> None:
    call = await begun(first_name="Zoë: \"no\" {x} 'y' #")
    for line in (
        CallerLine(say=NOISE),
        CallerLine(say=SILENCE),
        CallerLine(keys="12#"),
        CallerLine(say="no"),
    ):
        await call.do(line)
    await call.do(CallerLine(say="9"))
    await call.do(CallerLine(say="yes"))
    rehearsal = parse_rehearsal(call.as_test("small", "saved"))
    (talk,) = rehearsal.conversations
    assert talk.facts == {"first_name": "Zoë: \"no\" {x} 'y' #"}
    assert talk.expect.outcome == "little"
    assert talk.expect.fields == {"size": 9.0}
    held = await rehearse(small(), rehearsal, talk, BRAIN)
    assert held.wrong == ()
    assert held.turns == call.talk.state.turn


async def test_tools_and_waiting_are_saved_and_undone() -> None:
    call = TypedCall(parse_scenario(DESK), BRAIN, MONDAY, {})
    await call.begin()
    await call.do(CallerLine(say="twelve people"))
    assert [one.tool for one in call.newly_called()] == ["find_slot"]
    call.undo()
    assert call.talk.called == []
    await call.do(CallerLine(wait=90))
    await call.do(CallerLine(say="nine people"))
    await call.do(CallerLine(say="yes"))
    rehearsal = parse_rehearsal(call.as_test("desk", "saved"))
    assert rehearsal.now == MONDAY
    held = await rehearse(parse_scenario(DESK), rehearsal, rehearsal.conversations[0], BRAIN)
    assert (held.wrong, held.outcome) == ((), "booked")


async def test_a_turn_that_fails_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    call = await begun()
    before = call.talk.state

    async def broken(_self: object, _happening: Happening) -> str:
        raise RuntimeError("the connection broke")

    monkeypatch.setattr(type(call.talk), "happen", broken)
    with pytest.raises(RuntimeError):
        await call.do(CallerLine(say="nine"))
    assert call.talk.state == before
    assert call.lines == ()
