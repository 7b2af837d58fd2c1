"""Typed failures, from the status, the Reason and the telephone network's cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.errors import Verdict
from trunkline.sip.message import Headers, Response
from trunkline.sip.not_taken import Why, cause_in, not_taken


def response(status: int, reason: str = "", *reasons: str) -> Response:
    return Response(Headers([("Reason", value) for value in reasons]), status=status, reason=reason)


@pytest.mark.parametrize(
    ("status", "text", "reasons", "why"),
    [
        (486, "Busy Here", [], Why.BUSY),
        (600, "Busy Everywhere", [], Why.BUSY),
        (480, "Temporarily Unavailable", [], Why.NO_ANSWER),
        (480, "x", ["Q.850;cause=17"], Why.BUSY),
        (480, "x", ['Q.850;cause=21;text="Call Rejected"'], Why.DECLINED),
        (480, "x", ["SIP;cause=480", "Q.850 ; cause=1"], Why.BAD_NUMBER),
        (480, "x", ["SIP;cause=480, q.850;cause=20"], Why.NO_ANSWER),
        (503, "Service Unavailable", [], Why.UNAVAILABLE),
        (503, "x", ['Q.850;text="a;b";cause=17'], Why.BUSY),
        (503, "x", ["Q.850;cause=34"], Why.UNAVAILABLE),
        (500, "x", ["Q.850;cause=28"], Why.BAD_NUMBER),
        (404, "Not Found", [], Why.BAD_NUMBER),
        (404, "x", ["Q.850;cause=27"], Why.UNAVAILABLE),
        (403, "Forbidden", [], Why.REJECTED_BY_TRUNK),
        (403, "x", ["Q.850;cause=21"], Why.DECLINED),
        (407, "x", [], Why.REJECTED_BY_TRUNK),
        (438, "Invalid Identity Header", [], Why.REJECTED_BY_TRUNK),
        (486, "x", ["Q.850;cause=34"], Why.BUSY),
        (603, "Decline", [], Why.DECLINED),
        (603, "Network Blocked", ['Q.850;cause=21;text="v=analytics1"'], Why.BLOCKED),
        (607, "Unwanted", [], Why.BLOCKED),
        (608, "Rejected", [], Why.BLOCKED),
        (488, "x", [], Why.NO_COMMON_CODEC),
        (302, "Moved Temporarily", [], Why.UNAVAILABLE),
        (580, "x", ["Q.850;cause=900"], Why.UNAVAILABLE),
    ],
)
def test_what_a_refusal_means(status: int, text: str, reasons: list[str], why: Why) -> None:
    assert not_taken(status, text, response(status, text, *reasons)).why is why


def test_only_a_trunk_s_own_trouble_is_a_reason_to_try_another() -> None:
    failed_over = {
        status
        for status in range(300, 700)
        if not_taken(status, "", response(status)).verdict is Verdict.FAIL_OVER
    }
    assert not {404, 408, 410, 480, 484, 486, 487, 488, 600, 603, 604, 606, 607, 608} & failed_over
    assert {401, 403, 407, 500, 502, 503, 504} <= failed_over
    assert not_taken(503, "", response(503, "", "Q.850;cause=17")).verdict is Verdict.GIVE_UP


def test_silence_is_told_from_an_answer_that_says_so() -> None:
    assert not_taken(408, "no answer from there", None).why is Why.NOT_REACHABLE
    assert not_taken(408, "Request Timeout", response(408)).why is Why.NO_ANSWER


@given(st.text(alphabet=st.characters(exclude_characters="\r\n"), max_size=60))
def test_no_reason_raises(text: str) -> None:
    assert 0 <= cause_in(response(480, "", text)) <= 999
