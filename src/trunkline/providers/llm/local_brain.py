"""The local brain: a language model without a model.

It understands the caller with typed parsers, intents and examples (`scenario/plan.py`), calls the tools
that a hosted model would call, and streams the scenario's own phrasing. Deterministic: the same
situation gives the same answer. It knows nothing that the scenario does not say, and says so.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from trunkline.clock import Clock
from trunkline.errors import EngineRequest
from trunkline.prompt import Delta, Prompt, Token, ToolCall, Usage
from trunkline.scenario.plan import make_plan
from trunkline.scenario.situation import Situation

_PIECE = re.compile(r"\S+\s*")


class LocalBrain:
    """`LanguageModel` under the name "brain". `delay_ms`: wait before the first token, and
    `tokens_per_s`: the pace after it (0: all at once), to see what a slower model would feel like."""

    name = "brain"

    def __init__(self, *, clock: Clock, delay_ms: float = 0.0, tokens_per_s: float = 0.0) -> None:
        self._clock = clock
        self._delay = delay_ms / 1000
        self._gap = 1 / tokens_per_s if tokens_per_s > 0 else 0.0

    async def start(self) -> None:
        """Nothing to load."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Tool calls first, then the words a token each, then `Usage`. Raises `EngineRequest` for a
        prompt that no scenario assembled."""
        situation = prompt.situation
        if not isinstance(situation, Situation):
            hint = "Give it a scenario, or choose another model with --llm."
            raise EngineRequest("the local brain needs a scenario's situation", where=self.name, hint=hint)
        if self._delay:
            await self._clock.sleep(self._delay)
        state = situation.state
        plan = make_plan(situation.scenario, state, situation.text)
        spoken = 0
        if not any(not exchange.refused for exchange in state.exchange):
            for number, (name, arguments) in enumerate(plan.calls):
                yield ToolCall(f"brain-{state.turn}-{state.rounds}-{number}", name, arguments)
        for piece in _PIECE.findall(plan.words):
            if spoken and self._gap:
                await self._clock.sleep(self._gap)
            spoken += 1
            yield Token(piece)
        yield Usage(output_tokens=spoken)

    async def close(self) -> None:
        """Nothing to release."""
