"""linphone, a phone that nobody here wrote, is dialled and dials in: sound both ways, hold, both BYEs."""

from __future__ import annotations

import asyncio
import os
import shutil
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from peers.softphone import free_port, tone
from peers.test_baresip import share_of_tone
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("linphonec") is None, reason="linphonec is not installed here"),
]

CONFIG = """\
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
guess_hostname=0
contact=sip:linphone@127.0.0.1
use_ipv6=0
ipv6_migration_done=1
[rtp]
audio_rtp_port=0
[video]
enabled=0
"""


class Linphone:
    """The program, which is told what to do line by line, and says what it does."""

    def __init__(self, program: asyncio.subprocess.Process, port: int) -> None:
        self._program = program
        self.port = port
        self.said: list[str] = []

    def tell(self, command: str) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(f"{command}\n".encode())

    async def until(self, words: str) -> str:
        """The next line that holds these words."""
        assert self._program.stdout is not None
        while True:
            line = (await self._program.stdout.readline()).decode(errors="replace")
            assert line, f"{words!r} was not said: {self.said[-20:]}"
            self.said.append(line)
            if words in line:
                return line


@asynccontextmanager
async def linphone(folder: Path, *arguments: str) -> AsyncIterator[Linphone]:
    """It plays a tone of 440 Hz and records what it hears into `heard.wav`."""
    port = free_port()
    # Without its folder its database cannot be opened, and without that it listens nowhere, silently.
    (folder / ".local" / "share" / "linphone").mkdir(parents=True)
    (folder / "config").write_text(CONFIG.format(port=port))
    with wave.open(str(folder / "says.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(tone())
    program = await asyncio.create_subprocess_exec(
        "linphonec", "-c", str(folder / "config"), *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
        cwd=folder,
    )  # fmt: skip
    phone = Linphone(program, port)
    try:
        phone.tell("soundcard use files")
        await phone.until("Using wav files")
        phone.tell("ipv6 disable")
        phone.tell(f"record {folder}/heard.wav")
        phone.tell(f"play {folder}/says.wav")
        phone.tell("ports")
        await phone.until(f"sip port = {port}")
        yield phone
        phone.tell("quit")
        await phone.until("Terminating")
    finally:
        with suppress(ProcessLookupError):
            program.terminate()
        try:
            async with asyncio.timeout(10):
                await program.communicate()
        except TimeoutError:
            program.kill()
            await program.communicate()


@asynccontextmanager
async def phone() -> AsyncIterator[SipService]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    service = await SipService.open(SipSettings(bind="udp:127.0.0.1:0"), clock, pacer)
    try:
        async with asyncio.timeout(60):
            yield service
    finally:
        await service.close()
        await pacer.close()


class Talk:
    """Says a tone of its own, and waits for theirs."""

    def __init__(self, leg: SipLeg) -> None:
        self._heard: list[Frame] = []
        self._sound, self._place = tone(), 0
        self._wanted = 25
        self.hears = asyncio.Event()
        leg.start(self._listen, self._speak)

    def _listen(self, frame: Frame) -> None:
        self._heard.append(frame)
        if len(self._heard) < self._wanted:
            return
        if share_of_tone(b"".join(one.pcm for one in self._heard[-25:]), 440.0) > 0.8:
            self.hears.set()

    def _speak(self, at: float) -> bytes:
        self._place = (self._place + 320) % (len(self._sound) - 320)
        return self._sound[self._place : self._place + 320]

    async def heard_again(self, seconds: float) -> None:
        self._heard.clear()
        self._wanted = round(50 * seconds)
        self.hears.clear()
        await self.hears.wait()


def tone_in(recording: Path) -> float:
    """The share of the tone in the best half second of it."""
    with wave.open(str(recording)) as sound:
        rate, channels = sound.getframerate(), sound.getnchannels()
        assert (rate, channels) == (8000, 1)
        pcm = sound.readframes(sound.getnframes())
    pieces = [pcm[start : start + 8000] for start in range(0, len(pcm) - 8000, 4000)]
    return max((share_of_tone(piece, 440.0) for piece in pieces), default=0.0)


async def test_linphone_is_dialled_and_both_hear_the_other(tmp_path: Path) -> None:
    async with phone() as service, linphone(tmp_path, "-a") as theirs:
        leg = await service.dial(f"sip:linphone@127.0.0.1:{theirs.port}", caller="Trunkline")
        await leg.answer()
        talk = Talk(leg)
        await talk.hears.wait()
        await talk.heard_again(2.0)  # Of ours for their recording meanwhile.
        await leg.hang_up()
        await theirs.until("ended")
    assert tone_in(tmp_path / "heard.wav") > 0.8


async def test_linphone_dials_holds_goes_on_and_hangs_up(tmp_path: Path) -> None:
    async with phone() as service, linphone(tmp_path) as theirs:
        host, port = service.address
        theirs.tell(f"call sip:agent@{host}:{port}")
        leg = await anext(service.calls())
        await leg.answer()
        talk = Talk(leg)
        await talk.hears.wait()
        theirs.tell("pause")
        await theirs.until("paused")
        theirs.tell("resume")
        await talk.heard_again(0.5)
        theirs.tell("terminate")
        events = [event async for event in leg.events()]
        assert isinstance(events[-1], HungUp)
        await leg.hang_up()
