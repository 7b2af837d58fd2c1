"""Does the agent hear itself? 200 sentences of flite's voices with their echo; then interruptions over it.

    .venv/bin/python benchmarks/echo.py [SEED]

The agent's sentence comes back 20 to 300 ms later and 3 to 15 dB down, through a telephone's band and a
small room (two more reflections), as mu-law, over line noise. Voice activity and turn-taking are the
call's own, in virtual time. Prints how often the agent went quieter, held and lost its sentence; then how
soon it holds when somebody speaks over the echo, beside the same without any echo.
"""

from __future__ import annotations

import audioop
import random
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trunkline.audio.frame import Frame
from trunkline.call.ledger import percentile
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import (
    CallAnswered,
    Ducked,
    Event,
    Interrupted,
    SpeakingStarted,
    SpeakingStopped,
    TimePassed,
)
from trunkline.turn.activity import VoiceEvent
from trunkline.turn.taking import TurnTaking

Samples = NDArray[np.float64]
RATE, SIZE = 8000, 160
VOICES = ("rms", "slt", "awb", "kal")
STARTS = ("Our plans", "The first lines", "Most of our customers", "These phones", "All calls", "Ten people")
MIDDLES = (
    "start at twenty dollars a month",
    "can be set up within a week",
    "work on any computer that you have",
    "keep the numbers that they had before",
    "are recorded only when you ask for it",
)
ENDS = (
    "and you may leave whenever you like.",
    "if that is what you want.",
    "so nobody has to wait for long.",
)
CALLER = (
    "Wait, is there a contract?",
    "No, that is too much for us.",
    "Sorry, what did you say?",
    "Stop please.",
)


def flite(text: str, voice: str, folder: Path) -> Samples:
    """Speech at 8 kHz, its loudest sample at half of full scale."""
    path = folder / "said.wav"
    command = [shutil.which("flite") or "flite", "-voice", voice, "-t", text, "-o", str(path)]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603 - the words are this file's own
    with wave.open(str(path)) as file:
        rate, pcm = file.getframerate(), file.readframes(file.getnframes())
    samples = np.frombuffer(pcm, "<i2").astype(float)
    factor = rate // RATE
    samples = samples[: len(samples) // factor * factor].reshape(-1, factor).mean(axis=1)
    loud: Samples = samples * (16000 / np.abs(samples).max())
    return loud


def echo_of(samples: Samples, delay: float, down: float, chance: random.Random) -> Samples:
    """What comes back of `samples`: `delay` seconds later, `down` dB quieter."""
    taps = np.zeros(round((delay + 0.05) * RATE) + 1)
    first = round(delay * RATE)
    taps[first] = 1.0
    for _ in range(2):
        taps[first + chance.randrange(8, 280)] += chance.uniform(-0.35, 0.35)
    spectrum = np.fft.rfft(samples, len(samples) + len(taps))
    hertz = np.fft.rfftfreq(len(samples) + len(taps), 1 / RATE)
    spectrum[(hertz < 300) | (hertz > 3400)] *= 0.03
    filtered = np.fft.irfft(spectrum * np.fft.rfft(taps, len(samples) + len(taps)))
    returned: Samples = filtered * 10 ** (-down / 20)
    return returned


def listen(agent: Samples, caller: Samples, seconds: float) -> list[Event]:
    """Everything decided while the agent says `agent` from 0.5 s on and the leg brings `caller`."""
    length = round(seconds * 50)
    agent = np.concatenate((np.zeros(RATE // 2), agent, np.zeros(length * SIZE)))
    caller = np.concatenate((caller, np.zeros(length * SIZE)))
    told: list[Event] = []

    async def story(clock: VirtualClock) -> None:
        zero = clock.now()
        taking = TurnTaking()
        sounds: list[VoiceEvent] = []

        def happen(event: Event) -> None:
            told.extend(taking.handle(event))

        batch = VoiceBatch(clock, inline=True)
        track = batch.open(RATE, sounds.append)
        happen(CallAnswered(zero, "PCMU", RATE))
        speaking = False
        for number in range(length):
            now = zero + number * 0.02
            await clock.sleep(now - clock.now())
            leaving = agent[number * SIZE : (number + 1) * SIZE]
            if not speaking and np.abs(leaving).max() > 200:
                speaking = True
                happen(SpeakingStarted(now, 1))
            # What arrives now was sounding until now.
            heard = caller[max(0, number - 1) * SIZE : max(0, number - 1) * SIZE + SIZE]
            track.push(Frame(_pcmu(heard), RATE, now))
            track.played(_pcmu(leaving))
            for sound in sounds:
                happen(sound)
            sounds.clear()
            while (due := taking.deadline()) is not None and due <= now:
                happen(TimePassed(due))
        happen(SpeakingStopped(clock.now(), 1, "", complete=True))
        track.close()
        await batch.close()
        told[:] = [replace(event, at=event.at - zero) for event in told]

    run_virtual(story)
    return told


def _pcmu(samples: Samples) -> bytes:
    pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    return audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2)


def main(count: int = 200) -> None:
    if shutil.which("flite") is None:
        sys.exit("flite is not installed here")
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sentences(chance, folder, count)
        interruptions(chance, folder)


def sentences(chance: random.Random, folder: Path, count: int) -> None:
    ducked = held = lost = 0
    for _ in range(count):
        text = " ".join((chance.choice(STARTS), chance.choice(MIDDLES), chance.choice(ENDS)))
        said = flite(text, chance.choice(VOICES), folder)
        delay, down = chance.uniform(0.02, 0.3), chance.uniform(3, 15)
        back = np.concatenate((np.zeros(RATE // 2), echo_of(said, delay, down, chance)))
        back = back + np.random.default_rng(chance.randrange(1 << 30)).normal(0, 30, len(back))
        told = listen(said, back, 0.5 + len(said) / RATE + 0.5)
        ducks = [event for event in told if isinstance(event, Ducked)]
        ducked += bool(ducks)
        held += any(event.hold for event in ducks)
        lost += any(isinstance(event, Interrupted) for event in told)
    print(f"{count} sentences with echo: {ducked} went quieter, {held} held, {lost} lost")


def interruptions(chance: random.Random, folder: Path) -> None:
    for down in (None, 15.0, 9.0, 3.0):
        holds: list[float] = []
        lost = 0
        for _ in range(60):
            agent_voice, caller_voice = chance.sample(VOICES, 2)
            text = " ".join((chance.choice(STARTS), chance.choice(MIDDLES), chance.choice(ENDS)))
            said = flite(text, agent_voice, folder)
            words = flite(chance.choice(CALLER), caller_voice, folder)
            begin = chance.uniform(1.0, 1.8)
            loud = np.nonzero(np.abs(words) > 400)[0]
            back = np.random.default_rng(chance.randrange(1 << 30)).normal(0, 30, RATE * 8)
            if down is not None:
                echo = echo_of(said, chance.uniform(0.02, 0.3), down, chance)[: RATE * 7]
                back[RATE // 2 : RATE // 2 + len(echo)] += echo
            back[round(begin * RATE) : round(begin * RATE) + len(words)] += words
            told = listen(said, back, 0.5 + len(said) / RATE)
            real = begin + loud[0] / RATE
            stop = [
                event.at - real
                for event in told
                if event.at >= real
                and ((isinstance(event, Ducked) and event.hold) or isinstance(event, Interrupted))
            ]
            if stop:
                holds.append(1000 * stop[0])
            lost += not any(isinstance(event, Interrupted) for event in told)
        where = "no echo" if down is None else f"echo {down:g} dB down"
        print(
            f"60 interruptions, {where}: {len(holds)} held, p50 {percentile(holds, 0.5):.0f} ms, "
            f"p95 {percentile(holds, 0.95):.0f} ms; {lost} did not interrupt by sound alone"
        )


if __name__ == "__main__":
    main()
