"""A real Asterisk, with a configuration of its own in a temporary folder."""

from __future__ import annotations

import asyncio
import os
import random
import shlex
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = os.environ.get("TRUNKLINE_ASTERISK") or shutil.which("asterisk") or ""
"""The command that starts it; the variable may name another, such as one in a container."""
START_WITHIN = 60.0
USER, PASSWORD = "trunkline", "secret"
UUID = "40325ec2-5efd-4bd3-805f-53576e581d13"

needs_asterisk = pytest.mark.skipif(
    not PROGRAM, reason="asterisk is not installed (Debian 12 has none; Ubuntu: apt-get install asterisk)"
)

ASTERISK = """
[directories]
astetcdir => {folder}
astdbdir => {folder}
astrundir => {folder}
astlogdir => {folder}
astspooldir => {folder}
[options]
verbose = 3
"""
HTTP = """
[general]
enabled = yes
bindaddr = 127.0.0.1
bindport = {http}
"""
ARI = """
[general]
enabled = yes
[trunkline]
type = user
read_only = no
password = secret
"""
PJSIP = """
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{sip}
[phone]
type = endpoint
transport = udp
context = calls
disallow = all
allow = ulaw
aors = phone
direct_media = no
[phone]
type = aor
contact = sip:phone@127.0.0.1:{phone}
[phone-at]
type = identify
endpoint = phone
match = 127.0.0.1
"""
EXTENSIONS = """
[calls]
exten => ari,1,Stasis(trunkline,list=spring)
 same => n,Hangup()
exten => socket,1,Answer()
 same => n,AudioSocket({uuid},127.0.0.1:{audiosocket})
 same => n,Hangup()
"""
WEBSOCKET_CLIENT = """
[trunkline]
type = websocket_client
connection_type = per_call_config
uri = ws://127.0.0.1:{media}/
protocols = media
username = trunkline
password = secret
tls_enabled = no
"""
CHAN_WEBSOCKET = """
[global]
control_message_format = {words}
"""
MODULES = """
[modules]
autoload = yes
noload = chan_iax2.so
noload = res_snmp.so
noload = cdr_radius.so
noload = cel_radius.so
"""


@dataclass(frozen=True)
class Ports:
    """Where everybody is. `phone`: our SIP service that plays the telephone."""

    sip: int
    http: int
    phone: int
    audiosocket: int
    media: int
    words: str = "plain-text"
    """How chan_websocket writes its messages."""

    @property
    def ari(self) -> str:
        return f"http://127.0.0.1:{self.http}/ari"


def free_port(kind: socket.SocketKind) -> int:
    """From below the range that the system gives to whoever asks for any port, so that nobody gets it in
    between."""
    for _ in range(100):
        port = random.randrange(20_000, 30_000, 2)
        with suppress(OSError), socket.socket(socket.AF_INET, kind) as one:
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def configure(folder: Path, ports: Ports) -> None:
    values = {
        "folder": folder,
        "uuid": UUID,
        "sip": ports.sip,
        "http": ports.http,
        "phone": ports.phone,
        "audiosocket": ports.audiosocket,
        "media": ports.media,
        "words": ports.words,
    }
    for name, text in (
        ("asterisk", ASTERISK),
        ("http", HTTP),
        ("ari", ARI),
        ("pjsip", PJSIP),
        ("extensions", EXTENSIONS),
        ("modules", MODULES),
        ("websocket_client", WEBSOCKET_CLIENT),
        ("chan_websocket", CHAN_WEBSOCKET),
        ("logger", "[general]\n[logfiles]\n"),
        ("rtp", "[general]\n"),
    ):
        (folder / f"{name}.conf").write_text(text.format(**values), encoding="utf-8")


@asynccontextmanager
async def asterisk(folder: Path, ports: Ports) -> AsyncIterator[Path]:
    """Asterisk running; gives the file that it writes its messages to."""
    configure(folder, ports)
    log = folder / "asterisk.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *shlex.split(PROGRAM),
            "-C",
            str(folder / "asterisk.conf"),
            "-f",
            "-vvv",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(START_WITHIN):
            while not await _ready(ports):
                assert process.returncode is None, log.read_text("utf-8", "replace")[-3000:]
                await asyncio.sleep(0.1)
        yield log
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _ready(ports: Ports) -> bool:
    """Whether its HTTP server answers for ARI."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", ports.http)
        writer.write(b"GET /ari/asterisk/ping?api_key=trunkline:secret HTTP/1.0\r\n\r\n")
        said = await reader.read(200)
        writer.close()
        await writer.wait_closed()
    except ConnectionError:
        return False
    return b" 200 " in said
