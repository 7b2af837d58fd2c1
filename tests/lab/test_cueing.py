"""A persona takes up its cues as a person would: on what was said, in order, or over the agent."""

from collections.abc import Iterable

import pytest

from trunkline.errors import ConfigError
from trunkline.lab.cueing import Cueing, plain_words
from trunkline.lab.persona import Persona, load_persona, parse_persona, shipped

SCRIPT = """
name: test
about: says little
scenario: lead_qualification
intends: {outcome: [qualified]}
patience: 3
again: ["say that again"]
cues:
  - {name: hello, heard: ["good time"], say: "Yes."}
  - {name: price, say: "What does it cost?", interrupt_after: 1.0, follows: hello}
  - {name: hum, say: "mm-hm", backchannel_after: 1.5, follows: price}
  - {name: people, heard: ["how many people"], say: "Twelve."}
  - {name: sulk, heard: ["per month"], stay_silent: true}
  - {name: money, heard: ["per month", "still there"], say: "Two hundred.", times: 1}
  - {name: rude, heard: ["robot"], say: "Really?", only_when_heard: true}
  - {name: bye, heard: ["goodbye"], say: "Bye.", hang_up: true}
"""


def play(
    cueing: Cueing, *utterances: tuple[float, float, str], until: float, own: float = 0.4
) -> list[tuple[float, str]]:
    """Tick through agent utterances (from, to, words). Each of the prospect's lines takes `own` s."""
    taken: list[tuple[float, str]] = []
    speaking_until = -1.0
    spoken = set[int]()
    for n in range(round(until / 0.02)):
        now = n * 0.02
        for index, (_, end, words) in enumerate(utterances):
            if now >= end and index not in spoken:
                spoken.add(index)
                cueing.heard(words, final=True)
        if 0 <= speaking_until <= now:
            speaking_until = -1.0
            cueing.stopped_speaking(now)
        sounds = any(start <= now < end for start, end, _ in utterances)
        cue = cueing.tick(now, agent_sounds=sounds, speaking=speaking_until > 0)
        if cue is not None:
            taken.append((round(now, 2), cue.name))
            if cue.say:
                speaking_until = now + own
    return taken


def names(taken: Iterable[tuple[float, str]]) -> list[str]:
    return [name for _, name in taken]


@pytest.fixture
def cueing() -> Cueing:
    return Cueing(parse_persona(SCRIPT, "test"))


def test_words_that_match_are_answered_after_a_pause(cueing: Cueing) -> None:
    assert play(cueing, (0.5, 2.0, "is now a good time"), until=4) == [(2.68, "hello")]


def test_what_is_not_understood_is_answered_in_order_after_patience(cueing: Cueing) -> None:
    taken = play(cueing, (0.5, 2.0, "mumble"), until=6)
    ((at, name),) = taken
    assert name == "hello"
    assert at == pytest.approx(4.98, abs=0.03)


def test_an_interruption_comes_so_long_into_an_utterance_and_only_after_its_cue(cueing: Cueing) -> None:
    before = play(cueing, (0.5, 3.5, "mumble"), until=3.5)
    assert before == []
    cueing = Cueing(cueing.persona)
    taken = play(cueing, (0.5, 2.0, "a good time"), (4.0, 5.2, "so how many"), until=6)
    assert taken == [(2.68, "hello"), (5.0, "price")]


def test_a_backchannel_leaves_the_turn_with_the_agent(cueing: Cueing) -> None:
    taken = play(
        cueing,
        (0.0, 1.0, "a good time"),
        (3.0, 4.2, "well"),
        (5.0, 8.0, "how many people work there"),
        until=10,
    )
    assert names(taken) == ["hello", "price", "hum", "people"]
    assert taken[2][0] == pytest.approx(6.5, abs=0.03)
    assert taken[3][0] == pytest.approx(8.7, abs=0.05)


def test_silence_lasts_until_the_agent_speaks_again(cueing: Cueing) -> None:
    taken = play(cueing, (0, 0.9, "per month"), (8, 8.9, "are you still there"), until=11)
    assert names(taken) == ["sulk", "money"]
    assert [at for at, _ in taken] == pytest.approx([1.6, 9.6], abs=0.03)


def test_words_worn_out_are_not_said_again_and_others_are(cueing: Cueing) -> None:
    questions = [(6.0 * n, 6.0 * n + 0.8, "how many people") for n in range(3)]
    assert names(play(cueing, *questions, until=17)) == ["people", "people", "people"]
    assert names(play(Cueing(cueing.persona), (0, 0.8, "say that again, a good time"), until=3)) == ["hello"]


def test_asked_to_repeat_it_repeats(cueing: Cueing) -> None:
    taken = play(cueing, (0, 0.9, "how many people"), (4, 4.9, "sorry, say that again"), until=7)
    assert names(taken) == ["people", "people"]


def test_a_cue_may_wait_for_its_words_and_another_may_end_the_call(cueing: Cueing) -> None:
    silent = play(cueing, *((8.0 * n, 8.0 * n + 0.9, "") for n in range(12)), until=96)
    assert "rude" not in names(silent)
    assert cueing.unspoken == ("price", "hum", "rude")
    assert cueing.finished


def test_phrases_match_whole_words() -> None:
    assert plain_words("It’s a GOOD time, Dana?") == " it's a good time dana "
    assert plain_words("art") not in plain_words("start")


def test_a_partial_counts_until_the_next_replaces_it(cueing: Cueing) -> None:
    cueing.heard("is now a good", final=False)
    cueing.heard("is now a good time", final=False)
    assert cueing.words == " is now a good time "
    cueing.heard("is now a good time", final=True)
    assert cueing.words == " is now a good time "


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("cues: [", "not YAML"),
        ("[1, 2]", "not a mapping"),
        (SCRIPT.replace("follows: price", "follows: nothing"), "follows 'nothing', which is no cue"),
        (SCRIPT.replace("name: people", "name: hello"), "two cues have the same name"),
        (SCRIPT.replace('say: "Yes."', ""), "has words to `say`"),
        (SCRIPT.replace("patience: 3", "patience: soon"), "patience: "),
        (SCRIPT.replace("only_when_heard", "only_if_heard"), "only_if_heard"),
        ("a: &a [x]\nb: " + "*a, " * 3, "not YAML"),
    ],
)
def test_a_wrong_persona_says_what_is_wrong(wrong: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_persona(wrong, "mine.yaml")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ConfigError, match="dana"):
        load_persona("nobody")


@pytest.mark.parametrize("name", shipped())
def test_shipped_personas_load(name: str) -> None:
    persona: Persona = load_persona(name)
    assert persona.name == name
