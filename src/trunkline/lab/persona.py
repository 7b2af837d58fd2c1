"""A persona: what a scripted prospect says, and when. YAML in, checked data out.

A persona is a list of cues. A cue is taken up

* when the agent has paused and its words, as the prospect's recogniser heard them, hold one of the
  cue's `heard` phrases: unspoken cues first, in their order;
* or, in order, when the agent has been silent for the persona's `patience` and nothing matched, so
  that a call goes on even where nothing was understood (`only_when_heard` excludes a cue from this);
* or while the agent speaks: `interrupt_after` or `backchannel_after` so many seconds of an agent's
  utterance, once the cue named by `follows` has been said.

Shipped personas lie in `personas/*.yaml`; what they say lies, spoken, in `voices/`.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trunkline.errors import ConfigError

LARGEST_FILE = 64 * 1024


class Cue(BaseModel):
    """One thing a prospect does. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    say: str = ""
    """The words; a recording of them is in `voices/`."""
    heard: tuple[str, ...] = ()
    """Phrases of which one must be among the agent's words."""
    stay_silent: bool = False
    """Say nothing until the agent speaks again."""
    interrupt_after: float | None = Field(default=None, gt=0)
    backchannel_after: float | None = Field(default=None, gt=0)
    follows: str = ""
    """For a cue that is spoken over the agent: the cue after which it may come."""
    wait: float = Field(default=0.0, ge=0, le=10)
    """More silence than a pause to leave before speaking."""
    only_when_heard: bool = False
    times: int = Field(default=3, ge=1, le=10)
    """How often it may be said, if the agent asks the same again."""
    hang_up: bool = False
    """Hang up after saying it."""

    @property
    def over_the_agent(self) -> float | None:
        """Seconds into an agent's utterance at which it is said; None where the agent is waited for."""
        return self.interrupt_after if self.interrupt_after is not None else self.backchannel_after

    @property
    def kind(self) -> str:
        """ "say", "interrupt" or "backchannel", as the ear wants to know it."""
        if self.interrupt_after is not None:
            return "interrupt"
        return "backchannel" if self.backchannel_after is not None else "say"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if bool(self.say) == self.stay_silent:
            raise ValueError("a cue has words to `say`, or it is to `stay_silent`")
        if self.interrupt_after is not None and self.backchannel_after is not None:
            raise ValueError("a cue is an interruption or a backchannel, not both")
        if self.follows and self.over_the_agent is None:
            raise ValueError("`follows` belongs to a cue with `interrupt_after` or `backchannel_after`")
        return self


class Intent(BaseModel):
    """How the call must end for the persona to have got what it came for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: tuple[str, ...]
    """Any of these."""
    fields: dict[str, Any] = {}
    """These fields with these values; others do not matter."""


class Persona(BaseModel):
    """A scripted prospect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    about: str
    scenario: str
    """The shipped scenario it was written for."""
    intends: Intent
    patience: float = Field(default=4.0, gt=0, le=60)
    """Seconds of the agent's silence after which the next cue in order is taken."""
    pause: float = Field(default=0.7, gt=0, le=5)
    """Seconds of silence after which the agent is taken to have finished."""
    again: tuple[str, ...] = ()
    """Phrases by which the agent asks to hear the last words once more."""
    limit: float = Field(default=240.0, gt=0, le=1800)
    """The longest call; then the prospect hangs up."""
    cues: tuple[Cue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _refers_to_cues(self) -> Self:
        names = [cue.name for cue in self.cues]
        if len(set(names)) != len(names):
            raise ValueError("two cues have the same name")
        for cue in self.cues:
            if cue.follows and cue.follows not in names:
                raise ValueError(f"cue {cue.name!r} follows {cue.follows!r}, which is no cue")
        return self

    @property
    def lines(self) -> tuple[str, ...]:
        """All that the persona may say, each once."""
        return tuple(dict.fromkeys(cue.say for cue in self.cues if cue.say))


def shipped() -> tuple[str, ...]:
    """The names of the personas that come with the package."""
    folder = resources.files("trunkline.lab") / "personas"
    return tuple(sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_persona(name: str) -> Persona:
    """A shipped persona by its name, or one of your own by the path of its file (ending in .yaml).

    Raises `ConfigError` that says which part of which file is wrong.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        try:
            text = path.read_text("utf-8") if path.stat().st_size <= LARGEST_FILE else None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", where=name) from error
        if text is None:
            raise ConfigError(f"is larger than {LARGEST_FILE} bytes", where=name)
        return parse_persona(text, where=name)
    if name not in shipped():
        raise ConfigError(
            f"no persona is called {name!r}", where="persona", hint=f"There are: {', '.join(shipped())}"
        )
    text = (resources.files("trunkline.lab") / "personas" / f"{name}.yaml").read_text("utf-8")
    return parse_persona(text, where=f"persona {name}")


def parse_persona(text: str, where: str) -> Persona:
    """The persona in this YAML. Raises `ConfigError`."""
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"is not YAML: {error}", where=where) from error
    if not isinstance(data, dict):
        raise ConfigError("is not a mapping", where=where)
    try:
        return Persona.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"{place}: {first['msg']}", where=where) from error
