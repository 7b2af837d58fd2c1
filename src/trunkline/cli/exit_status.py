"""What the exit status of every command means."""

from __future__ import annotations

from enum import IntEnum

from trunkline.errors import (
    CallRefused,
    ConfigError,
    EngineError,
    MediaError,
    ParseError,
    RecordError,
    ScenarioError,
    SipError,
    TrunklineError,
)


class ExitStatus(IntEnum):
    """0 is success; everything else says what a script should do about it."""

    OK = 0
    OTHERWISE = 1
    """It ran, and ended otherwise than intended: the demo's outcome, a call that nobody answered."""
    USAGE = 2
    """A flag, a setting or a scenario is wrong: a person has to change something."""
    ENGINE = 3
    """An engine is missing, refuses its credentials, or failed."""
    NETWORK = 4
    """A port cannot be had, or signalling or media failed."""
    RECORD = 5
    """A record could not be written."""
    FAULT = 70
    """A fault of Trunkline's own; please report it."""
    INTERRUPTED = 130
    """Ended by Ctrl-C."""


_STATUS: tuple[tuple[type[TrunklineError], ExitStatus], ...] = (
    (ConfigError, ExitStatus.USAGE),
    (ScenarioError, ExitStatus.USAGE),
    (ParseError, ExitStatus.USAGE),
    (EngineError, ExitStatus.ENGINE),
    (SipError, ExitStatus.NETWORK),
    (MediaError, ExitStatus.NETWORK),
    (RecordError, ExitStatus.RECORD),
    (CallRefused, ExitStatus.OTHERWISE),
)


def status_of(error: TrunklineError) -> ExitStatus:
    """The status with which a command ends that this error stopped."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), ExitStatus.OTHERWISE)
