"""The shipped scenarios' conversations as whole calls: spoken, heard, answered aloud, in virtual time."""

from __future__ import annotations

import pytest

from calls.marked_ear import MarkedSpeechToText
from calls.marked_voice import MarkedTextToSpeech
from calls.story import PLAIN_SETTINGS
from scenario.test_look_up import DESK, MENU
from trunkline.call.call import Engines
from trunkline.call.voice_batch import VoiceBatch
from trunkline.clock import VirtualClock, run_virtual
from trunkline.lab.spoken_rehearsal import Studio, rehearse_by_voice
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.scenario.load import library, load_scenario, parse_scenario
from trunkline.scenario.model import Scenario
from trunkline.scenario.rehearsal import NOISE, Rehearsal, Talk, load_rehearsal, parse_rehearsal
from trunkline.scenario.rehearse import Outcome


def by_voice(scenario: Scenario, rehearsal: Rehearsal, *talks: Talk) -> list[Outcome]:
    """These conversations, one after the other."""

    async def story(clock: VirtualClock) -> list[Outcome]:
        mouth = MarkedTextToSpeech()
        voice = FakeTextToSpeech(clock=clock, delay_ms=0, rate=8000, speed=0)
        await voice.start()
        batch = VoiceBatch(clock, inline=True)
        engines = Engines([MarkedSpeechToText(mouth)], LocalBrain(clock=clock), voice)
        studio = Studio(engines, mouth, batch, clock, PLAIN_SETTINGS)
        try:
            return [await rehearse_by_voice(studio, scenario, rehearsal, talk) for talk in talks]
        finally:
            await batch.close()

    return run_virtual(story)


def chosen(rehearsal: Rehearsal) -> list[Talk]:
    """Three of a file's conversations with outcomes of their own. Noise is no voice."""
    found: dict[str, Talk] = {}
    for talk in rehearsal.conversations:
        if talk.expect.outcome and not any(line.say == NOISE for line in talk.caller):
            found.setdefault(talk.expect.outcome, talk)
    return list(found.values())[:3]


@pytest.mark.parametrize("name", library())
def test_every_template_reaches_outcomes_by_voice(name: str) -> None:
    rehearsal, _ = load_rehearsal(name)
    talks = chosen(rehearsal)
    assert len(talks) >= 2
    for outcome in by_voice(load_scenario(name), rehearsal, *talks):
        assert outcome.passed, "\n".join((*outcome.wrong, *outcome.transcript))


def held(scenario: str, text: str) -> list[Outcome]:
    rehearsal = parse_rehearsal(f"trunkline_test: 1\n{text}")
    return by_voice(parse_scenario(scenario), rehearsal, *rehearsal.conversations)


def test_tools_answer_as_the_test_says() -> None:
    free, full, away = held(
        DESK,
        """
conversations:
  - name: free
    caller: ["twelve people", "yes"]
    expect: {outcome: booked, steps: [look, offer], says: [let me look]}
  - name: full
    tools: {find_slot: {slots: []}}
    caller: ["twelve people"]
    expect: {outcome: full}
  - name: away
    tools: {find_slot: null}
    caller: ["twelve people"]
    expect: {outcome: sorry}
""",
    )
    assert [one.wrong for one in (free, full, away)] == [(), (), ()]


def test_keys_and_waiting_by_voice() -> None:
    keys, waiting, wrong = held(
        MENU,
        """
conversations:
  - name: a message
    caller: [{keys: "2"}]
    expect: {outcome: voicemail_left}
  - name: too long
    caller: [{wait: 25}]
    expect: {outcome: bye}
  - name: expects another
    caller: [{keys: "2"}]
    expect: {outcome: bye, says: [nobody says this]}
""",
    )
    assert (keys.wrong, waiting.wrong) == ((), ())
    assert len(wrong.wrong) == 2


def test_a_caller_who_answers_what_is_asked() -> None:
    [outcome] = held(
        DESK,
        """
conversations:
  - name: played
    persona: {answers: {size: We are nine people., fits: "Yes, it does."}, raises: ["Are you a robot?"]}
    expect: {outcome: booked, fields: {size: 9}, turns: 3}
""",
    )
    assert outcome.wrong == ()
    assert outcome.transcript[1] == "caller: Are you a robot?"
