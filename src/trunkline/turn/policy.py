"""`TurnPolicy`: every number that turn-taking goes by, in seconds, with its reason."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, get_args

from trunkline.errors import ConfigError

Machines = Literal["outbound", "always", "never"]


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    """The `[turn]` table of the configuration file. All values in seconds where not said otherwise."""

    # --- end of turn ---
    silence: float = 0.5
    """Silence after the last speech that ends a turn when nothing else is known, and after words that are
    probably all. The answer is prepared meanwhile, which takes about as long with usual engines: less would
    answer no sooner. With `adaptive = false` it is the only rule, and is obeyed exactly."""
    adaptive: bool = True
    """Let the words, the question and the speaker's rhythm lengthen and shorten `silence`."""
    complete: float = 0.2
    """Silence that is enough after words that are surely complete ("Yes.", "I live in Boston.")."""
    probable: float = 0.8
    """Completeness (0 to 1) from which words are probably all."""
    doubtful: float = 0.85
    """Silence after words that are just `probable`: less down to `complete` for surer ones, and more up to
    `unfinished` for others. People pause after whole clauses too, and go on."""
    unfinished: float = 1.3
    """Silence granted after words that cannot be the end ("I would like to", "my number is"); less for
    words that may be all, down to `silence`."""
    dictation: float = 1.6
    """Silence granted within a number, an address, a spelling or an e-mail that is not yet whole."""
    transcript_grace: float = 0.7
    """How long, after the silence is over, the recogniser's final words are waited for."""
    behind_limit: float = 4.0
    """How long after the caller's sound words are waited for where the recogniser is behind, by the times of
    its words, and still tells new ones."""
    trust_engine: bool = True
    """Believe a recogniser that says by itself that the turn is over (only when `adaptive`)."""
    sounds_over: float = 0.7
    """The acoustic model's probability, 0 to 1, from which a pause sounds like the end."""
    sounds_open: float = 0.2
    """And up to which it sounds as if more were to come: then `silence` is granted at least."""
    sounded_words: float = 0.3
    """Words less complete than this are given their time however they sounded."""
    sounded_silence: float = 0.3
    """Silence that is enough after words which sounded like the end and could be it."""
    max_turn: float = 45.0
    """A caller who never pauses is answered after this."""
    wordless_limit: float = 8.0
    """Sound that goes on without a single word (music, a hum) counts as over after this, where the
    recogniser has shown in this call that it gives words while the caller speaks."""

    stalled_words: float = 4.0
    """Sound that goes on while no new word comes (a television, a fan) counts as over after this,
    where the recogniser gives words while the caller speaks."""

    # --- what counts as speech ---
    least_speech: float = 0.25
    """Sound without words makes a turn only when it is at least this long; less is a noise."""
    resume_sound: float = 0.15
    """How long new sound must last before it counts as the caller going on with a turn."""

    # --- preparing an answer early ---
    likely: float = 0.35
    """Completeness (0 to 1) of the words from which an answer is prepared in a pause."""
    likely_after: float = 0.4
    """After this much silence an answer is prepared whatever the words are."""
    likely_speaking: float = 0.9
    """The same while the detector still hears speech: recognisers are often faster than it is."""
    likely_limit: int = 4
    """How many answers may be prepared in one turn: each costs a model call."""

    # --- interruption ---
    hold_sound: float = 0.08
    """When a sound is known to be a voice and is this long, the agent falls silent and keeps its
    place. From here on the caller has what an interruption wants, so the rest need not be rushed."""
    hold_unsure: float = 0.2
    """The same for a sound of which nobody has said what it is."""
    cut_clear: float = 0.7
    """This much loud, open, voiced speech interrupts: more than "yeah" and "okay"."""
    cut_sound: float = 1.2
    """Sound of this length interrupts whatever it is, but for a hum or words of a backchannel."""
    backchannel_sound: float = 1.6
    """The same for a hum ("mm-hm") and where the words so far are only a backchannel."""
    resume_after: float = 0.35
    """Having held its place, the agent goes on after this much quiet: words come behind their sound.
    After much clear speech it waits for them for `transcript_grace`, after a backchannel not at all."""
    unheard_words: int = 2
    """Words, other than backchannels, that interrupt where voice activity heard nothing at all."""
    early_answer: float = 1.5
    """A "yes" over the last such seconds of a question is its answer, not a backchannel."""
    echo_tail: float = 0.4
    """After the agent's sound, words of its own may come back for this long."""

    # --- silence ---
    patience: float = 6.0
    """Nobody answering for this long is told to the scenario, unless the question says otherwise."""
    answer_limit: float = 15.0
    """The watchdog: an answer being prepared for longer no longer holds that back."""

    # --- keypad ---
    key_pause: float = 2.0
    """Keys end after this without another one, where their number is not known or not reached."""

    # --- answering machines ---
    machines: Machines = "outbound"
    """In which calls it is looked for a machine, a menu or a fax at the other end: "outbound", "always" or
    "never"."""
    machine_window: float = 30.0
    """For so long after the answer; a greeting that goes on then is heard to its end."""
    machine_silence: float = 3.5
    """A machine whose beep was not heard records after so much silence."""
    machine_limit: float = 45.0
    """The watchdog: so long after a machine was known the message is left, whatever is heard."""

    def __post_init__(self) -> None:
        if self.machines not in get_args(Machines):
            known = ", ".join(get_args(Machines))
            raise ConfigError(f"{self.machines!r} is not one of {known}", where="turn.machines")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or field.name == "machines":
                continue
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise ConfigError(f"{value!r} is not a length of time", where=f"turn.{field.name}")
        for name in (
            "max_turn", "patience", "answer_limit", "key_pause", "wordless_limit", "stalled_words",
            "machine_silence", "machine_limit",
        ):  # fmt: skip
            # The watchdogs: zero would make them fire without end.
            if getattr(self, name) < 0.5:
                raise ConfigError("must be at least 0.5 seconds", where=f"turn.{name}")

    def changed(self) -> dict[str, float | bool | str]:
        """The numbers that are not the defaults, by name: what a log must hold to be replayed."""
        values = dataclasses.asdict(self)
        return {
            field.name: values[field.name]
            for field in dataclasses.fields(self)
            if values[field.name] != field.default
        }
