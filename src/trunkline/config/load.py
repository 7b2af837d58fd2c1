"""Joining the layers and checking what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from trunkline.config.names import CONFIG_VARIABLE, FILE_NAME
from trunkline.config.settings import Settings, keys, tables
from trunkline.config.sources import LISTS, Given, from_environment, from_file
from trunkline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and for each that is not a default, who set it: path -> `Given`."""

    settings: Settings
    origins: dict[str, Given]
    file: Path | None
    """The file that was read, if there was one."""


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str],
    flags: Sequence[Given] = (),
    folder: Path = Path(),
) -> Loaded:
    """What is in force: defaults, then the file, then the environment, then flags.

    The file is `file`, or what the environment's TRUNKLINE_CONFIG names, or `trunkline.toml` in `folder`
    where there is one. Raises `ConfigError` that names the place of what is wrong, and the nearest key.
    """
    chosen = _choose_file(file, environment, folder)
    layers = (from_file(chosen) if chosen else [], from_environment(environment), flags)
    origins = {given.path: given for layer in layers for given in layer}
    checked = {table: _check(table, origins) for table in tables()}
    return Loaded(Settings(**checked), origins, chosen)


def _choose_file(file: Path | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    if file is not None:
        return file
    if named := environment.get(CONFIG_VARIABLE):
        return Path(named)
    usual = folder / FILE_NAME
    return usual if usual.exists() else None


def _check(table: str, origins: Mapping[str, Given]) -> Any:
    values = {
        key.name: origins[path].value
        for path, key in keys().items()
        if key.table == table and path in origins
    }
    try:
        return TypeAdapter(tables()[table]).validate_python(values)
    except ValidationError as error:
        raise _told(table, error, origins) from error
    except ConfigError as error:  # from a room's own check of its settings
        origin = origins.get(error.where)
        if origin is None:
            raise
        raise ConfigError(f"{error.where}: {error.what}", where=origin.place, hint=error.hint) from error


def _told(table: str, error: ValidationError, origins: Mapping[str, Given]) -> ConfigError:
    """All that is wrong with one table, each with its place."""
    told: dict[
        str, str
    ] = {}  # one line for a key, though Pydantic may tell of each way it could have been right
    for problem in error.errors(include_url=False, include_input=False):
        path = f"{table}.{problem['loc'][0]}" if problem["loc"] else table
        if path in LISTS.values() and path in origins:
            # What was written holds passwords, so the place within it is told, and not the value.
            inside = ".".join(str(step) for step in problem["loc"][1:])
            place = origins[path].place.partition("=")[0]
            name = path.partition(".")[2]
            told.setdefault(f"{path}.{inside}", f"{place}: {name}.{inside} {problem['msg']}")
            continue
        what = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
        if origin := origins.get(path):
            told.setdefault(path, f"{origin.place}: {path} {what}, not {origin.value!r}")
        else:
            told.setdefault(path, f"[{table}] {what}")
    return ConfigError("\n".join(told.values()))
