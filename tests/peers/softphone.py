"""baresip, a softphone that nobody here wrote, run with a configuration of its own."""

from __future__ import annotations

import array
import asyncio
import json
import math
import random
import shutil
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

needs_baresip = (
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed here"),
)

_PLACES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules")
MODULES = next((place for place in _PLACES if Path(place).is_dir()), "/usr/local/lib/baresip/modules")
CONFIG = """\
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
module_path {modules}
module g711.so
{more}module aufile.so
module aubridge.so
module sndfile.so
module_app account.so
module_app menu.so
audio_source aufile,{folder}/says.wav
audio_player aubridge,silent
audio_alert aubridge,silent
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
snd_path {folder}
"""


def free_port() -> int:
    """A port for baresip: it wants UDP and TCP there, and TCP on the next for TLS. Taken from below the
    range that the system gives to whoever asks for any port, so that nobody gets it in between."""
    for _ in range(100):
        port = random.randrange(20_000, 30_000, 2)
        try:
            with (
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
                socket.socket() as tcp,
                socket.socket() as tls,
            ):
                udp.bind(("127.0.0.1", port))
                tcp.bind(("127.0.0.1", port))
                tls.bind(("127.0.0.1", port + 1))
                return port
        except OSError:
            continue
    raise OSError("no port is free for baresip")


@asynccontextmanager
async def baresip(
    folder: Path,
    port: int,
    *arguments: str,
    says: bytes = b"",
    rate: int = 8000,
    modules: tuple[str, ...] = (),
    account: str = "",
    settings: str = "",
) -> AsyncIterator[asyncio.subprocess.Process]:
    """It sends `says` (16-bit PCM at `rate`), or a tone of 440 Hz, and records what it hears. `modules`:
    of its own, to be loaded too; `account`: further parameters of its account; `settings`: further lines."""
    more = "".join(f"module {name}.so\n" for name in modules)
    config = CONFIG.format(port=port, modules=MODULES, folder=folder, rate=rate, more=more)
    (folder / "config").write_text(config + settings)
    account = f"<sip:baresip@127.0.0.1:{port}>;regint=0;answermode=auto{account}\n"
    (folder / "accounts").write_text(account)
    (folder / "contacts").touch()
    with wave.open(str(folder / "says.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(says or tone(rate))
    program = await asyncio.create_subprocess_exec(
        "baresip",
        "-f",
        str(folder),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield program
    finally:
        if program.returncode is None:
            program.terminate()
        output, _ = await program.communicate()
        print(output.decode(errors="replace"))


def tone(rate: int = 8000) -> bytes:
    """A minute of 440 Hz."""
    samples = (round(8000 * math.sin(2 * math.pi * 440 * place / rate)) for place in range(rate * 60))
    return array.array("h", samples).tobytes()


async def command(port: int, name: str, params: str = "") -> None:
    """Have it do something, through its module `ctrl_tcp`, which listens at this port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        text = json.dumps({"command": name, "params": params, "token": name})
        writer.write(f"{len(text)}:{text},".encode())
        await writer.drain()
        # Events come between; its answer names the token.
        seen = b""
        while b'"token":"' + name.encode() not in seen.replace(b'": "', b'":"'):
            piece = await reader.read(4096)
            assert piece, f"baresip did not answer {name}: {seen!r}"
            seen += piece
    finally:
        writer.close()
