"""The circuit breaker as a story told in times, and what holds for any story."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import EngineDown, EngineError, EngineKeyWrong, EngineQuota, EngineRequest
from trunkline.providers.breaker import Breaker, Circuit

DOWN, KEY, REQUEST = EngineDown("x"), EngineKeyWrong("x"), EngineRequest("x")


def failed_at(*times: float, error: EngineError = DOWN) -> Breaker:
    breaker = Breaker(failures=3, window=30, rest=15)
    for at in times:
        breaker.failed(at, error)
    return breaker


def test_it_opens_after_failures_close_together() -> None:
    assert failed_at(0, 10).allows(11)
    assert not failed_at(0, 10, 20).allows(21)
    assert failed_at(0, 20, 40).allows(41), "the first is out of the window"


def test_one_tries_after_the_rest() -> None:
    breaker = failed_at(0, 1, 2)
    assert not breaker.allows(16.9)
    assert breaker.allows(17)
    assert not breaker.allows(17.1), "one at a time"
    breaker.succeeded()
    assert breaker.allows(17.2)
    assert breaker.allows(17.3)


def test_a_failed_trial_opens_it_again() -> None:
    breaker = failed_at(0, 1, 2)
    assert breaker.allows(17)
    breaker.failed(18, DOWN)
    assert not breaker.allows(32)
    assert breaker.allows(33)


def test_a_trial_that_nobody_waited_for_or_that_never_came_back_is_open_to_the_next() -> None:
    breaker = failed_at(0, 1, 2)
    assert breaker.allows(17)
    breaker.let_go()
    assert breaker.allows(17.1)
    assert not breaker.allows(20)
    assert breaker.allows(33)


def test_what_a_person_must_mend_opens_it_at_once_and_for_long() -> None:
    for error in (KEY, EngineQuota("x")):
        breaker = failed_at(0, error=error)
        assert not breaker.allows(149)
        assert breaker.allows(150)


def test_a_refused_request_is_not_the_engines_fault() -> None:
    assert failed_at(0, 1, 2, 3, error=REQUEST).circuit is Circuit.CLOSED
    breaker = failed_at(0, 1, 2)
    assert breaker.allows(17)
    breaker.failed(18, REQUEST)
    assert breaker.circuit is Circuit.CLOSED


STEPS = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from(["ask", "down", "key", "request", "ok", "gone"])), max_size=60
)


@given(STEPS)
def test_any_story(steps: list[tuple[float, str]]) -> None:
    breaker, now = Breaker(), 0.0
    for wait, what in steps:
        now += wait
        match what:
            case "ask":
                breaker.allows(now)
            case "down" | "key" | "request":
                breaker.failed(now, {"down": DOWN, "key": KEY, "request": REQUEST}[what])
            case "ok":
                breaker.succeeded()
                assert breaker.allows(now)
            case "gone":
                breaker.let_go()
    assert breaker.allows(now + 150), "it is never left alone for good"
