"""What a call asks of which model, once its budget has moved it to cheaper choices (`budget.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from trunkline.call.budget import BudgetSettings
from trunkline.errors import EngineError
from trunkline.events import Economised
from trunkline.prompt import Message, Prompt
from trunkline.providers.protocols import LanguageModel
from trunkline.scenario.plan import make_plan
from trunkline.scenario.situation import Situation
from trunkline.turn.wording import plain_words, words_of

_WANTS_THOUGHT = words_of("why explain compare difference instead suppose because unless although if")


@dataclass(slots=True)
class Economy:
    """One for each call. `main` is asked until something cheaper is in force, but for the turns that typed
    understanding is sure of, which are `simple`'s; `fast` may be None; `own` gives the scenario's words (the
    local brain)."""

    settings: BudgetSettings
    main: LanguageModel
    simple: LanguageModel
    fast: LanguageModel | None
    own: LanguageModel
    _in_force: set[str] = field(default_factory=set)

    def move(self, event: Economised) -> None:
        """From now on this choice is in force too."""
        self._in_force.add(event.choice)

    def asked(self, prompt: Prompt, *, simple: bool = False) -> tuple[LanguageModel, Prompt]:
        """Who is to be asked, and what. `simple`: typed understanding is sure of this turn."""
        if simple and self.simple is not self.main:
            return self.simple, prompt
        if "cached-lines" in self._in_force and _has_words_for(prompt):
            return self.own, prompt
        if "short-context" in self._in_force:
            prompt = shortened(prompt, self.settings.context_lines)
        if self.fast is None or "fast-model" not in self._in_force:
            return self.main, prompt
        easy = is_simple(_said(prompt), self.settings.simple_words)
        return self.fast if easy else self.main, prompt

    def failed(self, model: LanguageModel, error: EngineError) -> None:
        """A cheaper model that fails is not asked again in this call, whatever it failed of."""
        if model is self.fast and error:
            self.fast = None


def is_simple(said: str, most_words: int) -> bool:
    """Whether a lesser model will do: few words, nothing to be explained or weighed."""
    words = plain_words(said)
    return 0 < len(words) <= most_words and not _WANTS_THOUGHT & set(words)


def shortened(prompt: Prompt, lines: int) -> Prompt:
    """The prompt with only the last lines of the talk. Half of `lines` goes at a time, so that most prompts
    still begin as the one before. What is stable, the other system messages and the tools' results stay."""
    talk = [
        number
        for number, message in enumerate(prompt.messages)
        if number >= prompt.stable and message.role in ("user", "assistant") and not message.tool_calls
    ]
    half = max(1, lines // 2)
    over = max(0, len(talk) - max(1, lines))
    dropped = set(talk[: min(-(-over // half) * half, len(talk) - 1)]) if over else set[int]()
    kept = tuple(message for number, message in enumerate(prompt.messages) if number not in dropped)
    return replace(prompt, messages=kept) if dropped else prompt


def _said(prompt: Prompt) -> str:
    spoken: list[Message] = [message for message in prompt.messages if message.role == "user"]
    return spoken[-1].content if spoken else ""


def _has_words_for(prompt: Prompt) -> bool:
    situation = prompt.situation
    if not isinstance(situation, Situation):
        return False
    plan = make_plan(situation.scenario, situation.state, situation.text)
    return not plan.unclear and bool(plan.words or plan.calls)
