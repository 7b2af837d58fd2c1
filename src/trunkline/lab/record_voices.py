"""Records the shipped personas' lines: `python -m trunkline.lab.record_voices`.

Needs the `flite` program (Debian: apt install flite). Its `rms` voice is the one that the embedded
recogniser understands best on a telephone. "mm-hm" is no word to a synthesiser, so it is hummed
here. Run it after a change to a persona's words; lines that are recorded already are left alone
unless `--all` is given, because flite does not give the same bits twice.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

from trunkline.errors import EngineMissing
from trunkline.lab.persona import load_persona, shipped
from trunkline.lab.recordings import RATE, file_name, write_wav

VOICE = "rms"
LEVEL_DBFS = -20.0
"""Where speech lies on a telephone line: its active level, as ITU-T P.56 would measure it roughly."""
TIME_LIMIT = 60.0
HUMMED = ("mm-hm", "mm-hmm", "uh-huh")


def telephone_band(samples: np.ndarray, rate: float) -> np.ndarray:
    """Band-limited to 300..3400 Hz and brought to 8 kHz, by Fourier transform over the whole line."""
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    rise = np.clip((hertz - 200) / 100, 0, 1)
    fall = np.clip((3600 - hertz) / 200, 0, 1)
    length = round(len(samples) * RATE / rate)
    kept = (spectrum * rise * fall)[: length // 2 + 1]
    return np.fft.irfft(kept, length) * (length / len(samples))


def levelled(samples: np.ndarray, dbfs: float = LEVEL_DBFS) -> np.ndarray:
    """Brought to this active level, silence at both ends cut to 10 ms, ends faded."""
    blocks = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    power = np.mean(blocks**2, axis=1)
    level = np.mean(power[power > power.max() * 0.01])
    # From 24 dB below its level on it is speech to the ear too, whose floor is -45 dBFS.
    active = np.flatnonzero(power > level * 10**-2.4)
    start, end = active[0] * 80, (active[-1] + 1) * 80
    gain = 32768 * 10 ** (dbfs / 20) / np.sqrt(level)
    kept = np.concatenate((np.zeros(80), samples[start:end] * gain, np.zeros(80)))
    kept[80:120] *= np.linspace(0, 1, 40)
    kept[-120:-80] *= np.linspace(1, 0, 40)
    return np.clip(np.round(kept), -32768, 32767).astype(np.int16)


def hum(seconds: float = 0.3, faster: float = 1.0) -> np.ndarray:
    """ "Mm-hm": two soft hums, the second higher, lips closed, at 8 kHz, quieter than speech."""
    time = np.arange(round(seconds * RATE)) / RATE
    part = time / seconds
    pitch = faster * (112 + 30 * np.clip((part - 0.4) / 0.4, 0, 1))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    # Lips closed: the nasal murmur, strong below 400 Hz and falling 12 dB an octave above.
    voiced = sum(np.sin(n * phase) / (1 + (n * 125 / 350) ** 2) for n in range(1, 24))
    envelope = (
        np.sin(np.pi * np.clip(part / 0.48, 0, 1)) ** 0.6
        + 1.1 * np.sin(np.pi * np.clip((part - 0.46) / 0.54, 0, 1)) ** 0.6
    )
    breath = np.random.default_rng(7).normal(0, 0.02, len(time))
    return levelled(telephone_band((voiced + breath) * envelope, RATE), LEVEL_DBFS - 6)


def flite(words: str, voice: str = VOICE, faster: float = 1.0) -> np.ndarray:
    """The words in flite's voice, at 8 kHz; played `faster` it sounds like another speaker. Raises
    `EngineMissing` where there is no flite."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "line.wav"
        command = ["flite", "-voice", voice, "-t", words, "-o", str(path)]
        try:
            # The words are the package's own, and no shell is between.
            subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise EngineMissing(str(error), where="flite", hint="Type: apt install flite") from error
        with wave.open(str(path)) as spoken:
            rate = spoken.getframerate()
            samples = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16)
    return levelled(telephone_band(samples.astype(np.float64), rate * faster))


def record(folder: Path, *, again: bool = False) -> list[str]:
    """Record what is missing into `folder`, write its index, and give the lines that were recorded."""
    lines = sorted({line for name in shipped() for line in load_persona(name).lines})
    folder.mkdir(exist_ok=True)
    recorded = []
    for words in lines:
        path = folder / file_name(words)
        if again or not path.exists():
            path.write_bytes(write_wav(hum() if words in HUMMED else flite(words)))
            recorded.append(words)
    wanted = {words: file_name(words) for words in lines}
    for stale in set(folder.glob("*.wav")) - {folder / name for name in wanted.values()}:
        stale.unlink()
    (folder / "index.json").write_text(json.dumps(wanted, indent=1, sort_keys=True) + "\n", "utf-8")
    return recorded


def main() -> None:
    parser = argparse.ArgumentParser(description="Record the shipped personas' lines with flite.")
    parser.add_argument("--all", action="store_true", help="record every line again")
    options = parser.parse_args()
    for words in record(Path(__file__).parent / "voices", again=options.all):
        print(f"recorded: {words}")


if __name__ == "__main__":
    main()
