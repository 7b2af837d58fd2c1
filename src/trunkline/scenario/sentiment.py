"""Whether a caller is upset: a small lexicon over plain words. Pure.

It tells anger and annoyance at the call or the company, not sadness and not strong language as such; a
turn is upset or it is not. Denials count ("I am not angry" is not upset).
"""

from __future__ import annotations

import re

_UPSET = re.compile(
    r"\b("
    r"angry|furious|annoyed|annoying|upset|fed up|sick (and tired )?of|disgusting|disgrace(ful)?|outrageous|"
    r"ridiculous|unacceptable|terrible|awful|horrible|appalling|useless|hopeless|incompetent|pathetic|"
    r"rubbish|nonsense|joke|scam|rip ?off|frustrat\w+|irritat\w+|disappoint\w+|complain(t|ing)?|"
    r"waste of (my )?time|wasting my time|worst|hate (this|that|it|you)|had enough|enough of (this|that|it)|"
    r"how dare you|leave me alone|shut up|stupid|idiots?|damn|hell|bloody|crap|fuck\w*|shit\w*|"
    r"not listening|never listen|keep (on )?(calling|asking)|told you (already|before|twice|three times)|"
    r"for the (third|fourth|last|hundredth) time|again and again|are you deaf|makes? me (mad|sick|angry)"
    r")\b"
)
_DENIED = re.compile(
    r"\b(not|never|no|without) (\w+ ){0,2}$|\b(no|not) (a |an |my )?(complaint|problem|joke|scam)\b"
)


def upset(said: str) -> bool:
    """Whether these plain words are those of somebody who is upset."""
    return any(
        not _DENIED.search(said[: match.start()]) or _means_it(match[0]) for match in _UPSET.finditer(said)
    )


def _means_it(words: str) -> bool:
    """Whether the words hold their own denial: "not listening"."""
    return words.startswith(("not ", "never "))
