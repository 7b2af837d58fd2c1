"""Our recognisers as an MRCP resource (RFC 6787 section 9): one for each channel.

Where speech begins and ends is our own voice activity's to say; the words are the configured engines'. A
request is complete when its caller has been silent for its Speech-Complete-Timeout.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as made

import structlog

from trunkline.audio.frame import Frame
from trunkline.call.listen import Listener
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import Clock
from trunkline.errors import EngineError, ParseError
from trunkline.events import Event, Expectation, Final, SpeechStarted, SpeechStopped, Trouble
from trunkline.mrcp.markup import phrases_of
from trunkline.mrcp.message import Fields, Request, State, content, field
from trunkline.mrcp.nlsml import Reading, print_nlsml
from trunkline.mrcp.results import Recognised, verdict, written
from trunkline.mrcp.server import ServerChannel
from trunkline.providers.protocols import ListenOptions, SpeechToText

DEFAULTS = {
    "no-input-timeout": 5000,
    "recognition-timeout": 10_000,
    "speech-complete-timeout": 800,
}
"""Milliseconds."""
FINAL_WITHIN = 4.0
"""Seconds that an engine may take for its first word."""
MORE_WITHIN = 1.0
"""The same for what was said after a pause, when it has given the words before that."""
_LAST_WORD = 0.3
"""Seconds by which an engine's last word may end before the speech does, and still be the last."""
_WAITING_REQUESTS = 8
_GRAMMARS = 64
_PARAMETERS = 64
_LONGEST_MS = 600_000

logger = structlog.get_logger("mrcp")


class _Unusable(Exception):
    """A grammar that cannot be had: the cause that says so."""

    def __init__(self, why: Recognised) -> None:
        super().__init__(why.name)
        self.why = why


@dataclass(slots=True)
class _Recognising:
    """The RECOGNIZE in progress."""

    request: Request
    grammar: str
    started: bool = False
    maxtime: bool = False
    finishing: bool = False
    """The caller has been silent for long enough: only the engine's last word is waited for."""
    since: float = 0.0
    """When the latest stretch of speech began."""
    until: float = 0.0
    """When it ended."""
    stretches: int = 0
    heard: list[Final] = made(default_factory=list)

    @property
    def all_heard(self) -> bool:
        """Whether the engine's last words are of the latest stretch. An engine that says no times gives a
        result for each."""
        if not self.heard:
            return False
        words = self.heard[-1].words
        if not words:
            return len(self.heard) >= self.stretches
        return words[-1].end > max(self.since, self.until - _LAST_WORD)


class RecogniserResource:
    """Made for a channel; its `run` opens the engines."""

    def __init__(
        self,
        channel: ServerChannel,
        engines: Sequence[SpeechToText],
        clock: Clock,
        batch: VoiceBatch,
        *,
        vad: str,
        language: str,
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._batch = batch
        self._vad = vad
        self._listener = Listener(engines, ListenOptions(channel.rate, language), clock, self._heard)
        self._parameters: dict[str, str] = {}
        self._grammars: dict[str, tuple[str, ...]] = {}
        self._now: _Recognising | None = None
        self._waiting: deque[Request] = deque()
        self._last: tuple[Fields, bytes] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # --- the resource -------------------------------------------------------------------------------

    async def run(self) -> None:
        try:
            await self._listener.open(self._batch, self._vad)
            await self._listener.run()
        except EngineError as error:
            logger.error("no recogniser is left", channel=self._channel.id, error=error.for_log())
            self._complete(Recognised.RECOGNIZER_ERROR)

    async def close(self) -> None:
        self._now = None
        self._stop_timers()
        await self._listener.close()

    def hear(self, frame: Frame) -> None:
        # Only what is said for a request is the engine's affair; the caller may pay for it by the second.
        if self._now is not None:
            self._listener.hear(frame)

    def next_frame(self) -> bytes | None:
        return None

    def take(self, request: Request) -> None:
        refused = verdict("speechrecog", self._state, request.method)
        if refused:
            self._channel.reply(request, refused, State.COMPLETE)
            return
        match request.method:
            case "RECOGNIZE":
                self._recognize(request)
            case "DEFINE-GRAMMAR":
                self._define(request)
            case "START-INPUT-TIMERS":
                self._channel.reply(request, 200, State.COMPLETE)
                self._start_input_timer()
            case "STOP":
                self._stop(request)
            case "SET-PARAMS":
                given = {name.lower(): value for name, value in request.fields if _is_parameter(name)}
                self._parameters = dict([*self._parameters.items(), *given.items()][-_PARAMETERS:])
                self._channel.reply(request, 200, State.COMPLETE)
            case "GET-PARAMS":
                wanted = [name for name, _ in request.fields if _is_parameter(name)]
                told = tuple((name, self._parameters.get(name.lower(), "")) for name in wanted)
                self._channel.reply(request, 200, State.COMPLETE, told)
            case "GET-RESULT":
                fields, body = self._last or ((), b"")
                self._channel.reply(request, 200 if self._last else 402, State.COMPLETE, fields, body)

    @property
    def _state(self) -> str:
        if self._now is not None:
            return "recognizing"
        return "idle" if self._last is None else "recognized"

    # --- grammars -----------------------------------------------------------------------------------

    def _define(self, request: Request) -> None:
        name = field(request, "Content-ID").strip("<>")
        try:
            if not name or (len(self._grammars) >= _GRAMMARS and name not in self._grammars):
                raise _Unusable(Recognised.GRAMMAR_DEFINITION_FAILURE)
            self._grammars[name] = self._phrases(request)[0]
        except _Unusable as error:
            fields = (("Completion-Cause", written(error.why)),)
            self._channel.reply(request, 407, State.COMPLETE, fields)
            return
        self._channel.reply(
            request, 200, State.COMPLETE, (("Completion-Cause", written(Recognised.SUCCESS)),)
        )

    def _phrases(self, request: Request) -> tuple[tuple[str, ...], str]:
        """The sentences that a request's grammars hold, and the first grammar's name; none for any speech at
        all. Raises `_Unusable`."""
        kind = content(request)
        if kind == "application/srgs+xml":
            try:
                return phrases_of(request.body), f"session:{field(request, 'Content-ID').strip('<>')}"
            except ParseError as error:
                raise _Unusable(Recognised.GRAMMAR_COMPILATION_FAILURE) from error
        if kind not in ("text/uri-list", "text/grammar-ref-list", ""):
            raise _Unusable(Recognised.GRAMMAR_LOAD_FAILURE)
        uris = [line.strip().strip("<>") for line in request.body.decode("utf-8", "replace").splitlines()]
        found: list[str] = []
        for uri in [uri for uri in uris if uri and not uri.startswith("#")]:
            name = uri.removeprefix("session:")
            if name in self._grammars:
                found += self._grammars[name]
            elif not uri.startswith("builtin:"):
                # Nothing is fetched for strangers from wherever they say.
                raise _Unusable(Recognised.URI_FAILURE)
        return tuple(dict.fromkeys(found)), next((uri for uri in uris if uri), "builtin:speech/transcribe")

    # --- recognising --------------------------------------------------------------------------------

    def _recognize(self, request: Request) -> None:
        if self._now is not None:
            if len(self._waiting) >= _WAITING_REQUESTS:
                self._channel.reply(request, 407, State.COMPLETE)
            elif field(request, "Cancel-If-Queue").lower() == "true":
                self._drop_current(Recognised.CANCELLED)
                self._begin(request)
            else:
                self._waiting.append(request)
                self._channel.reply(request, 200, State.PENDING)
            return
        self._begin(request)

    def _begin(self, request: Request, *, told: bool = False) -> None:
        try:
            phrases, grammar = self._phrases(request)
        except _Unusable as error:
            fields = (("Completion-Cause", written(error.why)),)
            if told:
                self._channel.tell("RECOGNITION-COMPLETE", request.id, State.COMPLETE, fields)
            else:
                self._channel.reply(request, 407, State.COMPLETE, fields)
            return
        self._now = _Recognising(request, grammar)
        self._last = None
        self._listener.expect(Expectation(phrases=tuple(one.lower() for one in phrases)))
        if not told:
            self._channel.reply(request, 200, State.IN_PROGRESS)
        if field(request, "Start-Input-Timers").lower() != "false":
            self._start_input_timer()

    def _heard(self, event: Event) -> None:
        """Voice activity and words, from the listener."""
        match event:
            case SpeechStarted(since=since):
                self._speech_started(since)
            case SpeechStopped(until=until):
                self._speech_stopped(until)
            case Final():
                self._final(event)
            case Trouble(error=error):  # its class; its words may be a service's
                logger.warning("recogniser", channel=self._channel.id, error=error)
            case _:
                pass

    def _speech_started(self, since: float) -> None:
        now = self._now
        if now is None or now.finishing:
            return
        now.since = since
        now.stretches += 1
        self._stop_timer("complete")
        if not now.started:
            now.started = True
            self._stop_timer("input")
            fields = (("Input-Type", "speech"),)
            self._channel.tell("START-OF-INPUT", now.request.id, State.IN_PROGRESS, fields)
            self._timer("maxtime", self._milliseconds("recognition-timeout"), self._too_long)

    def _speech_stopped(self, until: float) -> None:
        now = self._now
        if now is None or not now.started or now.finishing:
            return
        now.until = until
        silence = self._milliseconds("speech-complete-timeout") - (self._clock.now() - until)
        self._timer("complete", max(0.0, silence), self._silent_long_enough)

    def _silent_long_enough(self) -> None:
        now = self._now
        if now is None:
            return
        now.finishing = True
        if now.all_heard:
            self._finish()
            return
        self._listener.finalise()
        self._timer("final", MORE_WITHIN if now.heard else FINAL_WITHIN, self._finish)

    def _too_long(self) -> None:
        if self._now is not None:
            self._now.maxtime = True
            self._silent_long_enough()

    def _final(self, final: Final) -> None:
        now = self._now
        if now is None or not now.started:
            return
        now.heard.append(final)
        if now.finishing and now.all_heard:
            self._finish()

    def _finish(self) -> None:
        now = self._now
        assert now is not None
        texts = [one.text for one in now.heard if one.text and not one.rejected]
        confidence = min((one.confidence for one in now.heard if one.text), default=0.0)
        if not texts or confidence < _share(self._value("confidence-threshold")):
            self._complete(Recognised.NO_MATCH_MAXTIME if now.maxtime else Recognised.NO_MATCH)
            return
        reading = Reading(" ".join(texts), max(0.0, min(1.0, confidence)))
        why = Recognised.SUCCESS_MAXTIME if now.maxtime else Recognised.SUCCESS
        self._complete(why, print_nlsml(reading, now.grammar))

    def _complete(self, why: Recognised, body: bytes = b"") -> None:
        now, self._now = self._now, None
        self._stop_timers()
        if now is None:
            return
        kind = (("Content-Type", "application/nlsml+xml"),) if body else ()
        fields = (("Completion-Cause", written(why)), *kind)
        self._last = (fields, body)
        self._channel.tell("RECOGNITION-COMPLETE", now.request.id, State.COMPLETE, fields, body)
        if self._waiting and self._now is None:
            self._begin(self._waiting.popleft(), told=True)

    def _drop_current(self, why: Recognised) -> None:
        now, self._now = self._now, None
        self._stop_timers()
        if now is not None:
            fields = (("Completion-Cause", written(why)),)
            self._channel.tell("RECOGNITION-COMPLETE", now.request.id, State.COMPLETE, fields)

    def _stop(self, request: Request) -> None:
        ended = [one.id for one in self._waiting]
        self._waiting.clear()
        if self._now is not None:
            ended.insert(0, self._now.request.id)
            self._now = None
            self._stop_timers()
            self._listener.finalise()  # what was said until now belongs to nobody's next request
        fields = (("Active-Request-Id-List", ",".join(map(str, ended))),) if ended else ()
        self._channel.reply(request, 200, State.COMPLETE, fields)

    # --- times --------------------------------------------------------------------------------------

    def _start_input_timer(self) -> None:
        if self._now is not None and not self._now.started:
            self._timer("input", self._milliseconds("no-input-timeout"), self._nothing_said)

    def _nothing_said(self) -> None:
        self._complete(Recognised.NO_INPUT_TIMEOUT)

    def _value(self, name: str) -> str:
        now = self._now
        own = field(now.request, name) if now is not None else ""
        return own or self._parameters.get(name, "")

    def _milliseconds(self, name: str) -> float:
        """A time that the request, the channel or nobody set, in seconds."""
        text = self._value(name)
        good = text.isascii() and text.isdigit() and len(text) < 8
        return min(int(text) if good else DEFAULTS[name], _LONGEST_MS) / 1000

    def _timer(self, name: str, seconds: float, act: Callable[[], None]) -> None:
        self._stop_timer(name)
        self._timers[name] = self._clock.call_at(self._clock.now() + seconds, act)

    def _stop_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _stop_timers(self) -> None:
        for name in list(self._timers):
            self._stop_timer(name)


def _is_parameter(name: str) -> bool:
    return name.lower() not in ("channel-identifier", "content-type", "content-length")


def _share(text: str) -> float:
    """0 to 1; what is no number is none."""
    try:
        return max(0.0, min(1.0, float(text)))
    except ValueError:
        return 0.0
