"""Our voices as an MRCP resource (RFC 6787 section 8): one for each channel."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog

from trunkline.audio.cut import FrameCutter
from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.audio.resample import Resampler
from trunkline.clock import Clock
from trunkline.errors import EngineError, ParseError
from trunkline.mrcp.markup import Script, parse_script
from trunkline.mrcp.message import Fields, Request, State, content, field
from trunkline.mrcp.results import Spoke, verdict, written
from trunkline.mrcp.server import ServerChannel
from trunkline.providers.protocols import TextToSpeech, Voice, VoiceOptions

AHEAD = 250
"""Frames that are synthesised before they are due: five seconds. Then the engine waits."""
_WAITING_REQUESTS = 16
_PARAMETERS = 64

logger = structlog.get_logger("mrcp")


@dataclass(slots=True)
class _Speaking:
    """The SPEAK in progress."""

    request: Request
    script: Script
    played: int = 0
    """Frames that have left."""
    synthesised: bool = False
    failed: Spoke = Spoke.NORMAL
    told: int = 0
    """Marks that the client knows of."""


class SynthesiserResource:
    """Made for a channel; its `run` speaks what is asked for."""

    def __init__(self, channel: ServerChannel, engine: TextToSpeech, clock: Clock, *, language: str) -> None:
        self._channel = channel
        self._engine = engine
        self._clock = clock
        self._language = language
        self._voice: Voice | None = None
        self._voice_name = ""
        self._parameters: dict[str, str] = {}
        self._waiting: deque[tuple[Request, Script]] = deque()
        self._now: _Speaking | None = None
        self._synthesis: asyncio.Task[None] | None = None
        self._frames: deque[bytes] = deque()
        self._words: list[tuple[float, int]] = []
        """Of the sentence: seconds, and how many characters are spoken by then."""
        self._paused = False
        self._room = asyncio.Event()
        self._more = asyncio.Event()

    # --- the resource -------------------------------------------------------------------------------

    async def run(self) -> None:
        """One SPEAK after the other."""
        while True:
            await self._more.wait()
            self._more.clear()
            now = self._now
            if now is None or now.synthesised or self._synthesis is not None:
                continue
            self._synthesis = asyncio.create_task(self._synthesise(now), name=f"speaks {self._channel.id}")
            try:
                await asyncio.wait((self._synthesis,))
            finally:
                self._synthesis.cancel()
                await asyncio.gather(self._synthesis, return_exceptions=True)
                self._synthesis = None

    async def close(self) -> None:
        self._now = None
        self._waiting.clear()
        self._frames.clear()
        if self._voice is not None:
            with suppress(EngineError):  # it is being thrown away
                await self._voice.close()

    def hear(self, frame: Frame) -> None:
        """A synthesiser hears nothing."""

    def next_frame(self) -> bytes | None:
        now = self._now
        if now is None or self._paused:
            return None
        if self._frames:
            now.played += 1
            self._tell_marks(now)
            pcm = self._frames.popleft()
            if len(self._frames) < AHEAD:
                self._room.set()
            return pcm
        if now.synthesised:
            self._complete(now.failed)
        return None

    def take(self, request: Request) -> None:
        refused = verdict("speechsynth", self._state, request.method)
        if refused:
            self._channel.reply(request, refused, State.COMPLETE)
            return
        match request.method:
            case "SPEAK":
                self._speak(request)
            case "STOP":
                self._stop(request)
            case "BARGE-IN-OCCURRED":
                self._barged_in(request)
            case "PAUSE" | "RESUME":
                self._paused = request.method == "PAUSE"
                self._channel.reply(request, 200, State.COMPLETE, self._active())
            case "SET-PARAMS":
                given = {name.lower(): value for name, value in request.fields if _is_parameter(name)}
                self._parameters = dict([*self._parameters.items(), *given.items()][-_PARAMETERS:])
                self._channel.reply(request, 200, State.COMPLETE)
            case "GET-PARAMS":
                wanted = [name for name, _ in request.fields if _is_parameter(name)]
                told = tuple((name, self._parameters.get(name.lower(), "")) for name in wanted)
                self._channel.reply(request, 200, State.COMPLETE, told)

    @property
    def _state(self) -> str:
        if self._now is None:
            return "idle"
        return "paused" if self._paused else "speaking"

    # --- speaking -----------------------------------------------------------------------------------

    def _speak(self, request: Request) -> None:
        try:
            script = _script(request)
        except ParseError:
            self._channel.reply(
                request, 407, State.COMPLETE, (("Completion-Cause", written(Spoke.PARSE_FAILURE)),)
            )
            return
        if self._now is not None:
            if len(self._waiting) >= _WAITING_REQUESTS:
                self._channel.reply(request, 407, State.COMPLETE)
                return
            self._waiting.append((request, script))
            self._channel.reply(request, 200, State.PENDING)
            return
        self._channel.reply(request, 200, State.IN_PROGRESS, (self._marker(),))
        self._begin(request, script)

    def _begin(self, request: Request, script: Script) -> None:
        self._now = _Speaking(request, script)
        self._words = []
        self._frames.clear()
        self._paused = False
        self._more.set()

    async def _synthesise(self, now: _Speaking) -> None:
        try:
            if any(char.isalnum() for char in now.script.text):
                voice = await self._voice_for(self._value(now.request, "voice-name"))
                await self._fill(voice, now.script.text)
        except EngineError as error:
            logger.warning("voice", channel=self._channel.id, error=error.for_log())
            now.failed = Spoke.ERROR
        now.synthesised = True

    async def _fill(self, voice: Voice, text: str) -> None:
        """The sentence's sound, at the channel's rate, no further ahead than it may be."""
        resampler, cutter = Resampler(voice.rate, self._channel.rate), FrameCutter(self._channel.rate)
        seconds = 0.0
        async with aclosing(voice.say(text)) as sound:
            async for spoken in sound:
                self._words += spoken.marks
                seconds += len(spoken.pcm) / 2 / voice.rate
                self._frames.extend(cutter.push(resampler.push(spoken.pcm)))
                while len(self._frames) >= AHEAD:
                    self._room.clear()
                    await self._room.wait()
        self._frames.extend(cutter.push(resampler.flush()))
        if (rest := cutter.flush()) is not None:
            self._frames.append(rest)
        if not self._words:
            self._words = [(seconds, len(text))]

    async def _voice_for(self, name: str) -> Voice:
        if self._voice is None or name != self._voice_name:
            if self._voice is not None:
                await self._voice.close()
            options = VoiceOptions(name, language=self._language, rate=self._channel.rate)
            self._voice, self._voice_name = await self._engine.open(options), name
        return self._voice

    def _complete(self, why: Spoke) -> None:
        now, self._now = self._now, None
        assert now is not None
        for name, _ in now.script.marks[now.told :]:
            self._tell_mark(now, name)
        fields = (("Completion-Cause", written(why)), self._marker())
        self._channel.tell("SPEAK-COMPLETE", now.request.id, State.COMPLETE, fields)
        if self._waiting:
            self._begin(*self._waiting.popleft())

    def _cut(self) -> list[int]:
        """Stop all of it; gives the requests that ended so."""
        ended = [request.id for request, _ in self._waiting]
        self._waiting.clear()
        if self._now is not None:
            ended.insert(0, self._now.request.id)
            self._now = None
        self._frames.clear()
        if self._synthesis is not None:
            self._synthesis.cancel()
        return ended

    def _stop(self, request: Request) -> None:
        ended = self._cut()
        fields = (("Active-Request-Id-List", ",".join(map(str, ended))),) if ended else ()
        self._channel.reply(request, 200, State.COMPLETE, (*fields, self._marker()))

    def _barged_in(self, request: Request) -> None:
        now = self._now
        if now is None or self._value(now.request, "kill-on-barge-in").lower() == "false":
            self._channel.reply(request, 200, State.COMPLETE)
        else:
            self._stop(request)

    def _active(self) -> Fields:
        return (("Active-Request-Id-List", str(self._now.request.id)),) if self._now is not None else ()

    def _value(self, request: Request, name: str) -> str:
        return field(request, name) or self._parameters.get(name, "")

    # --- marks --------------------------------------------------------------------------------------

    def _tell_marks(self, now: _Speaking) -> None:
        """Marks whose words have been heard, as far as the voice says where words are."""
        played = now.played * FRAME_SECONDS
        spoken = max((place for at, place in self._words if at <= played), default=0)
        marks = now.script.marks
        while now.told < len(marks) and 0 < marks[now.told][1] <= spoken:
            self._tell_mark(now, marks[now.told][0])
            now.told += 1

    def _tell_mark(self, now: _Speaking, name: str) -> None:
        self._channel.tell("SPEECH-MARKER", now.request.id, State.IN_PROGRESS, (self._marker(name),))

    def _marker(self, name: str = "") -> tuple[str, str]:
        """The time as NTP counts it (section 8.4.8), and the mark."""
        since_1900 = int((self._clock.wall().timestamp() + 2_208_988_800) * 1000)
        return "Speech-Marker", f"timestamp={since_1900}{f';{name}' if name else ''}"


def _script(request: Request) -> Script:
    """What is to be spoken. Raises `ParseError`."""
    match content(request):
        case "application/ssml+xml" | "application/synthesis+ssml":
            return parse_script(request.body)
        case "text/plain" | "":
            return Script(" ".join(request.body.decode("utf-8", "replace").split()))
        case other:
            raise ParseError(f"a script as {other[:60]!r}", where="mrcp")


def _is_parameter(name: str) -> bool:
    return name.lower() not in ("channel-identifier", "content-type", "content-length")
