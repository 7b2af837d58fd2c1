"""The linter finds what no schema sees, and says where."""

import pytest

from scenario.talks import SMALL
from trunkline.scenario.load import examine

BIG = "  big: {kind: end, outcome: big, say: Goodbye to many.}\n"
CALL = "  look: {kind: call, tool: find, results: {slot: a}, edges: [to: little]}\n"
FIND = "tools: {find: {about: a slot}}\n"
SAY_BIG = "  big: {kind: say, say: Again., edges: [{to: bigger}]}\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (BIG, BIG + "  lonely: {kind: end, outcome: x}\n", "warning: step 'lonely' is never reached"),
        (
            BIG,
            SAY_BIG + "  bigger: {kind: decide, edges: [{to: big}]}\n",
            "error: from step 'big' no way leads to an end",
        ),
        (
            BIG,
            SAY_BIG + "  bigger: {kind: decide, edges: [{when: size > 99, to: little}, {to: big}]}\n",
            "error: step 'big' can go round for ever without asking",
        ),
        (
            "      - to: little\n",
            "      - {when: size < 3, to: little}\n",
            "error: step 'hello' has no default edge",
        ),
        (
            "      - to: little\n",
            "      - to: little\n      - {when: size < 3, to: little}\n",
            "warning: this edge can never be taken",
        ),
        (
            "      - to: little\n",
            "      - {when: size > 10, to: little}\n      - to: little\n",
            "warning: this edge can never be taken: those before it hold wherever it does",
        ),
        ("an AI assistant.", "of Acme.", "warning: the first words do not say that this is an AI"),
        ("Goodbye to few.", "word " * 30 + "word.", "warning: a sentence of 31 words"),
        ("Hello, this", "Hello {size}, this", "'size' may not be known yet here"),
        ("Hello, this is Ann, an AI assistant.", "'Hello {size|all}, I am an AI.'", "OK"),
        ("Goodbye to many.", "'Goodbye, all {size}.'", "OK"),
        (
            "- to: little\n",
            "- {when: size < 20, to: little}\n      - to: big\n",
            "this overlaps with 'size > 10'",
        ),
        ("- to: little\n", "- {when: size > 5, to: little}\n      - to: big\n", "OK"),
        ("size > 10", "size > 10 and size < 5", "can never be true"),
        ("size > 10", "size == 'ten'", "\"size == 'ten'\" can never be true"),
        ("size > 10", "shoe > 10", "error: 'shoe' is no field and no fact"),
        (
            "- to: little\n",
            "- {when: size > 20, to: little}\n      - to: little\n",
            "x:22: warning: this edge can never be taken: those before it hold wherever it does",
        ),
        ("- to: little\n", "- {event: tool_failed, to: big}\n      - to: little\n", "calls no tool"),
        ("- to: little\n", "- {event: transfer_failed, to: big}\n      - to: little\n", "transfers nothing"),
        ("- to: little\n", "- {event: time, to: big}\n      - to: little\n", "the step has no `seconds`"),
        ("- to: little\n", "- {event: key_12, to: big}\n      - to: little\n", "no event is called 'key_12'"),
        (
            "- to: little\n",
            "- {intent: 'no', to: big}\n      - {intent: 'no', to: little}\n      - to: little\n",
            "two edges wait for 'no'",
        ),
        (
            BIG,
            "  big: {kind: ask, field: size, edges: [to: little]}\n",
            "'size' is asked already at step 'hello'",
        ),
        (
            "steps:\n",
            FIND + "steps:\n" + CALL,
            "the tool of 'look' has no fallback",
        ),
        ("steps:\n", "steps:\n" + CALL, "error: no tool is called 'find'"),
        ("steps:\n", FIND + "steps:\n" + CALL.replace("slot", "size"), "error: 'size' is a field already"),
        (
            BIG,
            BIG + "  note: {kind: voicemail, say: Call us.}\n",
            "the message does not say that it is from an AI",
        ),
        ("start: hello\n", "start: hello\nescalation: [{turns: 9, to: desk}]\n", "no step is called 'desk'"),
        (
            "start: hello\n",
            "start: hello\nescalation: [{when: mood == 'bad', to: big}]\n",
            "'mood' is no field and no fact",
        ),
        (
            "start: hello\n",
            "start: hello\nescalation: [{intent: moo, to: big}]\n",
            "no intent is called 'moo'",
        ),
        ("start: hello\n", "start: hello\nescalation: [{to: big}]\n", "an escalation has one of"),
        (
            "start: hello\n",
            "start: hello\nedge_cases: {hold: {words: ['Hold on, {nobody}.']}}\n",
            "error: {nobody} has no source",
        ),
        (
            BIG,
            BIG + "  hand: {kind: transfer, target: 'sip:x@y', edges: [{to: little}]}\n",
            "warning: the transfer 'hand' has no fallback",
        ),
        (
            "start: hello\n",
            "start: hello\ntime_zone: Mars/Olympus\n",
            "error: no time zone is called 'Mars/Olympus'",
        ),
        (
            "start: hello\n",
            "start: hello\nedge_cases: {human: {go: desk}}\n",
            "error: no step is called 'desk'",
        ),
        ("Goodbye to few.", "'Goodbye { few.'", "error: a { that is no variable"),
        ("ask: How many are you?", "label: size", "error: it is asked for, but has no `ask`"),
    ],
)
def test_found(old: str, new: str, says: str) -> None:
    assert old in SMALL
    examined = examine(SMALL.replace(old, new, 1), "x")
    found = "\n".join(str(finding) for finding in examined.findings)
    if says == "OK":
        assert found == ""
    else:
        assert says in found


def test_a_field_used_before_it_can_be_known() -> None:
    text = SMALL.replace("fields:\n", "fields:\n  hue: {type: text, ask: 'Which hue?'}\n")
    text = text.replace("Goodbye to many.", "'Goodbye {hue} people.'")
    found = [str(finding) for finding in examine(text, "x").findings]
    assert any("'hue' may not be known yet here" in finding for finding in found)
    assert not any("'hue'" in str(f) for f in examine(text.replace("{hue}", "{hue|grey}"), "x").findings)
