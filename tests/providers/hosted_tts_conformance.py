"""What a hosted voice must do beside `tts_conformance`: its sound is a service's, its failures are ours."""

from __future__ import annotations

import asyncio

from providers.tts_conformance import ODD_TEXTS, SENTENCE, Said, say
from trunkline.errors import EngineError
from trunkline.providers.protocols import Voice

SPOKEN_SECONDS = 0.3 * len(SENTENCE.split())
"""How long the local servers' sound of `SENTENCE` lasts without its silences."""


async def assert_speaks(voice: Voice, *, marked: bool) -> Said:
    """Sound in several pieces, the silence at its ends cut, with marks that rise to the end of the text
    where the service tells times."""
    said = await say(voice, SENTENCE)
    assert said.pieces > 3
    assert abs(said.seconds - SPOKEN_SECONDS) < 0.15
    lead, trail = said.silence()
    assert lead <= 0.03
    assert trail <= 0.08
    times = [at for at, _ in said.marks]
    places = [place for _, place in said.marks]
    assert times == sorted(times)
    assert places == sorted(places)
    if marked:
        assert places[-1] == len(SENTENCE)
        assert len(places) == len(SENTENCE.split())
        assert {SENTENCE[:place].rsplit(maxsplit=1)[-1] for place in places} == set(SENTENCE.split())
        # The servers speak each word for 0.3 s; the cut silence must be taken off the times.
        assert all(abs(at - 0.3 * (n + 1)) < 0.05 for n, at in enumerate(times))
    else:
        assert not said.marks
    return said


async def assert_asks_only_for_words(voice: Voice, asked: list[str]) -> None:
    """Odd texts do no harm, and what cannot be pronounced is not paid for."""
    for text in ODD_TEXTS:
        await say(voice, text)
    assert all(any(letter.isalnum() for letter in text) for text in asked)
    assert not any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for text in asked for letter in text)
    assert (await say(voice, "Still here.")).pcm


async def failure_of(voice: Voice, text: str = SENTENCE) -> EngineError:
    """The error that a sentence ends with."""
    try:
        await say(voice, text)
    except EngineError as error:
        return error
    raise AssertionError("it did not fail")


async def assert_cancelled_in_silence_stops(voice: Voice) -> None:
    """A sentence whose sound has not begun is cancelled; the voice is good for another."""
    speaking = asyncio.create_task(say(voice, SENTENCE))
    await asyncio.sleep(0.05)
    speaking.cancel()
    try:
        await speaking
    except asyncio.CancelledError:
        pass
    else:
        raise AssertionError("it was not cancelled")
    assert (await say(voice, "Next.")).pcm
