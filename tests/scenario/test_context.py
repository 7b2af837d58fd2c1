"""What a model gets: a stable part that never changes, and all it needs to stay on the graph."""

from scenario.talks import MONDAY, conversation, small
from trunkline.prompt import Prompt
from trunkline.scenario.actions import CallerSaid, Generate
from trunkline.scenario.load import load_scenario
from trunkline.scenario.step import step


async def prompts(*lines: str, facts: dict[str, str] | None = None) -> list[Prompt]:
    """The prompt of each of these turns."""
    talk = conversation("lead_qualification")
    await talk.begin(facts)
    found = []
    for turn, line in enumerate(lines, 1):
        _, actions = step(talk.scenario, talk.state, CallerSaid(turn, line, MONDAY))
        found += [action.prompt for action in actions if isinstance(action, Generate)]
        await talk.hear(line)
    return found


async def test_the_stable_part_is_the_same_in_every_turn_and_call() -> None:
    first = await prompts("yes", "how much is it", "twelve", "yes", "three hundred dollars")
    second = await prompts("no I'm busy", facts={"first_name": "Dana", "time_zone": "Asia/Tokyo"})
    stable = {prompt.messages[: prompt.stable] for prompt in first + second}
    assert len(first) == 5
    assert len(second) == 1
    assert len(stable) == 1
    assert "Dana" not in next(iter(stable))[0].content


async def test_nothing_of_one_call_is_in_the_stable_part() -> None:
    [prompt] = await prompts("I am Zebediah Quux and my team is 4711 people")
    assert all("4711" not in message.content for message in prompt.messages[: prompt.stable])
    assert any("4711" in message.content for message in prompt.messages[prompt.stable :])


async def test_what_comes_next_is_told_for_each_edge() -> None:
    [prompt] = await prompts("yes")
    now = prompt.messages[-1].content
    assert 'if good_time then team_size: ask "How many people at your company use the phone?"' in now
    assert 'otherwise call_later: ask "When would be a better time to call you?"' in now


async def test_tools_are_the_same_in_every_step() -> None:
    several = await prompts("yes", "how much is it", "twelve", "yes", "three hundred dollars")
    assert all(prompt.tools == several[0].tools for prompt in several)
    [prompt] = await prompts("yes")
    assert prompt.tools == several[0].tools
    names = [tool.name for tool in prompt.tools]
    assert {
        "go_to_step",
        "set_field",
        "answer_objection",
        "opt_out",
        "transfer",
        "end_call",
        "schedule_callback",
    } <= set(names)
    for tool in prompt.tools:
        assert tool.parameters["type"] == "object"
        assert set(tool.parameters["required"]) == set(tool.parameters["properties"])


async def test_a_long_talk_is_cut_to_its_budget() -> None:
    talk = conversation(small())
    await talk.begin()
    for number in range(4):
        await talk.hear(f"{number + 20} people")
    long = small().model_copy(update={"limits": small().limits.model_copy(update={"prompt_lines": 4})})
    _, actions = step(long, talk.state, CallerSaid(9, "thirty people", MONDAY))
    [action] = actions
    assert isinstance(action, Generate)
    said = [message for message in action.prompt.messages if message.role in ("user", "assistant")]
    assert 2 <= len(said) <= 4
    assert any("Earlier the caller said" in message.content for message in action.prompt.messages)


def test_every_scenario_states_the_rules() -> None:
    for name in ("lead_qualification", "appointment_reminder"):
        scenario = load_scenario(name)
        assert scenario.persona.discloses_ai
