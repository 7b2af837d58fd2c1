"""Who answers in `trunkline lab bench --sip`: our own end, and other programs where they are installed."""

from __future__ import annotations

import array
import asyncio
import math
import os
import shutil
import socket
import tempfile
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trunkline.clock import Clock

_TONE_SECONDS = 90
_READY = 2.0
"""Seconds that a program from outside is given to listen."""
_PJSUA_CALLS = 128
_MODULES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
_BARESIP = """\
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
call_max_calls 0
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module_app account.so
module_app menu.so
audio_source {source}
audio_player aubridge,silent
audio_alert aubridge,silent
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
"""


@dataclass(frozen=True, slots=True)
class Phone:
    """One that answers every call at once."""

    name: str
    address: tuple[str, int]
    pid: int
    has_media: bool = False
    log_lines: Callable[[], int | None] = lambda: None

    def memory_bytes(self) -> int:
        """Its resident memory; 0 where it is gone."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


def processor_of(pid: int) -> float:
    """Processor seconds that a process has used, user and system, all its threads (proc(5)); 0 where it is
    gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def sipp_answers(core: int | None, clock: Clock) -> AsyncIterator[Phone | None]:
    """SIPp's own scenario `uas`; None where SIPp is not installed."""
    port = _free_port()
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-nostdin"]
    async with _running(command, core, clock) as pid:
        yield None if pid is None else Phone("SIPp uas", ("127.0.0.1", port), pid)


@asynccontextmanager
async def baresip(core: int | None, clock: Clock, *, media: bool) -> AsyncIterator[Phone | None]:
    """baresip, which answers, and with `media` plays a tone; None where it is not installed."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as name:
        _lay_out(Path(name), port, media=media)
        async with _running(["baresip", "-f", name], core, clock) as pid:
            yield None if pid is None else Phone("baresip", ("127.0.0.1", port), pid, has_media=media)


@asynccontextmanager
async def pjsua(core: int | None, clock: Clock, *, media: bool) -> AsyncIterator[Phone | None]:
    """PJSIP's program, which answers, and with `media` plays a tone; None where it is not installed. It
    takes no more calls than it was built for (`PJSUA_MAX_CALLS`)."""
    port = _free_port()
    with tempfile.TemporaryDirectory() as name:
        _write_tone(tone := Path(name) / "says.wav")
        command = [
            "pjsua", f"--local-port={port}", "--bound-addr=127.0.0.1", "--ip-addr=127.0.0.1", "--no-tcp",
            "--null-audio", "--clock-rate=8000", "--ec-tail=0", "--auto-answer=200",
            f"--max-calls={_PJSUA_CALLS}", "--dis-codec=*", "--add-codec=PCMU",
            "--log-level=0", "--app-log-level=0",
            *((f"--play-file={tone}", "--auto-play") if media else ()),
        ]  # fmt: skip
        async with _running(command, core, clock) as pid:
            yield None if pid is None else Phone("pjsua", ("127.0.0.1", port), pid, has_media=media)


def _lay_out(folder: Path, port: int, *, media: bool) -> None:
    """baresip's configuration, and a tone for it to play."""
    modules = next((place for place in _MODULES if Path(place).is_dir()), "/usr/local/lib/baresip/modules")
    # It reads the whole file for each call, which has no place where signalling alone is measured.
    source = f"aufile,{folder}/says.wav" if media else "aubridge,silence"
    (folder / "config").write_text(_BARESIP.format(port=port, modules=modules, source=source), "ascii")
    account = f"<sip:agent@127.0.0.1:{port}>;regint=0;answermode=auto\n"
    (folder / "accounts").write_text(account, "ascii")
    (folder / "contacts").touch()
    _write_tone(folder / "says.wav")


def _write_tone(path: Path) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        tone = (
            round(8000 * math.sin(2 * math.pi * 440 * place / 8000)) for place in range(8000 * _TONE_SECONDS)
        )
        sound.writeframes(array.array("h", tone).tobytes())


@asynccontextmanager
async def _running(command: list[str], core: int | None, clock: Clock) -> AsyncIterator[int | None]:
    """The program, on that core; None where it is not installed or does not stay."""
    if shutil.which(command[0]) is None:
        yield None
        return
    if core is not None and shutil.which("taskset"):
        command = ["taskset", "-c", str(core), *command]  # It becomes the program, with the same number.
    with tempfile.TemporaryDirectory() as folder:
        program = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, cwd=folder,
        )  # fmt: skip
        try:
            await clock.sleep(_READY)
            yield program.pid if program.returncode is None else None
        finally:
            with suppress(ProcessLookupError):
                program.kill()
            await program.wait()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
