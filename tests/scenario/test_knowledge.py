"""Questions that the knowledge answers, and those of which the agent says that it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenario.talks import MONDAY, SMALL, conversation
from trunkline.scenario.context import assemble
from trunkline.scenario.guardrail import check_sentence
from trunkline.scenario.knowledge import Index, answer, passages_of, relevant
from trunkline.scenario.load import examine, load_scenario, parse_scenario
from trunkline.scenario.state import Line, State

FAQ = """# Parking

You can park behind the house. There are twelve places, and they are free for guests.

# Opening hours

We are open from Tuesday to Sunday, from noon to ten in the evening. On Mondays we are closed.

# Dogs

- Dogs are welcome on the terrace.
- Children get a smaller plate at half the price.

# Cancelling

You can cancel a table up to two hours before. Later than that we charge fifteen pounds a person.

# Payment

We take cards and cash. We do not take cheques.
"""

ANSWERED = [
    ("Where can I park my car?", "You can park behind the house"),
    ("Is there any parking?", "You can park behind the house"),
    ("What are your opening hours?", "We are open from Tuesday to Sunday"),
    ("Are you open on Mondays?", "On Mondays we are closed"),
    ("Can I bring my dog?", "Dogs are welcome on the terrace"),
    ("Do you take cards?", "We take cards and cash"),
    ("Do you accept cheques?", "We do not take cheques"),
    ("How do I cancel a table?", "You can cancel a table"),
    ("What do you charge for cancelling?", "Later than that we charge fifteen pounds a person"),
]
NOT_KNOWN = [
    "Do you have a swimming pool?",
    "Who won the election?",
    "What is the capital of France?",
    "Can I land my helicopter behind the house?",
    "Is the chef married?",
    "Do you sell gift wrapping paper?",
    "Can I get a gift voucher for my mother?",
    "How old is the owner of the restaurant?",
    "What?",
    "",
]


def scenario(tmp_path: Path, text: str = FAQ) -> Path:
    (tmp_path / "faq.md").write_text(text, encoding="utf-8")
    path = tmp_path / "small.yaml"
    path.write_text(SMALL + "knowledge_files: [faq.md]\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("question", "words"), ANSWERED)
def test_a_question_is_answered_by_the_sentence_for_it(question: str, words: str) -> None:
    assert words in Index(passages_of(FAQ)).answer(question)


@pytest.mark.parametrize("question", NOT_KNOWN)
def test_a_question_about_something_else_is_not(question: str) -> None:
    assert Index(passages_of(FAQ)).answer(question) == ""


async def test_the_agent_answers_and_comes_back_to_what_it_asked(tmp_path: Path) -> None:
    talk = conversation(load_scenario(scenario(tmp_path)))
    await talk.begin()
    words = await talk.hear("Do you take cards?")
    assert words == "We take cards and cash. We do not take cheques. So, what number is it?"
    assert "rather not guess" in await talk.hear("Do you have a swimming pool?")
    assert check_sentence(talk.scenario, talk.state, "There are twelve places, and they are free.").ok
    assert not check_sentence(talk.scenario, talk.state, "There are fourteen places.").ok


async def test_questions_that_are_answered_are_no_misunderstandings(tmp_path: Path) -> None:
    talk = conversation(load_scenario(scenario(tmp_path)))
    await talk.begin()
    for question in ("Do you take cards?", "Can I bring my dog?", "Where can I park my car?") * 2:
        await talk.hear(question)
    assert not talk.ended
    assert talk.state.count("stuck") <= 1


def test_a_model_gets_the_passages_that_fit_in_the_part_that_changes(tmp_path: Path) -> None:
    loaded = load_scenario(scenario(tmp_path))
    state = State(now=MONDAY, step="hello", lines=(Line("caller", "Can I bring my dog?"),))
    prompt = assemble(loaded, state, "Can I bring my dog?")
    assert "Dogs are welcome" not in prompt.messages[0].content
    assert "To this you know: Dogs are welcome on the terrace." in prompt.messages[-1].content
    assert "Parking" not in prompt.messages[-1].content


def test_a_short_knowledge_stands_in_the_part_that_stays() -> None:
    loaded = parse_scenario(SMALL + "knowledge: [Dogs are welcome on the terrace.]\n")
    state = State(now=MONDAY, step="hello", lines=(Line("caller", "Can I bring my dog?"),))
    prompt = assemble(loaded, state, "Can I bring my dog?")
    assert "Dogs are welcome" in prompt.messages[0].content
    assert "Dogs are welcome" not in prompt.messages[-1].content
    assert relevant(loaded, "Can I bring my dog?") == ["Dogs are welcome on the terrace."]


def test_a_scenario_without_knowledge_knows_nothing() -> None:
    assert answer(parse_scenario(SMALL), "Do you take cards?") == ""
    assert relevant(parse_scenario(SMALL), "Do you take cards?") == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("../faq.md", "outside the scenario's folder"),
        ("/etc/passwd.md", "outside the scenario's folder"),
        ("~/faq.md", "outside the scenario's folder"),
        ("C:/faq.md", "outside the scenario's folder"),
        ("faq.pdf", "is no text"),
        ("away.md", "cannot be read"),
        ("link.md", "leads outside the scenario's folder"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "faq.md").write_text("Secret.", encoding="utf-8")
    (tmp_path / "other" / "link.md").symlink_to(tmp_path / "faq.md")
    found = examine(SMALL + f"knowledge_files: ['{name}']\n", "x", tmp_path / "other").findings
    assert [(f.severity, f.where) for f in found] == [("error", "x:25")]
    assert says in found[0].what


def test_files_need_a_folder() -> None:
    found = examine(SMALL + "knowledge_files: [faq.md]\n", "x").findings
    assert "no folder" in found[0].what


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    pieces = passages_of("One two three four five. " * 40)
    assert len(pieces) > 1
    assert all(piece.text.endswith(".") for piece in pieces)


@given(question=st.text(max_size=200))
def test_any_question_gets_a_sentence_or_nothing(question: str) -> None:
    found = Index(passages_of(FAQ)).answer(question)
    assert found == "" or found in " ".join(passage.text for passage in passages_of(FAQ))
