"""Which cue comes next: a persona against what is heard of the agent. Pure.

Every 20 ms `tick` is told the time, whether the agent sounds, and whether the prospect itself is
speaking; `heard` is told the agent's words as they are recognised. `tick` gives the cue to take up
now, or None.
"""

from __future__ import annotations

import re

from trunkline.lab.persona import Cue, Persona

WORDS_BOUND = 4000
"""Characters kept of one agent's utterance."""


def plain_words(text: str) -> str:
    """Lower-case words with single spaces around each, for matching whole words."""
    words = re.findall(r"[a-z0-9']+", text.lower().replace("’", "'"))
    return f" {' '.join(words)} "


class Cueing:
    """One persona in one call."""

    def __init__(self, persona: Persona) -> None:
        self.persona = persona
        self.finished = False
        """The last cue was one to hang up after."""
        self._said: dict[str, int] = {}
        self._last: Cue | None = None
        self._final = ""
        self._partial = ""
        self._began: float | None = None
        self._last_sound: float | None = None
        self._answered = False
        self._again = [plain_words(phrase) for phrase in persona.again]
        self._phrases = {cue.name: [plain_words(phrase) for phrase in cue.heard] for cue in persona.cues}

    @property
    def words(self) -> str:
        """What was heard of the agent's utterance in progress, or its last."""
        return plain_words(f"{self._final} {self._partial}")

    @property
    def unspoken(self) -> tuple[str, ...]:
        """The names of the cues that were not taken up."""
        return tuple(cue.name for cue in self.persona.cues if cue.name not in self._said)

    def heard(self, text: str, *, final: bool) -> None:
        """Words of the agent. A partial replaces the partial before it; a final one stays."""
        if final:
            self._final = f"{self._final} {text}"[-WORDS_BOUND:]
            self._partial = ""
        else:
            self._partial = text[-WORDS_BOUND:]

    def tick(self, now: float, *, agent_sounds: bool, speaking: bool) -> Cue | None:
        """The cue to take up at `now`, if any."""
        if self._last_sound is None:
            self._last_sound = now
        if agent_sounds:
            if self._began is None:
                self._began = now
                self._answered = False
                self._final = self._partial = ""
            self._last_sound = now
            return None if speaking else self._over_the_agent(now - self._began)
        silent = now - self._last_sound
        if silent >= self.persona.pause:
            self._began = None
        if speaking or self._answered or silent < self.persona.pause:
            return None
        return self._answer(silent)

    def stopped_speaking(self, now: float) -> None:
        """The prospect's own words ended: the agent's silence counts from here, and what it says
        next is a new utterance (unless the words were a backchannel inside one)."""
        self._last_sound = max(now, self._last_sound or now)
        if self._answered:
            self._began = None

    def _over_the_agent(self, sounding: float) -> Cue | None:
        for cue in self.persona.cues:
            after = cue.over_the_agent
            if after is None or cue.name in self._said or (cue.follows and cue.follows not in self._said):
                continue
            if sounding >= after and (not cue.heard or self._matches(cue)):
                return self._take(cue)
        return None

    def _answer(self, silent: float) -> Cue | None:
        last, words = self._last, self.words
        if last is not None and self._said[last.name] < last.times and any(p in words for p in self._again):
            return self._take(last)
        cues = [cue for cue in self.persona.cues if cue.over_the_agent is None]
        fresh = [cue for cue in cues if cue.name not in self._said]
        worn = [cue for cue in cues if 0 < self._said.get(cue.name, 0) < cue.times]
        matched = next((cue for cue in (*fresh, *worn) if cue.heard and self._matches(cue)), None)
        if matched is not None:
            return self._take(matched) if silent >= self.persona.pause + matched.wait else None
        if silent < self.persona.patience:
            return None
        in_order = next((cue for cue in fresh if not cue.only_when_heard), None)
        return self._take(in_order) if in_order is not None else None

    def _matches(self, cue: Cue) -> bool:
        words = self.words
        return any(phrase in words for phrase in self._phrases[cue.name])

    def _take(self, cue: Cue) -> Cue:
        self._said[cue.name] = self._said.get(cue.name, 0) + 1
        if cue.kind != "backchannel":
            self._answered = True
        if not cue.stay_silent and cue.kind != "backchannel":
            self._last = cue
        self.finished = self.finished or cue.hang_up
        return cue
