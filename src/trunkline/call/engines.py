"""The engines that calls share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trunkline.call.sounded_end import SoundedEnds
from trunkline.call.tool_work import RunsTools
from trunkline.providers.breaker import Breaker
from trunkline.providers.protocols import LanguageModel, SpeechToText, TextToSpeech
from trunkline.providers.s2s.protocol import SpeechToSpeech
from trunkline.providers.voice_cache import VoiceCache


@dataclass(frozen=True, slots=True)
class Engines:
    """Started engines. `stt` in the order in which they are tried."""

    stt: Sequence[SpeechToText]
    llm: LanguageModel
    tts: TextToSpeech
    lines: VoiceCache | None = None
    """Fixed lines as sound, for all calls; None: every line is synthesised when it is said."""
    beginnings: VoiceCache | None = None
    """Short pieces of models' answers as sound, for all calls; None: none are kept."""
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
    s2s: SpeechToSpeech | None = None
    """What hears and speaks by itself; the other three are then behind it."""
    s2s_breaker: Breaker = field(default_factory=Breaker)
    """Shared by all calls."""

    def names(self) -> dict[str, str]:
        """Which engine does what, for the record."""
        if self.s2s is not None:
            name = self.s2s.name
            return {"stt": self.s2s.transcriber or name, "llm": name, "tts": name, "s2s": name}
        return {"stt": self.stt[0].name, "llm": self.llm.name, "tts": self.tts.name}
