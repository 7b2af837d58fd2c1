"""What a scenario is: persona, fields, steps joined by edges, objections, edge cases, guardrails.

Frozen Pydantic models; the file format (YAML or JSON) is exactly this, and `Scenario.model_json_schema()`
publishes it. The meaning of each part is in `docs/scenarios.md`; references between the parts (does the
step exist that an edge names?) are checked by `check.py`, since errors should name a line.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    field_validator,
    model_validator,
)

from trunkline.errors import ScenarioError
from trunkline.scenario.edge_cases import EdgeCase, EdgeCases
from trunkline.scenario.expression import compile_expression

VERSION = 1
"""The version of the format that this code reads and writes."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Line = Annotated[str, StringConstraints(max_length=1000, strip_whitespace=True)]
Lines = tuple[Line, ...]

FieldType = Literal[
    "text", "name", "company", "phone", "email", "address", "number", "money", "datetime", "choice", "yes_no"
]
Topic = Literal["legal", "medical", "financial", "politics", "religion"]
StepKind = Literal["say", "ask", "talk", "decide", "call", "transfer", "callback", "voicemail", "end"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Persona(_Part):
    """Who the agent is."""

    name: Line
    company: Line = ""
    role: Line = ""
    voice: Line = ""
    tone: Line = "friendly and brief"
    pace: int = Field(default=160, ge=80, le=260, description="words a minute")
    discloses_ai: bool = Field(default=True, description="whether the first words say that it is an AI")
    never: Lines = Field(default=(), description="what it may never say or promise")


class FieldSpec(_Part):
    """Something to learn, of a type, with how to ask for it, read it back and hear it."""

    type: FieldType
    label: Line = ""
    ask: Line = ""
    reask: Lines = ()
    confirm: bool = Field(default=False, description="read it back and wait for a yes")
    read_back: Line = Field(default="", description="with {value}")
    required: bool = Field(default=True, description="False: the caller may decline to say")
    keypad: bool = Field(default=False, description="may be typed on the keypad, ended by #")
    unit: Line = ""
    min: float | None = None
    max: float | None = None
    choices: dict[Name, Lines] = Field(default_factory=dict, description="each choice and how it is said")
    hear: Lines = Field(default=(), description="whole sentences that callers answer with")
    cues: Lines = Field(default=(), description="words beside a volunteered value that show what it is")

    @model_validator(mode="after")
    def _fits(self) -> FieldSpec:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` belong to type choice, and type choice needs them")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is greater than `max`")
        return self


def _compiled(when: str) -> None:
    try:
        compile_expression(when)
    except ScenarioError as error:
        raise ValueError(str(error)) from error


class Edge(_Part):
    """A way from one step to another. Tried in order; one that asks for nothing is the default."""

    to: Name
    when: Line | None = Field(default=None, description="a condition over fields and facts")
    intent: Name | None = Field(default=None, description="the caller means this")
    event: Name | None = Field(
        default=None,
        description="unanswered, silence, time, key_1, tool_result, tool_failed or transfer_failed",
    )
    judge: Line | None = Field(default=None, description="in words, for the model to judge")
    hear: Lines = Field(default=(), description="what callers say for `judge`, for the local brain")

    @model_validator(mode="after")
    def _one_reason(self) -> Edge:
        if sum(reason is not None for reason in (self.when, self.intent, self.event, self.judge)) > 1:
            raise ValueError("an edge has one of `when`, `intent`, `event`, `judge`, not several")
        if self.hear and self.judge is None:
            raise ValueError("`hear` belongs to an edge with `judge`")
        return self

    @field_validator("when")
    @classmethod
    def _compiles(cls, when: str | None) -> str | None:
        if when is not None:
            _compiled(when)
        return when

    @property
    def default(self) -> bool:
        return self.when is None and self.intent is None and self.event is None and self.judge is None


class Step(_Part):
    """A place in the conversation. What each kind needs is said in `_NEEDS`."""

    kind: StepKind
    say: Line = Field(default="", description="said on entering, before anything is asked")
    goal: Line = Field(default="", description="for the model: what this step is to reach")
    field: Name | None = None
    edges: tuple[Edge, ...] = ()
    target: Line = Field(default="", description="transfer: where to; {fact} is filled in")
    outcome: Line = Field(default="", description="end, voicemail: what the call came to")
    tool: Name | None = Field(default=None, description="call: one of `tools`")
    arguments: dict[Name, Line] = Field(
        default_factory=dict, description="call: what the tool is given; {field} is filled in"
    )
    results: dict[Name, Line] = Field(
        default_factory=dict, description="call: a fact's name and its place in the answer, as slots.0.start"
    )
    seconds: float | None = Field(
        default=None, gt=0, le=600, description="how long the step, or its tool, may take"
    )
    forbidden: Lines = Field(default=(), description="never spoken in this step")
    allowed: Lines = Field(
        default=(), description="texts whose numbers, prices and links may be spoken in this step"
    )
    how: Literal["blind", "attended", "bridged"] = Field(
        default="blind",
        description="transfer: whether the person is asked first, and stays joined through us",
    )
    fixed: bool = Field(default=False, description="the words are said as they stand, never by the model")
    interruptible: bool = True
    reasks: int = Field(default=3, ge=0, le=10, description="how often one thing may be asked again")
    max_turns: int = Field(default=8, ge=1, le=50, description="the caller's turns in this step")

    @model_validator(mode="after")
    def _complete(self) -> Step:
        for name in _NEEDS[self.kind]:
            if not getattr(self, name):
                raise ValueError(f"a step of kind {self.kind} needs `{name}`")
        if self.field and self.kind not in ("ask", "callback"):
            raise ValueError(f"`field` belongs to steps of kind ask and callback, not {self.kind}")
        if self.how != "blind" and self.kind != "transfer":
            raise ValueError(f"`how` belongs to steps of kind transfer, not {self.kind}")
        if self.kind in ("end", "voicemail") and self.edges:
            raise ValueError(f"a step of kind {self.kind} has no `edges`: the call is over")
        if self.kind != "call" and (self.tool or self.arguments or self.results):
            raise ValueError(f"`tool`, `arguments`, `results` belong to steps of kind call, not {self.kind}")
        if self.seconds is not None and not (self.asks or self.kind == "call"):
            raise ValueError(f"a step of kind {self.kind} takes no time, so it has no `seconds`")
        return self

    @property
    def asks(self) -> bool:
        """Whether the caller has a turn in it."""
        return self.kind in ("ask", "talk", "callback")

    @property
    def steps_aside(self) -> bool:
        """Whether the engine says its words and waits for no answer to them: the call is handed over or
        ends, or a tool is at work."""
        return self.final or self.kind in ("call", "transfer")

    @property
    def final(self) -> bool:
        """Whether the call ends in it."""
        return self.kind in ("end", "voicemail")


_NEEDS: dict[str, tuple[str, ...]] = {
    "say": ("say", "edges"),
    "ask": ("field", "edges"),
    "talk": ("say", "goal", "edges"),
    "decide": ("edges",),
    "call": ("tool", "edges"),
    "transfer": ("target", "edges"),
    "callback": ("field", "edges"),
    "voicemail": ("say",),
    "end": ("outcome",),
}


class ToolSpec(_Part):
    """A tool that steps of kind call use. Where it is and how to reach it stands in the configuration, not
    here: a scenario carries no addresses and no passwords."""

    about: Line = Field(default="", description="what it does, for people")
    example: Any = Field(default=None, description="an answer, for chat and tests, where nothing is called")


class Objection(_Part):
    """An objection or a question that may come at any step, and what to answer."""

    hear: Lines = Field(min_length=1)
    answers: Lines = Field(min_length=1, description="the first time, the second time, …")
    about: Line = Field(default="", description="taken up after an interruption: 'Sure, about the price'")
    question: bool = Field(default=False, description="a question, not a reason against")
    limit: int = Field(default=3, ge=1, le=20, description="how often it is answered")
    after: Name | None = Field(default=None, description="the step to go to beyond the limit")


class Escalation(_Part):
    """A reason to leave the path for another step, from wherever the call is; each once in a call."""

    to: Name
    when: Line | None = Field(default=None, description="a condition over fields, facts and results")
    intent: Name | None = Field(default=None, description="the caller means this")
    upset: int | None = Field(default=None, ge=1, le=20, description="in so many turns the caller was upset")
    turns: int | None = Field(default=None, ge=1, le=500, description="the caller has had so many turns")

    @model_validator(mode="after")
    def _one_reason(self) -> Escalation:
        if sum(reason is not None for reason in (self.when, self.intent, self.upset, self.turns)) != 1:
            raise ValueError("an escalation has one of `when`, `intent`, `upset`, `turns`")
        if self.when is not None:
            _compiled(self.when)
        return self


class Guardrails(_Part):
    """What a sentence of the model must not hold, beyond what is always checked."""

    forbidden: Lines = Field(default=(), description="words or phrases that are never spoken")
    allowed: Lines = Field(default=(), description="texts whose numbers, prices and links may be spoken")
    topics: tuple[Topic, ...] = Field(default=(), description="what the agent does not speak about")
    judge: Lines = Field(
        default=(), description="rules in plain words that a second model watches over, a sentence behind"
    )
    instead: Line = "I would rather not say anything about that."


class Limits(_Part):
    """When a call that goes on and on is ended, politely."""

    turns: int = Field(default=60, ge=2, le=500, description="the caller's turns")
    prompt_lines: int = Field(default=24, ge=4, le=200, description="lines of the talk that a model sees")
    prompt_tokens: int = Field(
        default=1500,
        ge=100,
        le=100_000,
        description="about how many tokens; older ones become notes",
    )


class Scenario(_Part):
    """A whole scenario. Frozen: a running call keeps the version that it began with."""

    trunkline: int = Field(description="the version of this format")
    name: Name
    title: Line = ""
    language: Literal["en"] = "en"
    time_zone: Line = "UTC"
    currency: Line = "dollars"
    persona: Persona
    facts: dict[Name, Line] = Field(default_factory=dict)
    fields: dict[Name, FieldSpec] = Field(default_factory=dict)
    start: Name
    steps: dict[Name, Step] = Field(min_length=1)
    tools: dict[Name, ToolSpec] = Field(default_factory=dict)
    objections: dict[Name, Objection] = Field(default_factory=dict)
    escalation: tuple[Escalation, ...] = ()
    knowledge: Lines = Field(default=(), description="what it knows, to answer questions from")
    knowledge_files: Lines = Field(default=(), description="texts (.md, .txt) in the scenario's folder")
    guardrails: Guardrails = Guardrails()
    edge_cases: EdgeCases = EdgeCases()
    limits: Limits = Limits()
    _documents: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _fill_edge_cases(cls, data: Any) -> Any:
        # An override names what differs; the rest of that case stays as edge_cases.py has it.
        if isinstance(data, dict) and isinstance(data.get("edge_cases"), dict):
            cases = {
                name: {**_default_case(name), **case} if isinstance(case, dict) else case
                for name, case in data["edge_cases"].items()
            }
            return {**data, "edge_cases": cases}
        return data

    @property
    def documents(self) -> dict[str, str]:
        """The texts of `knowledge_files` by name, as `load.py` read them."""
        return self._documents

    def with_documents(self, documents: dict[str, str]) -> Scenario:
        """The same scenario with these texts."""
        copy = self.model_copy()
        copy._documents = documents
        return copy

    @cached_property
    def own_words(self) -> tuple[str, ...]:
        """Every text of this scenario that may be spoken, or stand in what a model says."""
        found = [self.title, self.persona.role, *self.facts.values(), *self.knowledge]
        found += self.documents.values()
        found += [spec.label for spec in self.fields.values()]
        return (*(text for text in (*found, *self.guardrails.allowed) if text), *self.spoken_words)

    @cached_property
    def spoken_words(self) -> tuple[str, ...]:
        """Every text of this scenario that is spoken as it stands, its variables filled in."""
        found: list[str] = []
        for spec in self.fields.values():
            found += [spec.ask, *spec.reask, spec.read_back]
        for step in self.steps.values():
            found.append(step.say)
        for objection in self.objections.values():
            found += objection.answers
        for name in EdgeCases.model_fields:
            found += self.case(name).words
        return tuple(text for text in found if text)

    def case(self, name: str) -> EdgeCase:
        """One edge case, as this scenario has it."""
        case = getattr(self.edge_cases, name)
        assert isinstance(case, EdgeCase)
        return case


class ByIdentity:
    """A scenario as a key for caches. Scenarios are frozen but hold dictionaries, so they do not hash by
    value; a cache keeps its scenario alive, so no other can take its place in memory."""

    __slots__ = ("scenario",)

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario

    def __hash__(self) -> int:
        return id(self.scenario)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.scenario is self.scenario


def _default_case(name: object) -> dict[str, Any]:
    info = EdgeCases.model_fields.get(str(name))
    default = info.default if info else None
    return default.model_dump() if isinstance(default, EdgeCase) else {}
