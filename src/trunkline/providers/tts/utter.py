"""From an engine's raw sound to what a `Voice` gives: phrases one after another, silence trimmed,
pauses at punctuation, word marks counted in the text as it was given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from trunkline.providers.protocols import Spoken
from trunkline.providers.tts.phrases import Phrase
from trunkline.providers.tts.trim import SilenceTrimmer

Synthesise = Callable[[str], AsyncGenerator[Spoken, None]]
"""One phrase to raw sound; marks count seconds of raw sound and characters of the phrase."""

PACE_TEXT = (
    "Thank you for calling, this is Anna. I am looking at your order now, and it should be with you by "
    "Thursday afternoon. Would you like me to send the details to your phone, or shall I read them out? "
    "There are only three items, so it will not take long. That is no problem at all. How many people "
    "do you have on your team right now? I can put you down for ten in the morning if that is good for "
    "you. Let me know if you want to change it."
)
"""What an engine speaks to have its pace measured: the sentences of an ordinary call."""
PACE_WORDS = len(PACE_TEXT.split())


async def utter(
    spoken_phrases: list[Phrase], rate: int, synthesise: Synthesise
) -> AsyncGenerator[Spoken, None]:
    """Speak phrase after phrase; the first sound of each leaves as soon as the engine gives it."""
    begun = 0.0
    for phrase in spoken_phrases:
        trimmer = SilenceTrimmer(rate)
        waiting: list[tuple[float, int]] = []
        given = 0
        async with aclosing(synthesise(phrase.text)) as raw:
            async for piece in raw:
                waiting += piece.marks
                pcm = trimmer.push(piece.pcm)
                if not pcm:
                    continue
                given += len(pcm)
                yield Spoken(pcm, _placed(waiting, phrase, begun, trimmer.cut_seconds))
                waiting.clear()
        tail = trimmer.flush()
        if trimmer.begun:
            tail += bytes(2 * round(phrase.pause * rate))
            given += len(tail)
        if tail or waiting:
            yield Spoken(tail, _placed(waiting, phrase, begun, trimmer.cut_seconds))
        begun += given / 2 / rate


def _placed(
    marks: list[tuple[float, int]], phrase: Phrase, begun: float, cut: float
) -> tuple[tuple[float, int], ...]:
    return tuple((begun + max(0.0, at - cut), phrase.written(count)) for at, count in marks)
