"""Packages that only those need who have a carrier or a browser: loaded when they are used, `ConfigError` if
missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from trunkline.errors import ConfigError


def extra(module: str, of: str = "carriers") -> Any:
    """The module of this name, from the packages of the extra `of`."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"this needs the package {module.partition('.')[0]}, which is not installed here",
            where=of,
            hint=f"Type: pip install 'trunkline[{of}]'",
        ) from error
