"""Lists for narrow terminals, where a table would leave its last column a few characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

NARROW = 72
"""Columns below which what an entry says goes under it instead of beside it."""


def is_narrow(console: Console) -> bool:
    return console.width < NARROW


def print_entry(console: Console, what: Text, says: Text) -> None:
    """What it is on a line of its own, then what it says, indented and wrapped between words."""
    from rich.padding import Padding

    console.print(what)
    console.print(Padding(says, (0, 0, 0, 4)))
