"""A carrier as the front (`carrier_front.py`) sees it: webhooks in, answers out, streams admitted.

A carrier knows no sockets. What arrives is a `WebhookRequest`; it checks the signature before anything
else and answers with a `WebhookReply`. Its legs live on the `Switchboard` that it is given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl

from trunkline.errors import CallRefused, ConfigError, ParseError
from trunkline.legs.stream import Opened, StreamProtocol
from trunkline.legs.websocket_leg import StreamLeg

BODY_LIMIT = 64 * 1024
"""Bytes of a webhook; the largest that carriers send are a few thousand."""
_FIELDS_LIMIT = 200


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One HTTP request. `path`: within the carrier's own part (`/NAME/voice` is `voice`). `target`: the
    path and query as they were asked for. `headers`: names in lower case."""

    method: str
    path: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""
    """The address that it came from."""
    near: bool = False
    """That is a loopback address, and nothing in the request speaks of a proxy on the way."""

    @property
    def query(self) -> list[tuple[str, str]]:
        return _fields(self.target.partition("?")[2])

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of a form in the body. Raises `ParseError` for what is none."""
        try:
            return _fields(self.body.decode("ascii"))
        except UnicodeDecodeError as error:
            raise ParseError("a form that is not ASCII", where="webhook") from error


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_FIELDS_LIMIT)
    except ValueError as error:
        raise ParseError("a form with too many fields", where="webhook") from error


@dataclass(frozen=True, slots=True)
class WebhookReply:
    """What the carrier is answered."""

    status: int = 204
    body: str = ""
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_json(cls, value: object) -> WebhookReply:
        return cls(200, json.dumps(value), "application/json")


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A media socket as it was asked for. `token`: what stands behind `stream/` in its path.
    `local`: it comes from a loopback address, and nothing in it speaks of a proxy or a web page. `origin`,
    `host`: its headers; `peer`, `near`: as in `WebhookRequest`."""

    token: str
    local: bool = False
    origin: str = ""
    host: str = ""
    peer: str = ""
    near: bool = False


class Carrier(Protocol):
    """One carrier, with the account that its settings name."""

    name: str
    """The first part of its paths, and the kind of its legs."""

    async def webhook(self, request: WebhookRequest) -> WebhookReply:
        """Raises `CallRefused` (answered 403) for what is not to be believed, `ParseError` (400) for
        what cannot be read."""
        ...

    def stream(self, request: StreamRequest) -> StreamProtocol:
        """A protocol for a new media socket. Raises `CallRefused` where it is surely not wanted."""
        ...

    def admit(self, request: StreamRequest, opened: Opened) -> StreamLeg:
        """The leg that this stream is for. Raises `CallRefused` where nobody announced it."""
        ...

    async def dial(self, number: str, *, caller: str = "", variables: Mapping[str, str]) -> StreamLeg:
        """Place a call. Raises `ConfigError` where settings for it are missing, `SipError` where the
        carrier would not."""
        ...

    async def close(self) -> None:
        """Free what it holds; its calls have ended."""
        ...


@runtime_checkable
class HasPage(Protocol):
    """A carrier with a page for people."""

    page: str
    """Its path behind the carrier's name."""


@dataclass(frozen=True, slots=True)
class PublicUrl:
    """Where the carrier reaches us: `https://HOST[:PORT]`, without a path of its own."""

    base: str

    def __post_init__(self) -> None:
        scheme, found, rest = self.base.partition("://")
        if scheme not in ("http", "https") or not found or not rest or "/" in rest.rstrip("/"):
            raise ConfigError(
                f"{self.base!r} is no address to be reached at", hint="Such as https://voice.example.com"
            )

    def http(self, target: str) -> str:
        """The address of a path (with its query) under it."""
        return self.base.rstrip("/") + target

    def socket(self, target: str) -> str:
        """The same for a WebSocket."""
        return "ws" + self.http(target).removeprefix("http")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Who is at the two ends of a call, and what came with it."""

    call_id: str
    direction: str
    caller: str
    callee: str
    variables: dict[str, str] = field(default_factory=dict)


def need(value: str, path: str, what: str) -> str:
    """A setting that must be there for this. Raises `ConfigError`."""
    if not value:
        raise ConfigError(f"is not set, and is needed to {what}", where=path)
    return value


def refuse_unless(right: bool, why: str, where: str) -> None:
    """Raises `CallRefused` with this reason where it is not right."""
    if not right:
        raise CallRefused(why, where=where)
