"""Names looked up at a name server on loopback: what is remembered, and what happens when it is silent."""

from __future__ import annotations

import asyncio

import pytest

from sip.name_server import name_server
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, SipError
from trunkline.sip.hop import Hop
from trunkline.sip.resolver import Resolver
from trunkline.sip.uri import parse_uri

ZONE = {
    ("NAPTR", "trunk.example"): [
        '20 50 "s" "SIP+D2U" "" _sip._udp.trunk.example.',
        '10 50 "s" "SIP+D2T" "" _sip._tcp.trunk.example.',
    ],
    ("SRV", "_sip._tcp.trunk.example"): ["5 0 5070 one.trunk.example.", "9 0 5060 two.trunk.example."],
    ("SRV", "_sip._udp.trunk.example"): ["5 0 5060 two.trunk.example."],
    ("A", "one.trunk.example"): ["192.0.2.1"],
    ("A", "two.trunk.example"): ["192.0.2.2"],
    ("AAAA", "two.trunk.example"): ["2001:db8::2"],
}


class Later(SystemClock):
    """A clock that can be put forward."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


async def test_naptr_srv_and_addresses_are_followed_and_remembered() -> None:
    async with name_server(ZONE) as server:
        clock = Later()
        resolver = Resolver(clock, ("A",), [server.address])
        found = await resolver.find(parse_uri("sip:trunk.example"))
        assert [(hop.transport, hop.host, hop.port) for hop in found] == [
            ("tcp", "192.0.2.1", 5070),
            ("tcp", "192.0.2.2", 5060),
            ("udp", "192.0.2.2", 5060),
        ]
        asked = len(server.asked)
        assert len(set(server.asked)) == asked
        assert await resolver.find(parse_uri("sip:trunk.example")) == found
        assert len(server.asked) == asked
        clock.ahead = 301.0
        assert await resolver.find(parse_uri("sip:trunk.example")) == found
        assert len(server.asked) == 2 * asked


async def test_that_there_is_nothing_is_remembered_for_less_long() -> None:
    async with name_server(ZONE) as server:
        clock = Later()
        resolver = Resolver(clock, ("A",), [server.address])
        for _ in range(3):
            with pytest.raises(SipError, match="no address"):
                await resolver.find(parse_uri("sip:late.example:5060"))
        assert server.asked == [("A", "late.example")]
        server.zone["A", "late.example"] = ["192.0.2.5"]
        clock.ahead = 31.0
        assert [hop.host for hop in await resolver.find(parse_uri("sip:late.example:5060"))] == ["192.0.2.5"]
        del server.zone["A", "late.example"]


async def test_a_server_that_did_not_answer_stands_last_in_the_next_answer() -> None:
    async with name_server(ZONE) as server:
        clock = Later()
        resolver = Resolver(clock, ("A",), [server.address])
        uri = parse_uri("sip:trunk.example;transport=tcp")
        first, second = await resolver.find(uri)
        resolver.bench.failed(first, clock.now())
        assert await resolver.find(uri) == [second, first]
        clock.ahead = 31.0
        assert await resolver.find(uri) == [first, second]


async def test_both_families_are_found_where_both_are_served() -> None:
    async with name_server(ZONE) as server:
        resolver = Resolver(SystemClock(), ("AAAA", "A"), [server.address])
        found = await resolver.find(parse_uri("sip:two.trunk.example:5060"))
        assert [hop.host for hop in found] == ["2001:db8::2", "192.0.2.2"]


async def test_a_hop_by_name_is_found_with_its_port() -> None:
    async with name_server(ZONE) as server:
        resolver = Resolver(SystemClock(), ("A",), [server.address])
        hop = Hop("tcp", "trunk.example", 0)
        assert resolver.known(hop) is None
        found = await resolver.find_hop(hop)
        assert (found[0].host, found[0].port) == ("192.0.2.1", 5070)
        assert resolver.known(hop) == found[0]


async def test_a_silent_name_server_costs_time_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.sip.resolver._QUESTION_SECONDS", 0.2)
    async with name_server(ZONE) as server:
        server.silent = True
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        task = asyncio.create_task(others())
        resolver = Resolver(SystemClock(), ("A",), [server.address])
        with pytest.raises(SipError, match="no address"):
            await resolver.find(parse_uri("sip:one.trunk.example:5060"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert turns > 1  # The loop went on while it was waited for.


async def test_the_systems_own_names_are_known() -> None:
    resolver = Resolver(SystemClock(), ("A",))
    assert [hop.host for hop in await resolver.find(parse_uri("sip:localhost"))] == ["127.0.0.1"]


@pytest.mark.parametrize("text", ["example.com", "1.2.3.4:x", "1.2.3.4:99999", ""])
async def test_a_name_server_is_an_address(text: str) -> None:
    with pytest.raises(ConfigError, match="no name server"):
        Resolver(SystemClock(), ("A",), [text])


async def test_name_servers_may_have_ports_and_be_ipv6() -> None:
    own = Resolver(SystemClock(), ("A",), ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:54"])
    assert own._own == (("192.0.2.1", 53), ("192.0.2.1", 5353), ("2001:db8::1", 53), ("2001:db8::1", 54))
