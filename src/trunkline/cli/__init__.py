"""The command line: `trunkline …`. One file a command; may import everything, but only inside
commands, so that `trunkline --help` answers at once.

Start reading at `app.py` (which commands there are), then `options.py` (flags that commands share),
`running.py` (event loop and signals) and `exit_status.py` (what the exit status means).
"""

from __future__ import annotations


def main() -> None:
    """The entry point. Ends the process with a status from `exit_status`."""
    from trunkline.cli.app import run

    run()
