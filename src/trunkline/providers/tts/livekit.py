"""Any voice that a plugin of LiveKit Agents speaks with: `--tts livekit:rime`.

Sentence by sentence, over the connection that the plugin keeps. It tells no word times.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineDown, EngineError, EngineTimeout
from trunkline.providers.livekit_plugins import Plugin
from trunkline.providers.protocols import Spoken, VoiceOptions
from trunkline.providers.tts.sentence_sound import Encoding, SentenceSound, speakable

_CONNECT = 5.0
_FIRST_AUDIO = 8.0
_BETWEEN_AUDIO = 4.0


class LiveKitTextToSpeech:
    """`plugin`: its name; `options`: for its constructor."""

    def __init__(self, *, clock: Clock, plugin: str, options: Mapping[str, str]) -> None:
        self.name = f"livekit/{plugin}"
        self._plugin = Plugin("TTS", plugin, options)
        self._clock = clock

    async def start(self) -> None:
        await self._plugin.start()

    async def open(self, options: VoiceOptions) -> LiveKitVoice:
        del options  # pace and voice are the plugin's own options
        engine = self._plugin.when_started()
        self._plugin.call(engine.prewarm)
        return LiveKitVoice(self._plugin, engine)

    async def close(self) -> None:
        await self._plugin.close()


class LiveKitVoice:
    """One call's voice."""

    def __init__(self, plugin: Plugin, engine: Any) -> None:
        self.rate: int = engine.sample_rate
        self._plugin = plugin
        self._engine = engine
        self._closed = False

    async def say(self, text: str) -> AsyncGenerator[Spoken, None]:
        """Speak one sentence. Closing the generator cancels."""
        if self._closed:
            raise EngineDown("the voice was closed", where=self._plugin.where)
        words = speakable(text)
        if not words:
            return
        sound = SentenceSound(Encoding.PCM, self.rate)
        limit = _FIRST_AUDIO
        stream: Any = None
        try:
            stream = self._asked(words)
            while True:
                async with asyncio.timeout(limit):
                    event = await anext(stream, None)
                if event is None:
                    break
                limit = _BETWEEN_AUDIO
                if spoken := sound.push(event.frame.data.tobytes()):
                    yield spoken
        except EngineError:
            raise
        except TimeoutError:
            raise EngineTimeout("no sound came in its time", where=self._plugin.where) from None
        except Exception as error:
            # A plugin may raise whatever it likes; here it is told as what it is.
            raise self._plugin.error(error) from error
        finally:
            if stream is not None:
                await stream.aclose()
        if last := sound.flush():
            yield last

    def _asked(self, words: str) -> Any:
        once = self._plugin.once(_CONNECT)
        if not self._engine.capabilities.streaming:
            return self._plugin.call(self._engine.synthesize, words, conn_options=once)
        stream = self._plugin.call(self._engine.stream, conn_options=once)
        stream.push_text(words)
        stream.end_input()
        return stream

    async def close(self) -> None:
        self._closed = True
