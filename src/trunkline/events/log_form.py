"""The form of an event in `events.jsonl`: plain data, one object a line, and back."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from functools import cache
from typing import Any

from trunkline.events.event import Event


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
