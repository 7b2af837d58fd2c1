"""The scripted prospect: plays a persona over a leg, as caller or as called.

It knows only the audio it receives: whether the agent sounds is judged by level, what the agent
says by a recogniser of its own. Everything it hears and says also passes through its `Ear`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from trunkline.audio.frame import Frame, frame_bytes
from trunkline.clock import Clock
from trunkline.errors import EngineError, MediaError
from trunkline.events import EngineEndOfTurn, Final, HungUp
from trunkline.lab.cueing import Cueing
from trunkline.lab.ear import Ear
from trunkline.lab.persona import Cue, Persona
from trunkline.lab.recordings import RATE, Recordings
from trunkline.legs.leg import Leg
from trunkline.providers.protocols import Recognition

AGENT_SOUNDS_WITHIN = 0.06
"""Seconds: silence shorter than this is inside a word."""
SENTENCE_PAUSE = 0.12
"""Seconds of the agent's silence at which the recogniser is told that a sentence may be over."""
NOTHING_MORE = 20.0
"""Seconds of silence on both sides after which the prospect hangs up."""
LAST_TRANSCRIPT = 2.0
"""Seconds the recogniser is given for its last words when the call has ended."""


@dataclass(slots=True)
class Line:
    """Something the prospect heard or said. `kind`: "heard", or the cue's "say", "interrupt",
    "backchannel", "silent"."""

    at: float
    kind: str
    text: str
    cue: str = ""


@dataclass(slots=True)
class ProspectReport:
    """What the prospect has to say about the call."""

    lines: list[Line] = field(default_factory=list)
    unspoken: tuple[str, ...] = ()
    ended: str = ""
    """Why the call ended, as the prospect saw it."""
    trouble: str = ""
    """What failed on the prospect's own side (its recogniser), if anything did."""


class Prospect:
    """One persona on one leg. `run` holds the call; `ear` has measured it afterwards.

    `recognition`: an open recognition at the leg's rate, or None: then the persona's cues are taken
    by order alone. It is closed when the call ends. `listen_in` is given 20 ms of both sides, what
    is sent and what was received last, every 20 ms.
    """

    def __init__(
        self,
        persona: Persona,
        leg: Leg,
        clock: Clock,
        recordings: Recordings,
        recognition: Recognition | None = None,
        listen_in: Callable[[bytes | None, bytes | None], None] | None = None,
    ) -> None:
        self.persona = persona
        self.ear = Ear()
        self.report = ProspectReport()
        self._leg = leg
        self._clock = clock
        self._recordings = recordings
        self._recognition = recognition
        self._listen_in = listen_in
        self._newest: bytes | None = None
        self._cueing = Cueing(persona)
        self._queue = b""
        self._quiet_since = clock.now()
        self._agent_speaks = False
        self._spoke = False
        self._hang_up = asyncio.Event()
        self._sounds: dict[str, bytes] = {}

    async def run(self) -> ProspectReport:
        """Answer or wait to be answered, talk, and give the report once the call has ended.

        Raises what `leg.answer()` raises where no call comes about."""
        await self._leg.answer()
        self._sounds = {line: self._at_leg_rate(line) for line in self.persona.lines}
        self._quiet_since = self._clock.now()
        listening = asyncio.ensure_future(self._listen())
        hanging_up = asyncio.ensure_future(self._hang_up.wait())
        watching = asyncio.ensure_future(self._watch())
        try:
            self._leg.start(self._on_frame, self._next_frame)
            done, _ = await asyncio.wait(
                (watching, hanging_up), timeout=self.persona.limit, return_when=asyncio.FIRST_COMPLETED
            )
            if watching in done:
                self.report.ended = watching.result()
            else:
                self.report.ended = "prospect hung up" if done else "the persona's time limit"
        finally:
            await self._leg.hang_up(self.report.ended or "prospect failed")
            for task in (watching, hanging_up):
                task.cancel()
            if self._recognition is not None:
                self._recognition.finalise()
                await asyncio.wait((listening,), timeout=LAST_TRANSCRIPT if self._agent_speaks else 0.2)
                await self._recognition.close()
            listening.cancel()
            await asyncio.gather(watching, hanging_up, listening, return_exceptions=True)
        self.report.unspoken = self._cueing.unspoken
        return self.report

    async def _watch(self) -> str:
        async for event in self._leg.events():
            if isinstance(event, HungUp):
                return event.reason or "hung up"
        return "the call ended"

    async def _listen(self) -> None:
        if self._recognition is None:
            return
        try:
            async for heard in self._recognition:
                if isinstance(heard, EngineEndOfTurn):
                    continue
                if isinstance(heard, Final) and heard.text:
                    self.report.lines.append(Line(heard.at, "heard", heard.text))
                self._cueing.heard(heard.text, final=isinstance(heard, Final))
        except EngineError as error:
            # The call goes on by order of cues, and the report says so.
            self.report.trouble = str(error)

    def _on_frame(self, frame: Frame) -> None:
        self.ear.received(frame)
        self._newest = frame.pcm
        if self._recognition is None:
            return
        self._recognition.push(frame)
        spans = self.ear.agent.spans
        sounds = self.ear.agent.sounds_at(frame.at, SENTENCE_PAUSE)
        if sounds and not self._agent_speaks:
            self._recognition.speech_started(spans[-1].start)
        elif self._agent_speaks and not sounds:
            self._recognition.speech_stopped(spans[-1].end)
        self._agent_speaks = sounds

    def _next_frame(self, now: float) -> bytes | None:
        piece = self._speak(now)
        if self._listen_in is not None:
            self._listen_in(piece, self._newest)
            self._newest = None
        return piece

    def _speak(self, now: float) -> bytes | None:
        agent_sounds = self.ear.agent.sounds_at(now, AGENT_SOUNDS_WITHIN)
        cue = self._cueing.tick(now, agent_sounds=agent_sounds, speaking=bool(self._queue))
        if cue is not None:
            self._take_up(cue, now)
        if not self._queue:
            self._rest(now, agent_sounds)
            return None
        size = frame_bytes(self._leg.rate)
        piece, self._queue = self._queue[:size], self._queue[size:]
        piece += bytes(size - len(piece))
        self.ear.sent(piece, self._leg.rate, now)
        self._spoke = True
        return piece

    def _take_up(self, cue: Cue, now: float) -> None:
        kind = "silent" if cue.stay_silent else cue.kind
        self.report.lines.append(Line(now, kind, cue.say, cue.name))
        self._quiet_since = now
        if cue.say:
            self.ear.meant(now, cue.name, cue.kind)
            self._queue = self._sounds[cue.say]

    def _rest(self, now: float, agent_sounds: bool) -> None:
        if self._spoke:
            self._spoke = False
            self._cueing.stopped_speaking(now)
            self._quiet_since = now
            if self._cueing.finished:
                self._hang_up.set()
        if agent_sounds:
            self._quiet_since = now
        elif now - self._quiet_since > NOTHING_MORE:
            self._hang_up.set()

    def _at_leg_rate(self, line: str) -> bytes:
        samples = self._recordings.samples(line)
        times, rest = divmod(self._leg.rate, RATE)
        if rest or not times:
            raise MediaError(f"the recordings cannot be played at {self._leg.rate} Hz", where="prospect")
        if times > 1:
            places = np.arange(len(samples) * times) / times
            samples = np.interp(places, np.arange(len(samples)), samples).astype(np.int16)
        return samples.astype("<i2").tobytes()
