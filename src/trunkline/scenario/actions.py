"""What happens to a scenario (`Happening`), and what it asks for in return (`Action`).

`step(scenario, state, happening) -> (state, actions)` is the whole interface between a scenario and
the call that carries it out. Actions are carried out in their order. Times are calendar times, with a
zone (`now`), never the monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trunkline.events import Answerer, Event, Expectation
from trunkline.prompt import Prompt

# --- what happens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The call is answered. `facts`: what is known of the contact, the number, the campaign."""

    now: datetime
    facts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallerSaid:
    """A caller's turn ended with these words (or keypad digits in `keys`)."""

    turn: int
    text: str
    now: datetime
    confidence: float = 1.0
    garbled: bool = False
    keys: str = ""
    speculative: bool = False
    """The turn is not decided yet: the state that comes back may be thrown away."""


@dataclass(frozen=True, slots=True)
class CallerQuiet:
    """The agent asked, and nobody answered; `count` times in a row now."""

    seconds: float
    count: int
    now: datetime


@dataclass(frozen=True, slots=True)
class AgentHeard:
    """An agent's utterance ended: these words were heard, those were not (after an interruption)."""

    heard: str
    unheard: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ModelCalled:
    """The model asked for a tool."""

    id: str
    name: str
    arguments: dict[str, Any]
    now: datetime


@dataclass(frozen=True, slots=True)
class ModelDone:
    """The model's answer is over. `text`: all it said; empty where it only called tools."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model gave an error or nothing in its time: fall back to the scenario's own words."""

    why: str


@dataclass(frozen=True, slots=True)
class Recapped:
    """The summary that `Recap` asked for: of the first `lines` lines of the talk."""

    text: str
    lines: int


@dataclass(frozen=True, slots=True)
class TransferEnded:
    """A transfer that this scenario asked for came to a result (`legs.leg.TransferResult`'s value)."""

    result: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The tool of a `CallTool` with this id has answered with these values, or failed."""

    id: str
    ok: bool
    now: datetime
    values: dict[str, str | float | bool] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True)
class SentenceJudged:
    """A second model found that a sentence of the agent's, which may have been heard, breaks this rule."""

    sentence: str
    rule: str


@dataclass(frozen=True, slots=True)
class TimeUp:
    """The seconds of a `StartTimer` with this key have passed."""

    key: str
    now: datetime


@dataclass(frozen=True, slots=True)
class AudioLost:
    """Nothing has been received from the caller for `seconds`: ask whether they are there."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CallTaken:
    """It has shown who, or what, took the call: told when it is no person, and when a person picks up after
    all. `ready`: the machine has beeped, and records from now on."""

    who: Answerer
    now: datetime
    ready: bool = False


@dataclass(frozen=True, slots=True)
class MustEnd:
    """The call must end soon (draining, longest call): say goodbye and end."""

    why: str


Happening = (
    CallBegan
    | CallerSaid
    | CallerQuiet
    | AgentHeard
    | ModelCalled
    | ModelDone
    | ModelFailed
    | Recapped
    | TransferEnded
    | ToolResult
    | TimeUp
    | SentenceJudged
    | AudioLost
    | CallTaken
    | MustEnd
)

# --- what the scenario asks for -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak these words as they stand. Several sentences may be in one `Say`."""

    text: str
    interruptible: bool = True


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask the model. Its sentences are spoken as they come; each is checked first.

    `foreseen`: the tools, with their arguments, that typed understanding would call; None where it had
    to guess. `simple`: a small model does as well (a yes, a no, a number, a named choice, understood
    for certain)."""

    prompt: Prompt
    interruptible: bool = True
    foreseen: tuple[tuple[str, dict[str, Any]], ...] | None = None
    simple: bool = False


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The result of a tool call, for the model; `refused` where it was not carried out."""

    id: str
    content: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Expect:
    """What the words before this ask for."""

    expectation: Expectation
    silence: float = 6.0
    """Seconds after which nobody having answered counts as silence."""


@dataclass(frozen=True, slots=True)
class Note:
    """Put an event in the call's log. Its `at` is 0; the call stamps it."""

    event: Event


@dataclass(frozen=True, slots=True)
class Recap:
    """Have a model summarise the first `lines` lines of the talk, when it has time; nobody waits for it."""

    prompt: Prompt
    lines: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the call to `target` once everything said before is heard."""

    target: str
    summary: str = ""
    how: str = "blind"
    """"blind", "attended" or "bridged"."""


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool, beside whatever is said; `ToolResult` tells how it went.

    `results`: the value's name and its place in the answer ("slots.0.start")."""

    id: str
    tool: str
    arguments: dict[str, str | float | bool]
    results: dict[str, str]
    seconds: float
    """Until when it must have answered."""


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Tell with `TimeUp` when so many seconds have passed."""

    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """End the call once everything said before is heard. Nothing follows."""

    outcome: str
    reason: str


Action = Say | Generate | ToolAnswer | Expect | Note | Recap | Transfer | CallTool | StartTimer | End
