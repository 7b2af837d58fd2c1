"""Which tables and keys the configuration has. The defaults stand with the types, nowhere else.

Tables whose settings belong to a room are that room's own dataclasses: a field added there is at once a key
here, an environment variable and a `--set`.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from trunkline.call.budget import BudgetSettings
from trunkline.call.mrcp_settings import MrcpSettings
from trunkline.call.routing import Route
from trunkline.call.settings import CallSettings
from trunkline.integrations.settings import IntegrationSettings
from trunkline.legs.ari import AriSettings
from trunkline.legs.audiosocket import AudioSocketSettings
from trunkline.legs.browser import BrowserSettings
from trunkline.legs.sip import SipSettings
from trunkline.legs.telnyx import TelnyxSettings
from trunkline.legs.twilio import TwilioSettings
from trunkline.legs.vonage import VonageSettings
from trunkline.turn.policy import TurnPolicy

if TYPE_CHECKING:
    from trunkline.call.service import ServiceSettings
    from trunkline.legs.carriers import CarrierSettings


class Engines(BaseModel):
    """`[engines]`: which engines listen, think and speak, each as `NAME[,key=value…]`."""

    model_config = ConfigDict(frozen=True)

    stt: tuple[str, ...] = Field(default=("embedded",), min_length=1)
    """In the order in which they are tried when one fails."""
    llm: tuple[str, ...] = Field(default=("brain",), min_length=1)
    """The same."""
    tts: tuple[str, ...] = Field(default=("embedded",), min_length=1)
    """The same."""
    s2s: str = ""
    """What hears and speaks by itself, in place of the three, which are then behind it; empty: none."""
    judge: str = ""
    """The model that watches over a scenario's `guardrails.judge`, a sentence behind; empty: none."""

    @field_validator("stt", "llm", "tts", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class Record(BaseModel):
    """`[record]`: what is kept of a call."""

    model_config = ConfigDict(frozen=True)

    folder: str = "runs"
    """Each call's record becomes a folder in here; empty: nothing is kept."""
    audio: bool = True
    """Keep the sound too."""


class Service(BaseModel):
    """`[service]`: how many calls at once, and how they are ended when the service stops."""

    model_config = ConfigDict(frozen=True)

    max_calls: int = Field(default=200, ge=1)
    """More calls at once are refused as busy."""
    drain_time: float = Field(default=30.0, ge=0)
    """Seconds that calls may go on after a stop is asked for, before they are told goodbye."""
    routes: tuple[Route, ...] = ()
    """Which scenario answers which calls: written as `[[routes]]`, one table each."""


class Log(BaseModel):
    """`[log]`: what is written to standard error while calls run."""

    model_config = ConfigDict(frozen=True)

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What people say on the phone is written at "debug" alone."""
    format: Literal["auto", "console", "json"] = "auto"
    """"auto": for people on a terminal, JSON lines elsewhere."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All tables, checked."""

    sip: SipSettings
    twilio: TwilioSettings
    telnyx: TelnyxSettings
    vonage: VonageSettings
    audiosocket: AudioSocketSettings
    browser: BrowserSettings
    ari: AriSettings
    mrcp: MrcpSettings
    engines: Engines
    turn: TurnPolicy
    budget: BudgetSettings
    call: CallSettings
    integrations: IntegrationSettings
    record: Record
    service: Service
    log: Log

    def for_carriers(self) -> CarrierSettings:
        """The carriers' tables, as `trunkline.call.carrier_service` takes them."""
        from trunkline.legs.carriers import CarrierSettings

        return CarrierSettings(
            twilio=self.twilio,
            telnyx=self.telnyx,
            vonage=self.vonage,
            audiosocket=self.audiosocket,
            browser=self.browser,
            ari=self.ari,
        )

    def for_service(self) -> ServiceSettings:
        """The same, as `trunkline.call.service` takes it."""
        # The service brings SIP, media and every room along; printing settings must not need them.
        from trunkline.call.service import ServiceSettings

        return ServiceSettings(
            sip=self.sip,
            stt=self.engines.stt,
            llm=self.engines.llm,
            tts=self.engines.tts,
            tools=self.integrations.tools,
            judge=self.engines.judge,
            s2s=self.engines.s2s,
            call=dataclasses.replace(
                self.call, turn=self.turn, budget=self.budget, record_audio=self.record.audio
            ),
            runs=Path(self.record.folder) if self.record.folder else None,
            max_calls=self.service.max_calls,
            drain_time=self.service.drain_time,
        )


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one table."""

    table: str
    name: str
    type: Any
    default: Any

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"TRUNKLINE_{self.table}_{self.name}".upper()

    @property
    def is_list(self) -> bool:
        return typing.get_origin(self.type) in (tuple, list)


NOT_HERE = {("call", "turn"), ("call", "budget"), ("call", "record_audio")}
"""Fields of the call's own settings that have a table or key of their own."""


@cache
def tables() -> dict[str, type]:
    """Each table's name and the type that checks it."""
    hints = typing.get_type_hints(Settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(Settings)}


@cache
def keys() -> dict[str, Key]:
    """Every key there is, by its path: `"sip.bind"`."""
    found: list[Key] = []
    for table, kind in tables().items():
        hints = typing.get_type_hints(kind)
        found += [
            Key(table, name, hints[name], default)
            for name, default in _defaults(kind).items()
            if (table, name) not in NOT_HERE
        ]
    return {key.path: key for key in found}


def _defaults(kind: Any) -> dict[str, Any]:
    empty = kind()
    names = kind.model_fields if issubclass(kind, BaseModel) else [f.name for f in dataclasses.fields(kind)]
    return {name: getattr(empty, name) for name in names}
