"""One tree of errors. An error says what happened, where, and what to do about it.

    TrunklineError
    ├── ConfigError            a setting, flag or file a person wrote is wrong
    ├── ScenarioError          a scenario cannot be used (with line numbers where known)
    ├── ParseError             bytes or text from outside do not follow their format (also a ValueError)
    ├── SipError               signalling failed
    ├── MediaError             sockets or audio failed
    ├── RecordError            a record could not be written
    ├── CallRefused            a call cannot be taken or placed now
    ├── ToolError              a tool that a scenario calls failed
    └── EngineError            an STT, LLM or TTS engine failed
        ├── EngineMissing      its package, model or program is not installed here
        ├── EngineKeyWrong     its credentials are missing or refused
        ├── EngineQuota        the account is out of money or quota
        ├── EngineRate         too many requests just now
        ├── EngineNetwork      it could not be reached, or the connection broke
        ├── EngineTimeout      it did not answer in its time
        ├── EngineRequest      it refused the request: ours is wrong
        └── EngineDown         it answered that it is broken, or answered nonsense

`str(error)` is for the person whose call or command it is, and for the call's record. A service's own words
in it may repeat what people said on the phone, so the log is given `error.for_log()`.

Code that has to choose asks `error.verdict`; nothing parses an error's text.
"""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What a caller of the failed thing should do."""

    RETRY = "retry"
    """The same thing may work in a moment."""
    FAIL_OVER = "fail-over"
    """Another engine, trunk or target may work; this one will not."""
    TELL_CALLER = "tell-caller"
    """The person on the phone should be told, politely, and the call go on or end."""
    GIVE_UP = "give-up"
    """Nothing more can be done here; a person has to change something."""


class TrunklineError(Exception):
    """The root. `where` names the part or the place in a file; `hint` says what to do next."""

    verdict: Verdict = Verdict.GIVE_UP

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text

    def for_log(self) -> str:
        """What of it may stand in the log."""
        return str(self)

    def _without_words(self) -> str:
        """The error's class in place of its words. Hints are ours, or a person's settings."""
        text = f"{self.where}: {type(self).__name__}" if self.where else type(self).__name__
        return f"{text}. {self.hint}" if self.hint else text


class ConfigError(TrunklineError):
    """A setting, a flag or a file that a person wrote is wrong."""


class ScenarioError(TrunklineError):
    """A scenario cannot be used."""


class ParseError(TrunklineError, ValueError):
    """Bytes or text from outside do not follow their format."""


class SipError(TrunklineError):
    """Signalling failed."""

    verdict = Verdict.FAIL_OVER


class MediaError(TrunklineError):
    """Media sockets or audio failed."""


class RecordError(TrunklineError):
    """A record could not be written (disk full, no permission); the call itself goes on."""

    verdict = Verdict.RETRY


class CallRefused(TrunklineError):
    """A call cannot be taken or placed now: draining, over a limit, nobody there."""


class ToolError(TrunklineError):
    """A tool that a scenario calls (HTTP, MCP, a function) failed; `where` names it."""

    verdict = Verdict.TELL_CALLER

    def for_log(self) -> str:
        # Its hint, too, may be what a server said.
        return f"{self.where}: {type(self).__name__}" if self.where else type(self).__name__


class EngineError(TrunklineError):
    """An STT, LLM or TTS engine failed; `where` names it."""

    verdict = Verdict.FAIL_OVER

    def for_log(self) -> str:
        return self._without_words()


class EngineMissing(EngineError):
    """The engine's package, model file or program is not installed here."""

    def for_log(self) -> str:
        return str(self)  # nothing was said to it


class EngineKeyWrong(EngineError):
    """The engine's credentials are missing or were refused."""


class EngineQuota(EngineError):
    """The account is out of money or quota."""


class EngineRate(EngineError):
    """Too many requests just now."""

    verdict = Verdict.RETRY


class EngineNetwork(EngineError):
    """The engine could not be reached, or the connection broke."""

    verdict = Verdict.RETRY


class EngineTimeout(EngineError):
    """The engine did not answer in its time."""


class EngineRequest(EngineError):
    """The engine refused the request: what we asked is wrong, and stays wrong."""


class EngineDown(EngineError):
    """The engine says it is broken, or answers nonsense."""
