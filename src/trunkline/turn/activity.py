"""Voice activity of one call: when speech began and ended, dated to the 5 ms where it did.

Three detectors by name. `energy`: level alone, for tones and synthetic voices in benchmarks. `gate`:
the gate, where the energy is clear. `silero` (the default): the gate opens at once, the network
vetoes or confirms; where it does not answer the gate decides alone, so a caller is never slept
through. The ends are dated by energy, not by a detector's hang-over: a pause is told as soon as it
is longer than those within words, and says when it began.

A start that turns out to be no speech is taken back by a `SpeechStopped` whose `until` is its
`since`: a sound of no length.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from trunkline.events import SpeechStarted, SpeechStopped, SpeechWeighed
from trunkline.turn.loudness import LEAST, SLICE, NoiseFloor
from trunkline.turn.voicing import Sound

Vad = Literal["silero", "gate", "energy"]
VoiceEvent = SpeechStarted | SpeechStopped | SpeechWeighed

_STEP = 0.01
_FRAMES_TO_OPEN = 2
_CLEAR_ABOVE_FLOOR = 4.0
_SOUND_ABOVE_FLOOR = 2.5
_SOUND_BELOW_PEAK = 1 / 32
_SOUND_ABOVE_MURMUR, _MURMUR_BELOW_PEAK, _MURMUR_BELOW_ONSET = 2.0, 1 / 4, 1 / 2
"""What goes on behind a sound is none of it. The sound is 6 dB above that; no more is asked than 12 dB below
its own peak or, of what came before it was known, 6 dB: its peak may be yet to come."""
_MURMUR_SLICES = 30
"""Fewer slices say nothing of what was there before a sound."""
_NEW_SOUND = 0.1
"""For so long before it is known, seconds, a sound may have been there already."""
_TONE_LEAST = 180
"""In `energy`, what is louder than this is speech: -45 dB of full scale."""
_GAP_IN_ONSET = 4
_SHORT_SOUND, _SHORT_PAUSE, _PAUSE = 0.4, 0.12, 0.14
"""A sound shorter than the first is over after the second, a longer one after the third, seconds."""
_SPEECH, _MAYBE, _NOT, _SURELY_NOT = 0.5, 0.35, 0.25, 0.2
_WINDOWS_TO_VETO, _WINDOWS_TO_DOUBT, _WINDOWS_TO_END = 2, 6, 4
_HANGOVER = 0.3
_DEAF = 0.25
"""A network that has not answered for this long is not waited for, seconds."""
_WEIGH_FOR, _WEIGH_STEP = 1.0, 0.06
_LOUD = 400
_USUAL_SHARE = 0.4
_BACKGROUND = 0.1
"""20 dB below the caller."""
_HISTORY = 120


class VoiceActivity:
    """Frames and the network's answers in, speech out. Pure: all times are passed in."""

    def __init__(self, vad: Vad = "silero") -> None:
        self._vad = vad
        self._floor = NoiseFloor()
        self._slices: deque[tuple[float, int]] = deque(maxlen=_HISTORY)
        self._run = 0
        self._gate_at = float("-inf")
        self._last = float("-inf")
        """The end of the last slice that was sound."""
        self._since: float | None = None
        self._peak = 0
        self._murmur = 0
        """The usual level before the sound began. People in the background have gaps, which are taken for the
        noise floor: they are far above it."""
        self._usual = 0.0
        """The level of this caller's speech, learned."""
        # the network
        self._suspect = False
        self._owed: float | None = None
        self._confirmed = False
        self._doubts = 0
        self._refusals = 0
        self._voice_until = float("-inf")
        # the weighing
        self._voiced = self._clear = 0.0
        self._told = 0.0

    @property
    def speaking(self) -> bool:
        return self._since is not None

    @property
    def quiet(self) -> int:
        """The level of the line when nobody speaks, as far as it is known."""
        return self._floor.level

    def faint(self, levels: tuple[int, ...]) -> bool:
        """Whether this is far below the caller's own voice, as learned in this call: somebody else's, in
        the background. Never while speech goes on: its last syllables are faint too."""
        return self._since is None and 0 < max(levels) < self._usual * _BACKGROUND

    def wants_network(self, at: float) -> bool:
        """Whether windows that end about `at` should be given to the network."""
        return self._vad == "silero" and (self._since is not None or at - self._gate_at < _HANGOVER)

    def wants_voicing(self, at: float) -> bool:
        """Whether the frame at `at` should be looked at for pitch and openness."""
        return self._vad != "energy" and self._since is not None and at - self._since < _WEIGH_FOR

    def frame(
        self, at: float, levels: tuple[int, ...], gate: tuple[bool, ...], sound: Sound | None, concealed: bool
    ) -> list[VoiceEvent]:
        """Take a frame whose last sample is of `at`: its 5 ms levels, its 10 ms gate decisions, and
        its nature where that was looked at. What concealment made up starts no speech."""
        if not levels:
            return []
        begin = at - SLICE * len(levels)
        self._slices.extend([(begin + SLICE * place, level) for place, level in enumerate(levels)])
        if self._vad == "energy":
            gate = tuple(max(pair) > _TONE_LEAST for pair in zip(levels[::2], levels[1::2], strict=False))
        else:
            self._floor.hear(levels)
        self._follow_gate(at, gate, concealed)
        if self._since is None:
            return self._maybe_begin(at, levels)
        return self._go_on(at, begin, levels, gate, sound)

    def window(self, at: float, begin: float, end: float, probability: float) -> list[VoiceEvent]:
        """Take the network's answer, known at `at`, for the window from `begin` to `end`."""
        self._owed = None
        if probability >= _MAYBE:
            self._voice_until = max(self._voice_until, end)
        if self._since is None:
            if probability < _SPEECH or end <= self._last:
                return []
            self._confirmed = True
            return self._begin(at, end)
        if probability >= _SPEECH:
            self._confirmed, self._suspect = True, False
            self._refusals = 0
            return self._weighed(at)
        return self._refused(at, begin, end, probability)

    # --- the gate ------------------------------------------------------------------------------------

    def _follow_gate(self, at: float, gate: tuple[bool, ...], concealed: bool) -> None:
        for is_open in gate:
            self._run = self._run + 1 if is_open and not concealed else 0
        if any(gate):
            self._gate_at = at
            if self._owed is None:
                self._owed = at
        elif at - self._gate_at > _HANGOVER:
            self._suspect, self._owed = False, None

    def _sound_level(self, below_peak: float = _MURMUR_BELOW_PEAK) -> float:
        if self._vad == "energy":
            return _TONE_LEAST
        behind = min(self._murmur * _SOUND_ABOVE_MURMUR, self._peak * below_peak)
        return max(LEAST, self._floor.level * _SOUND_ABOVE_FLOOR, self._peak * _SOUND_BELOW_PEAK, behind)

    def _maybe_begin(self, at: float, levels: tuple[int, ...]) -> list[VoiceEvent]:
        if self._run < _FRAMES_TO_OPEN:
            return []
        if self._vad != "energy" and max(levels) < max(LEAST, self._floor.level * _CLEAR_ABOVE_FLOOR):
            if not self._deaf(at):
                return []
        elif self._suspect and not self._deaf(at):
            return []
        self._confirmed = self._vad != "silero"
        return self._begin(at, at)

    def _deaf(self, at: float) -> bool:
        """The network owes an answer for too long."""
        return self._vad == "silero" and self._owed is not None and at - self._owed > _DEAF

    # --- speech --------------------------------------------------------------------------------------

    def _begin(self, at: float, known: float) -> list[VoiceEvent]:
        recent = [level for start, level in self._slices if start > known - _NEW_SOUND]
        self._peak = max(recent, default=0)
        self._learn_murmur(known)
        since = self._onset(known)
        self._since, self._last = since, max(since + SLICE, min(known, at))
        self._suspect = False
        self._doubts = self._refusals = 0
        self._voiced = self._clear = 0.0
        # The first weight is told whatever it is: that it is a voice is news enough.
        self._told = -1.0
        return [SpeechStarted(at=at, since=since)]

    def _learn_murmur(self, known: float) -> None:
        """What was heard between the last sound and this one, which is known at `known`."""
        before = [level for start, level in self._slices if self._last < start <= known - _NEW_SOUND]
        if len(before) >= _MURMUR_SLICES:
            self._murmur = sorted(before)[len(before) // 2]

    def _onset(self, known: float) -> float:
        """Where the sound that is known at `known` began, looking back over short gaps."""
        least, since, gap = self._sound_level(_MURMUR_BELOW_ONSET), known, 0
        for start, level in reversed(self._slices):
            if start >= known:
                continue
            if start < self._last:
                break
            if level > least:
                since, gap = start, 0
            else:
                gap += 1
                if gap > _GAP_IN_ONSET and since < known:
                    break
                if gap > 3 * _GAP_IN_ONSET:
                    break
        return since if since < known else known - _STEP

    def _go_on(
        self,
        at: float,
        begin: float,
        levels: tuple[int, ...],
        gate: tuple[bool, ...],
        sound: Sound | None,
    ) -> list[VoiceEvent]:
        assert self._since is not None
        self._peak = max(self._peak, *levels)
        least, vouched = self._sound_level(), begin <= self._voice_until
        for place, level in enumerate(levels):
            if level > least and (vouched or (place // 2 < len(gate) and gate[place // 2])):
                self._last = begin + SLICE * (place + 1)
        pause = _SHORT_PAUSE if self._last - self._since < _SHORT_SOUND else _PAUSE
        if at - self._last >= pause - 1e-9:
            return [self._stop(at, self._last)]
        self._weigh(levels, sound)
        return self._weighed(at)

    def _stop(self, at: float, until: float) -> SpeechStopped:
        assert self._since is not None
        until = max(self._since, until)
        if until - self._since > _SHORT_SOUND and self._confirmed:
            self._usual = self._peak if not self._usual else 0.8 * self._usual + 0.2 * self._peak
        self._since, self._last = None, until
        self._confirmed = False
        self._run = self._peak = 0
        return SpeechStopped(at=at, until=until)

    def _refused(self, at: float, begin: float, end: float, probability: float) -> list[VoiceEvent]:
        """The network hears no speech in this window."""
        assert self._since is not None
        if not self._confirmed:
            if begin < self._since - 0.5 * _STEP:
                return []
            self._doubts += 1
            self._refusals = self._refusals + 1 if probability < _SURELY_NOT else 0
            if self._refusals < _WINDOWS_TO_VETO and self._doubts < _WINDOWS_TO_DOUBT:
                return []
            self._suspect = True
            return [self._stop(at, self._since)]
        self._refusals = self._refusals + 1 if probability < _NOT else 0
        if self._refusals >= _WINDOWS_TO_END and end > self._voice_until:
            # Sound goes on, but no voice: noise louder than the floor.
            self._suspect = True
            return [self._stop(at, min(self._last, self._voice_until))]
        return []

    # --- weighing ------------------------------------------------------------------------------------

    def _weigh(self, levels: tuple[int, ...], sound: Sound | None) -> None:
        seconds, level = SLICE * len(levels), max(levels)
        if self._vad == "energy":
            if level > _TONE_LEAST:
                self._voiced += seconds
                self._clear += seconds
        elif sound is not None and sound.voiced and level > self._sound_level():
            self._voiced += seconds
            if sound.open and level >= max(_LOUD, self._usual * _USUAL_SHARE):
                self._clear += seconds

    def _weighed(self, at: float) -> list[VoiceEvent]:
        """Tell what is known, in steps; nothing before the network has confirmed the sound."""
        if self._since is None or not (self._confirmed or self._deaf(at)):
            return []
        weight = self._voiced + self._clear
        if weight - self._told < _WEIGH_STEP - 1e-9 or at - self._since > _WEIGH_FOR + 0.2:
            return []
        self._told = weight
        return [SpeechWeighed(at=at, since=self._since, voiced=self._voiced, clear=self._clear)]
