"""How requests end (RFC 6787 sections 8.4.7 and 9.4.11), and which are legal when (sections 8.1, 9.1)."""

from __future__ import annotations

from enum import IntEnum

from trunkline.mrcp.message import Message, field


class Recognised(IntEnum):
    """Completion-Cause of a recogniser."""

    SUCCESS = 0
    NO_MATCH = 1
    NO_INPUT_TIMEOUT = 2
    HOTWORD_MAXTIME = 3
    GRAMMAR_LOAD_FAILURE = 4
    GRAMMAR_COMPILATION_FAILURE = 5
    RECOGNIZER_ERROR = 6
    SPEECH_TOO_EARLY = 7
    SUCCESS_MAXTIME = 8
    URI_FAILURE = 9
    LANGUAGE_UNSUPPORTED = 10
    CANCELLED = 11
    SEMANTICS_FAILURE = 12
    PARTIAL_MATCH = 13
    PARTIAL_MATCH_MAXTIME = 14
    NO_MATCH_MAXTIME = 15
    GRAMMAR_DEFINITION_FAILURE = 16


class Spoke(IntEnum):
    """Completion-Cause of a synthesiser."""

    NORMAL = 0
    BARGE_IN = 1
    PARSE_FAILURE = 2
    URI_FAILURE = 3
    ERROR = 4
    LANGUAGE_UNSUPPORTED = 5
    LEXICON_LOAD_FAILURE = 6
    CANCELLED = 7


UNDERSTOOD = frozenset(
    {
        Recognised.SUCCESS,
        Recognised.SUCCESS_MAXTIME,
        Recognised.PARTIAL_MATCH,
        Recognised.PARTIAL_MATCH_MAXTIME,
    }
)
NOT_UNDERSTOOD = frozenset({Recognised.NO_MATCH, Recognised.NO_MATCH_MAXTIME, Recognised.SEMANTICS_FAILURE})
NOTHING_SAID = frozenset(
    {
        Recognised.NO_INPUT_TIMEOUT,
        Recognised.HOTWORD_MAXTIME,
        Recognised.SPEECH_TOO_EARLY,
        Recognised.CANCELLED,
    }
)
"""Nothing was heard that could be understood; all other causes say that something is broken."""


def cause(message: Message) -> int | None:
    """The number of a message's Completion-Cause; None where it has none."""
    number = field(message, "Completion-Cause").partition(" ")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else None


def written(code: Recognised | Spoke) -> str:
    """A Completion-Cause as a header field says it: `001 no-match`."""
    return f"{code:03d} {code.name.lower().replace('_', '-')}"


LEGAL: dict[str, dict[str, frozenset[str]]] = {
    "speechrecog": {
        "idle": frozenset({"SET-PARAMS", "GET-PARAMS", "DEFINE-GRAMMAR", "RECOGNIZE", "GET-RESULT", "STOP"}),
        "recognizing": frozenset(
            {"SET-PARAMS", "GET-PARAMS", "DEFINE-GRAMMAR", "RECOGNIZE", "START-INPUT-TIMERS", "STOP"}
        ),
        "recognized": frozenset(
            {"SET-PARAMS", "GET-PARAMS", "DEFINE-GRAMMAR", "RECOGNIZE", "GET-RESULT", "STOP"}
        ),
    },
    "speechsynth": {
        "idle": frozenset({"SET-PARAMS", "GET-PARAMS", "SPEAK", "STOP", "BARGE-IN-OCCURRED"}),
        "speaking": frozenset(
            {"SET-PARAMS", "GET-PARAMS", "SPEAK", "STOP", "BARGE-IN-OCCURRED", "PAUSE", "RESUME"}
        ),
        "paused": frozenset(
            {"SET-PARAMS", "GET-PARAMS", "SPEAK", "STOP", "BARGE-IN-OCCURRED", "PAUSE", "RESUME"}
        ),
    },
}
"""What each resource of our server takes, by its kind and state. What stands under no state of a kind is a
method that we do not have (401); what stands under another state comes at the wrong time (402)."""


def verdict(kind: str, state: str, method: str) -> int:
    """0 where a request may be now, else the status that refuses it."""
    table = LEGAL[kind]
    if method in table[state]:
        return 0
    return 402 if any(method in methods for methods in table.values()) else 401
