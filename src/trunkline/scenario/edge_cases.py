"""What the agent does when a call leaves the path: every default, in one place.

A scenario overrides any of these under `edge_cases:`, case by case; what it leaves out stays as
here. `words` are said the first time, the second time, and so on; the last repeats. In them `{agent}`
and `{company}` are the persona's, and every field and fact has its name.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EdgeCase(BaseModel):
    """One thing that may happen at any step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...] = Field(default=(), description="Said the first time, the second time, …")
    go: str = Field(default="", description="The step to go to, instead of what happens by default.")
    limit: int = Field(default=2, ge=0, le=20, description="How often, before the call ends over it.")
    outcome: str = Field(default="", description="What the call came to, where this ends it.")


class EdgeCases(BaseModel):
    """All of them. Where `outcome` is set and no `go`, passing `limit` ends the call."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    silence: EdgeCase = EdgeCase(
        words=(
            "Are you still there?",
            "I can also call you another time. Shall we go on?",
            "I can not hear you, so I will say goodbye for now.",
        ),
        limit=2,
        outcome="no_answer",
    )
    garbled: EdgeCase = EdgeCase(
        words=("Sorry, I did not catch that.", "The line is not very good."), limit=4, outcome="bad_line"
    )
    unclear: EdgeCase = EdgeCase(
        words=("Sorry, I am not sure I understood.", "Let me ask in other words."),
        limit=5,
        outcome="not_understood",
    )
    robot: EdgeCase = EdgeCase(
        words=("Yes, I am an AI assistant, calling for {company}. I am not a person.",), limit=6
    )
    who: EdgeCase = EdgeCase(words=("This is {agent}, the AI assistant of {company}.",), limit=6)
    opt_out: EdgeCase = EdgeCase(
        words=("Of course. I am taking you off our list now. We will not call you again. Goodbye.",),
        limit=0,
        outcome="opted_out",
    )
    human: EdgeCase = EdgeCase(
        words=("I understand. Nobody can take over just now, but a colleague will see this. Goodbye.",),
        limit=3,
        outcome="human_wanted",
    )
    callback: EdgeCase = EdgeCase(
        words=("Of course. Thank you, and goodbye.",), limit=3, outcome="call_later"
    )
    abuse: EdgeCase = EdgeCase(
        words=(
            "I am sorry if I called at a bad time.",
            "I will leave it there. Goodbye.",
        ),
        limit=1,
        outcome="abuse",
    )
    wrong_person: EdgeCase = EdgeCase(
        words=("I am sorry for the trouble. I will correct our notes. Goodbye.",),
        limit=0,
        outcome="wrong_person",
    )
    minor: EdgeCase = EdgeCase(
        words=("Then I had better speak with a grown up. Thank you for telling me. Goodbye.",),
        limit=0,
        outcome="minor",
    )
    language: EdgeCase = EdgeCase(
        words=("I am sorry, I speak English alone.",), limit=1, outcome="language_not_spoken"
    )
    goodbye: EdgeCase = EdgeCase(
        words=("Thank you for your time. Goodbye.",), limit=0, outcome="caller_ended"
    )
    repeat: EdgeCase = EdgeCase(words=("Of course.",), limit=6, outcome="not_understood")
    hold: EdgeCase = EdgeCase(words=("Of course, take your time.",), limit=6)
    must_end: EdgeCase = EdgeCase(
        words=("I am sorry, I have to end our call here. Thank you for your time. Goodbye.",),
        limit=0,
        outcome="cut_short",
    )
    audio_lost: EdgeCase = EdgeCase(
        words=("Hello? I can not hear you just now.",), limit=3, outcome="audio_lost"
    )
    model_failed: EdgeCase = EdgeCase(words=("One moment, please.",), limit=6, outcome="trouble")
    transfer_failed: EdgeCase = EdgeCase(
        words=("I am sorry, nobody is free just now. Thank you for your time. Goodbye.",),
        limit=0,
        outcome="transfer_failed",
    )
    working: EdgeCase = EdgeCase(
        words=("One moment, please.", "I am still waiting for the answer. One moment, please."), limit=6
    )
    tool_failed: EdgeCase = EdgeCase(
        words=("I am sorry, that does not work just now. A colleague will see to it. Goodbye.",),
        limit=0,
        outcome="tool_failed",
    )
    too_long: EdgeCase = EdgeCase(
        words=("I have kept you long enough. Thank you for your time. Goodbye.",),
        limit=0,
        outcome="too_long",
    )
    rules: EdgeCase = EdgeCase(
        words=("I can not do that, but I can go on with my questions.",), limit=3, outcome="caller_ended"
    )
    not_known: EdgeCase = EdgeCase(words=("I do not know that, and I would rather not guess.",), limit=6)
    # Who took the call is no person. `words: []` hangs up without a word; `go` leads to a step instead.
    voicemail: EdgeCase = EdgeCase(
        words=("Hello, this is {agent}, the AI assistant of {company}. I will call again. Goodbye.",),
        limit=0,
        outcome="voicemail_left",
    )
    phone_menu: EdgeCase = EdgeCase(limit=0, outcome="phone_menu")
    fax: EdgeCase = EdgeCase(limit=0, outcome="fax")
    mailbox_full: EdgeCase = EdgeCase(limit=0, outcome="mailbox_full")


def nth(words: tuple[str, ...], count: int) -> str:
    """What is said the `count`-th time (from 1); the last repeats."""
    return words[min(max(count, 1), len(words)) - 1] if words else ""
