"""Which scenario answers which call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from calls.story import SmallTalk
from trunkline.call.play import Play
from trunkline.call.routing import Route, Routing, who
from trunkline.config.explain import as_toml
from trunkline.config.load import load
from trunkline.errors import ConfigError
from trunkline.legs.leg import LegInfo


@dataclass(frozen=True)
class Fixed:
    """A source that never changes."""

    play: Play


def info(callee: str = "sip:+49891@us.example", caller: str = "sip:+4930@x", **variables: str) -> LegInfo:
    return LegInfo("1", "inbound", caller, callee, "sip", variables)


@pytest.mark.parametrize(
    ("route", "call", "matches"),
    [
        (Route(number="+4989*", refuse=404), info(), True),
        (Route(number="4989?", refuse=404), info("tel:+49891"), True),
        (Route(number="+49892", refuse=404), info(), False),
        (Route(number="sales", refuse=404), info("sip:sales;x=1@us.example"), True),
        (Route(number="49891", refuse=404), info("+49891"), True),
        (Route(trunk="main", refuse=404), info(trunk="main"), True),
        (Route(trunk="main", refuse=404), info(trunk="spare"), False),
        (Route(trunk="none", refuse=404), info(), True),
        (Route(trunk="none", refuse=404), info(trunk="main"), False),
        (Route(trunk="*", refuse=404), info(), True),
        (Route(caller="+4930*", refuse=404), info(), True),
        # What the trunk asserts counts more than what the caller says.
        (Route(caller="+4930*", refuse=404), info(asserted_number="+4940"), False),
        (Route(headers={"x-queue": "sales*"}, refuse=404), info(**{"X-Queue": "sales-de"}), True),
        (Route(headers={"x-queue": "sales"}, refuse=404), info(), False),
        (Route(headers={"attestation": "[!A]"}, refuse=404), info(attestation="C"), True),
        (Route(number="sales", trunk="main", refuse=404), info("sip:sales@x"), False),
    ],
)
def test_a_route_matches_where_all_of_it_does(route: Route, call: LegInfo, matches: bool) -> None:
    assert route.matches(call) is matches


@pytest.mark.parametrize(
    ("address", "user"),
    [
        ("sip:a%20b@x", "a b"),
        ("sips:+1;isub=2@x", "+1"),
        ("+1555", "+1555"),
        ("sip:@", ""),
        ("alice", "alice"),
    ],
)
def test_who_is_in_an_address(address: str, user: str) -> None:
    assert who(address) == user


def test_the_first_route_that_matches_decides_and_the_default_where_none_does() -> None:
    loaded: list[str] = []

    def loading(name: str) -> Fixed:
        loaded.append(name)
        return Fixed(SmallTalk(name=name))

    routes = (
        Route(number="+49891", scenario="sales.yaml"),
        Route(trunk="none", refuse=480),
        Route(number="*9", scenario="sales.yaml"),
    )
    routing = Routing(routes, Fixed(SmallTalk(name="default")), loading)
    assert [source.play.name for source in routing.sources] == ["default", "sales.yaml"]
    assert loaded == ["sales.yaml"]
    assert (routing.play(info()).name, routing.refusal(info())) == ("sales.yaml", 0)
    assert routing.refusal(info("sip:other@x")) == 480
    other = info("sip:other@x", trunk="t")
    assert (routing.play(other).name, routing.refusal(other)) == ("default", 0)


@pytest.mark.parametrize("fields", [{}, {"scenario": "a", "refuse": 404}, {"refuse": 200}, {"refuse": 700}])
def test_what_cannot_be_is_told(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Route(**fields)  # type: ignore[arg-type]


FILE = """
[[routes]]
number = "+4930*"
headers = { X-Queue = "sales" }
scenario = "lead_qualification"

[[routes]]
trunk = "none"
refuse = 603
"""


def test_routes_are_a_table_each(tmp_path: Path) -> None:
    file = tmp_path / "trunkline.toml"
    file.write_text(FILE)
    routes = load(file=file, environment={}).settings.service.routes
    assert routes == (
        Route(number="+4930*", headers={"X-Queue": "sales"}, scenario="lead_qualification"),
        Route(trunk="none", refuse=603),
    )


def test_routes_are_shown_as_they_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "trunkline.toml"
    file.write_text(FILE)
    loaded = load(file=file, environment={})
    file.write_text(as_toml(loaded))
    assert load(file=file, environment={}).settings.service.routes == loaded.settings.service.routes


def test_an_unknown_key_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "trunkline.toml"
    file.write_text(FILE.replace("refuse", "refuze"))
    with pytest.raises(ConfigError, match=r"routes\.1\.refuze") as caught:
        load(file=file, environment={})
    assert "trunkline.toml:2" in str(caught.value)
