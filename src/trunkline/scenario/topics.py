"""What callers everywhere say about the same few things: patterns by the usual name of the objection.

An objection or question of a scenario that bears one of these names is also recognised by these
patterns, beside its own sentences; under another name its own sentences count alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

COMMON: Mapping[str, tuple[str, ...]] = {
    "price": (
        (
            r"\b(how much|what) (is|are|does|do|would|will|was) (it|this|that|they|you|your|the) ?.*"
            r"\b(cost|costs|price|prices|pricing|charge|rates?|fees?)\b"
        ),
        r"\bhow (much|expensive) (is|are|does|do|would|will)\b(?!.*\btime\b)",
        r"\b(set me back|ball ?park|price range|what are your (rates|prices|fees)|run me)\b",
        r"\b(pricing|price list|the price)\b",
    ),
    "too_expensive": (
        r"\btoo (expensive|much money|pricey|costly|dear)\b|\b(pricey|overpriced|a lot of money)\b",
        r"\b(sounds?|that is|it is|bit|rather|quite|very) expensive\b",
        r"\b(out of|no|not (in|within)|over|beyond|not have|do not have) ?(the|our|my|any|a)? budget\b",
        r"\b(can not|could not|not able to) (afford|spend)\b|\bnot have the money\b|\bno money\b",
    ),
    "not_interested": (
        r"\bnot? (really |very |at all )?interested\b|\bno interest\b|\bnot for (us|me)\b",
        r"\b(do|does|would) not (really )?(want|need) (this|that|it|any|one|a)\b|\bnothing for (us|me)\b",
        r"\bnot (something|anything) (we|i) (are|am|want|need|would)\b|\bnot looking for\b",
        (
            r"\b(we|i) are (good|fine|happy|all set|sorted)\b.*\b(thank|thanks|as|with|already)\b|"
            r"\bno thank(s| you)\b"
        ),
    ),
    "have_provider": (
        (
            r"\b(already|have|got|with|use|using) (have |got |use |using )?(a|an|our|another|some|"
            r"one of)? ?(\w+ )?"
            r"(provider|supplier|vendor|phone system|phone company|contract with|carrier|solution|those)\b"
        ),
        (
            r"\bwe (have|got|use) (someone|somebody|something|one) (already|else)?\b|"
            r"\bsomebody else\b.*\b(does|handle)"
        ),
        (
            r"\b(handled|done|managed|provided) by (someone|somebody|another|our)\b"
        ),
    ),
    "send_email": (
        (
            r"\b(send|drop|shoot|write|forward|put|mail|email|give) (me|us|it|that|this|something|them)\b.*"
            r"\b(email|e mail|mail|writing|brochure|information|info|details|over)\b"
        ),
        r"\b(email|mail) (it|me|us|that)\b|\bin writing\b|\bby email\b",
    ),
    "keep_number": (
        r"\b(keep|lose|change|port|transfer|move|hold on to|same|new)\b.*\bnumbers?\b(?!.*\bhow many\b)",
        r"\bnumbers?\b.*\b(stay|stays|same|change|ported|moved)\b",
    ),
    "contract": (
        (
            r"\b(long|length|minimum|notice|cancel|terminate|tied|locked|lock in|commit|commitment|leave)\b.*"
            r"\b(contract|term|period|any ?time|whenever|in|for|early)\b"
        ),
        r"\b(is there|do we|do i|have to|need).*\b(contract|sign|commit)\b|\bminimum term\b|\blocked in\b",
    ),
    "recording": (
        r"\b(record|recorded|recording|records|taping|taped|tape)\b",
    ),
    "what_is_it": (
        r"\b(what|who) (is|are|was) (this|it|you|that)( call)?( about| calling| regarding| for| again)?$",
        (
            r"\bwhat (is|was) (this|it|that) (call )?(all )?(about|regarding|in regard)\b|\bwho (am i|"
            r"is) (speaking|talking|calling)"
        ),
        (
            r"\b(what|which) (company|firm) (are you|is this|do you)\b|\bwhat are you (selling|"
            r"trying to sell|offering)\b"
        ),
        r"\bwhat do you (want|sell|do|offer)\b|\bwhy are you calling\b|\bwho do you work for\b",
    ),
    "where_from": (
        (
            r"\b(where|how|who).*\b(get|got|find|found|have|gave)\b.*\b(my|our|this) (number|name|details|"
            r"data|contact)\b"
        ),
    ),
}  # fmt: skip


@lru_cache(maxsize=1)
def _compiled() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile("|".join(f"(?:{one})" for one in patterns)) for name, patterns in COMMON.items()}


def common_topic(said: str, names: frozenset[str]) -> str:
    """The first of these names whose patterns are in the plain words, or empty."""
    return next((name for name, found in _compiled().items() if name in names and found.search(said)), "")
