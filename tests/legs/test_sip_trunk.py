"""Which trunk a call goes to, and how each wants its numbers."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from trunkline.errors import ConfigError
from trunkline.legs.sip_trunk import PRESETS, Trunk, TrunkChoice, number_in
from trunkline.sip.identity import Shown


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+1 (555) 123-4567", "+15551234567"),
        ("tel:+1-555-1234;phone-context=x", "+15551234"),
        ("0049 30 1234", "0049301234"),
        ("*97", "*97"),
        ("sip:alice@example.com", ""),
        ("alice", ""),
        ("", ""),
        ("\u0663\u0664", ""),
    ],
)
def test_what_is_a_number(text: str, number: str) -> None:
    assert number_in(text) == number


def test_the_order_is_by_priority_then_by_the_longer_prefix() -> None:
    choice = TrunkChoice(
        [
            Trunk("spare", server="a.example", priority=9),
            Trunk("world", server="b.example", prefixes=("+",)),
            Trunk("german", server="c.example", prefixes=("+49", "+43")),
        ]
    )
    assert [t.name for t in choice.order("+4930")] == ["german", "world", "spare"]
    assert [t.name for t in choice.order("+1555")] == ["world", "spare"]
    assert [t.name for t in choice.order("0800")] == ["spare"]


def test_among_equals_calls_are_shared_by_weight() -> None:
    heavy, light, last = (
        Trunk(name, server="a.example", weight=w) for name, w in (("h", 3), ("l", 1), ("z", 0))
    )
    choice = TrunkChoice([last, light, heavy])
    chance = Random(7).random
    firsts = Counter(choice.order("+1", chance)[0].name for _ in range(4_000))
    assert set(firsts) == {"h", "l"}
    assert 0.7 < firsts["h"] / 4_000 < 0.8
    assert all(choice.order("+1", chance)[-1].name == "z" for _ in range(100))


def test_weight_counts_only_within_a_priority_and_after_the_prefix() -> None:
    choice = TrunkChoice(
        [
            Trunk("first", server="a.example", weight=1),
            Trunk("better", server="a.example", weight=1, prefixes=("+49",)),
            Trunk("heavy", server="a.example", priority=1, weight=1_000),
        ]
    )
    for _ in range(50):
        assert [trunk.name for trunk in choice.order("+4930")] == ["better", "first", "heavy"]


@pytest.mark.parametrize("identity", list(Shown))
def test_the_caller_is_shown_in_every_way(identity: Shown) -> None:
    trunk = Trunk("t", server="a.example", callers=("+1",), identity=identity, from_host="b.example")
    sender, headers = trunk.sender("+1")
    assert str(sender) == "<sip:+1@b.example>"
    assert bool(headers) is (identity is not Shown.FROM)
    assert all("sip:+1@b.example" in value for value in headers.values())


def test_a_hidden_caller_keeps_no_login_in_from() -> None:
    trunk = Trunk("t", server="a.example", callers=("+1",), from_user="login", identity=Shown.ASSERTED)
    assert str(trunk.sender("+1")[0]) == "<sip:login@a.example>"
    assert "login" not in str(trunk.sender("+1", hidden=True)[0])


def test_limits_of_calls_and_of_calls_a_second() -> None:
    trunk = Trunk("t", server="a.example", max_calls=2, calls_per_second=2)
    choice = TrunkChoice([trunk])
    assert choice.take(trunk, 0.0)
    assert not choice.take(trunk, 0.4)
    assert choice.take(trunk, 0.5)
    assert not choice.take(trunk, 5.0)
    choice.give_back(trunk)
    assert choice.take(trunk, 5.0)


@pytest.mark.parametrize(
    ("plus", "number", "user"),
    [("keep", "+1555", "+1555"), ("strip", "+1555", "1555"), ("add", "1555", "+1555"), ("add", "*97", "*97")],
)
def test_numbers_are_written_as_the_trunk_wants_them(plus: str, number: str, user: str) -> None:
    trunk = Trunk("t", server="sip:a.example:5070;transport=tcp", plus=plus)  # type: ignore[arg-type]
    assert str(trunk.target(number)) == f"sip:{user}@a.example:5070;transport=tcp"


def test_only_our_own_numbers_are_shown() -> None:
    trunk = Trunk("t", server="a.example", user="login", callers=("+1", "+2"), user_phone=True)
    assert str(trunk.caller("+2")) == "sip:+2@a.example;user=phone"
    assert str(trunk.caller("+999")) == "sip:+1@a.example;user=phone"
    assert str(Trunk("t", server="a.example", user="login").caller("+999")) == "sip:login@a.example"


def test_peers_are_addresses_and_networks() -> None:
    trunk = Trunk("t", server="a.example", peers=("192.0.2.0/24", "2001:db8::1"))
    assert trunk.is_peer("192.0.2.77")
    assert trunk.is_peer("2001:db8::1")
    assert not trunk.is_peer("198.51.100.1")
    assert not trunk.is_peer("a.example")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_gives_way_to_what_is_written(preset: str) -> None:
    trunk = Trunk("t", preset=preset, server="my.example", user="u", plus="strip").settled
    assert (trunk.server, trunk.plus) == ("my.example", "strip")
    assert trunk.register == PRESETS[preset].get("register", False)


def test_the_password_is_not_shown() -> None:
    assert "hunter2" not in repr(Trunk("t", server="a.example", password="hunter2"))


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"name": "a b", "server": "x"}, "name"),
        ({"name": "t"}, "no address"),
        ({"name": "t", "server": "x", "preset": "bell"}, "no preset"),
        ({"name": "t", "server": "x", "peers": ("10.0.0.0/99",)}, "no address or network"),
        ({"name": "t", "server": "x", "register": True}, "needs a user"),
        ({"name": "t", "server": "x", "max_calls": -1}, "limits"),
        ({"name": "t", "server": "x", "weight": -1}, "limits"),
        ({"name": "t", "server": "x", "reply_within": 0.0}, "reply_within"),
        ({"name": "t", "server": "x", "reply_within": 60.0}, "reply_within"),
        ({"name": "t", "server": "x", "options_every": -1.0}, "times between"),
        ({"name": "t", "server": "x", "from_host": "a b"}, "no host"),
        ({"name": "none", "server": "x"}, "no trunk may be called"),
    ],
)
def test_what_cannot_be_is_told(fields: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        Trunk(**fields)  # type: ignore[arg-type]


def test_two_of_one_name_are_told() -> None:
    with pytest.raises(ConfigError, match="two of this name"):
        TrunkChoice([Trunk("t", server="a.example"), Trunk("t", server="b.example")])
