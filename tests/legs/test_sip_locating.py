"""Calls by way of names: a trunk's servers found in DNS, and the next one taken where one is out of order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from legs.test_sip_calls import all_events, next_call, two_phones
from legs.test_sip_streams import certified, secure
from legs.test_sip_trunking import Exchange, exchange, place, second
from sip.name_server import name_server
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip.hop import Hop
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.uri import parse_uri

__all__ = ["place"]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where datagrams arrive and nobody reads them."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        yield udp.getsockname()[1]


def zone(*ports: int) -> dict[tuple[str, str], list[str]]:
    return {
        ("NAPTR", "trunk.example"): ['10 50 "s" "SIP+D2U" "" _sip._udp.trunk.example.'],
        ("SRV", "_sip._udp.trunk.example"): [f"{n} 0 {port} here.example." for n, port in enumerate(ports)],
        ("A", "here.example"): ["127.0.0.1"],
    }


def by_name(server: str, **more: object) -> SipSettings:
    trunk = Trunk("t", server="trunk.example", **more)  # type: ignore[arg-type]
    return SipSettings(bind="udp:127.0.0.1:0", user="one", trunks=(trunk,), nameservers=(server,))


def port_of(place: str) -> int:
    return int(place.rpartition(":")[2])


def invites(server: Exchange) -> int:
    """How many calls it was asked for, however often each was sent again."""
    return len({request.call_id for request in server.seen if request.method == "INVITE"})


async def call(one: SipService, two: SipService) -> None:
    calling = await one.dial("+1555")
    called = await next_call(two)
    await called.answer()
    await calling.answer()
    await calling.hang_up()
    assert isinstance((await all_events(called))[-1], HungUp)


async def test_the_next_server_is_taken_when_the_first_is_silent_and_the_next_call_begins_there(
    place: str,
) -> None:
    with silent_port() as dead:
        async with (
            name_server(zone(dead, port_of(place))) as names,
            two_phones(by_name(names.address, reply_within=1.0), second(place)) as (one, two),
        ):
            await call(one, two)
            waits = one._endpoint.resolver.bench
            assert [hop[2] for hop in waits._until] == [dead]
            calling = await one.dial("+1555")
            assert calling.session.hop.port == port_of(place)
            await (await next_call(two)).hang_up("busy")
            with pytest.raises(CallNotTaken, match="busy"):
                await calling.answer()


async def test_a_server_that_says_503_sends_the_call_to_the_next(place: str) -> None:
    async with exchange(503) as broken:
        ports = port_of(broken.server), port_of(place)
        async with (
            name_server(zone(*ports)) as names,
            two_phones(by_name(names.address), second(place)) as (one, two),
        ):
            await call(one, two)
        assert invites(broken) == 1


@pytest.mark.parametrize("limit", [{"max_calls": 1}, {"calls_per_second": 0.5}], ids=["calls", "rate"])
async def test_a_call_that_goes_on_at_its_trunks_next_server_is_one_call(
    limit: dict[str, float], place: str
) -> None:
    async with exchange(503) as broken:
        ports = port_of(broken.server), port_of(place)
        async with (
            name_server(zone(*ports)) as names,
            two_phones(by_name(names.address, **limit), second(place)) as (one, two),
        ):
            await call(one, two)
        assert invites(broken) == 1


@pytest.mark.parametrize(("status", "why"), [(403, Why.REJECTED_BY_TRUNK), (486, Why.BUSY)])
async def test_what_one_server_refuses_the_others_are_not_asked(status: int, why: Why) -> None:
    async with exchange(status) as first, exchange(status) as other:
        ports = port_of(first.server), port_of(other.server)
        async with (
            name_server(zone(*ports)) as names,
            two_phones(by_name(names.address)) as (one, _),
        ):
            calling = await one.dial("+1555")
            with pytest.raises(CallNotTaken) as caught:
                await calling.answer()
            assert caught.value.why is why
        assert not other.seen


async def test_an_address_by_name_is_located_too(place: str) -> None:
    with silent_port() as dead:
        async with name_server(zone(dead, port_of(place))) as names:
            settings = SipSettings(bind="udp:127.0.0.1:0", nameservers=(names.address,))
            async with two_phones(settings, second(place)) as (one, two):
                one._endpoint.failed((await one._endpoint.places(parse_uri("sip:trunk.example")))[0])
                calling = await one.dial("sip:two@trunk.example")
                assert (await next_call(two)).info.callee == "sip:two@trunk.example"
                await calling.hang_up()


async def test_a_contact_that_is_a_name_is_found_for_what_follows_in_the_call(place: str) -> None:
    async with name_server({("A", "phone.example"): ["127.0.0.1"]}) as names:
        # Media cannot be sent to a name, so that is told in digits.
        named = SipSettings(
            bind=f"udp:{place}",
            user="two",
            advertised_host="phone.example",
            advertised_media_host="127.0.0.1",
        )
        caller = SipSettings(bind="udp:127.0.0.1:0", nameservers=(names.address,))
        async with two_phones(caller, named) as (one, two):
            calling = await one.dial(f"sip:two@{place}")
            called = await next_call(two)
            await called.answer()
            await calling.answer()
            assert calling.session.dialog is not None
            assert calling.session.dialog.target.host == "phone.example"
            await calling.hang_up()
            assert isinstance((await all_events(called))[-1], HungUp)
        assert ("A", "phone.example") in names.asked


async def test_a_call_ends_by_the_next_server_of_its_name_where_connections_broke(place: str) -> None:
    """Where the INVITE went nobody listens any more, nor at the first address of the name in the Contact."""
    async with name_server({("A", "phone.example"): ["127.0.0.2", "127.0.0.1"]}) as names:
        named = SipSettings(
            bind=f"udp:{place}",
            user="two",
            advertised_host="phone.example",
            advertised_media_host="127.0.0.1",
        )
        caller = SipSettings(bind="udp:127.0.0.1:0", nameservers=(names.address,))
        async with two_phones(caller, named) as (one, two):
            calling = await one.dial(f"sip:two@{place};transport=tcp")
            called = await next_call(two)
            await called.answer()
            await calling.answer()
            dialog = calling.session.dialog
            assert dialog is not None
            assert dialog.by is not None
            dialog.by = Hop("tcp", "127.0.0.3", port_of(place), 999_999)
            await calling.hang_up()
            assert isinstance((await all_events(called))[-1], HungUp)
            assert [hop[1] for hop in one._endpoint.resolver.bench._until] == ["127.0.0.2"]


async def test_registration_moves_to_the_next_server_when_one_is_out_of_order() -> None:
    async with exchange(500) as registrar, exchange(500) as broken:
        broken.register_status = 503
        ports = port_of(broken.server), port_of(registrar.server)
        async with (
            name_server(zone(*ports)) as names,
            two_phones(by_name(names.address, user="bob", password="p", register=True)),
        ):
            assert await broken.registered.get() == "3600"
            assert await registrar.registered.get() == "3600"


async def test_a_trunk_whose_servers_are_silent_is_asked_after_and_called_last(place: str) -> None:
    with silent_port() as dead:
        out = Trunk("out", server=f"127.0.0.1:{dead}", options_every=60.0)
        spare = Trunk("spare", server=place, priority=1)
        settings = SipSettings(bind="udp:127.0.0.1:0", trunks=(out, spare))
        async with two_phones(settings, second(place)) as (one, two):
            one._endpoint.failed((await one._endpoint.places(out.uri))[0])
            calling = await one.dial("+1555")
            assert calling.session.hop.port == port_of(place)
            await (await next_call(two)).hang_up("busy")
            with pytest.raises(CallNotTaken, match="busy"):
                await calling.answer()


async def test_a_trunk_that_cannot_be_found_is_told_once_and_when_it_is_back() -> None:
    async with name_server({}) as names:
        with capture_logs() as logs:
            async with two_phones(by_name(names.address)) as (one, _):
                for _ in range(3):
                    with pytest.raises(CallNotTaken, match="no trunk can be found"):
                        await one.dial("+1555")
                names.zone.update(zone(9))
                one._endpoint.resolver._known.clear()
                await (await one.dial("+1555")).hang_up()
        told = [entry["event"] for entry in logs]
        assert (told.count("trunk not found"), told.count("trunk found again")) == (1, 1)


async def test_options_and_empty_lines_keep_a_trunk_awake() -> None:
    async with exchange(500) as trunk:
        awake = Trunk("t", server=trunk.server, options_every=0.05, empty_lines_every=0.05)
        settings = SipSettings(bind="udp:127.0.0.1:0", trunks=(awake,))
        async with two_phones(settings):
            for _ in range(3):
                await trunk.pinged.get()
            await trunk.empty.get()


# --- certificates, and what a trunk says of itself ------------------------------------------------


@pytest.mark.parametrize(("certified_for", "believed"), [("trunk.example", True), ("here.example", False)])
async def test_a_certificate_is_for_the_domain_and_not_for_what_dns_says(
    tmp_path: Path, certified_for: str, believed: bool
) -> None:
    folder = certified(tmp_path, f"DNS:{certified_for}")
    async with two_phones(second=secure(folder, "two")) as (_, two):
        records = {
            ("SRV", "_sips._tcp.trunk.example"): [f"0 0 {two.tls_port} here.example."],
            ("A", "here.example"): ["127.0.0.1"],
        }
        async with name_server(records) as names:
            caller = replace(secure(folder, "one", own=False), nameservers=(names.address,))
            async with two_phones(caller) as (one, _):
                calling = await one.dial("sips:two@trunk.example")
                if believed:
                    called = await next_call(two)
                    assert called.signalling == "tls"
                    await called.answer()
                    await calling.answer()
                    await calling.hang_up()
                    await all_events(called)
                else:
                    with pytest.raises(CallNotTaken) as caught:
                        await calling.answer()
                    assert caught.value.why is Why.NOT_REACHABLE


async def test_a_trunk_that_asks_for_peace_has_it_for_as_long_as_it_says(place: str) -> None:
    async with exchange(503) as busy:
        busy.headers = (("Retry-After", "90 (maintenance);duration=10"),)
        trunks = Trunk("busy", server=busy.server), Trunk("spare", server=place, priority=1)
        settings = SipSettings(bind="udp:127.0.0.1:0", trunks=trunks)
        async with two_phones(settings, second(place)) as (one, two):
            await call(one, two)
            await call(one, two)
            now, bench = one._endpoint._clock.now(), one._endpoint.resolver.bench
            hop = Hop("udp", "127.0.0.1", port_of(busy.server))
            assert bench.is_out(hop, now + 60.0)
            assert not bench.is_out(hop, now + 91.0)
        assert invites(busy) == 1
