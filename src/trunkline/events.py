"""What can happen in a call: the vocabulary that every room shares. Imports nothing of ours.

Every event is frozen and slotted and carries `at`: seconds on the monotonic clock, the moment the
thing happened (not the moment somebody wrote it down). A call's log is the sequence of these; the
ledger is a fold over it, and fed back into the pure cores it gives the same decisions.

Three numbers tie events together:

* `turn` counts the caller's turns from 1; turn 0 is the agent's opening.
* `generation` counts the agent's answers. Audio of a generation that was cut never leaves.
* `sentence` counts the sentences of one generation from 0.

`to_json` and `from_json` give the form that `events.jsonl` stores, one object a line.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a call."""

    at: float
    """Seconds on the monotonic clock."""


# --- values that events carry ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in time (monotonic seconds) and the engine's trust in it, 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


class Answer(StrEnum):
    """The kind of answer a question asks for; decides how long a pause within it may be."""

    FREE = "free"
    YES_NO = "yes-no"
    CHOICE = "choice"
    NAME = "name"
    COMPANY = "company"
    NUMBER = "number"
    MONEY = "money"
    PHONE = "phone"
    EMAIL = "email"
    ADDRESS = "address"
    SPELLING = "spelling"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the caller is likely to say next, for the recogniser and for turn-taking."""

    kind: Answer = Answer.FREE
    phrases: tuple[str, ...] = ()
    """Whole sentences that would be understood, in plain lower-case words without punctuation. A
    phrase may hold slots in angle brackets, each a class of the small closed vocabularies that
    recognisers with grammars know: `<number>`, `<money>`, `<day>`, `<time>`, `<name>`."""
    keyterms: tuple[str, ...] = ()
    """Words worth listening for: product names, the person's name."""
    digits: int = 0
    """How many keypad digits would answer it; 0 where the keypad is not asked for, -1 for any
    number of them ended by #."""


# --- the leg --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted(Event):
    """The first event of every log."""

    call_id: str
    direction: str  # "inbound" or "outbound"
    caller: str
    callee: str
    leg: str
    scenario: str
    wall: str  # ISO 8601, UTC
    engines: dict[str, str] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    """The numbers that turn-taking goes by in this call, where they are not its own defaults."""
    variables: dict[str, str] = field(default_factory=dict)
    """What came with the call: headers, the trunk, what carriers say of the caller."""


@dataclass(frozen=True, slots=True)
class CallRinging(Event):
    """An outbound call rings at the other end."""

    early_media: bool = False


@dataclass(frozen=True, slots=True)
class EarlyWords(Event):
    """What was said while it rang (early media): by an announcement or a mailbox, and to nobody."""

    text: str


@dataclass(frozen=True, slots=True)
class CallAnswered(Event):
    """Audio can flow both ways."""

    codec: str
    rate: int


@dataclass(frozen=True, slots=True)
class Dtmf(Event):
    """The caller pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class MediaLost(Event):
    """No packet has come for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class MediaBack(Event):
    """Packets come again after MediaLost."""


@dataclass(frozen=True, slots=True)
class HoldStarted(Event):
    """The other end has put us on hold: it does not listen, and what it sends is music at best."""


@dataclass(frozen=True, slots=True)
class HoldEnded(Event):
    """It listens again."""


@dataclass(frozen=True, slots=True)
class HungUp(Event):
    """The other end, or the network, ended the call."""

    reason: str = "hung up"


@dataclass(frozen=True, slots=True)
class CallEnded(Event):
    """The last event of every log."""

    by: str  # "agent", "caller", "person" (whom it was handed to), "network", "drain", "error"
    reason: str
    outcome: str


# --- listening ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpeechStarted(Event):
    """Voice activity: known at `at`, begun at `since`."""

    since: float


@dataclass(frozen=True, slots=True)
class SpeechStopped(Event):
    """Voice activity ended: known at `at`, last speech heard at `until` (dated back, not waited out)."""

    until: float


@dataclass(frozen=True, slots=True)
class SpeechWeighed(Event):
    """What the sound that began at `since` has proved to be so far. Given a few times in the first
    half second of speech, so that an interruption is told from a hum or a cough."""

    since: float
    voiced: float
    """Seconds of it that a voice made."""
    clear: float
    """Seconds of that which were loud, open speech: no hum, cough, echo or noise."""


@dataclass(frozen=True, slots=True)
class Partial(Event):
    """What the recogniser believes so far of the utterance in progress. Replaces the last Partial."""

    text: str
    words: tuple[Word, ...] = ()
    stable: int = 0
    """How many leading words will no longer change, as far as the engine says."""


@dataclass(frozen=True, slots=True)
class Final(Event):
    """A piece of transcript that will not change. Follows and replaces the Partials before it."""

    text: str
    words: tuple[Word, ...] = ()
    confidence: float = 1.0
    rejected: bool = False
    """The engine heard speech but trusts none of its readings: the caller has to be asked again."""


@dataclass(frozen=True, slots=True)
class ToneHeard(Event):
    """A single steady tone in the caller's sound, from `since` to `until`: no voice makes one.

    `kind`: "beep", "cng" (a fax calls: 1100 Hz for half a second) or "ced" (a fax or modem answers: 2100 Hz;
    told while it still sounds)."""

    kind: str
    hertz: float
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class EngineEndOfTurn(Event):
    """The STT engine itself believes that the caller has finished (Deepgram Flux and its like)."""

    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class SoundedEnd(Event):
    """How the speech that was last heard at `until` sounded: how probably it was the end of a turn."""

    probability: float
    until: float


# --- turn-taking: its inputs beside the above, and its decisions ------------------------------------


@dataclass(frozen=True, slots=True)
class Expecting(Event):
    """The agent's latest words ask for this."""

    expectation: Expectation
    silence: float = 0.0
    """Seconds after which nobody having answered counts as silence; 0 for the policy's own."""


@dataclass(frozen=True, slots=True)
class TimePassed(Event):
    """A deadline that turn-taking asked for has come."""


@dataclass(frozen=True, slots=True)
class TurnStarted(Event):
    """The caller has taken the turn."""

    turn: int
    since: float


@dataclass(frozen=True, slots=True)
class TurnLikely(Event):
    """The words so far look complete: an answer may be prepared, not spoken."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnResumed(Event):
    """The caller goes on, or the words changed: what was prepared on TurnLikely is worthless."""

    turn: int


@dataclass(frozen=True, slots=True)
class TurnEnded(Event):
    """The caller has finished; the agent may speak."""

    turn: int
    text: str
    speech_end: float
    """When the caller's last speech was heard."""
    why: str
    """The policy that decided: "silence", "complete", "engine", "keypad", "limit", …"""
    confidence: float = 1.0
    garbled: bool = False
    """Speech was heard and no words were understood."""
    keys: str = ""
    """Digits, where the caller answered on the keypad."""


@dataclass(frozen=True, slots=True)
class CallerSilent(Event):
    """The agent asked, and nobody answered for `seconds`. `count` rises until the caller speaks."""

    seconds: float
    count: int


@dataclass(frozen=True, slots=True)
class Ducked(Event):
    """The caller makes a sound while the agent speaks: the agent goes quieter while it is unclear."""

    generation: int
    since: float
    hold: bool = False
    """The sound is a voice: the agent falls silent and keeps its place. `Resumed` goes on from there,
    `Interrupted` follows when it was more than a sign of listening."""


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """It was nothing (a noise, a cough): the agent goes on, at full level."""

    generation: int


@dataclass(frozen=True, slots=True)
class Backchannel(Event):
    """ "Mm-hm": the caller listens. The agent goes on."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The caller takes the turn from the agent, whose audio must stop now. Sound began at `since`."""

    generation: int
    since: float
    why: str


class Answerer(StrEnum):
    """Who, or what, took the call."""

    HUMAN = "human"
    MACHINE = "machine"
    """A mailbox or an answering machine: a message can be left after its beep."""
    IVR = "ivr"
    """A menu: "press one for sales"."""
    FAX = "fax"
    MAILBOX_FULL = "mailbox-full"
    """A mailbox that takes no message."""


@dataclass(frozen=True, slots=True)
class AnsweredBy(Event):
    """What seems to have taken the call. May be taken back by another one: a person picks up."""

    who: Answerer
    why: str
    """The evidence, strongest first: "words", "long greeting", "beep", …"""
    confidence: float = 1.0
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class MailboxReady(Event):
    """The machine records from now on: it has beeped, or has been silent for long after its greeting."""

    why: str  # "beep", "silence", "limit"


# --- thinking -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GenerationStarted(Event):
    """An answer is asked of `model` ("scenario" where the words are fixed)."""

    generation: int
    turn: int
    model: str
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class FirstToken(Event):
    """The model's first token (text or tool call) of this generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class ToolCalled(Event):
    """The model called a tool; `refused` says why it was not carried out, where it was not."""

    generation: int
    name: str
    arguments: dict[str, Any]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class GenerationDone(Event):
    """The model has said all it will for this generation."""

    generation: int
    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    audio_input_tokens: int = 0
    """How many of `input_tokens` were sound; the next two the same."""
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0
    others: dict[str, list[int]] = field(default_factory=dict)
    """The same six counts of other models than `GenerationStarted` names; they are in the sums above."""


@dataclass(frozen=True, slots=True)
class GenerationDropped(Event):
    """Nothing of this generation will be spoken (any more)."""

    generation: int
    why: str


@dataclass(frozen=True, slots=True)
class ModelUsed(Event):
    """A model was used beside its answers. `purpose`: "recap"; where it speaks by itself, "line" (it read one
    word for word) or "cut" (an answer that was closed before it was whole)."""

    model: str
    purpose: str
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    audio_cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TurnDecided(Event):
    """What a caller's turn leads to was decided. `by`: "scenario" (typed understanding alone), or the
    model that was asked. `agreed`: whether a model called the very tools that typed understanding would
    have called; None where that was not sure, or decided itself."""

    turn: int
    by: str
    simple: bool
    agreed: bool | None = None


@dataclass(frozen=True, slots=True)
class GuardrailBlocked(Event):
    """A sentence was replaced before it was spoken. A rule that begins with "judge: " is one that a second
    model found broken, a sentence behind: it may have been heard, and is taken back."""

    generation: int
    rule: str
    sentence: str
    replacement: str


# --- speaking -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SynthesisStarted(Event):
    """A sentence was handed to text-to-speech."""

    generation: int
    sentence: int
    text: str
    cached: bool = False
    """Its sound is there already: nothing is synthesised, nor paid."""


@dataclass(frozen=True, slots=True)
class EngineAsked(Event):
    """One engine of a list was given work. `kind`: "tts", for the sentence whose `SynthesisStarted` came
    last; "stt", which listens from now on."""

    kind: str
    engine: str
    characters: int = 0
    """To speak."""
    seconds: float = 0.0
    """Of sound from before, which it is given once more."""


@dataclass(frozen=True, slots=True)
class LinesPrepared(Event):
    """Fixed lines were synthesised ahead, for this call and those that come."""

    lines: int
    characters: int


@dataclass(frozen=True, slots=True)
class OpenerSaid(Event):
    """The model is slow: these few words are said first, as sentence 0 of the answer."""

    generation: int
    text: str


@dataclass(frozen=True, slots=True)
class FirstAudio(Event):
    """The first audio of a sentence came from text-to-speech."""

    generation: int
    sentence: int


@dataclass(frozen=True, slots=True)
class SpeakingStarted(Event):
    """The first audible frame of a generation left; `at` is the instant the sound itself begins."""

    generation: int
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class SpeakingStopped(Event):
    """The agent's sound ended: all of it (`complete`), or cut."""

    generation: int
    heard: str
    """The words the caller heard, as far as playout tells."""
    complete: bool
    unheard: str = ""


@dataclass(frozen=True, slots=True)
class Economised(Event):
    """A stage was over its budget for `turns` turns running: the call goes on with a cheaper choice
    ("short-context", "fast-model" or "cached-lines")."""

    choice: str
    stage: str
    mean_ms: float
    """What the stage took in those turns."""
    budget_ms: float
    turns: int


# --- the scenario ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScenarioStepped(Event):
    """Something happened to the scenario, and this is what it asked for: what a replay compares.

    States have numbers in the order in which they came to be; 0 is the one before anything happened.
    A state may be stepped from more than once: an answer prepared too early leaves its own behind."""

    before: int
    after: int
    happening: dict[str, Any]
    actions: tuple[dict[str, Any], ...]
    """Each with its `type` and values; of a prompt, and of the phrases expected, only a digest."""


@dataclass(frozen=True, slots=True)
class StepEntered(Event):
    """The scenario moved to `step`."""

    step: str


@dataclass(frozen=True, slots=True)
class FieldSet(Event):
    """A field was learned, confirmed or corrected."""

    name: str
    value: Any
    status: str  # "heard", "confirmed", "corrected", "cleared"
    turn: int
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ObjectionRaised(Event):
    """The caller raised an objection or question that the scenario knows."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class CallbackAgreed(Event):
    """The caller is to be called again at `when` (ISO 8601 with zone)."""

    when: str


@dataclass(frozen=True, slots=True)
class OptedOut(Event):
    """The caller does not want to be called again."""

    evidence: str


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    """A step of the scenario calls a tool (not the model: that is `ToolCalled`)."""

    tool: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolEnded(Event):
    """What came of it: `ok`, or `why` not, after `seconds`."""

    tool: str
    ok: bool
    seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class TransferStarted(Event):
    """The call is being handed to a person."""

    target: str


@dataclass(frozen=True, slots=True)
class TransferDone(Event):
    """How the hand-over ended: "transferred", "declined", "busy", "no-answer", "failed", …"""

    target: str
    result: str


@dataclass(frozen=True, slots=True)
class OutcomeDecided(Event):
    """What the call came to."""

    outcome: str
    reason: str


# --- trouble --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trouble(Event):
    """Something failed and the call went on. `error` is the error's class, `what` its text."""

    where: str
    error: str
    what: str
    verdict: str


# --- JSON -----------------------------------------------------------------------------------------


def _subclasses(kind: type[Event]) -> list[type[Event]]:
    return [kind, *(sub for child in kind.__subclasses__() for sub in _subclasses(child))]


@cache
def _kinds() -> dict[str, type[Event]]:
    return {kind.__name__: kind for kind in _subclasses(Event)[1:]}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain data: `{"type": "SpeechStarted", "at": 12.34, "since": 12.3}`."""
    return {"type": type(event).__name__, **_plain(event)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def from_json(data: dict[str, Any]) -> Event:
    """The event that `to_json` gave this for. Raises `ValueError` for anything else."""
    values = dict(data)
    name = values.pop("type", None)
    kind = _kinds().get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"no event is called {name!r}")
    built = _build(kind, values)
    assert isinstance(built, Event)
    return built


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _build(kind: type, values: dict[str, Any]) -> object:
    hints = _hints(kind)
    unknown = values.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {min(unknown)!r}")
    try:
        return kind(**{name: _revive(hints[name], value) for name, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _revive(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        inner = typing.get_args(hint)[0]
        return tuple(_revive(inner, item) for item in value)
    if origin in (typing.Union, types.UnionType):
        return value
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            return _build(hint, value)
        if issubclass(hint, StrEnum):
            return hint(value)
        if hint is float and isinstance(value, int):
            return float(value)
    return value
