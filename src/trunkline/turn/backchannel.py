"""Backchannels: "mm-hm", "okay", "I see". The caller listens and wants the agent to go on."""

from __future__ import annotations

from trunkline.turn.wording import plain_words, words_of

_WORDS = words_of(
    "mm mhm hm hmm mmhm mmhmm uh huh aha ah oh um er yeah yes yep yup ya okay ok right sure good great nice "
    "cool fine alright exactly indeed really wow"
)
_PHRASES = frozenset(
    {("i", "see"), ("got", "it"), ("of", "course"), ("all", "right"), ("go", "on"), ("i", "know")}
)
_MOST_WORDS = 4


def is_backchannel(text: str) -> bool:
    """Whether these words, said while the agent speaks, are no more than a sign of listening.

    "No" is never one, and neither is anything with a word beside them: "okay but" interrupts.
    """
    return _listens(plain_words(text))


def may_become_backchannel(text: str) -> bool:
    """Whether these words are the beginning of one: "I" of "I see", "got" of "got it"."""
    words = plain_words(text)
    return bool(words) and any(
        words[-1] == first and (len(words) == 1 or _listens(words[:-1])) for first, _ in _PHRASES
    )


def _listens(words: list[str]) -> bool:
    if not words or len(words) > _MOST_WORDS:
        return False
    at = 0
    while at < len(words):
        if tuple(words[at : at + 2]) in _PHRASES:
            at += 2
        elif words[at] in _WORDS:
            at += 1
        else:
            return False
    return True
