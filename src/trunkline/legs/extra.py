"""Packages that only those need who have a carrier: loaded when they are used, `ConfigError` if missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trunkline.errors import ConfigError


def extra(module: str) -> Any:
    """The module of this name, from the packages of the extra `carriers`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"carriers need the package {module.partition('.')[0]}, which is not installed here",
            where="carriers",
            hint="Type: pip install 'trunkline[carriers]'",
        ) from error
