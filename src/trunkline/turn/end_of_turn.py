"""How long a silence ends the turn: where the policies combine.

In this order, the first that speaks wins; rhythm may then lengthen what is not sure:

1. `adaptive = false`: the silence that was asked for, exactly.
2. No words yet: plain `silence`.
3. Surely complete: `complete`.
4. A number, address, spelling or e-mail was asked and is not whole: `dictation`.
5. The words cannot end here: up to `unfinished`, the longer the less complete.
6. Else: `silence`.
"""

from __future__ import annotations

from trunkline.events import Answer, Expectation
from trunkline.turn.asked import DICTATED, answered
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.sounded import by_sound
from trunkline.turn.wording import count_digits, plain_words

_SURE = 0.8
_UNSURE = 0.45
_RHYTHM_MARGIN = 1.15


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
    if whole >= 0.95:
        return min(policy.complete, policy.silence), "complete"
    if _is_dictating(text, asked) and whole < _SURE:
        return max(policy.dictation, policy.silence), "asked"
    if whole >= _SURE:
        seconds, why = min(policy.complete, policy.silence), "complete"
    elif whole >= _UNSURE:
        # Between unsure and sure the silence slides from the plain one to the short one.
        share = (whole - _UNSURE) / (_SURE - _UNSURE)
        seconds, why = policy.silence + share * min(0.0, policy.complete - policy.silence) / 2, "silence"
    else:
        longest = max(policy.unfinished, policy.silence)
        seconds, why = longest - (longest - policy.silence) * max(0.0, whole - 0.15) / _UNSURE, "unfinished"
    seconds, why = by_sound(seconds, why, whole, sounded, policy)
    usual = rhythm.usual() * _RHYTHM_MARGIN
    if whole < 0.85 and usual > seconds:
        return min(usual, max(policy.unfinished, policy.silence)), "rhythm"
    return seconds, why


def _is_dictating(text: str, asked: Expectation) -> bool:
    if asked.kind is Answer.PHONE:
        return count_digits(plain_words(text)) > 0
    return asked.kind in DICTATED
