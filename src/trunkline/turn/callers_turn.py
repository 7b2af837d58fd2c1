"""What is known of the caller's turn in progress, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.events import Expectation
from trunkline.turn.end_of_turn import silence_wanted
from trunkline.turn.policy import TurnPolicy
from trunkline.turn.rhythm import Rhythm
from trunkline.turn.transcript import Transcript

_MOST_KEYS = 64
FOREVER = float("inf")
_SAME_END = 0.05
"""Ends of speech this near are the same one, seconds."""
_UNTOLD = 0.4
"""Sound that goes on for this long behind the last word may hold another one, seconds."""
_NEXT_WORD = 1.0
"""A recogniser that is behind has told all, where it has told nothing new for this long, seconds."""
_NO_LAG = 10.0
"""A word that is older than this has a time that means something else, seconds."""


@dataclass(slots=True)
class CallersTurn:
    """The facts of one turn, or of what may become one. Times in monotonic seconds."""

    words: Transcript = field(default_factory=Transcript)
    carried: str = ""
    """Words of the last turn that came too late for it."""
    led_in: str = ""
    """Words of the turn before, where the agent spoke into a pause of it: these words go on from them."""
    began: float | None = None
    until: float | None = None
    """The last sound or, where none was heard, the last word."""
    voiced: float = 0.0
    sounded: bool = False
    """Voice activity heard it; else the words alone say when it was."""
    words_at: float = -FOREVER
    """When the words last changed."""
    word_end: float | None = None
    """When the last word had been spoken, where the recogniser says that."""
    word_lag: float = 0.0
    """How long after that a partial told of it."""
    told_at: float = -FOREVER
    """When the recogniser last told something new, or closed a piece."""
    partials: bool = False
    """The recogniser gives words while the caller speaks."""
    engine_done: bool = False
    end_sound: tuple[float, float] | None = None
    """When the speech ended that the acoustic model judged, and its probability of being all."""
    keys: str = ""
    key_at: float = 0.0
    likely: str | None = None
    """The words of the last TurnLikely, while they stand."""
    likely_since: float | None = None
    """The sound that went on when it was given."""
    likelies: int = 0
    passed: str = ""
    """The words that seemed to be all, and were not."""

    @property
    def text(self) -> str:
        return f"{self.carried} {self.words.text}".strip()

    @property
    def sentence(self) -> str:
        """The words by which completeness is judged."""
        return f"{self.led_in} {self.text}".strip() if self.text else ""

    def heard(self, since: float, until: float, proof: float) -> None:
        """Sound of the caller's, over now; `proof` seconds of it count as surely theirs."""
        self.began = since if self.began is None else min(self.began, since)
        # Where only words had told of the turn, the sound knows better when it was.
        self.until = until if self.until is None or not self.sounded else max(self.until, until)
        self.voiced += max(0.0, proof)
        self.sounded = True

    def press(self, digit: str, at: float) -> None:
        """A key. More than a person would press are dropped."""
        if len(self.keys) < _MOST_KEYS:
            self.keys += digit
        self.key_at = at
        self.began = at if self.began is None else self.began
        self.until = at if self.until is None else max(self.until, at)

    @property
    def keyed(self) -> str:
        """The keys without the # that ended them."""
        return self.keys[:-1] if len(self.keys) > 1 and self.keys.endswith("#") else self.keys

    def over_at(self, asked: Expectation, rhythm: Rhythm, policy: TurnPolicy) -> tuple[float, str]:
        """When, if nothing more is heard, the turn is over, and the policy that says so."""
        assert self.began is not None
        assert self.until is not None
        due, why = self._over_by_silence(self.until, asked, rhythm, policy)
        limit = self.began + policy.max_turn
        return (limit, "limit") if limit < due else (due, why)

    def _over_by_silence(
        self, until: float, asked: Expectation, rhythm: Rhythm, policy: TurnPolicy
    ) -> tuple[float, str]:
        if self.keys:
            whole = self.keys.endswith("#") or (asked.digits > 0 and len(self.keys) >= asked.digits)
            return (self.key_at if whole else self.key_at + policy.key_pause), "keypad"
        text = self.text
        if self.engine_done and text and policy.adaptive and policy.trust_engine:
            return until, "engine"
        judged = self.end_sound is not None and abs(self.end_sound[0] - until) < _SAME_END
        sounded = self.end_sound[1] if self.end_sound is not None and judged else None
        silence, why = silence_wanted(self.sentence, asked, rhythm, policy, sounded)
        grace = 0.0 if self.words.covers(until) else policy.transcript_grace
        return max(until + silence + grace, self._all_told_at(until, policy)), why

    def _all_told_at(self, until: float, policy: TurnPolicy) -> float:
        """Until when words of this sound may still be on their way, where the recogniser is behind: a machine
        that is too busy, a connection that is too slow. Even a final may then be that of an earlier sound."""
        if self.word_end is None or until - self.word_end < _UNTOLD:
            return -FOREVER
        if not policy.transcript_grace < self.word_lag < _NO_LAG:
            return -FOREVER
        return min(self.told_at + _NEXT_WORD, until + policy.behind_limit)

    def limit(self, policy: TurnPolicy) -> float:
        """When the turn is over although the sound goes on."""
        assert self.began is not None
        limit = self.began + policy.max_turn
        if self.partials and self.text:
            limit = min(limit, max(self.words_at, self.began) + policy.stalled_words)
        return limit
