"""Fixed lines are synthesised once; the cache is bounded, survives restarts and distrusts its files."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.tts_conformance import say
from trunkline.errors import EngineDown
from trunkline.providers.protocols import Spoken
from trunkline.providers.voice_cache import CachedVoice, Line, Remembering, VoiceCache, _pack, _unpack, key_of

RATE = 8000


class CountingVoice:
    """Says each text as as many samples as it has letters, and counts."""

    rate = RATE

    def __init__(self, broken: str = "") -> None:
        self.said: list[str] = []
        self.closed = 0
        self._broken = broken
        self._busy = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        assert not self._busy, "sentences are asked for one after the other"
        self._busy = True
        try:
            self.said.append(text)
            await asyncio.sleep(0)
            if text == self._broken:
                raise EngineDown("broken", where="test")
            yield Spoken(sound_of(text), ((0.5, 1),))
            yield Spoken(sound_of(text), ((1.0, len(text)),))
        finally:
            self._busy = False

    async def close(self) -> None:
        self.closed += 1


def sound_of(text: str) -> bytes:
    return b"\x01\x02" * len(text) * 1000


def cached(voice: CountingVoice, cache: VoiceCache, words_per_minute: int = 160) -> CachedVoice:
    return CachedVoice(voice, cache, engine="test", voice_name="v", words_per_minute=words_per_minute)


async def test_a_prepared_line_is_not_synthesised_again() -> None:
    inner = CountingVoice()
    voice = cached(inner, VoiceCache())
    assert (await voice.prepare(["Hello.", "Bye.", "Hello."])).lines == 2
    assert (await voice.prepare(["Hello."])).lines == 0
    said = await say(voice, "Hello.")
    assert said.pcm == sound_of("Hello.") * 2
    assert said.marks == ((0.5, 1), (1.0, 6))
    assert said.pieces > 1, "cut in pieces, so that playout can begin and stop"
    assert inner.said == ["Hello.", "Bye."]


async def test_other_lines_are_spoken_live_and_not_kept() -> None:
    inner = CountingVoice()
    voice = cached(inner, VoiceCache())
    for _ in range(2):
        assert (await say(voice, "Live.")).pcm == sound_of("Live.") * 2
    assert inner.said == ["Live.", "Live."]


async def test_lines_survive_a_restart_on_disk(tmp_path: Path) -> None:
    await cached(CountingVoice(), VoiceCache(tmp_path)).prepare(["Hello."])
    inner = CountingVoice()
    voice = cached(inner, VoiceCache(tmp_path))
    assert (await voice.prepare(["Hello."])).lines == 0
    assert (await say(voice, "Hello.")).pcm == sound_of("Hello.") * 2
    assert inner.said == []


async def test_another_pace_is_another_line(tmp_path: Path) -> None:
    cache = VoiceCache(tmp_path)
    assert (await cached(CountingVoice(), cache).prepare(["Hello."])).lines == 1
    assert (await cached(CountingVoice(), cache, words_per_minute=150).prepare(["Hello."])).lines == 1


def test_every_part_of_the_key_counts() -> None:
    keys = {
        key_of(text, engine=engine, voice=voice, words_per_minute=pace, rate=rate)
        for text in ("a", "b")
        for engine in ("x", "y")
        for voice in ("1", "2")
        for pace in (150, 160)
        for rate in (8000, 16000)
    }
    assert len(keys) == 32


@pytest.mark.parametrize("damage", [b"", b"x", b"TLVOICE1", bytes(100), os.urandom(3000)])
async def test_a_damaged_file_is_ignored_and_removed(tmp_path: Path, damage: bytes) -> None:
    await cached(CountingVoice(), VoiceCache(tmp_path)).prepare(["Hello."])
    (path,) = tmp_path.iterdir()  # noqa: ASYNC240 (a test's own folder)
    path.write_bytes(damage)
    inner = CountingVoice()
    assert (await cached(inner, VoiceCache(tmp_path)).prepare(["Hello."])).lines == 1
    assert inner.said == ["Hello."]
    assert (await cached(CountingVoice(), VoiceCache(tmp_path)).prepare(["Hello."])).lines == 0


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_changed_byte_is_taken_for_a_line(pcm: bytes, place: int, value: int) -> None:
    line = Line(pcm, ((0.25, 3), (1.0, 9)))
    whole = _pack(line)
    assert _unpack(whole) == line
    place %= len(whole)
    changed = whole[:place] + bytes([value]) + whole[place + 1 :]
    # The length of the marks is the one field that the checksum does not cover: JSON covers it.
    try:
        assert _unpack(changed) == line
    except (ValueError, TypeError):
        assert changed != whole
    with pytest.raises(ValueError, match="torn"):
        _unpack(whole[:-1])


async def test_the_disk_keeps_within_its_size_and_drops_the_oldest(tmp_path: Path) -> None:
    line = len(_pack(Line(sound_of("12345") * 2, ((0.5, 1), (1.0, 5)))))
    cache = VoiceCache(tmp_path, memory_bytes=0, disk_bytes=3 * line)
    voice = cached(CountingVoice(), cache)
    for number, text in enumerate(("line1", "line2", "line3")):
        await voice.prepare([text])
        path = tmp_path / f"{voice._key(text)}.voice"
        os.utime(path, (number, number))
    assert (await voice.prepare(["line1"])).lines == 0  # used again: now the youngest
    assert (await voice.prepare(["line4"])).lines == 1
    left = {text for text in ("line1", "line2", "line3", "line4") if await cache.find(voice._key(text))}
    assert left == {"line1", "line3", "line4"}


async def test_memory_keeps_within_its_size() -> None:
    cache = VoiceCache(memory_bytes=2 * 2 * len(sound_of("line1")))
    voice = cached(CountingVoice(), cache)
    await voice.prepare(["line1", "line2"])
    await say(voice, "line1")
    await voice.prepare(["line3"])
    assert [bool(cache.remembered(voice._key(f"line{n}"))) for n in (1, 2, 3)] == [True, False, True]


async def test_a_disk_that_cannot_be_written_costs_only_the_saving(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    voice = cached(CountingVoice(), VoiceCache(file / "below"))
    assert (await voice.prepare(["Hello."])).lines == 1
    assert (await say(voice, "Hello.")).pcm


async def test_a_line_that_fails_is_spoken_live_and_silence_is_not_kept() -> None:
    inner = CountingVoice(broken="Bad.")
    voice = cached(inner, VoiceCache())
    assert (await voice.prepare(["Bad.", "Good."])).lines == 1
    with pytest.raises(EngineDown):
        await say(voice, "Bad.")
    await voice.prepare([""])
    await voice.prepare([""])
    assert inner.said.count("") == 2


async def test_preparing_and_speaking_never_use_one_voice_at_once() -> None:
    voice = cached(CountingVoice(), VoiceCache())
    await asyncio.gather(voice.prepare(["a", "b"]), say(voice, "c"), say(voice, "d"))


async def test_a_spare_voice_prepares(tmp_path: Path) -> None:
    inner, spare = CountingVoice(), CountingVoice()
    voice = CachedVoice(inner, VoiceCache(), engine="test", spare=spare)
    await voice.prepare(["a"])
    assert (inner.said, spare.said) == ([], ["a"])
    await voice.close()
    assert (inner.closed, spare.closed) == (1, 1)


async def test_private_lines_are_never_written(tmp_path: Path) -> None:
    cache = VoiceCache(tmp_path)
    voice = cached(CountingVoice(), cache)
    made = await voice.prepare(["Hello, Dana."], private=True)
    assert (made.lines, made.characters) == (1, len("Hello, Dana."))
    assert voice.knows("Hello, Dana.")
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 (a test's own folder)


async def test_what_one_call_is_making_no_other_makes() -> None:
    cache, first, second = VoiceCache(), CountingVoice(), CountingVoice()
    made = await asyncio.gather(
        cached(first, cache).prepare(["a", "b"]), cached(second, cache).prepare(["a", "b"])
    )
    assert sorted(first.said + second.said) == ["a", "b"]
    assert sum(each.lines for each in made) == 2
    assert (await cached(second, cache).prepare(["a", "b"])).lines == 0


async def test_a_line_that_was_given_up_may_be_made_again() -> None:
    cache = VoiceCache()
    assert (await cached(CountingVoice(broken="a"), cache).prepare(["a"])).lines == 0
    assert (await cached(CountingVoice(), cache).prepare(["a"])).lines == 1


def remembering(inner: CountingVoice, kept: Remembering) -> CachedVoice:
    return CachedVoice(inner, VoiceCache(), engine="test", remembering=kept)


async def test_short_pieces_said_live_are_said_from_memory_the_next_time() -> None:
    inner = CountingVoice()
    voice = remembering(inner, Remembering(VoiceCache(), 2))
    for text in ("Got it,", "Got it,", "that is twenty dollars.", "that is twenty dollars."):
        assert (await say(voice, text)).pcm == sound_of(text) * 2
    assert inner.said == ["Got it,", "that is twenty dollars.", "that is twenty dollars."]


async def test_what_broke_off_or_was_left_is_not_kept() -> None:
    inner = CountingVoice(broken="Got it,")
    kept = VoiceCache()
    voice = remembering(inner, Remembering(kept, 2))
    with pytest.raises(EngineDown):
        await say(voice, "Got it,")
    left = voice.say("Thank you,")
    await anext(left)
    await left.aclose()
    assert not voice.knows("Got it,")
    assert not voice.knows("Thank you,")


async def test_another_voice_in_its_place_is_neither_kept_nor_mixed_with_what_was() -> None:
    inner, speaks = CountingVoice(), [True]
    voice = remembering(inner, Remembering(VoiceCache(), 2, lambda: speaks[0]))
    await say(voice, "Got it,")
    speaks[0] = False
    assert not voice.knows("Got it,")
    await say(voice, "Got it,")
    await say(voice, "I see.")
    speaks[0] = True
    assert voice.knows("Got it,")
    assert not voice.knows("I see.")


async def test_a_line_in_another_language_is_another_line() -> None:
    cache, inner = VoiceCache(), CountingVoice()
    await CachedVoice(inner, cache, engine="test", language="en").prepare(["No."])
    assert not CachedVoice(inner, cache, engine="test", language="es").knows("No.")
