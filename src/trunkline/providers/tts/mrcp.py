"""A synthesiser that an enterprise already runs, over MRCPv2 (RFC 6787 section 8): `--tts mrcp,server=sip:…`.

One channel for each call. Its sound comes as RTP, in its own time: a second of speech takes a second to come.
Each word is followed by a mark in the SSML; servers that tell of marks (SPEECH-MARKER) so tell how far the
words have come.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncGenerator

from trunkline.audio.frame import Frame
from trunkline.clock import Clock
from trunkline.errors import (
    EngineDown,
    EngineError,
    EngineNetwork,
    EngineRequest,
    EngineTimeout,
    TrunklineError,
)
from trunkline.mrcp.client import MrcpChannel
from trunkline.mrcp.engine_server import EngineServer
from trunkline.mrcp.markup import print_script
from trunkline.mrcp.message import Event, Fields, field
from trunkline.mrcp.results import Spoke, cause
from trunkline.providers.protocols import Spoken, VoiceOptions

QUIET = 160
"""Samples whose size is below this count as silence, of 32,768."""
_LAST_PACKETS = 0.08
"""Seconds that sound may still come after the server says that it has spoken."""
_SILENT_FOR = 5.0
"""Seconds in which neither sound nor a word may come, before the server counts as stuck."""
_WAITING = 3000
"""Frames of a sentence that nobody takes: a minute. It ends there."""
_TAIL = 2
"""Silent frames that are kept at an end."""


class MrcpVoices:
    """`server`: its SIP address, `sip:HOST[:PORT]`. `voice`: a name of the server's. `ssml` false: the words
    alone are sent, for servers that know no SSML. `language` as the server names it; empty: the call's.
    `codec`: one or more, as "PCMU PCMA L16". `bind`: where our SIP is for it. `control`: "tcp", or "tls" for
    the words; `srtp`: "off", or "required" for the sound. `certificate`, `key`: files of our own, PEM;
    `trusted`: one of who may vouch for the server, empty: whom this machine trusts."""

    name = "mrcp"

    def __init__(
        self,
        *,
        clock: Clock,
        server: str = "",
        voice: str = "",
        ssml: bool = True,
        language: str = "",
        codec: str = "PCMU PCMA",
        bind: str = "udp:0.0.0.0:0",
        control: str = "tcp",
        srtp: str = "off",
        certificate: str = "",
        key: str = "",
        trusted: str = "",
    ) -> None:
        self._clock = clock
        self._server = EngineServer(
            clock,
            "tts",
            server,
            "speechsynth",
            codec,
            bind,
            control=control,
            srtp=srtp,
            files=(certificate, key, trusted),
        )
        self._voice = voice
        self.ssml = ssml
        self._language = language

    async def start(self) -> None:
        """Open a channel once, to see that the server is there and has a synthesiser."""
        self._server.check()
        await self._server.start()

    async def open(self, options: VoiceOptions) -> MrcpVoice:
        channel = await self._server.channel()
        voice = options.voice or self._voice
        return MrcpVoice(channel, self._clock, voice, self._language or options.language, ssml=self.ssml)

    async def close(self) -> None:
        await self._server.close()


class MrcpVoice:
    """One call's channel. Sentences are spoken one after the other."""

    def __init__(self, channel: MrcpChannel, clock: Clock, voice: str, language: str, *, ssml: bool) -> None:
        self.rate = channel.media.rate
        self._channel = channel
        self._clock = clock
        self._voice = voice
        self._language = language
        self._ssml = ssml
        self._sentence: _Sentence | None = None
        channel.on_event = self._event
        channel.on_lost = self._lost
        channel.media.start(self._frame, lambda _: None)

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        if not self._channel.alive:
            raise EngineDown("the voice was closed, or its channel is gone", where="mrcp")
        if not any(char.isalnum() for char in text):
            return
        body, places = self._script(text)
        sentence = self._sentence = _Sentence(places)
        try:
            answer = await self._channel.ask("SPEAK", self._fields(), body)
            if answer.status >= 300:
                raise EngineRequest(f"the server refuses to speak: {answer.status}", where="mrcp")
            sentence.id = answer.id
            async for spoken in self._sound(sentence):
                yield spoken
        except EngineError:
            raise
        except TrunklineError as error:
            raise EngineNetwork(error.what, where="mrcp") from error
        finally:
            self._sentence = None
            if sentence.cause is None and self._channel.alive:
                # Dropped early: nothing of it is to come any more, nor to be paid for.
                self._stop()

    def _script(self, text: str) -> tuple[bytes, dict[str, int]]:
        if self._ssml:
            return print_script(text, self._language)
        return text.encode("utf-8", "replace"), {}

    def _fields(self) -> Fields:
        kind = "application/ssml+xml" if self._ssml else "text/plain"
        fields = [("Content-Type", kind), ("Speech-Language", self._language)]
        return (*fields, *([("Voice-Name", self._voice)] if self._voice else []))

    async def _sound(self, sentence: _Sentence) -> AsyncGenerator[Spoken, None]:
        """Each frame as it comes, without the silence before and behind."""
        while True:
            try:
                async with asyncio.timeout(_SILENT_FOR):
                    item = await sentence.next()
            except TimeoutError as error:
                raise EngineTimeout("neither sound nor a word from the server", where="mrcp") from error
            if item is None:
                break
            yield item
        if sentence.error is not None:
            raise EngineNetwork(sentence.error.what, where="mrcp")
        if sentence.cause not in (Spoke.NORMAL, Spoke.BARGE_IN, Spoke.CANCELLED):
            raise EngineDown(f"the server could not speak it (cause {sentence.cause})", where="mrcp")

    def _stop(self) -> None:
        try:
            self._channel.begin("STOP")
        except TrunklineError:
            return  # the channel is gone, and what it said with it

    def _frame(self, frame: Frame) -> None:
        if self._sentence is not None:
            self._sentence.frame(frame)

    def _event(self, event: Event) -> None:
        sentence = self._sentence
        if sentence is None or (sentence.id and event.id != sentence.id):
            return
        if event.name == "SPEECH-MARKER":
            name = field(event, "Speech-Marker").partition(";")[2].strip()
            sentence.marker(name)
        elif event.name == "SPEAK-COMPLETE":
            code = cause(event)
            self._clock.call_at(
                self._clock.now() + _LAST_PACKETS,
                lambda: sentence.end(Spoke.NORMAL if code is None else code),
            )

    def _lost(self, error: TrunklineError) -> None:
        if self._sentence is not None:
            self._sentence.error = error
            self._sentence.end(Spoke.ERROR)

    async def close(self) -> None:
        await self._channel.close()
        if self._sentence is not None:
            self._sentence.end(Spoke.CANCELLED)


class _Sentence:
    """One sentence's sound on its way from the socket to whoever speaks it."""

    def __init__(self, places: dict[str, int]) -> None:
        self.id = 0
        self.cause: int | None = None
        """How it ended; None while it has not."""
        self.error: TrunklineError | None = None
        self._places = places
        self._queue: asyncio.Queue[Spoken | None] = asyncio.Queue(_WAITING + 1)
        self._silent: list[bytes] = []
        """Frames of silence after sound, which may turn out to be its end."""
        self._begun = False
        self._seconds = 0.0
        self._marks: list[tuple[float, int]] = []

    def frame(self, frame: Frame) -> None:
        """Bounded by the sentence's own length: it comes in its own time, and ends with its request."""
        if self.cause is not None:
            return
        samples = array("h", frame.pcm)
        loud = not frame.concealed and max(map(abs, samples), default=0) >= QUIET
        if not loud:
            if self._begun:
                self._silent.append(frame.pcm)
            return
        self._begun = True
        pcm = b"".join((*self._silent, frame.pcm))
        self._silent.clear()
        self._give(pcm, frame.rate)

    def marker(self, name: str) -> None:
        """The server has spoken as far as this mark."""
        if name in self._places:
            held = sum(map(len, self._silent)) / 16000
            self._marks.append((self._seconds + held, self._places[name]))

    def end(self, code: int) -> None:
        if self.cause is None:
            if self._begun:
                self._give(b"".join(self._silent[:_TAIL]), 0)
            self.cause = code
            self._queue.put_nowait(None)

    async def next(self) -> Spoken | None:
        return await self._queue.get()

    def _give(self, pcm: bytes, rate: int) -> None:
        if rate:
            self._seconds += len(pcm) / 2 / rate
        marks, self._marks = tuple(self._marks), []
        if (pcm or marks) and self._queue.qsize() < _WAITING:
            self._queue.put_nowait(Spoken(pcm, marks))
