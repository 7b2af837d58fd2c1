"""The linter finds what no schema sees, and says where."""

import pytest

from scenario.talks import SMALL
from trunkline.scenario.load import examine

BIG = "  big: {kind: end, outcome: big, say: Goodbye to many.}\n"
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
            "warning: two edges have the condition 'size > 10'",
        ),
        ("an AI assistant.", "of Acme.", "warning: the first words do not say that this is an AI"),
        ("Goodbye to few.", "word " * 30 + "word.", "warning: a sentence of 31 words"),
        ("Hello, this", "Hello {size}, this", "OK"),
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
