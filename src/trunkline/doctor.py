"""What this machine has of all that Trunkline can use, and what to type where something is missing.

May import everything but the command line, which shows what this finds. Start reading at `examine`.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import os
import platform
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from trunkline.clock import Clock
from trunkline.config.settings import Settings
from trunkline.errors import ConfigError, EngineMissing, TrunklineError
from trunkline.providers.registry import (
    EngineEntry,
    engines,
    make_llm,
    make_s2s,
    make_stt,
    make_tts,
    options_of,
    parse_spec,
)
from trunkline.sip.datagrams import parse_bind
from trunkline.turn.smart_turn import installed_model

START_LIMIT = 60.0
"""Seconds that an engine may take to start."""

FREE_SPACE = 1_000_000_000
"""Bytes below which the disk of the records is called nearly full."""

KINDS = {"stt": "Speech to text", "llm": "Language model", "tts": "Text to speech", "s2s": "Speech to speech"}

_MAKE: dict[str, Any] = {"stt": make_stt, "llm": make_llm, "tts": make_tts, "s2s": make_s2s}


class State(StrEnum):
    """How a thing was found."""

    OK = "ok"
    NOTE = "note"
    """Not there, and not needed as things are set."""
    PROBLEM = "problem"
    """Needed as things are set, and not there or not working."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `hint`: what to type."""

    part: str
    name: str
    state: State
    what: str
    hint: str = ""


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Look at everything. Starts the engines that are in force and closes them again, binds the SIP port
    for an instant, changes nothing. Blocks, so not for a loop that carries audio."""
    found = [*_machine(), _sound(), _acoustic_model()]
    for kind in KINDS:
        found += await _engines(kind, settings, clock)
    found += [_sip_port(settings), records(settings), *_programs()]
    return found


def _machine() -> Iterator[Finding]:
    version = platform.python_version()
    yield Finding("Machine", "Python", State.OK, f"{version} on {platform.platform()}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("Machine", "Processor", State.OK, f"{cores} cores for this process")
    try:
        yield Finding("Machine", "Event loop", State.OK, f"uvloop {importlib.metadata.version('uvloop')}")
    except importlib.metadata.PackageNotFoundError:
        what = "asyncio's own; uvloop carries more calls on a core"
        yield Finding("Machine", "Event loop", State.NOTE, what, "pip install uvloop")


async def _engines(kind: str, settings: Settings, clock: Clock) -> list[Finding]:
    chosen = getattr(settings.engines, kind)
    specs = chosen if isinstance(chosen, tuple) else (chosen,) if chosen else ()
    in_force: dict[str, str] = {}
    found: list[Finding] = []
    for spec in specs:
        try:
            in_force[parse_spec(spec).name] = spec
        except ConfigError as error:
            found.append(Finding(KINDS[kind], spec, State.PROBLEM, error.what, error.hint))
    known = engines(kind)
    for name in sorted(known.keys() | in_force.keys(), key=lambda name: (name not in in_force, name)):
        if name in in_force:
            found.append(await _started(kind, name, in_force[name], clock))
        else:
            found.append(_loadable(kind, name, known[name]))
    return found


async def _started(kind: str, name: str, spec: str, clock: Clock) -> Finding:
    """An engine in force: only a start proves that it works."""
    part = KINDS[kind]
    engine = None
    try:
        engine = _MAKE[kind](spec, clock)
        async with asyncio.timeout(START_LIMIT):
            await engine.start()
    except TrunklineError as error:
        return Finding(part, name, State.PROBLEM, f"in force, and fails: {error.what}", error.hint)
    except TimeoutError:
        return Finding(part, name, State.PROBLEM, f"in force, and did not start within {START_LIMIT:g} s")
    finally:
        if engine is not None:
            await engine.close()
    about = engines(kind)[name].about
    given = f" ({engine.name})" if engine.name != name else ""
    return Finding(part, name, State.OK, f"in force, starts{given}: {about}")


def _loadable(kind: str, name: str, entry: EngineEntry) -> Finding:
    """An engine that is not in force: whether what it runs on is installed. Most engines load without it."""
    part = KINDS[kind]
    if entry.lacks:
        hint = f"pip install 'trunkline[{entry.extra}]'"
        return Finding(part, name, State.NOTE, f"not installed: {entry.about}", hint)
    try:
        options = {option.name: option.default for option in options_of(kind, name)}
    except EngineMissing as error:
        return Finding(part, name, State.NOTE, f"not installed: {entry.about}", error.hint)
    variable = options.get("key_env")
    if isinstance(variable, str) and not os.environ.get(variable):
        return Finding(part, name, State.NOTE, f"has no key: {entry.about}", f"Set {variable}")
    return Finding(part, name, State.OK, f"can be chosen: {entry.about}")


def _sound() -> Finding:
    part, name = "Machine", "Sound device"
    try:
        device = importlib.import_module("sounddevice")
    except ImportError:
        hint = "To listen along with a demo: pip install sounddevice"
        return Finding(part, name, State.NOTE, "the package sounddevice is not installed", hint)
    except OSError:  # the package is there and its library is not
        hint = "sudo apt-get install libportaudio2"
        return Finding(part, name, State.NOTE, "the PortAudio library is not installed", hint)
    try:
        playing = device.query_devices(kind="output")
    except (device.PortAudioError, ValueError):
        return Finding(part, name, State.NOTE, "none to play through; demos and calls do not need one")
    return Finding(part, name, State.OK, str(playing["name"]))


def _acoustic_model() -> Finding:
    part, name = "Machine", "Smart Turn"
    if installed_model() is None:
        hint = "To have pauses judged by their sound: pip install 'trunkline[smart-turn]'"
        return Finding(part, name, State.NOTE, "not installed: ends of turn go by words and silence", hint)
    return Finding(part, name, State.OK, "judges how a pause sounds ([call] smart_turn)")


def _sip_port(settings: Settings) -> Finding:
    part, name = "Network", "SIP port"
    bind = settings.sip.bind
    try:
        _, host, port = parse_bind(bind)
    except ConfigError as error:
        return Finding(part, name, State.PROBLEM, error.what, error.hint)
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, _, _, place = places[0]
        with socket.socket(family, kind) as probe:
            probe.bind(place)
    except (OSError, OverflowError) as error:
        hint = "Another program has it, or it is not this machine's. Choose another: --sip udp:HOST:PORT"
        return Finding(part, name, State.PROBLEM, f"{bind} cannot be had: {error}", hint)
    return Finding(part, name, State.OK, f"{bind} is free")


def records(settings: Settings) -> Finding:
    """Whether what calls leave behind can be written. Makes nothing."""
    part, name = "Records", "Folder"
    if not settings.record.folder:
        return Finding(part, name, State.NOTE, "none: nothing of a call is kept")
    folder = Path(settings.record.folder).absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        hint = "Choose another with --runs FOLDER, or record.folder in trunkline.toml."
        return Finding(part, name, State.PROBLEM, f"{folder} cannot be written", hint)
    free = shutil.disk_usage(existing).free
    if free < FREE_SPACE:
        return Finding(
            part, name, State.PROBLEM, f"{folder}: only {free / 1e6:.0f} MB free", "Make room on that disk."
        )
    return Finding(part, name, State.OK, f"{folder}, {free / 1e9:.0f} GB free")


def _programs() -> Iterator[Finding]:
    """Programs from outside. Calls need none of them."""
    for program, package, use in (
        ("baresip", "baresip", "a softphone, which the peer tests call"),
        ("sipp", "sip-tester", "a SIP tester, which the peer tests run"),
    ):
        place = shutil.which(program)
        if place:
            yield Finding("For tests", program, State.OK, place)
        else:
            hint = f"sudo apt-get install {package}"
            yield Finding("For tests", program, State.NOTE, f"not installed: {use}", hint)
