"""One tool as the configuration has it: where it is, and how to be let in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from trunkline.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Tool:
    """One `[[tools]]` of the configuration."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str
    """As scenarios call it: small letters, digits and _."""
    kind: Literal["http", "mcp", "python"] = "http"
    url: str = ""
    """http: what is asked, in which `{argument}` is filled in; mcp: the server's address."""
    method: Literal["GET", "POST", "PUT", "PATCH"] = "POST"
    """http: GET gives the arguments in the address, the others as JSON."""
    token: str = field(default="", repr=False)
    """Sent as `Authorization: Bearer …`, where the tool wants one."""
    command: tuple[str, ...] = ()
    """mcp: the program to run as the server, instead of `url`."""
    tool: str = ""
    """mcp: what the server calls it; empty: as `name`."""
    function: str = ""
    """python: `package.module:function`, called with the arguments by name."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` for what cannot be."""
        if not _NAME.fullmatch(self.name):
            raise _wrong(self.name, f"{self.name!r} cannot be a tool's name")
        if self.kind == "python":
            if not _FUNCTION.fullmatch(self.function):
                raise _wrong(self.name, "it needs `function`, written as package.module:function")
        elif self.kind == "mcp" and self.command:
            if self.url:
                raise _wrong(self.name, "it has `url` and `command`; one of them is its server")
        elif urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise _wrong(self.name, "it needs a `url` that begins with https:// or http://")


@dataclass(frozen=True, slots=True)
class IntegrationSettings:
    """`[integrations]`: what calls may reach out to."""

    tools: tuple[Tool, ...] = ()
    """What steps of kind call may use: written as `[[tools]]`, one table each."""

    def __post_init__(self) -> None:
        """Raises `ConfigError` where two have one name."""
        names = [tool.name for tool in self.tools]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _wrong(twice, f"two tools are called {twice!r}")


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError(f"the tool {name!r}: {what}", where="integrations.tools")
