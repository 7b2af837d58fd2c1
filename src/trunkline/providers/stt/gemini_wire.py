"""What Gemini's live transcription is told, and what it tells. Pure.

ai.google.dev/gemini-api/docs/live-api/live-transcribe. `interimInputTranscription` is all of an utterance so
far and may change; `inputTranscription` is final, whole or in pieces; `generationComplete` follows the last
of them. An activity in which nothing was said leads to none of these, only to a note that it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trunkline.errors import EngineDown
from trunkline.providers.gemini_live_messages import (
    Sounds,
    Told,
    activity_end,
    activity_start,
    read,
    setup,
)
from trunkline.providers.protocols import Heard
from trunkline.providers.stt.socket_recognition import Message, Moment
from trunkline.providers.stt.utterance_words import Utterance, Utterances

_SHORTEST = 0.1
"""Seconds; shorter sound is no speech."""
_GRACE = 0.6
"""Seconds that words may still come after the service noted the end, or after words without a last
message."""

OnSpoken = Callable[[str, bytes], None]
"""Told the words of an utterance, and its sound at the rate that was sent."""


class TranscribeWire:
    """One connection's utterances."""

    piece = 0.04
    least = 0.0
    idle = 600.0

    def __init__(
        self, model: str, language: str, mode: str, sounds: Sounds, on_spoken: OnSpoken | None = None
    ) -> None:
        self.ready = False
        self.utterances = Utterances()
        self.leaving = False
        """The service has said that it will end the connection."""
        self.keyterms: tuple[str, ...] = ()
        self._model = model
        self._language = language
        self._mode = mode
        self._sounds = sounds
        self._on_spoken = on_spoken
        self._sound: dict[int, bytearray] = {}
        """Of the utterances that are not final yet."""
        self._final: dict[int, str] = {}
        """Their words that will not change."""
        self._quiet_since: float | None = None
        """When the service said the last thing but one that it ever says of an utterance."""

    def begin(self, keyterms: tuple[str, ...]) -> list[Message]:
        self.keyterms = keyterms
        listening: dict[str, Any] = {"languageCodes": [self._language]} if self._language else {}
        if self._mode:
            listening["mode"] = self._mode.upper()
        if keyterms:
            listening["customVocabulary"] = list(keyterms)
        fields = {
            "generationConfig": {"responseModalities": ["TEXT"]},
            "inputAudioTranscription": listening,
            "realtimeInputConfig": {
                "automaticActivityDetection": {"disabled": True},
                # Who speaks again does not take back what is still owed for the utterance before.
                "activityHandling": "NO_INTERRUPTION",
            },
        }
        return [setup(self._model, fields)]

    def begin_utterance(self, at: float, *, own: bool) -> list[Message]:
        self.utterances.begin(at, own=own)
        known = {id(one) for one in self.utterances.waiting}
        self._sound = {key: sound for key, sound in self._sound.items() if key in known}
        self._final = {key: text for key, text in self._final.items() if key in known}
        return [activity_start()]

    def sound(self, data: bytes) -> list[Message]:
        if (one := self.utterances.open) is None:
            return []
        one.seconds += len(data) / 2 / self._sounds.rate
        if self._on_spoken is not None:
            self._sound.setdefault(id(one), bytearray()).extend(data)
        return [*self._sounds.messages(data)]

    def end_utterance(self, at: float, now: float) -> list[Message]:
        if (one := self.utterances.open) is None:
            return []
        one.ended, one.asked = at, now
        if one.seconds < _SHORTEST and one.own:
            self.utterances.waiting.remove(one)
        return [activity_end()]

    def pause(self) -> list[Message]:
        return []

    def finalise(self) -> list[Message]:
        return []

    def expect(self, keyterms: tuple[str, ...]) -> list[Message]:
        """The setup cannot be changed; the next connection listens for them."""
        self.keyterms = keyterms
        return []

    def keep(self) -> list[Message]:
        return []

    def end(self) -> list[Message]:
        return []

    def read(self, message: Message, moment: Moment) -> list[Heard]:
        told = read(message)
        self.ready = self.ready or told.ready
        self.leaving = self.leaving or told.leaves_in is not None
        if told.reason and told.reason.startswith("PROHIBITED"):
            raise EngineDown(f"it heard no more: {told.reason}", where="gemini")
        one = self.utterances.waiting[0] if self.utterances.waiting else None
        return [] if one is None else self._of(one, told, moment.now)

    def _of(self, one: Utterance, told: Told, now: float) -> list[Heard]:
        before = one.text
        final = self._final.get(id(one), "")
        if told.heard:
            final += told.heard
            self._final[id(one)] = final
            one.text = final
        elif told.hearing:
            one.text = f"{final} {told.hearing}" if final else told.hearing
        over = one.ended is not None
        if over and (told.generated or told.turn_over):
            return self._done(now)
        if over and (told.heard or told.silence_ended):
            self._quiet_since = now
        if one.text == before:
            return []
        heard = self.utterances.heard_so_far(one, now)
        return [heard] if heard else []

    def in_progress(self) -> list[tuple[str, bytes]]:
        """The words so far of the utterances that are not final, and their sound so far."""
        return [(one.text, bytes(self._sound.get(id(one), b""))) for one in self.utterances.waiting]

    def waited(self, now: float) -> list[Heard]:
        """Time has passed: an utterance whose last message did not come is final without it."""
        if self._quiet_since is None or now - self._quiet_since < _GRACE:
            return []
        return self._done(now)

    def _done(self, now: float) -> list[Heard]:
        self._quiet_since = None
        one = self.utterances.waiting[0]
        one.done = True
        sound = bytes(self._sound.pop(id(one), b""))
        self._final.pop(id(one), None)
        finals = self.utterances.finished(now)
        if self._on_spoken is not None:
            for each in finals:
                self._on_spoken(each.text, sound)
        return [*finals]
