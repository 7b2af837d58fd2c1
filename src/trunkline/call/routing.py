"""Which scenario answers a call that comes in: by the number called, the trunk, the caller and headers.

Routes are tried in the order in which they are written; the first that matches decides, and where none does
the scenario that the service was started with answers. Pure: a call's `LegInfo` in, a decision out.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar

from trunkline.call.play import Play
from trunkline.errors import ConfigError, ParseError
from trunkline.legs.leg import LegInfo
from trunkline.sip.uri import parse_uri

NO_TRUNK = "none"
"""The trunk of a caller who came by none."""


@dataclass(frozen=True, slots=True)
class Route:
    """One `[[routes]]` of the configuration. `*` in a pattern stands for anything, `?` for one character;
    a + in front of a number, there or here, makes no difference."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    number: str = "*"
    """The number (or user) that was called."""
    trunk: str = "*"
    """The trunk's name; `none` for callers who came by no trunk."""
    caller: str = "*"
    """The caller's number (or user), as the trunk asserts it, else as From says."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers, or other variables of the call, and what each must be."""
    scenario: str = ""
    """A scenario's file, or the name of a shipped one."""
    refuse: int = 0
    """In place of a scenario: the status that the caller gets, such as 404, 480 or 603."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what cannot be."""
        if bool(self.scenario) == bool(self.refuse):
            raise ConfigError(
                "a route has either a scenario or a status to refuse with",
                where="service.routes",
                hint='Give it scenario = "…" or refuse = 480',
            )
        if self.refuse and not 400 <= self.refuse <= 699:
            raise ConfigError(
                f"{self.refuse} is no status that refuses", where="service.routes", hint="400 to 699"
            )

    def matches(self, info: LegInfo) -> bool:
        """Whether this call goes this way."""
        variables = {name.lower(): value for name, value in info.variables.items()}
        caller = variables.get("asserted_number") or who(info.caller)
        return (
            _alike(who(info.callee), self.number)
            and fnmatch.fnmatchcase(variables.get("trunk", NO_TRUNK), self.trunk)
            and _alike(caller, self.caller)
            and all(
                fnmatch.fnmatchcase(variables.get(name.lower(), ""), pattern)
                for name, pattern in self.headers.items()
            )
        )


def who(address: str) -> str:
    """The number or user in an address: `sip:+4930123;x=y@host`, `tel:…`, or a number alone."""
    if address.partition(":")[0].lower() not in ("sip", "sips", "tel"):
        return address
    try:
        return parse_uri(address).number
    except ParseError:
        return ""


def _alike(number: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(number.removeprefix("+"), pattern.removeprefix("+"))


class Source(Protocol):
    """Where the plays of new calls come from: a scenario's file, which may change while the server runs."""

    @property
    def play(self) -> Play:
        """For the next call."""


S = TypeVar("S", bound=Source)


class Routing(Generic[S]):
    """The routes of a service, with what they lead to."""

    def __init__(self, routes: Sequence[Route], otherwise: S, load: Callable[[str], S]) -> None:
        """Loads every scenario, so that a wrong one is told now and not to a caller."""
        self._routes = tuple(routes)
        self._otherwise = otherwise
        self._by_name = {name: load(name) for name in dict.fromkeys(r.scenario for r in routes if r.scenario)}

    @property
    def sources(self) -> tuple[S, ...]:
        """All that may answer a call."""
        return (self._otherwise, *self._by_name.values())

    def _route(self, info: LegInfo) -> Route | None:
        return next((route for route in self._routes if route.matches(info)), None)

    def refusal(self, info: LegInfo) -> int:
        """The status with which this call is refused; 0: it is taken."""
        route = self._route(info)
        return route.refuse if route is not None else 0

    def play(self, info: LegInfo) -> Play:
        """What answers this call."""
        route = self._route(info)
        routed = route is not None and route.scenario
        return (self._by_name[routed] if routed else self._otherwise).play
