"""Any recogniser that a plugin of LiveKit Agents speaks to: `--stt livekit:speechmatics`.

The plugin streams; a pause and the turn's end are told with its `flush`, which some plugins turn into final
words at once and others ignore. Where it tells word times, they are the words'; else they are spread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from trunkline.audio.frame import Frame
from trunkline.audio.resample import RATES
from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineRequest
from trunkline.events import Expectation, Word
from trunkline.providers.livekit_plugins import Plugin
from trunkline.providers.protocols import Heard, ListenOptions
from trunkline.providers.stt.hearing import final, partial, seconds, spread, trust
from trunkline.providers.stt.outbox import Outbox
from trunkline.providers.stt.timeline import Timeline

_CONNECT = 5.0
_PIECE_MS = 100
"""A multiple of the pieces that plugins send: of 20, 50 and 100 ms."""


class LiveKitSpeechToText:
    """`plugin`: its name; `options`: for its constructor."""

    def __init__(self, *, clock: Clock, plugin: str, options: Mapping[str, str]) -> None:
        self.name = f"livekit/{plugin}"
        self._plugin = Plugin("STT", plugin, options)
        self._clock = clock
        self._open: list[LiveKitRecognition] = []

    async def start(self) -> None:
        await self._plugin.start()
        if not self._plugin.engine.capabilities.streaming:
            await self._plugin.close()
            raise ConfigError("the plugin's recogniser does not stream", where=self._plugin.where)

    async def open(self, options: ListenOptions) -> LiveKitRecognition:
        engine = self._plugin.when_started()
        if options.rate not in RATES:
            where = self._plugin.where
            raise EngineRequest(f"it cannot take {options.rate} Hz", where=where, hint=f"Rates are {RATES}")
        recognition = LiveKitRecognition(self._plugin, engine, self._clock, options)
        self._open = [other for other in self._open if not other.closed]
        self._open.append(recognition)
        return recognition

    async def close(self) -> None:
        still_open, self._open = self._open, []
        for recognition in still_open:
            await recognition.close()
        await self._plugin.close()


class LiveKitRecognition:
    """One call's. One task reads the plugin's events; the plugin's own tasks end with its stream."""

    def __init__(self, plugin: Plugin, engine: Any, clock: Clock, options: ListenOptions) -> None:
        self._plugin = plugin
        self._clock = clock
        self._options = options
        self._outbox = Outbox()
        self._timeline = Timeline()
        self._said = 0.0
        """Second of the sound at which the last final words end."""
        self._closed = False
        try:
            self._stream = plugin.call(engine.stream, conn_options=plugin.once(_CONNECT))
        except Exception as error:
            # A plugin may raise whatever it likes; here it is told as what it is.
            raise plugin.error(error) from error
        self._task = asyncio.create_task(self._read_all(), name=f"{plugin.where}: words")

    def push(self, frame: Frame) -> None:
        if self._outbox.ended or not frame.pcm:
            return
        if frame.rate != self._options.rate or len(frame.pcm) % 2:
            error = EngineRequest(f"a frame is not {self._options.rate} Hz", where=self._plugin.where)
            self._outbox.complain(error)
            return
        from livekit import rtc

        self._timeline.sent(frame.seconds, frame.at)
        sound = rtc.AudioFrame(frame.pcm, frame.rate, 1, len(frame.pcm) // 2)
        self._tell(lambda: self._stream.push_frame(sound))

    def speech_started(self, since: float) -> None:
        """The service hears for itself."""

    def speech_stopped(self, until: float) -> None:  # noqa: ARG002 - all sound up to now belongs to it
        self.finalise()

    def finalise(self) -> None:
        if self._outbox.ended or not self._timeline.seconds:
            return
        # A plugin sends what is left of its piece as it is; some services end the session over a short one.
        if missing := -round(self._timeline.seconds * 1000) % _PIECE_MS:
            pcm = bytes(round(missing / 1000 * self._options.rate) * 2)
            at = self._timeline.at(self._timeline.seconds)
            self.push(Frame(pcm, self._options.rate, at + missing / 1000))
        self._tell(self._stream.flush)

    def _tell(self, do: Any) -> None:
        try:
            do()
        except RuntimeError as error:  # its stream has ended; the reader knows why, or will
            self._outbox.fail(self._plugin.error(error))

    def expect(self, expectation: Expectation) -> None:
        """Plugins have no common way to be told."""

    def __aiter__(self) -> AsyncIterator[Heard]:
        return self._outbox

    @property
    def closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        self._closed = True
        self._outbox.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._stream.aclose()

    async def _read_all(self) -> None:
        try:
            async for event in self._stream:
                if heard := self._heard(event):
                    self._outbox.put(heard)
        except Exception as error:  # noqa: BLE001 - the task ends here, and a call is told why
            self._outbox.fail(self._plugin.error(error))
        else:
            self._outbox.fail(self._plugin.error(RuntimeError("its stream ended")))

    def _heard(self, event: Any) -> Heard | None:
        kind = event.type.value
        if kind not in ("interim_transcript", "preflight_transcript", "final_transcript"):
            return None
        if not event.alternatives or not event.alternatives[0].text.strip():
            return None
        now, best = self._clock.now(), event.alternatives[0]
        words = self._words(best, now)
        if kind != "final_transcript":
            return partial(now, words, len(words) if kind == "preflight_transcript" else 0)
        self._said = self._timeline.seconds
        return final(now, words, trust(best.confidence or None))

    def _words(self, best: Any, now: float) -> list[Word]:
        written = best.text.split()
        timed = [word for word in best.words or () if str(word).strip()]
        if len(timed) == len(written):
            try:
                return [
                    Word(text, self._at(word.start_time, now), self._at(word.end_time, now), 1.0)
                    for text, word in zip(written, timed, strict=True)
                ]
            except (TypeError, ValueError):
                pass  # not every plugin fills them in
        begin, end = self._said, self._timeline.seconds
        if best.end_time > best.start_time:
            begin, end = best.start_time, best.end_time
        return list(spread(best.text, self._at(begin, now), self._at(end, now)))

    def _at(self, second: float, now: float) -> float:
        return min(now, self._timeline.at(seconds(second)))
