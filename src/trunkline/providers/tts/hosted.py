"""What hosted voices have beside a hosted engine: the list of their voices."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from trunkline.errors import EngineDown
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import Voice, VoiceOptions


@dataclass(frozen=True, slots=True)
class VoiceCard:
    """One voice that an engine has. `id` is what `voice=` takes."""

    id: str
    name: str = ""
    language: str = ""
    about: str = ""


@runtime_checkable
class ListsVoices(Protocol):
    """An engine that can say which voices it has. Started first. One that cannot may say in `voices_are` what
    there is instead."""

    async def voices(self) -> list[VoiceCard]: ...


class HostedVoices(HostedEngine):
    """A hosted text-to-speech engine."""

    @abstractmethod
    async def voices(self) -> list[VoiceCard]:
        """The voices that this account has. Raises an `EngineError`."""

    @abstractmethod
    async def open(self, options: VoiceOptions) -> Voice: ...


def cards(listing: Any, where: str, read: Callable[[Any], list[VoiceCard]]) -> list[VoiceCard]:
    """The voices in a service's answer. `EngineDown` where it is not what its protocol says."""
    try:
        return read(listing)
    except (LookupError, TypeError, AttributeError) as error:
        raise EngineDown("its list of voices is not what its protocol says", where=where) from error
