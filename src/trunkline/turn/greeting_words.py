"""What the words of a greeting say about who took the call. English phrases, no model.

Each list is of whole phrases as `wording.plain_words` gives them, so a phrase matches across case and
punctuation. Screening services ("record your name and reason for calling") ask on behalf of a person who
listens: they are answered as the person is.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache

from trunkline.turn.wording import plain_words


class Sign(StrEnum):
    """What a phrase shows."""

    RECORDS = "records"
    """It will take a message: said by machines alone."""
    AWAY = "away"
    """Nobody is there: said by machines mostly, and by whoever takes calls for another."""
    FULL = "full"
    """It takes no message."""
    MENU = "menu"
    """It wants keys."""
    PERSON = "person"
    """Somebody speaks who expects an answer."""


_PHRASES: dict[Sign, tuple[str, ...]] = {
    Sign.RECORDS: (
        "after the tone", "after the beep", "at the tone", "at the beep", "sound of the tone",
        "sound of the beep", "hear the beep", "hear the tone", "record your message", "record a message",
        "leave your message", "leave your name", "leave me your name", "leave us your name",
        "please leave a message", "please leave me a message", "please leave us a message",
        "just leave a message", "leave a message and", "leave a message after", "leave me a message and",
        "finished recording", "automated voice messaging system", "automatic voice message system",
        "forwarded to voicemail", "forwarded to voice mail", "the mailbox of", "the voicemail of",
        "the voice mailbox of", "voice mail service",
    ),
    Sign.AWAY: (
        "you have reached", "you've reached", "can't come to the phone", "cannot come to the phone",
        "can not come to the phone", "unable to come to the phone", "can't take your call",
        "cannot take your call", "can not take your call", "unable to take your call",
        "can't answer the phone", "not able to take your call", "away from my phone", "away from my desk",
        "away from the phone", "missed your call", "not available", "unavailable", "voicemail", "voice mail",
        "leave a message", "leave me a message", "get back to you", "return your call",
        "call you back as soon",
        "call you back when", "as soon as i can", "as soon as possible", "our office is closed",
        "our offices are closed", "the person you are calling",
        "the person you are trying to reach", "the subscriber",
    ),
    Sign.FULL: (
        "mailbox is full", "voicemail is full", "voice mailbox is full", "mailbox is currently full",
        "inbox is full", "can not accept any messages", "cannot accept any messages",
        "can not accept messages", "cannot accept messages", "not accepting messages",
        "has not been set up", "hasn't been set up", "is not set up yet",
    ),
    Sign.MENU: (
        "press one", "press two", "press three", "press four", "press five", "press six", "press seven",
        "press eight", "press nine", "press zero", "press 0", "press 1", "press 2", "press 3", "press 4",
        "press 5", "press 6", "press 7", "press 8", "press 9", "press star", "press pound", "press the pound",
        "menu options", "options have changed", "following options", "main menu", "listen carefully",
        "dial by name", "enter your extension", "enter the extension", "dial the extension",
    ),
    Sign.PERSON: (
        "who is this", "who's this", "who is calling", "who's calling", "who am i speaking",
        "how may i help", "how can i help", "what can i do for you", "i'm here", "i am here",
        "sorry i was", "hold on", "hang on", "would you like to leave", "do you want to leave",
        "can i take a message", "may i take a message", "shall i take a message",
        "reason for calling", "reason for your call", "who you are and why", "this is he", "this is she",
        "yes speaking", "speaking who",
    ),
}  # fmt: skip

_ALONE = frozenset({"hello", "hello hello", "hi", "hey", "yes", "yeah", "yes hello", "hello yes", "speaking"})
"""A whole utterance of a person's who waits to be spoken to."""


@cache
def _padded() -> dict[Sign, tuple[str, ...]]:
    return {sign: tuple(f" {phrase} " for phrase in phrases) for sign, phrases in _PHRASES.items()}


def signs_in(text: str) -> dict[Sign, int]:
    """How many different phrases of each kind these words hold; kinds without one are left out."""
    padded = f" {' '.join(plain_words(text))} "
    counts = {sign: sum(phrase in padded for phrase in phrases) for sign, phrases in _padded().items()}
    return {sign: count for sign, count in counts.items() if count}


def a_person_waits(text: str) -> bool:
    """Whether this whole utterance is of somebody who expects an answer: "Hello?", "I'm here."."""
    words = plain_words(text)
    if not words or len(words) > 12:
        return False
    signs = signs_in(text)
    if signs.keys() - {Sign.PERSON}:
        return False
    return Sign.PERSON in signs or " ".join(words) in _ALONE
