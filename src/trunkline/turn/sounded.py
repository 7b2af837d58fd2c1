"""The policy that goes by how the last words sounded: a voice that falls ends a sentence, one that hangs
does not.

It only weighs what the words leave open. A number that is not whole, and words that can not be the end, are
given their time however they sound; and where the sound is unsure the words have said all that is known.
"""

from __future__ import annotations

from trunkline.turn.policy import TurnPolicy

DICTATED = "asked"
"""The reason for a silence within a number, an address or a spelling: no sound shortens it."""


def by_sound(
    seconds: float, why: str, whole: float, sounded: float | None, policy: TurnPolicy
) -> tuple[float, str]:
    """The silence wanted, and why, once it is known how the end sounded. `whole`: how complete the words are.
    `sounded`: the probability that it was the end, or None where nobody was asked or has answered yet."""
    if sounded is None or why == DICTATED:
        return seconds, why
    if sounded >= policy.sounds_over and whole >= policy.sounded_words:
        short = min(seconds, max(policy.complete, policy.sounded_silence))
        return (short, "sound") if short < seconds else (seconds, why)
    if sounded <= policy.sounds_open and seconds < policy.silence:
        return policy.silence, "sound"
    return seconds, why
