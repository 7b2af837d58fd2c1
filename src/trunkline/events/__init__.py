"""What can happen in a call: the vocabulary that every room shares. Imports nothing of ours.

Every event is frozen and slotted and carries `at`: seconds on the monotonic clock, the moment the
thing happened (not the moment somebody wrote it down). A call's log is the sequence of these; the
ledger is a fold over it, and fed back into the pure cores it gives the same decisions.

Three numbers tie events together:

* `turn` counts the caller's turns from 1; turn 0 is the agent's opening.
* `generation` counts the agent's answers. Audio of a generation that was cut never leaves.
* `sentence` counts the sentences of one generation from 0.

`to_json` and `from_json` give the form that `events.jsonl` stores, one object a line.

The events stand in files by what they are about; everybody imports them from here. A new one needs its class,
and its name in the two lists below.
"""

from trunkline.events.answered_by import AnsweredBy, Answerer, MailboxReady
from trunkline.events.barge_in import Backchannel, Ducked, Interrupted, Resumed
from trunkline.events.call import (
    CallAnswered,
    CallEnded,
    CallRinging,
    CallStarted,
    EarlyWords,
    HungUp,
    OutcomeDecided,
    TransferDone,
    TransferStarted,
    Trouble,
)
from trunkline.events.event import Event
from trunkline.events.hearing import (
    EngineEndOfTurn,
    Final,
    Partial,
    SoundedEnd,
    SpeechStarted,
    SpeechStopped,
    SpeechWeighed,
    ToneHeard,
)
from trunkline.events.log_form import from_json, to_json
from trunkline.events.media import Dtmf, HoldEnded, HoldStarted, MediaBack, MediaLost
from trunkline.events.scenario import (
    CallbackAgreed,
    FieldSet,
    ObjectionRaised,
    OptedOut,
    ScenarioStepped,
    StepEntered,
)
from trunkline.events.speech import (
    EngineAsked,
    FirstAudio,
    LinesPrepared,
    OpenerSaid,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
)
from trunkline.events.thinking import (
    Economised,
    FirstToken,
    GenerationDone,
    GenerationDropped,
    GenerationStarted,
    GuardrailBlocked,
    ModelUsed,
    TurnDecided,
)
from trunkline.events.tools import ToolCalled, ToolEnded, ToolStarted
from trunkline.events.turn import (
    CallerSilent,
    Expecting,
    TimePassed,
    TurnEnded,
    TurnLikely,
    TurnResumed,
    TurnStarted,
)
from trunkline.events.values import Answer, Expectation, Word

__all__ = [
    "Answer",
    "AnsweredBy",
    "Answerer",
    "Backchannel",
    "CallAnswered",
    "CallEnded",
    "CallRinging",
    "CallStarted",
    "CallbackAgreed",
    "CallerSilent",
    "Dtmf",
    "Ducked",
    "EarlyWords",
    "Economised",
    "EngineAsked",
    "EngineEndOfTurn",
    "Event",
    "Expectation",
    "Expecting",
    "FieldSet",
    "Final",
    "FirstAudio",
    "FirstToken",
    "GenerationDone",
    "GenerationDropped",
    "GenerationStarted",
    "GuardrailBlocked",
    "HoldEnded",
    "HoldStarted",
    "HungUp",
    "Interrupted",
    "LinesPrepared",
    "MailboxReady",
    "MediaBack",
    "MediaLost",
    "ModelUsed",
    "ObjectionRaised",
    "OpenerSaid",
    "OptedOut",
    "OutcomeDecided",
    "Partial",
    "Resumed",
    "ScenarioStepped",
    "SoundedEnd",
    "SpeakingStarted",
    "SpeakingStopped",
    "SpeechStarted",
    "SpeechStopped",
    "SpeechWeighed",
    "StepEntered",
    "SynthesisStarted",
    "TimePassed",
    "ToneHeard",
    "ToolCalled",
    "ToolEnded",
    "ToolStarted",
    "TransferDone",
    "TransferStarted",
    "Trouble",
    "TurnDecided",
    "TurnEnded",
    "TurnLikely",
    "TurnResumed",
    "TurnStarted",
    "Word",
    "from_json",
    "to_json",
]
