"""PlayHT, whose service has ended: the name stays so that an old configuration gets an answer.

Its makers joined another company in July 2025; the service was shut down on 31 December 2025 and the voices
that customers had cloned were deleted (inworld.ai/resources/migrate-from-playht, read in November 2026).
"""

from __future__ import annotations

from trunkline.clock import Clock
from trunkline.errors import EngineDown
from trunkline.providers.protocols import Voice, VoiceOptions


class PlayHT:
    """Says at the start that it is gone, and what to use."""

    name = "playht"

    def __init__(self, *, clock: Clock, voice: str = "", model: str = "") -> None:
        """Takes the options that configurations had; nothing is done with them."""

    async def start(self) -> None:
        raise _gone()

    async def open(self, options: VoiceOptions) -> Voice:  # noqa: ARG002
        raise _gone()

    async def close(self) -> None:
        """Nothing is held."""


def _gone() -> EngineDown:
    return EngineDown(
        "this service ended on 31 December 2025, and the voices cloned there are gone",
        where="playht",
        hint="Clone the voice anew from the original recording, at elevenlabs or cartesia",
    )
