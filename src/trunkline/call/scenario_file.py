"""The scenario that new calls get: read again when its file changes, never worse than before.

A file that is broken, or wants a tool that is not configured, changes nothing but the log: calls go on with
the version that was read last. A running call keeps the one that it began with, whatever comes of the file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog

from trunkline.clock import Clock
from trunkline.errors import ConfigError, TrunklineError
from trunkline.scenario.load import library, load_scenario
from trunkline.scenario.play import ScenarioPlay

LOOK_EVERY = 1.0
"""Seconds between looks at the file."""

logger = structlog.get_logger(__name__)


class ScenarioFile:
    """`source`: a file, or the name of a shipped scenario. Raises `ScenarioError` or `ConfigError` where it
    cannot be used to begin with."""

    def __init__(self, source: str, tools: Iterable[str] = ()) -> None:
        self._path = library().get(source, Path(source))
        self._source = source
        self._tools = frozenset(tools)
        began = _stamp(self._path)
        self.play = self._read()
        """For the next call."""
        self._seen = self._signature()
        if self._seen[0] != began:  # it changed under our hands
            self._seen = (None,)

    def _read(self) -> ScenarioPlay:
        scenario = load_scenario(self._source)
        wanted = {step.tool for step in scenario.steps.values() if step.tool}
        if missing := sorted(wanted - self._tools):
            hint = "Add one [[tools]] for each to the configuration."
            what = f"it calls tools that are not there: {', '.join(missing)}"
            raise ConfigError(what, where=self._source, hint=hint)
        return ScenarioPlay(scenario)

    def _signature(self) -> tuple[tuple[int, int] | None, ...]:
        """What tells that a file has changed."""
        files = (self._path.parent / name for name in self.play.scenario.knowledge_files)
        return tuple(_stamp(file) for file in (self._path, *files))

    async def watch(self, clock: Clock) -> None:
        """Look for ever; cancel it in the end."""
        while True:
            await clock.sleep(LOOK_EVERY)
            await self.look()

    async def look(self) -> bool:
        """Read it again if it has changed; whether the next call gets another version."""
        seen = await asyncio.to_thread(self._signature)
        if seen == self._seen:
            return False
        self._seen, files = seen, self.play.scenario.knowledge_files
        try:
            # Reading takes longer than audio may wait.
            self.play = await asyncio.to_thread(self._read)
        except TrunklineError as error:
            logger.error("scenario not read again; calls go on with the last one", error=error.for_log())
            return False
        if self.play.scenario.knowledge_files != files:
            self._seen = (None,)  # others to look at: once more
        logger.info("scenario read again", scenario=self.play.name)
        return True


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None  # being replaced, or gone
    return found.st_mtime_ns, found.st_size
