"""The transcript that people read: in the order in which things were said, and of what was heard."""

from trunkline.call.summary import CallSummary
from trunkline.events import SpeakingStarted, SpeakingStopped, TurnEnded, TurnStarted


def test_an_agent_cut_before_its_first_word_is_not_called_misunderstood() -> None:
    summary = CallSummary()
    summary.add(SpeakingStarted(10.1, 1))
    summary.add(SpeakingStopped(10.2, 1, "", complete=False, unheard="Hello, this is Maya."))
    assert summary.transcript(10.0) == "00:00.1  agent:  -- [not heard: Hello, this is Maya.]\n"


def test_what_the_caller_said_under_the_last_words_stands_where_it_was_said() -> None:
    summary = CallSummary()
    summary.add(SpeakingStarted(16.9, 1))
    summary.add(SpeakingStopped(20.0, 1, "Goodbye.", complete=True))
    summary.add(TurnStarted(14.2, 1, 14.0))
    summary.add(TurnEnded(20.1, 1, "i am driving", 16.0, "silence"))
    lines = summary.transcript(10.0).splitlines()
    assert lines == ["00:04.0  caller: i am driving", "00:06.9  agent:  Goodbye."]
    assert [turn["who"] for turn in summary.to_json(10.0)["turns"]] == ["caller", "agent"]
