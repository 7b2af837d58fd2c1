"""Piper on this machine: `--tts piper,voice=FILE.onnx`, with its `FILE.onnx.json` beside it
(huggingface.co/rhasspy/piper-voices).

`piper-tts` is under the GPL-3, so it runs in worker processes of its own and is never loaded into this one;
`workers` sentences are spoken at once. It tells no word times.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineMissing, EngineTimeout
from trunkline.providers.protocols import Spoken, VoiceOptions
from trunkline.providers.stt.worker_process import WorkerProcess
from trunkline.providers.stt.worker_wire import Kind
from trunkline.providers.tts.sentence_sound import Encoding, SentenceSound, speakable

_WHERE = "tts piper"
_WORKER = "trunkline.providers.tts.piper_worker"
_USUAL_PACE = 160
"""Words a minute that a voice's own pace is taken for."""


class Piper:
    """`voice`: the voice's file. `speaker`: of a voice with several, by number. `first_audio_s`: how long a
    sentence's first sound may take."""

    name = "piper"
    voices_are = (
        "Its voice is the file that voice= names; of a file with several speakers, speaker= is the number"
    )

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "",
        speaker: int = 0,
        workers: int = 1,
        first_audio_s: float = 10.0,
    ) -> None:
        if not 1 <= workers <= 64 or speaker < 0 or first_audio_s <= 0:
            raise ConfigError("workers is 1 to 64, speaker 0 or more, first_audio_s positive", where=_WHERE)
        if not voice.strip() or voice.startswith("-"):
            raise ConfigError("no voice is given", where=_WHERE, hint="Write piper,voice=FILE.onnx")
        self._clock = clock
        self._file = voice
        self._path = Path(voice).expanduser()
        self._speaker = speaker
        self._workers = workers
        self._first_audio = first_audio_s
        self._rate = 0
        self._all: list[WorkerProcess] = []
        self._free: asyncio.Queue[WorkerProcess] = asyncio.Queue()

    async def start(self) -> None:
        """Load the voice. Raises `EngineMissing` where it or its package is not there."""
        if find_spec("piper") is None:
            raise EngineMissing(
                "piper-tts is not installed", where=_WHERE, hint="Install it: pip install 'trunkline[piper]'"
            )
        if not await asyncio.to_thread(self._path.is_file):
            raise EngineMissing(
                f"there is no file {self._file}",
                where=_WHERE,
                hint="Fetch a voice: python -m piper.download_voices en_US-lessac-medium",
            )
        try:
            while len(self._all) < self._workers:
                process = await self._process()
                self._all.append(process)
                self._free.put_nowait(process)
            if not self._rate:  # the voice's own, heard from a first word that also warms the model up
                async for _ in self.spoken("ready", 1.0):
                    pass
        except EngineError:
            await self.close()
            raise

    async def _process(self) -> WorkerProcess:
        return await WorkerProcess.start(_WORKER, self._file, str(self._speaker), where=_WHERE)

    async def open(self, options: VoiceOptions) -> PiperVoice:
        if not self._all:
            raise EngineDown("it was not started, or was closed", where=_WHERE)
        return PiperVoice(self, self._rate, _USUAL_PACE / max(40, min(400, options.words_per_minute)))

    async def close(self) -> None:
        """End the processes; may be called more than once."""
        while self._all:
            await self._all.pop().kill()
        self._free = asyncio.Queue()

    async def spoken(self, text: str, pace: float) -> AsyncGenerator[bytes, None]:
        """The sound of a sentence, piece by piece, from whichever process is free. Closed early, the process
        is told, and is free again once it has computed what it is at."""
        pieces: asyncio.Queue[bytes | EngineError | None] = asyncio.Queue()
        try:
            async with asyncio.timeout(self._first_audio):
                process = await self._free.get()
                if process.failure is not None:
                    process = await self._replaced(process)
        except TimeoutError:
            raise EngineTimeout("no process was free in time", where=_WHERE) from None
        number = next(_sentences)
        over = False

        def end(with_what: EngineError | None) -> None:
            nonlocal over
            over = True
            process.detach()
            self._free.put_nowait(process)
            pieces.put_nowait(with_what)

        def on_message(kind: Kind, body: dict[str, Any]) -> None:
            if kind is Kind.SPOKEN and body.get("id") == number:
                if body.get("last"):
                    end(None)
                else:
                    pieces.put_nowait(self._sound(body))

        process.attach(on_message, end)
        process.send(Kind.SPEAK, {"id": number, "text": text, "pace": pace})
        try:
            while (piece := await self._next(pieces)) is not None:
                yield piece
        finally:
            if not over:
                process.send(Kind.CLOSE, {"id": number})

    async def _next(self, pieces: asyncio.Queue[bytes | EngineError | None]) -> bytes | None:
        try:
            async with asyncio.timeout(self._first_audio):
                piece = await pieces.get()
        except TimeoutError:
            raise EngineTimeout(f"no sound came within {self._first_audio:g} s", where=_WHERE) from None
        if isinstance(piece, EngineError):
            raise piece
        return piece

    def _sound(self, body: dict[str, Any]) -> bytes | EngineError:
        try:
            self._rate = int(body["rate"])
            return base64.b64decode(body["pcm"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            return EngineDown(f"its worker spoke nonsense ({error!r})", where=_WHERE)

    async def _replaced(self, dead: WorkerProcess) -> WorkerProcess:
        try:
            process = await self._process()
        except EngineError:
            self._free.put_nowait(dead)
            raise
        await dead.kill()
        self._all[self._all.index(dead)] = process
        return process


_sentences = itertools.count(1)


class PiperVoice:
    """One call's voice."""

    def __init__(self, engine: Piper, rate: int, pace: float) -> None:
        self.rate = rate
        self._engine = engine
        self._pace = pace
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator forgets what is still to come of it."""
        if self._closed:
            raise EngineDown("the voice was closed", where=_WHERE)
        words = speakable(text)
        if not words:
            return
        sound = SentenceSound(Encoding.PCM, self.rate)
        async with aclosing(self._engine.spoken(words, self._pace)) as pieces:
            async for piece in pieces:
                if spoken := sound.push(piece):
                    yield spoken
        if last := sound.flush():
            yield last

    async def close(self) -> None:
        self._closed = True
