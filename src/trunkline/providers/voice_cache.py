"""Fixed lines are synthesised once: `CachedVoice` is a `Voice` that remembers what was said.

A line is known by its text, engine, voice, pace, rate and language. It is kept in memory within a bound,
and on disk within a size (least recently used goes first), so that it survives a restart. Files are
written whole or not at all; one that is torn or foreign is ignored and removed. The disk is touched in a
worker thread only, and a disk that fails costs nothing but the saving.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import struct
import tempfile
import threading
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from trunkline.errors import EngineError
from trunkline.providers.protocols import Spoken, Voice

_MAGIC = b"TLVOICE1"
_HEAD = struct.Struct(">8sII")
"""Magic, length of the marks' JSON, CRC-32 of all that follows."""
_SUFFIX = ".voice"
_CHUNK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was spoken: PCM at the voice's rate, and its marks."""

    pcm: bytes
    marks: tuple[tuple[float, int], ...] = ()


def key_of(
    text: str, *, engine: str, voice: str, words_per_minute: int, rate: int, language: str = ""
) -> str:
    """The name of a line, the same in every process."""
    fields = json.dumps([text, engine, voice, words_per_minute, rate, language])
    return hashlib.sha256(fields.encode()).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was synthesised ahead: so many lines, of so many characters."""

    lines: int = 0
    characters: int = 0

    def __add__(self, other: Prepared) -> Prepared:
        return Prepared(self.lines + other.lines, self.characters + other.characters)


class VoiceCache:
    """One for a process. `folder` None keeps lines in memory only. Sizes are bytes."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        memory_bytes: int = 32_000_000,
        disk_bytes: int = 256_000_000,
        longest_line: int = 4_000_000,
    ) -> None:
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._disk_bytes = disk_bytes
        self._longest = longest_line
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._used = 0
        self._making: set[str] = set()
        self._disk = threading.Lock()

    def remembered(self, key: str) -> Line | None:
        """A line that is in memory."""
        line = self._lines.get(key)
        if line is not None:
            self._lines.move_to_end(key)
        return line

    async def find(self, key: str) -> Line | None:
        """A line in memory or on disk."""
        line = self.remembered(key)
        if line is None and self._folder is not None:
            line = await asyncio.to_thread(self._read, self._folder, key)
            if line is not None:
                self._remember(key, line)
        return line

    def claim(self, key: str) -> bool:
        """Whether the line is now the asker's to make; False while another call is making it."""
        if key in self._making:
            return False
        self._making.add(key)
        return True

    def let_go(self, key: str) -> None:
        """The line is made, or given up."""
        self._making.discard(key)

    async def keep(self, key: str, line: Line, *, private: bool = False) -> None:
        """Remember a line, and write it to disk unless it is `private`. A disk that cannot be written is no
        error here."""
        if not line.pcm or len(line.pcm) > self._longest:
            return
        self._remember(key, line)
        if self._folder is not None and not private:
            await asyncio.to_thread(self._write, self._folder, key, line)

    def _remember(self, key: str, line: Line) -> None:
        old = self._lines.pop(key, None)
        self._used += len(line.pcm) - (len(old.pcm) if old is not None else 0)
        self._lines[key] = line
        while self._used > self._memory_bytes:
            _, gone = self._lines.popitem(last=False)
            self._used -= len(gone.pcm)

    # --- in worker threads ------------------------------------------------------------------------

    def _read(self, folder: Path, key: str) -> Line | None:
        path = folder / f"{key}{_SUFFIX}"
        try:
            if path.stat().st_size > self._longest + 1_000_000:
                raise ValueError("larger than any line")
            line = _unpack(path.read_bytes())
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            with suppress(OSError):
                path.unlink()
            return None
        return line

    def _write(self, folder: Path, key: str, line: Line) -> None:
        with self._disk, suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder, prefix=".writing-")
            written = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_pack(line))
                written.replace(folder / f"{key}{_SUFFIX}")
            finally:
                written.unlink(missing_ok=True)
            self._make_room(folder)

    def _make_room(self, folder: Path) -> None:
        files = []
        for path in folder.glob(f"*{_SUFFIX}"):
            with suppress(OSError):  # another process may have removed it
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._disk_bytes:
                return
            with suppress(OSError):
                path.unlink()
            total -= size


@dataclass(frozen=True, slots=True)
class Remembering:
    """What is kept of what was never prepared: a model's sentences hardly ever come twice, but the few words
    that its answers begin with do. In a cache of their own: they drive no prepared line out of memory."""

    cache: VoiceCache
    words: int
    """What has more is not kept."""
    is_own: Callable[[], bool] = lambda: True
    """Whether who speaks now is the voice that the sound is known by, and not one in its place."""


class CachedVoice:
    """A `Voice` that speaks fixed lines from `cache` and everything else through `voice`.

    What `prepare` was given is kept, and what `remembering` takes. `engine`, `voice_name`,
    `words_per_minute` and `language` say what the lines sound like. `spare`, a second voice that
    sounds the same, synthesises for `prepare`, so that a call's own sentences never wait for it.
    """

    def __init__(
        self,
        voice: Voice,
        cache: VoiceCache,
        *,
        engine: str,
        voice_name: str = "",
        words_per_minute: int = 160,
        language: str = "",
        spare: Voice | None = None,
        remembering: Remembering | None = None,
    ) -> None:
        self.rate = voice.rate
        self._remembering = remembering
        self._voice = voice
        self._spare = spare or voice
        self._cache = cache
        self._engine = engine
        self._voice_name = voice_name
        self._words_per_minute = words_per_minute
        self._language = language
        # A voice speaks one sentence after the other.
        self._speaking = asyncio.Lock()
        self._preparing = self._speaking if spare is None else asyncio.Lock()

    def knows(self, text: str) -> bool:
        """Whether this text would be said from the cache."""
        return self._known(text) is not None

    def _known(self, text: str) -> Line | None:
        key, remembering = self._key(text), self._remembering
        line = self._cache.remembered(key)
        if line is None and remembering is not None and remembering.is_own():
            line = remembering.cache.remembered(key)
        return line

    async def prepare(self, texts: Iterable[str], *, private: bool = False) -> Prepared:
        """Synthesise each text that is not known yet and that no other call is making; gives what was made.
        An engine that fails on one is no error here: the line is spoken live when its time comes. What is
        `private` is not written to disk."""
        made = Prepared()
        for text in dict.fromkeys(texts):
            key = self._key(text)
            if not self._cache.claim(key):
                continue
            try:
                if await self._cache.find(key) is not None:
                    continue
                await self._cache.keep(key, await self._synthesise(text), private=private)
                made += Prepared(1, len(text))
            except EngineError:
                continue
            finally:
                self._cache.let_go(key)
        return made

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        line = self._known(text)
        if line is None:
            async with self._speaking, aclosing(self._said_live(text)) as sound:
                async for piece in sound:
                    yield piece
            return
        size = round(self.rate * _CHUNK_SECONDS) * 2
        marks = line.marks  # all with the first piece: they are known
        for start in range(0, len(line.pcm), size):
            yield Spoken(line.pcm[start : start + size], marks)
            marks = ()

    async def _said_live(self, text: str) -> AsyncGenerator[Spoken, None]:
        remembering = self._remembering
        if remembering is not None and len(text.split()) > remembering.words:
            remembering = None
        pcm = bytearray()
        marks: list[tuple[float, int]] = []
        async with aclosing(self._voice.say(text)) as sound:
            async for piece in sound:
                if remembering is not None:
                    pcm += piece.pcm
                    marks += piece.marks
                yield piece
        if remembering is not None and remembering.is_own():
            await remembering.cache.keep(self._key(text), Line(bytes(pcm), tuple(marks)), private=True)

    async def close(self) -> None:
        await self._voice.close()
        if self._spare is not self._voice:
            await self._spare.close()

    def _key(self, text: str) -> str:
        return key_of(
            text,
            engine=self._engine,
            voice=self._voice_name,
            words_per_minute=self._words_per_minute,
            rate=self.rate,
            language=self._language,
        )

    async def _synthesise(self, text: str) -> Line:
        pcm = bytearray()
        marks: list[tuple[float, int]] = []
        async with self._preparing, aclosing(self._spare.say(text)) as sound:
            async for piece in sound:
                pcm += piece.pcm
                marks += piece.marks
        return Line(bytes(pcm), tuple(marks))


def _pack(line: Line) -> bytes:
    marks = json.dumps(line.marks).encode()
    body = marks + line.pcm
    return _HEAD.pack(_MAGIC, len(marks), zlib.crc32(body)) + body


def _unpack(data: bytes) -> Line:
    """Raises `ValueError` for anything that `_pack` did not make."""
    if len(data) < _HEAD.size:
        raise ValueError("too short")
    magic, length, checksum = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum or len(body) < length:
        raise ValueError("torn or foreign")
    marks = json.loads(body[:length])
    return Line(body[length:], tuple((float(at), int(said)) for at, said in marks))
