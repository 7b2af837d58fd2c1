"""How long a silence ends the turn: where the policies combine.

In this order, the first that speaks wins; rhythm may then lengthen what is not sure:

1. `adaptive = false`: the silence that was asked for, exactly.
2. No words yet: plain `silence`.
3. A number, address, spelling or e-mail was asked and is not whole: `dictation`.
4. The words are surely all: `complete`.
5. They are in a language that completeness does not know: `silence`.
6. They are probably all: from `doubtful` down to `complete`, less the surer it is.
7. They may not be: from `doubtful` up to `unfinished`, the longer the less complete.
"""

from __future__ import annotations

from trunkline.events import Answer, Expectation
from trunkline.turn.asked import DICTATED, answered
from trunkline.turn.completeness import UNKNOWN
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.sounded import by_sound
from trunkline.turn.wording import count_digits, plain_words

_SURE = 0.9
_WHOLE_DICTATION = 0.5
_RHYTHM_MARGIN = 1.15
_BEND = 1.5
"""How soon the silence shrinks above `probable`: 1 would be evenly (docs/decisions/0054-nearly-sure.md)."""


def silence_wanted(
    text: str, asked: Expectation, rhythm: Rhythm, policy: TurnPolicy, sounded: float | None = None
) -> tuple[float, str]:
    """Seconds of silence after which these words are the whole turn, and the policy that said so. `sounded`:
    how likely the sound of the last words was an end, where somebody could say."""
    if not policy.adaptive:
        return policy.silence, "silence"
    if not text:
        return policy.silence, "silence"
    whole = answered(text, asked)
    if _is_dictating(text, asked) and whole < _WHOLE_DICTATION:
        return max(policy.dictation, policy.silence), "asked"
    seconds, why = silence_by_completeness(whole, policy)
    seconds, why = by_sound(seconds, why, whole, sounded, policy)
    usual = rhythm.usual() * _RHYTHM_MARGIN
    if whole < _SURE and usual > seconds:
        return min(usual, max(policy.unfinished, policy.silence)), "rhythm"
    return seconds, why


def silence_by_completeness(whole: float, policy: TurnPolicy) -> tuple[float, str]:
    """Two slopes: from `unfinished` at 0 to `doubtful` where words are probably all, and from there, steeper
    at first, to `complete` where they surely are."""
    least = min(policy.complete, policy.silence)
    if whole >= _SURE:
        return least, "complete"
    if whole == UNKNOWN:
        return policy.silence, "silence"
    doubtful = max(policy.doubtful, policy.silence)
    if whole >= policy.probable:
        doubt = (_SURE - whole) / max(0.01, _SURE - policy.probable)
        return least + doubt**_BEND * (doubtful - least), "doubtful"
    longest = max(policy.unfinished, doubtful)
    return longest - (longest - doubtful) * whole / policy.probable, "unfinished"


def _is_dictating(text: str, asked: Expectation) -> bool:
    if asked.kind is Answer.PHONE:
        return count_digits(plain_words(text)) > 0
    return asked.kind in DICTATED
