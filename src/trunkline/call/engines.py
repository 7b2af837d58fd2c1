"""The engines that calls share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.call.sounded_end import SoundedEnds
from trunkline.call.tool_work import RunsTools
from trunkline.providers.protocols import LanguageModel, SpeechToText, TextToSpeech
from trunkline.providers.voice_cache import VoiceCache


@dataclass(frozen=True, slots=True)
class Engines:
    """Started engines. `stt` in the order in which they are tried."""

    stt: Sequence[SpeechToText]
    llm: LanguageModel
    tts: TextToSpeech
    lines: VoiceCache | None = None
    """Fixed lines as sound, for all calls; None: every line is synthesised when it is said."""
    fast: LanguageModel | None = None
    """For simple turns, once the budget asks for it."""
    ends: SoundedEnds | None = None
    """How pauses sounded, where the acoustic model is there."""
    voice: str = ""
    """The first voice's spec, by which its lines are known."""
    tools: RunsTools | None = None
    """What steps of kind call may use."""
    judge: LanguageModel | None = None
    """What watches over the scenario's rules in plain words."""

    def names(self) -> dict[str, str]:
        return {"stt": self.stt[0].name, "llm": self.llm.name, "tts": self.tts.name}
