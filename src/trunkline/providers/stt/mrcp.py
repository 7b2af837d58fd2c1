"""A recogniser that an enterprise already runs, over MRCPv2 (RFC 6787 section 9): `--stt mrcp,server=sip:…`.

One channel for each call. RECOGNIZE is asked again as soon as one is complete, so that the server always
listens; it finds the beginning and end of what is said by itself. MRCP knows no interim results and no way to
have a result now, so a `Final` comes when the server's own silence (`silence_ms`) is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from trunkline.audio.cut import FrameCutter
from trunkline.audio.frame import FRAME_SECONDS, Frame
from trunkline.audio.resample import RATES, Resampler
from trunkline.clock import Clock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineNetwork,
    EngineRequest,
    ParseError,
    TrunklineError,
)
from trunkline.events import Expectation, Final, Word
from trunkline.mrcp.client import MrcpChannel
from trunkline.mrcp.engine_server import EngineServer
from trunkline.mrcp.markup import print_grammar
from trunkline.mrcp.message import Event, Fields, State, content
from trunkline.mrcp.nlsml import MEDIA_TYPES, Reading, parse_nlsml
from trunkline.mrcp.results import NOT_UNDERSTOOD, NOTHING_SAID, UNDERSTOOD, cause
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.outbox import Outbox

_AHEAD = 1.0
"""Seconds of sound that may be sent at once. What comes faster is dropped, and the call is told once."""
_LONG = 3_600_000
"""Milliseconds that nobody need say anything."""
_TOO_MANY = 5
"""Results in a row that something is broken for, after which the engine gives up."""


class Mrcp:
    """`server`: its SIP address, `sip:HOST[:PORT]`. `grammar`: what it is to listen for, a URI that it
    knows. `expected` true: the phrases that the scenario expects are sent as a grammar too, and `grammar` may
    be empty. `silence_ms`: how long the caller must be silent for the server to be done. `confidence`: below
    which the server itself says no-match. `language` as the server names it; empty: the call's. `codec`: one
    or more, as "PCMU PCMA L16". `bind`: where our SIP is for it. `control`: "tcp", or "tls" for the words;
    `srtp`: "off", or "required" for the sound. `certificate`, `key`: files of our own, PEM; `trusted`: one of
    who may vouch for the server, empty: whom this machine trusts.
    """

    name = "mrcp"

    def __init__(
        self,
        *,
        clock: Clock,
        server: str = "",
        grammar: str = "builtin:speech/transcribe",
        expected: bool = False,
        silence_ms: int = 500,
        confidence: float = 0.0,
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
            "stt",
            server,
            "speechrecog",
            codec,
            bind,
            control=control,
            srtp=srtp,
            files=(certificate, key, trusted),
        )
        self.grammar = grammar
        self.expected = expected
        self.silence_ms = silence_ms
        self.confidence = confidence
        self.language = language

    async def start(self) -> None:
        """Open a channel once, to see that the server is there and has a recogniser."""
        self._server.check()
        if not self.grammar and not self.expected:
            raise ConfigError("has nothing to listen for", where="stt mrcp", hint="Set grammar or expected")
        await self._server.start()

    async def open(self, options: ListenOptions) -> MrcpRecognition:
        if options.rate not in RATES:
            raise EngineRequest(f"frames of {options.rate} Hz", where=self.name)
        recognition = MrcpRecognition(self, await self._server.channel(), self._clock, options)
        await recognition.begin()
        return recognition

    async def close(self) -> None:
        await self._server.close()


class MrcpRecognition:
    """One call's channel."""

    def __init__(self, engine: Mrcp, channel: MrcpChannel, clock: Clock, options: ListenOptions) -> None:
        self._engine = engine
        self._channel = channel
        self._clock = clock
        self._language = engine.language or options.language
        self._rate = options.rate
        self._resampler = Resampler(options.rate, channel.media.rate)
        self._cutter = FrameCutter(channel.media.rate)
        self._sent_until = 0.0
        self._outbox = Outbox()
        self._current = 0
        """The RECOGNIZE in progress."""
        self._began: float | None = None
        """When the server heard speech begin."""
        self._broken = 0
        self._grammars: list[str] = []
        self._defined = 0
        channel.on_event = self._event
        channel.on_lost = self._lost

    async def begin(self) -> None:
        """Start the sound, and have the server listen. Raises `EngineError`."""
        self._channel.media.start(lambda _: None, lambda _: None)
        self._channel.media.give_to(_Nobody())
        try:
            answer = await self._channel.ask("RECOGNIZE", *self._recognize())
        except TrunklineError as error:
            await self._channel.close()
            raise EngineNetwork(error.what, where=self._engine.name) from error
        if answer.status >= 300:
            await self._channel.close()
            raise EngineRequest(f"the server refuses to recognise: {answer.status}", where=self._engine.name)
        self._current = answer.id

    def push(self, frame: Frame) -> None:
        if self._outbox.ended:
            return
        if frame.rate != self._rate or len(frame.pcm) % 2:
            self._outbox.complain(EngineRequest("a frame of another rate", where=self._engine.name))
            return
        for piece in self._cutter.push(self._resampler.push(frame.pcm)):
            now = self._clock.now()
            until = max(self._sent_until, now) + FRAME_SECONDS
            if until - now > _AHEAD:
                self._outbox.complain(EngineDown("frames came faster than they can be sent", where="mrcp"))
                return
            self._sent_until = until
            # In the caller's own time: a beat of ours would put silence where a frame is a little late.
            self._channel.media.say(piece, now)

    def speech_started(self, since: float) -> None:
        """It hears for itself."""

    def speech_stopped(self, until: float) -> None:
        """It hears for itself."""

    def finalise(self) -> None:
        """The server's own silence decides: STOP would throw away what it has (section 9.17)."""

    def expect(self, expectation: Expectation) -> None:
        """The phrases as a grammar, for the next RECOGNIZE."""
        if not self._engine.expected or self._outbox.ended:
            return
        phrases = [one for one in expectation.phrases if "<" not in one]
        try:
            grammar = print_grammar(phrases, self._language)
        except ParseError:
            self._grammars = []  # nothing that a grammar can hold is expected
            return
        self._defined += 1
        name = f"expected{self._defined}@trunkline"
        fields = (("Content-Type", "application/srgs+xml"), ("Content-ID", f"<{name}>"))
        try:
            self._channel.begin("DEFINE-GRAMMAR", fields, grammar)
            self._grammars = [f"session:{name}"]
            # What is listened for changes at once, unless somebody speaks just now.
            if self._began is None and self._current:
                self._channel.begin("STOP")
                self._again()
        except TrunklineError as error:
            self._lost(error)

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    async def close(self) -> None:
        self._outbox.close()
        await self._channel.close()

    # --- requests and what comes of them ------------------------------------------------------------

    def _recognize(self) -> tuple[Fields, bytes]:
        engine = self._engine
        fields = [
            ("Content-Type", "text/uri-list"),
            ("Cancel-If-Queue", "false"),
            ("Start-Input-Timers", "false"),
            ("No-Input-Timeout", str(_LONG)),
            ("Speech-Complete-Timeout", str(engine.silence_ms)),
            ("Speech-Incomplete-Timeout", str(engine.silence_ms)),
            ("Speech-Language", self._language),
        ]
        if engine.confidence > 0:
            fields.append(("Confidence-Threshold", f"{engine.confidence:.2f}"))
        uris = [*self._grammars, *([engine.grammar] if engine.grammar else [])]
        return tuple(fields), "\r\n".join(uris or ["builtin:speech/transcribe"]).encode()

    def _again(self) -> None:
        self._began = None
        try:
            self._current = self._channel.begin("RECOGNIZE", *self._recognize())
        except TrunklineError as error:
            self._lost(error)

    def _event(self, event: Event) -> None:
        if event.id != self._current:
            return
        if event.name == "START-OF-INPUT":
            self._began = self._clock.now()
        elif event.name == "RECOGNITION-COMPLETE" or event.state is State.COMPLETE:
            self._complete(event)

    def _complete(self, event: Event) -> None:
        code = cause(event)
        if code in UNDERSTOOD:
            self._broken = 0
            self._understood(event)
        elif code in NOT_UNDERSTOOD:
            self._broken = 0
            self._outbox.put(Final(self._clock.now(), "", confidence=0.0, rejected=True))
        elif code not in NOTHING_SAID:
            self._broken += 1
            if self._broken >= _TOO_MANY:
                what = f"the recogniser fails again and again (cause {code})"
                self._outbox.fail(EngineDown(what, where=self._engine.name))
                return
        self._again()

    def _understood(self, event: Event) -> None:
        if content(event) not in MEDIA_TYPES:
            self._outbox.complain(EngineDown(f"a result as {content(event)[:60]!r}", where=self._engine.name))
            return
        try:
            readings = parse_nlsml(event.body)
        except ParseError as error:
            self._outbox.complain(EngineDown(error.what, where=self._engine.name))
            return
        now = self._clock.now()
        if not readings:
            self._outbox.put(Final(now, "", confidence=0.0, rejected=True))
            return
        self._outbox.put(_final(readings[0], self._began, now, self._engine.silence_ms / 1000))

    def _lost(self, error: TrunklineError) -> None:
        self._outbox.fail(EngineNetwork(error.what, where=self._engine.name))


class _Nobody:
    """Who listens to a recogniser: it says nothing."""

    def packet(self, packet: object, meaning: object, at: float) -> None: ...

    def beat(self, now: float) -> None: ...

    def digit(self, digit: str) -> None: ...


def _final(reading: Reading, began: float | None, now: float, silence: float) -> Final:
    """The server says no word's time: they are spread evenly over what it heard."""
    texts = reading.text.split()
    start = now if began is None else began
    end = max(start, now - silence)
    step = (end - start) / max(1, len(texts))
    words = tuple(
        Word(text, start + step * place, start + step * (place + 1), reading.confidence)
        for place, text in enumerate(texts)
    )
    return Final(now, " ".join(texts), words, reading.confidence)
