"""Last words that cannot change the answer: "please", "thank you", a filler.

An answer that is being prepared to the words before them is the answer to them too.
"""

from __future__ import annotations

import re

from trunkline.turn.alike import alike
from trunkline.turn.backchannel import is_backchannel
from trunkline.turn.wording import one_of

_THANKS = r"(?:thanks|thank(?: you)?)(?: (?:very|so|a)(?: (?:much|lot))?)?"
"""Also where its last word is still to come."""
_SMALL = one_of("please, cheers, sir, madam, ma'am, um, uh, er, erm")
"""No "oh", which is a digit, and no "hm", which doubts."""
_COURTESY = re.compile(rf"(?: (?:{_THANKS}|{_SMALL}))*")


def adds_nothing(before: str, after: str) -> bool:
    """Whether `after` is `before`, with nothing but courtesies and fillers behind it.

    Behind a mere "okay" a "thank you" may be the end of the talk: there nothing may follow.
    """
    first, whole = alike(before), alike(after)
    if first == whole:
        return True
    if not first or is_backchannel(before) or not whole.startswith(first):
        return False
    return _COURTESY.fullmatch(whole, len(first)) is not None
