"""The console shows what happened, in order, and nothing said can steer the terminal."""

import io

from rich.console import Console as Terminal

from trunkline.events import (
    Backchannel,
    CallAnswered,
    CallEnded,
    CallStarted,
    Event,
    FieldSet,
    Final,
    FirstAudio,
    FirstToken,
    GenerationStarted,
    Interrupted,
    Partial,
    SpeakingStarted,
    SpeakingStopped,
    SynthesisStarted,
    TurnEnded,
)
from trunkline.lab.console import Console, latency_bar, printable

STORY: tuple[Event, ...] = (
    CallStarted(
        10.0, "c1", "inbound", "sip:dana@x", "sip:agent@y", "sip", "lead", "2026", {"stt": "embedded"}
    ),
    CallAnswered(10.1, "PCMU", 8000),
    Partial(12.0, "about tw"),
    Final(12.4, "about twelve people"),
    TurnEnded(12.5, 1, "about twelve people", 12.1, "complete"),
    GenerationStarted(12.5, 1, 1, "brain"),
    FirstToken(12.52, 1),
    SynthesisStarted(12.53, 1, 0, "Twelve people."),
    FirstAudio(12.6, 1, 0),
    SpeakingStarted(12.62, 1),
    FieldSet(12.7, "team_size", 12, "heard", 1),
    Backchannel(13.0, 1, "mm-hm"),
    Interrupted(13.4, 1, 13.2, "speech"),
    SpeakingStopped(13.45, 1, "Twelve", False, " people."),
    CallEnded(15.0, "agent", "said goodbye", "qualified"),
)


def shown(events: tuple[Event, ...], *, terminal: bool) -> str:
    out = io.StringIO()
    screen = Terminal(
        file=out, force_terminal=terminal, width=110, color_system="truecolor" if terminal else None
    )
    with Console(screen) as console:
        for event in events:
            console.on_event(event)
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    lines = [line.rstrip() for line in shown(STORY, terminal=False).splitlines()]
    text = "\n".join(lines)
    assert "\x1b" not in text
    places = [
        text.index(words)
        for words in (
            "sip:dana@x → sip:agent@y",
            "0:02.0  Caller  about twelve people",
            " 520 ms  Feels natural",
            "team_size = 12 (heard)",
            "a backchannel, the agent goes on",
            "the caller interrupts (speech)",
            "Agent   Twelve ▌ people.  ✂ interrupted",
            "ended by agent: said goodbye",
        )
    ]
    assert places == sorted(places)
    assert "about tw\n" not in text


def test_on_a_terminal_partial_words_are_shown() -> None:
    assert "about tw" in shown(STORY[:3], terminal=True)


def test_words_cannot_steer_the_terminal() -> None:
    attack = "hello\x1b]0;owned\x07\r\n[red]x[/red]"
    text = shown((*STORY[:2], TurnEnded(12.5, 1, attack, 12.1, "silence")), terminal=False)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
    assert printable("a\x9bb\u202e") == "a b "


def test_the_bar_is_as_long_as_the_latency_and_says_what_it_feels_like() -> None:
    bars = [latency_bar(ms).plain for ms in (0, 400, 1000, 9000)]
    assert [bar.count("█") for bar in bars] == [0, 10, 25, 30]
    assert "│" in bars[1]
    assert bars[3].endswith("Unusable")


def test_the_end_has_fields_stages_and_the_ear() -> None:
    out = io.StringIO()
    figures = {"count": 2, "p50": 500.0, "p95": 612.4, "max": 700.0}
    Console(Terminal(file=out, width=110)).finish(
        {
            "outcome": "qualified",
            "reason": "all said",
            "fields": {"team_size": {"value": 20, "status": "corrected", "evidence": "no, we are twenty"}},
            "ledger": {
                "stages": [{"stage": "llm", "p50": 20.0, "p95": 31.2, "budget_ms": 300.0, "words": "fine"}]
            },
            "ear": {"answer": figures, "interruption": figures, "agreement": {**figures, "p95": None}},
        },
        ("As Dana intends.",),
    )
    text = out.getvalue()
    for words in (
        "Outcome: qualified",
        "no, we are twenty",
        "LLM first token",
        "31",
        "at the ear",
        "612",
        "As Dana intends.",
    ):
        assert words in text
