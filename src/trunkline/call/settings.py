"""What a call may be told to do otherwise: limits, the voice, turn-taking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from trunkline.call.budget import BudgetSettings
from trunkline.turn.policy import TurnPolicy


@dataclass(frozen=True, slots=True)
class CallSettings:
    """Times are seconds. The configuration file's `[call]` and `[turn]` tables are read into this."""

    turn: TurnPolicy = field(default_factory=TurnPolicy)
    budget: BudgetSettings = field(default_factory=BudgetSettings)
    vad: str = "silero"
    """Which voice activity detector: "silero", "gate" or "energy"."""
    voice: str = ""
    """Empty: the scenario's, or else the engine's own."""
    words_per_minute: int = 0
    """0: the scenario's pace."""
    language: str = "en"
    sentence_pause: float = 0.16
    """Silence between two sentences of one answer."""
    first_token_timeout: float = 4.0
    token_timeout: float = 4.0
    first_audio_timeout: float = 3.0
    audio_timeout: float = 3.0
    max_duration: float = 1800.0
    """The longest call: then the scenario says goodbye."""
    goodbye_time: float = 15.0
    """How long a goodbye may take once the call must end."""
    speculate: bool = True
    """Prepare the answer while the end of the turn is still being decided."""
    simple_turns: Literal["brain", "model"] = "brain"
    """Who answers a yes, a no, a number or a named choice that typed understanding is sure of: the
    local brain, at once and without cost, or the model that leads the call."""
    smart_turn: str = "auto"
    """The acoustic model of end of turn: "auto" where its package is installed, "off", or an ONNX file."""
    line_cache: str = "auto"
    """Folder in which fixed lines are kept as sound between runs: "auto" for the user's cache folder, empty
    for memory alone. Lines with a contact's data are never written."""
    line_cache_mb: float = 256.0
    """How large that folder may grow, in megabytes; the least used lines go first."""
    remembered_words: int = 4
    """Pieces of a model's answers of up to so many words ("Got it,", "Thank you very much.") are kept as
    sound, in memory alone: many answers begin with one that was said before, and need no voice for it then.
    0: none is kept."""
    openers: tuple[str, ...] = ()
    """Short words ("Got it.", "I see.") that cover a model which is slow to answer. None: off."""
    opener_after: float = 0.4
    """How long the model may take for its first words before one of them is said."""
    review: Literal["rules", "model"] = "model"
    """After the call its record is reviewed: from what was said and learned alone, or also by the model
    that leads calls, where that is not the local brain."""
    record_audio: bool = True
    media_lost_limit: float = 20.0
    """No packet for so long ends the call."""
    person_ring_time: float = 30.0
    """How long a person may be rung before they count as not answering."""
    person_answer_time: float = 12.0
    """How long a person may think about taking a call, each of the two times that they are asked."""
    whisper: str = (
        "There is a call for you from {caller}. {known} Press 1 or say yes to take it, 2 or no to decline."
    )
    """What a person is told before they take a call; {known} is what was learned."""
    record_joined: bool = False
    """Go on recording while the caller talks with a person."""
    joined_limit: float = 7200.0
    """The longest talk of a caller with a person."""
