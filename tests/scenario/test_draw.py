"""Pictures of scenarios: complete, well formed, laid out without overlap."""

from xml.etree import ElementTree

import pytest

from scenario.talks import SMALL, small
from trunkline.scenario.draw import arrows, layers, mermaid, svg
from trunkline.scenario.load import library, load_scenario, parse_scenario

SVG = "{http://www.w3.org/2000/svg}"


def test_mermaid() -> None:
    assert mermaid(small()).splitlines() == [
        "flowchart TD",
        '  s_hello["hello<br/>ask size"]',
        '  s_big(["big<br/>end big"])',
        '  s_little(["little<br/>end little"])',
        '  s_hello -->|"size #gt; 10"| s_big',
        "  s_hello --> s_little",
    ]


@pytest.mark.parametrize("name", library())
def test_every_step_and_edge_is_in_the_picture(name: str) -> None:
    scenario = load_scenario(name)
    root = ElementTree.fromstring(svg(scenario))
    boxes = root.findall(f"{SVG}g/{SVG}rect")
    assert len(boxes) == len(scenario.steps)
    assert len([path for path in root.iter(f"{SVG}path") if path.get("class")]) == len(arrows(scenario))
    text = mermaid(scenario)
    assert all(f"s_{step}" in text for step in scenario.steps)
    places = [(float(box.get("x", "")), float(box.get("y", ""))) for box in boxes]
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for n, (x, y) in enumerate(places):
        assert 0 <= x <= width - 190
        assert 0 <= y <= height - 46
        assert not any(abs(x - a) < 190 and abs(y - b) < 46 for a, b in places[:n])


def test_a_way_to_a_neighbour_goes_below_the_boxes() -> None:
    # From the right-hand side of one to that of the other it ran behind the box between.
    scenario = load_scenario("appointment_booking")
    root = ElementTree.fromstring(svg(scenario))
    at = dict(zip(scenario.steps, root.findall(f"{SVG}g/{SVG}rect"), strict=True))
    paths = [path for path in root.iter(f"{SVG}path") if path.get("class")]
    found = 0
    for arrow, path in zip(arrows(scenario), paths, strict=True):
        start, end = at[arrow.start], at[arrow.end]
        if start.get("y") != end.get("y"):
            continue
        found += 1
        bottom = float(start.get("y", "")) + 46
        numbers = [float(number) for number in path.get("d", "").replace("C", " ").lstrip("M").split()]
        assert min(numbers[1::2]) == bottom
    assert found == 2


@pytest.mark.parametrize("name", library())
def test_the_start_is_on_top_and_the_ends_at_the_bottom(name: str) -> None:
    scenario = load_scenario(name)
    rows = layers(scenario)
    assert scenario.start in rows[0]
    assert sorted(step for row in rows for step in row) == sorted(scenario.steps)
    ends = {step for step, spec in scenario.steps.items() if spec.kind == "end"}
    assert ends == set(rows[-1])


def test_hostile_words_stay_words() -> None:
    text = SMALL.replace("start: hello", "start: hello\ntitle: '<script>\"x\"&'")
    text = text.replace("- when: size > 10", "- judge: 'a \"b\" | <i> `c` #'")
    scenario = parse_scenario(text)
    root = ElementTree.fromstring(svg(scenario))
    assert root.get("aria-label") == '<script>"x"&'
    assert "<script>" not in svg(scenario)
    assert '|"if a #quot;b#quot; #124; #lt;i#gt; #96;c#96; #35;"|' in mermaid(scenario)
