"""Which sounds come over which sentences: drawn from a file's material by its seed, always the same. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, get_args

from trunkline.errors import ConfigError, ParseError

Kind = Literal["signs", "noises", "echo", "interruptions"]
Background = Literal["clean", "white", "pink", "babble"]
Words = Literal["in time", "late", "none"]

SNR_DB = 10.0
"""How far the background, and a noise that is not somebody's own sound, lies below the caller's voice."""
_LEVELS_DBFS = (-30.0, -16.0)
"""The callers' active levels: quiet and loud telephones around the usual -20 dBFS or so."""
_BEGINS = (1.5, 3.5)
"""When the sound comes, seconds after the agent's first."""
_WORDS: tuple[Words, ...] = ("in time", "in time", "late", "none")
_ECHO_DELAYS = (0.02, 0.3)
_ECHO_DOWN_DB = (3.0, 15.0)
_REFLECTIONS = 2


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker: one of flite's voices, its sound played `faster` times as fast."""

    name: str
    faster: float


@dataclass(frozen=True, slots=True)
class Echo:
    """What comes back of the agent: after `delay` seconds, `down` dB quieter, with reflections (seconds
    later, share of the first)."""

    delay: float
    down: float
    reflections: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One call: a sentence of the agent's and what comes over it."""

    kind: Kind
    sentence: str
    agent: Voice
    sound: str = ""
    """The caller's words, or the kind of a noise; empty where the echo alone is heard."""
    caller: Voice | None = None
    begin: float = 0.0
    """Seconds after the agent's first sound."""
    level: float = -20.0
    """Of the caller's voice, dBFS; a noise and the background are measured by it."""
    background: Background = "clean"
    words: Words = "none"
    """What the recogniser makes of it: the words in time, late, or nothing."""
    echo: Echo | None = None
    seed: int = 0
    """For what is made by chance in the sound."""


@dataclass(slots=True)
class Material:
    """What a file offers."""

    seed: int = 0
    voices: list[Voice] = field(default_factory=list)
    signs: list[str] = field(default_factory=list)
    noises: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    interruptions: list[str] = field(default_factory=list)


def shipped(name: str) -> Material:
    """The material called "figures" or "tuning"."""
    where = files("trunkline.lab.overtalk") / f"{name}.txt"
    return read(where.read_text(encoding="utf-8"), f"{name}.txt")


def read(text: str, where: str) -> Material:
    """The material in a file's lines. Raises `ParseError` with the line."""
    found = Material()
    takes: dict[str, Callable[[str], None]] = {
        "voice": lambda words: found.voices.append(_voice(words)),
        "sign": found.signs.append,
        "noise": found.noises.append,
        "agent": found.sentences.append,
        "interruption": found.interruptions.append,
    }
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, words = (part.strip() for part in line.partition(":"))
        try:
            if not words:
                raise ValueError("a line is `KEY: words`")
            if key == "seed":
                found.seed = int(words)
            elif key in takes:
                takes[key](words)
            else:
                raise ValueError(f"{key!r} is not one of seed, {', '.join(takes)}")
        except ValueError as error:
            raise ParseError(str(error), where=f"{where}:{number}") from error
    for name in ("voices", "signs", "noises", "sentences", "interruptions"):
        if not getattr(found, name):
            raise ParseError(f"it names no {name}", where=where)
    return found


def _voice(words: str) -> Voice:
    name, _, faster = words.partition(" ")
    if not 0.5 <= float(faster or 1) <= 2:
        raise ValueError("a voice may be played 0.5 to 2 times as fast")
    return Voice(name, float(faster or 1))


def draw(material: Material, kind: Kind, count: int) -> list[Case]:
    """`count` cases of a kind. The first ones are the same however many are asked for.

    Raises `ConfigError` for a kind that is none."""
    if kind not in get_args(Kind):
        raise ConfigError(f"{kind!r} is not one of {', '.join(get_args(Kind))}", where="cases")
    # Each kind has chances of its own, so that one more of a kind moves no other.
    chance = random.Random(f"{material.seed} {kind}")
    return [_case(material, kind, number, chance) for number in range(count)]


def _case(material: Material, kind: Kind, number: int, chance: random.Random) -> Case:
    agent = chance.choice(material.voices)
    others = [voice for voice in material.voices if voice != agent]
    sounds = {
        "signs": material.signs,
        "noises": material.noises,
        "echo": [""],
        "interruptions": material.interruptions,
    }[kind]
    sentence = chance.choice(material.sentences)
    caller, begin, level = chance.choice(others), chance.uniform(*_BEGINS), chance.uniform(*_LEVELS_DBFS)
    background = chance.choice(get_args(Background))
    words: Words = chance.choice(_WORDS)
    echo = _echo(chance)
    seed = chance.randrange(1 << 30)
    return Case(
        kind=kind,
        sentence=sentence,
        agent=agent,
        sound=sounds[number % len(sounds)],
        caller=None if kind in ("noises", "echo") else caller,
        begin=begin,
        level=level,
        background="clean" if kind in ("echo", "interruptions") else background,
        # No recogniser hears words in a noise. Of an echo it hears the agent's.
        words="none" if kind == "noises" else "in time" if kind == "interruptions" else words,
        echo=echo if kind in ("echo", "interruptions") else None,
        seed=seed,
    )


def _echo(chance: random.Random) -> Echo:
    delay, down = chance.uniform(*_ECHO_DELAYS), chance.uniform(*_ECHO_DOWN_DB)
    reflections = tuple(
        (chance.uniform(0.001, 0.035), chance.uniform(-0.35, 0.35)) for _ in range(_REFLECTIONS)
    )
    return Echo(delay, down, reflections)
