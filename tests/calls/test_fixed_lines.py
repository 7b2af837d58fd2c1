"""What a scenario says word for word is there as sound before it is said. Whole calls, in virtual time."""

from __future__ import annotations

from pathlib import Path

import pytest

from calls.story import PLAIN_SETTINGS, RATE, Says, Told, tell
from trunkline.call.fixed_lines import LineMaker, cache_for, pieces
from trunkline.call.settings import CallSettings
from trunkline.clock import VirtualClock, run_virtual
from trunkline.events import LinesPrepared, SynthesisStarted
from trunkline.providers.failover import FailoverTextToSpeech
from trunkline.providers.tts.fake import FakeTextToSpeech
from trunkline.providers.voice_cache import Prepared, VoiceCache
from trunkline.scenario.load import load_scenario, parse_scenario
from trunkline.scenario.play import ScenarioPlay

SCENARIO = parse_scenario(
    """
trunkline: 1
name: reminder
persona: {name: Maya, company: Acme}
facts: {place: Main Street}
start: opening
fields:
  good_time: {type: yes_no, ask: "Is this a good time, {first_name|there}?"}
  team: {type: number, ask: "How many people are you?", read_back: "{value} people, right?", confirm: true}
steps:
  opening: {kind: ask, say: "Hello, this is {agent} of {company}.", field: good_time, edges: [{to: size}]}
  size: {kind: ask, field: team, edges: [{to: over}]}
  over: {kind: end, say: "Thank you, {first_name}. We are in {place}, you are {team}.", outcome: talked}
"""
)
SLOW_VOICE = {"delay_ms": 600}


def call(lines: VoiceCache | None, *, wait: float = 6.0) -> Told:
    return tell(
        Says(wait, "are you a robot"),
        play=ScenarioPlay(SCENARIO),
        settings=PLAIN_SETTINGS,
        tts=SLOW_VOICE,
        line_cache=lines,
        lasts=90,
    )


def synthesised(told: Told) -> list[SynthesisStarted]:
    return [event for event in told.of(SynthesisStarted) if isinstance(event, SynthesisStarted)]


def test_the_second_call_hears_its_fixed_lines_at_once() -> None:
    cache = VoiceCache()
    first, second, without = call(cache), call(cache), call(None)
    # While the first call speaks, the rest is made; the second finds all of it.
    assert next(at for at, _ in first.agent_sound) == pytest.approx(0.62, abs=0.05)
    assert next(at for at, _ in second.agent_sound) < 0.05
    assert all(event.cached for event in synthesised(second))
    assert not any(event.cached for event in synthesised(without))
    assert len(first.of(LinesPrepared)) == 1
    assert second.of(LinesPrepared) == []
    total = second.result.record["ledger"]["rows"][0]["total_ms"]
    assert total < without.result.record["ledger"]["rows"][0]["total_ms"] - 500
    assert second.said() == without.said()


def test_only_what_was_synthesised_is_paid() -> None:
    cache = VoiceCache()
    first, second = call(cache), call(cache)

    def characters(told: Told) -> float:
        used = [row for row in told.result.record["costs"]["engines"] if row["kind"] == "tts"]
        return float(sum(row["used"]["characters"] for row in used))

    [prepared] = first.of(LinesPrepared)
    assert isinstance(prepared, LinesPrepared)
    live = sum(len(event.text) for event in synthesised(first) if not event.cached)
    assert characters(first) == prepared.characters + live
    assert characters(second) == 0


def test_lines_that_name_a_field_are_not_known_and_a_contacts_stay_in_memory() -> None:
    play = ScenarioPlay(SCENARIO)
    lines = play.fixed_lines({})
    assert lines[0] == "Hello, this is Maya of Acme."
    assert "How many people are you?" in lines
    assert not any("Goodbye. " in line or "people, right" in line or "you are {" in line for line in lines)
    assert "Is this a good time, Dana?" in play.fixed_lines({"first_name": "Dana"})


def test_pieces_are_those_that_the_speaker_asks_for() -> None:
    assert pieces("Hello, this is Maya, the agent. It is $20.") == (
        "Hello, this is Maya,",
        "the agent.",
        "It is twenty dollars.",
        "Hello, this is Maya, the agent.",
    )


async def prepare(maker: LineMaker, facts: dict[str, str]) -> Prepared:
    made: list[Prepared] = []
    await maker.prepare(ScenarioPlay(SCENARIO), facts, RATE, made.append)
    return sum(made, Prepared())


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_holds_a_contacts_data_is_not_written(tmp_path: Path) -> None:
    async def story(clock: VirtualClock) -> set[str]:
        cache = cache_for(CallSettings(line_cache=str(tmp_path)))
        maker = LineMaker(FakeTextToSpeech(clock=clock), cache, CallSettings())
        await prepare(maker, {})
        before = {path.name for path in _files(tmp_path)}
        made = await prepare(maker, {"first_name": "Dana"})
        assert made.lines >= 1
        return before

    before = run_virtual(story)
    assert before
    assert {path.name for path in _files(tmp_path)} == before


def test_other_options_of_an_engine_make_other_lines_and_the_folder_keeps_its_size(tmp_path: Path) -> None:
    async def story(clock: VirtualClock) -> list[int]:
        settings = CallSettings(line_cache=str(tmp_path), line_cache_mb=0.2)
        made = []
        for spec in ("fake", "fake", "fake,rate=16000"):
            maker = LineMaker(FakeTextToSpeech(clock=clock), cache_for(settings), CallSettings(), spec)
            made.append((await prepare(maker, {})).lines)
        return made

    first, _, other = run_virtual(story)
    assert first == other > 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 200_000


def test_a_list_of_voices_prepares_with_its_first_alone() -> None:
    async def story(clock: VirtualClock) -> tuple[Prepared, Prepared]:
        cache, settings = VoiceCache(), CallSettings()
        broken = FakeTextToSpeech(clock=clock, fail_after=0)
        both = FailoverTextToSpeech([broken, FakeTextToSpeech(clock=clock)], clock)
        good = FailoverTextToSpeech([FakeTextToSpeech(clock=clock), broken], clock)
        for row in (both, good):
            await row.start()
        return (
            await prepare(LineMaker(both, cache, settings), {}),
            await prepare(LineMaker(good, cache, settings), {}),
        )

    with_broken, with_good = run_virtual(story)
    assert with_broken == Prepared()
    assert with_good.lines > 5


def test_a_play_that_does_not_know_its_lines_is_left_alone() -> None:
    told = tell(Says(3.0, "hello there"), settings=PLAIN_SETTINGS, line_cache=VoiceCache())
    assert told.of(LinesPrepared) == []
    assert told.said()[0] == "Hello, this is Maya."


@pytest.mark.parametrize("name", ["lead_qualification", "appointment_reminder"])
def test_the_library_has_lines(name: str) -> None:
    assert len(ScenarioPlay(load_scenario(name)).fixed_lines({})) > 10
