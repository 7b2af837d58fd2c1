"""`trunkline sip trace`: the calls of a capture file, drawn as ladders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson

if TYPE_CHECKING:
    from trunkline.legs.sip_ladder import Trace, TracedCall

_PIECE = 1 << 20
_LOOK_SECONDS = 0.2
"""Between two looks for what was added to the file."""


def trace(
    file: Annotated[
        Path, typer.Argument(help="What --trace wrote, or a capture of another program's (pcap).")
    ],
    call: Annotated[
        str,
        typer.Option(
            "--call", metavar="TEXT", help="Only calls with this in their number, ids or addresses."
        ),
    ] = "",
    pcap: Annotated[
        Path | None,
        typer.Option(
            "--pcap", metavar="FILE", help="Write the same calls, signalling and media, for Wireshark."
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Write out every message.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what passes from now on, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw the SIP calls in a capture file as ladders, with their media.

    `trunkline serve --trace FILE` (and `call`, `sip dial`, `sip register`) writes such a file; --follow shows
    what passes while it grows. What proves a password and keys of encrypted media are covered, on the screen
    and in what --pcap writes. Exit status 1 where there was no call to show.
    """
    if follow:
        if pcap is not None:
            raise typer.BadParameter("it cannot be written while --follow is shown", param_hint="--pcap")
        _follow(file, call, as_json=as_json)
        return
    if pcap is not None and pcap.exists() and file.exists() and pcap.samefile(file):
        raise typer.BadParameter("it is the file that is read", param_hint="--pcap")
    found = _read(file)
    chosen = [one for one in found.calls if _wanted(one, call)]
    for one in chosen:
        if as_json:
            for line in _json_lines(one):
                typer.echo(line)
        else:
            for line in one.lines(full=full):
                typer.echo(line)
            typer.echo("")
    if found.unread:
        typer.echo(f"trunkline: {found.unread} messages more could not be shown", err=True)
    if pcap is not None:
        count = _write_pcap(file, pcap, {one.call_id for one in chosen})
        typer.echo(f"trunkline: {count} packets in {pcap}", err=True)
    if not chosen:
        hint = f". `trunkline sip trace {file}` shows the {len(found.calls)} that there are" if call else ""
        typer.echo(f"trunkline: {file}: no {'such ' if call else ''}call in there{hint}", err=True)
        raise typer.Exit(ExitStatus.OTHERWISE)


def _wanted(call: TracedCall, text: str) -> bool:
    if text.isdigit() and len(text) < 4:
        return call.title.startswith(f"Call {text} ")
    return text in call.title or any(text in (one.source[0], one.target[0]) for one in call.steps)


def _pieces(part: Path) -> Iterator[bytes]:
    """What is in it. Raises `ConfigError`."""
    from trunkline.errors import ConfigError

    try:
        with part.open("rb") as source:
            while piece := source.read(_PIECE):
                yield piece
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=str(part)) from error


def _seen(file: Path) -> Iterator[object]:
    """What passed, by the file and the older half that was put aside before it."""
    from trunkline.sip.pcap import PcapReader

    for part in (file.with_name(file.name + ".1"), file):
        if part is not file and not part.exists():
            continue
        reader, begun = PcapReader(str(part)), False
        for piece in _pieces(part):
            begun = True
            yield from reader.feed(piece)
        if not begun:
            list(reader.feed(b"\0\0\0\0"))  # Empty is no capture file either.


def _read(file: Path) -> Trace:
    from trunkline.legs.sip_ladder import Trace
    from trunkline.sip.pcap import Seen

    found = Trace()
    for seen in _seen(file):
        assert isinstance(seen, Seen)
        found.add(seen)
    return found


def _write_pcap(file: Path, target: Path, wanted: set[str]) -> int:
    """The chosen calls once more, their secrets covered. Gives the number of packets."""
    from trunkline.errors import RecordError
    from trunkline.legs.sip_ladder import Trace
    from trunkline.sip.masking import covered
    from trunkline.sip.pcap import PcapWriter, Seen

    # Sorted anew: a port of media belongs to whichever call had it at the time.
    writer, count, found = PcapWriter(), 0, Trace()
    try:
        with target.open("wb") as out:
            out.write(writer.header())
            for seen in _seen(file):
                assert isinstance(seen, Seen)
                found.add(seen)
                call = found.call_of(seen)
                if call is None or call.call_id not in wanted:
                    continue
                data = covered(seen.data) if seen.data[:1] < b"\x80" else seen.data
                out.write(writer.record(Seen(seen.at, seen.transport, seen.source, seen.target, data)))
                count += 1
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(target)) from error
    return count


def _json_lines(call: TracedCall) -> Iterator[str]:
    for step in call.steps:
        row = asdict(step)
        row["raw"] = step.raw.decode("utf-8", "replace")
        yield json.dumps({"call": call.call_id, **row})
    for media in call.media.values():
        yield json.dumps({"call": call.call_id, "media": {**asdict(media), "lost": media.lost}})


def _follow(file: Path, wanted: str, *, as_json: bool) -> None:
    from trunkline.cli.running import run

    run(_follow_until_stopped(file, wanted, as_json=as_json))


async def _follow_until_stopped(file: Path, wanted: str, *, as_json: bool) -> None:
    """Tell each message as it is added; the file may be put aside and begun anew meanwhile."""
    import asyncio
    from datetime import datetime

    from trunkline.cli.running import stopped_by_signals
    from trunkline.errors import ConfigError
    from trunkline.legs.sip_ladder import Trace, live_line
    from trunkline.sip.pcap import PcapReader

    found, reader, source = Trace(), PcapReader(str(file)), None
    async with stopped_by_signals(lambda: None) as stop:
        while not stop.is_set():
            try:
                piece = source.read(_PIECE) if source is not None else b""
                if not piece and (source is None or not _is_still(source, file)):
                    if source is not None:
                        source.close()
                    source, reader = file.open("rb"), PcapReader(str(file))
                    piece = source.read(_PIECE)
            except FileNotFoundError:
                source = None  # It may come yet.
            except OSError as error:
                raise ConfigError(f"cannot be read: {error.strerror or error}", where=str(file)) from error
            for seen in reader.feed(piece) if piece else ():
                for call, step in found.add(seen):
                    if not _wanted(call, wanted):
                        continue
                    if as_json:
                        row = {**asdict(step), "raw": step.raw.decode("utf-8", "replace")}
                        typer.echo(json.dumps({"call": call.call_id, **row}))
                    else:
                        number = list(found.by_id).index(call.call_id) + 1
                        clock = datetime.fromtimestamp(step.at).astimezone().strftime("%H:%M:%S.%f")[:-3]
                        typer.echo(live_line(number, step, clock))
            if not piece:
                try:
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await stop.wait()
                except TimeoutError:
                    continue
    if source is not None:
        source.close()


def _is_still(source: IO[bytes], file: Path) -> bool:
    """Whether what is read is still what has that name: a new one may have been begun."""
    import os

    return os.fstat(source.fileno()).st_ino == file.stat().st_ino
