"""How others reach us and learn who we are: addresses, families, identity, and who may call at all."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import cast

import pytest

from legs.far_ends import until
from legs.test_sip_calls import address, all_events, next_call, two_phones
from legs.test_sip_trunking import exchange, place, second
from trunkline.audio.frame import Frame
from trunkline.errors import ConfigError
from trunkline.events import HungUp
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.legs.sip_trunk import Trunk
from trunkline.sip.fields import parse_name_address
from trunkline.sip.hop import Hop
from trunkline.sip.identity import Shown
from trunkline.sip.message import Request, respond
from trunkline.sip.not_taken import CallNotTaken
from trunkline.sip.parse import parse_message
from trunkline.sip.sdp import parse_sdp

__all__ = ["place"]

FAR = Hop("udp", "9.9.9.9", 5060)
"""Some address outside; nothing is ever sent there."""


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            udp.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


async def talk(calling: SipLeg, called: SipLeg) -> None:
    """Both answer, and the called end hears the calling one."""
    await called.answer()
    await calling.answer()
    heard: list[Frame] = []
    calling.start(lambda frame: None, lambda at: b"\x00\x20" * 160)
    called.start(heard.append, lambda at: None)
    await until(lambda: any(not frame.concealed for frame in heard))


# --- IPv6 -----------------------------------------------------------------------------------------


@ipv6
async def test_a_call_over_ipv6() -> None:
    both = [SipSettings(bind="udp:[::1]:0", user=user) for user in ("one", "two")]
    async with two_phones(*both) as (one, two):
        host, port = two.address
        assert host == "::1"
        calling = await one.dial(f"sip:two@[{host}]:{port}")
        called = await next_call(two)
        invite = called.session.invite
        assert invite.via.host == "[::1]"
        assert parse_name_address(invite.headers.get("Contact") or "").uri.host == "[::1]"
        assert b"c=IN IP6 ::1\r\n" in invite.body
        assert called.info.caller == f"sip:one@[::1]:{one.address[1]}"
        await talk(calling, called)
        await called.hang_up()
        assert isinstance((await all_events(calling))[-1], HungUp)


@ipv6
async def test_a_call_over_ipv6_and_tcp() -> None:
    both = [SipSettings(bind="udp:[::1]:0", user=user) for user in ("one", "two")]
    async with two_phones(*both) as (one, two):
        calling = await one.dial(f"sip:two@[::1]:{two.address[1]};transport=tcp")
        called = await next_call(two)
        assert called.signalling == "tcp"
        await talk(calling, called)
        await calling.hang_up()
        await all_events(called)


@ipv6
async def test_one_service_on_both_families() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.bind(("::1", 0))
        port = udp.getsockname()[1]
    both = SipSettings(bind="udp:127.0.0.1:0", bind_also=f"udp:[::1]:{port}", user="two")
    six = SipSettings(bind="udp:[::1]:0", user="six")
    async with two_phones(six, both) as (one, two):
        calling = await one.dial(f"sip:two@[::1]:{port}")
        called = await next_call(two)
        assert b"c=IN IP6 ::1\r\n" in called.session.invite.body
        await talk(calling, called)
        await called.hang_up()
        await all_events(calling)
    four = SipSettings(bind="udp:127.0.0.1:0", user="four")
    async with two_phones(four, both) as (one, two):
        calling = await two.dial(address(one, "four"))
        called = await next_call(one)
        assert called.session.invite.via.host == "127.0.0.1"
        await talk(calling, called)
        await called.hang_up()
        await all_events(calling)


@ipv6
async def test_a_call_that_goes_on_by_the_other_family_has_its_media_there() -> None:
    six = SipSettings(bind="udp:[::1]:0", user="six")
    async with exchange(503) as broken, two_phones(second=six) as (_, called_at):
        trunks = (
            Trunk("four", server=broken.server),
            Trunk("six", server=f"[::1]:{called_at.address[1]}", priority=1),
        )
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            udp.bind(("::1", 0))
            port = udp.getsockname()[1]
        both = SipSettings(bind="udp:127.0.0.1:0", bind_also=f"udp:[::1]:{port}", trunks=trunks)
        async with two_phones(both) as (one, _):
            calling = await one.dial("+1555")
            called = await next_call(called_at)
            assert b"c=IN IP4 127.0.0.1\r\n" in broken.seen[0].body
            assert b"c=IN IP6 ::1\r\n" in called.session.invite.body
            await talk(calling, called)
            await called.hang_up()
            await all_events(calling)


async def test_who_has_no_address_of_a_family_is_told_so() -> None:
    async with two_phones() as (one, _):
        with pytest.raises(CallNotTaken, match="IPv6 address, and this end has none"):
            await one.dial("sip:two@[2001:db8::1]")


async def test_two_addresses_of_one_family_are_told() -> None:
    twice = SipSettings(bind="udp:127.0.0.1:0", bind_also="udp:127.0.0.1:0")
    with pytest.raises(ConfigError, match="second of its kind"):
        async with two_phones(twice):
            raise AssertionError("it listens")


# --- addresses behind NAT -------------------------------------------------------------------------


async def test_signalling_and_media_have_an_outside_address_each() -> None:
    """One external address used for Contact, Via and SDP alike fails where media has another."""
    outside = SipSettings(
        bind="udp:127.0.0.1:0",
        user="one",
        advertised_host="198.51.100.1",
        advertised_port=5099,
        advertised_media_host="198.51.100.2",
    )
    async with two_phones(outside) as (one, two):
        calling = await one.dial(address(two))
        invite = (await next_call(two)).session.invite
        assert (invite.via.host, invite.via.port) == ("198.51.100.1", 5099)
        contact = parse_name_address(invite.headers.get("Contact") or "").uri
        assert (contact.host, contact.port) == ("198.51.100.1", 5099)
        assert parse_sdp(invite.body).host == "198.51.100.2"
        # Where answers go is where the INVITE came from, whatever its Via says.
        assert invite.via.params["received"] == "127.0.0.1"
        await calling.hang_up()


async def test_those_on_our_side_of_the_nat_are_told_our_own_address() -> None:
    outside = SipSettings(
        bind="udp:127.0.0.1:0",
        advertised_host="198.51.100.1",
        advertised_media_host="198.51.100.2",
        local_networks=("127.0.0.0/8",),
    )
    async with two_phones(outside) as (one, two):
        calling = await one.dial(address(two))
        invite = (await next_call(two)).session.invite
        assert (invite.via.host, invite.via.port) == one.address
        assert parse_sdp(invite.body).host == "127.0.0.1"
        assert one._endpoint.local_host(FAR) == "198.51.100.1"
        await calling.hang_up()


async def test_each_trunk_is_told_the_address_by_which_it_reaches_us(place: str) -> None:
    """One of them is on our side of the NAT; the call goes on with the other."""
    async with exchange(503) as near:
        trunks = Trunk("near", server=near.server), Trunk("far", server=place, priority=1)
        host, port = place.split(":")
        far = replace(trunks[1], server=f"127.0.0.2:{port}")
        settings = SipSettings(
            bind="udp:127.0.0.1:0",
            advertised_host="127.0.0.1",
            advertised_media_host="192.0.2.1",
            local_networks=(f"{host}/32",),
            trunks=(trunks[0], far),
        )
        async with two_phones(settings, SipSettings(bind=f"udp:127.0.0.2:{port}", user="two")) as (one, two):
            calling = await one.dial("+1555")
            called = await next_call(two)
            assert b"c=IN IP4 127.0.0.1\r\n" in near.seen[0].body
            assert b"c=IN IP4 192.0.2.1\r\n" in called.session.invite.body
            await calling.hang_up()
            await all_events(called)


async def test_an_outside_address_of_the_other_family_is_not_told() -> None:
    outside = SipSettings(bind="udp:127.0.0.1:0", advertised_host="2001:db8::1", advertised_media_host="::2")
    async with two_phones(outside) as (one, two):
        calling = await one.dial(address(two))
        invite = (await next_call(two)).session.invite
        assert invite.via.host == "127.0.0.1"
        assert parse_sdp(invite.body).host == "127.0.0.1"
        await calling.hang_up()


async def test_a_private_address_in_the_sdp_is_found_out_by_the_sound_that_comes() -> None:
    """The failure of others: a private address in `c=`, and no latching. 127.0.0.99 stands for the private
    one: what is sent there arrives nowhere."""
    behind = SipSettings(bind="udp:127.0.0.1:0", user="one", advertised_media_host="127.0.0.99")
    async with two_phones(behind) as (one, two):
        calling = await one.dial(address(two))
        called = await next_call(two)
        assert parse_sdp(called.session.invite.body).host == "127.0.0.99"
        await called.answer()
        await calling.answer()
        heard: list[Frame] = []
        calling.start(heard.append, lambda at: None)
        called.start(lambda frame: None, lambda at: b"\x00\x20" * 160)
        await until(lambda: any(not frame.concealed for frame in heard))
        assert called.media is not None
        assert called.media.remote is not None
        assert called.media.remote[0] == "127.0.0.1"
        await calling.hang_up()
        await all_events(called)


# --- identity -------------------------------------------------------------------------------------


async def dialled(trunk: Trunk, caller: str = "", **variables: str) -> Request:
    """The INVITE that a trunk gets."""
    settings = SipSettings(bind="udp:127.0.0.1:0", user="one", trunks=(trunk,))
    async with two_phones(settings, second(trunk.server)) as (one, two):
        calling = await one.dial("+1555", caller=caller, variables=variables)
        invite = (await next_call(two)).session.invite
        await calling.hang_up()
        return invite


async def test_each_trunk_is_told_the_caller_as_it_wants_it(place: str) -> None:
    trunk = Trunk(
        "t",
        server=place,
        callers=("+4930",),
        from_user="account7",
        from_host="voice.example",
        identity=Shown.ASSERTED,
        user_phone=True,
    )
    invite = await dialled(trunk, "+4930")
    assert str(invite.from_.uri) == "sip:account7@voice.example;user=phone"
    assert invite.headers.get("P-Asserted-Identity") == "<sip:+4930@voice.example;user=phone>"
    assert "Privacy" not in invite.headers
    assert invite.uri.endswith(";user=phone")


@pytest.mark.parametrize("by_trunk", [True, False])
async def test_a_caller_may_be_hidden_by_the_trunk_or_the_call(place: str, by_trunk: bool) -> None:
    trunk = Trunk("t", server=place, callers=("+4930",), identity=Shown.REMOTE_PARTY, hide_caller=by_trunk)
    invite = await dialled(trunk, "" if by_trunk else "anonymous")
    assert str(invite.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert invite.headers.get("Privacy") == "id"
    assert "+4930@" in (invite.headers.get("Remote-Party-ID") or "")


async def test_a_hidden_call_to_an_address_shows_nothing() -> None:
    async with two_phones() as (one, two):
        calling = await one.dial(address(two), caller="anonymous")
        called = await next_call(two)
        assert called.info.caller == "sip:anonymous@anonymous.invalid"
        assert called.info.variables["caller_hidden"] == "yes"
        await calling.hang_up()


async def test_variables_headers_and_user_data_arrive_as_variables() -> None:
    wants = SipSettings(bind="udp:127.0.0.1:0", user="two", headers=("Privacy",))
    async with two_phones(second=wants) as (one, two):
        calling = await one.dial(
            address(two), caller="anonymous", variables={"campaign": "spring", "user_to_user": "order 7"}
        )
        assert (await next_call(two)).info.variables == {
            "X-campaign": "spring",
            "Privacy": "id",
            "user_to_user": "order 7",
            "caller_name": "Anonymous",
            "caller_hidden": "yes",
        }
        await calling.hang_up()


# --- who may call ---------------------------------------------------------------------------------


async def refused(settings: SipSettings, status: int) -> None:
    async with two_phones(second=settings) as (one, two):
        calling = await one.dial(address(two))
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.status == status
        assert two.active == 0


async def test_a_stranger_gets_the_status_that_is_set() -> None:
    await refused(SipSettings(bind="udp:127.0.0.1:0", known_peers_only=True, refused_with=480), 480)


async def test_whoever_is_denied_is_refused_even_where_all_may_call() -> None:
    await refused(SipSettings(bind="udp:127.0.0.1:0", denied=("127.0.0.0/8",)), 403)
    both = SipSettings(
        bind="udp:127.0.0.1:0", known_peers_only=True, allowed=("127.0.0.1",), denied=("127.0.0.1",)
    )
    await refused(both, 403)


async def test_whoever_is_allowed_may_call_beside_the_trunks() -> None:
    settings = SipSettings(bind="udp:127.0.0.1:0", known_peers_only=True, allowed=("127.0.0.1",))
    async with two_phones(second=settings) as (one, two):
        calling = await one.dial(address(two))
        await (await next_call(two)).answer()
        await calling.answer()
        await calling.hang_up()


async def test_strangers_have_a_limit_of_calls_of_their_own() -> None:
    settings = SipSettings(bind="udp:127.0.0.1:0", max_stranger_calls=1)
    async with two_phones(second=settings) as (one, two):
        first = await one.dial(address(two))
        called = await next_call(two)
        late = await one.dial(address(two))
        with pytest.raises(CallNotTaken) as caught:
            await late.answer()
        assert caught.value.status == 503
        await called.hang_up("busy")
        with pytest.raises(CallNotTaken, match="busy"):
            await first.answer()
        again = await one.dial(address(two))
        await (await next_call(two)).answer()
        await again.answer()
        await again.hang_up()


async def test_a_screened_call_never_rings() -> None:
    async with two_phones() as (one, two):
        two.screen = lambda info: 404 if info.callee.startswith("sip:nobody@") else 0
        calling = await one.dial(address(two, "nobody"))
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.status == 404
        assert [type(event) for event in await all_events(calling)] == [HungUp]
        taken = await one.dial(address(two, "somebody"))
        await (await next_call(two)).answer()
        await taken.answer()
        await taken.hang_up()


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"allowed": ("10.0.0.0/99",)}, "no address or network"),
        ({"refused_with": 200}, "no status"),
        ({"advertised_port": 70_000}, "no port"),
        ({"stranger_rate": -1.0}, "0 or more"),
    ],
)
def test_what_cannot_be_is_told(fields: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        SipSettings(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields", [{"local_networks": ("x",)}, {"stun_server": "a b"}, {"nameservers": ("ns",)}]
)
async def test_what_cannot_be_reached_is_told(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", **fields)):  # type: ignore[arg-type]
            raise AssertionError("it listens")


# --- connections that break -----------------------------------------------------------------------


class Registrar(asyncio.Protocol):
    """One connection by which REGISTERs come; each is taken."""

    def __init__(self, all_of_them: list[Registrar]) -> None:
        self.registers = 0
        self.pings = 0
        self.closed = asyncio.Event()
        all_of_them.append(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        if not data.strip():
            self.pings += 1
            if self.pings == 1:
                self.transport.write(b"\r\n")  # The later ones get no answer: the path broke without a word.
            return
        request = parse_message(data)
        assert isinstance(request, Request)
        self.registers += 1
        self.transport.write(bytes(respond(request, 200, to_tag="x")))


async def test_a_broken_connection_is_made_anew_and_registered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.legs.sip_trunking._ANEW_SECONDS", (0.0, 0.0))
    connections: list[Registrar] = []
    server = await asyncio.get_running_loop().create_server(lambda: Registrar(connections), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        trunk = Trunk(
            "t",
            server=f"127.0.0.1:{port};transport=tcp",
            user="bob",
            password="p",
            register=True,
            expires=600,
        )
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", trunks=(trunk,))):
            await until(lambda: bool(connections) and connections[0].registers == 1)
            connections[0].transport.abort()
            await until(lambda: len(connections) == 2 and connections[1].registers == 1)
        assert connections[1].registers == 2  # and unregistered
    finally:
        server.close()
        await server.wait_closed()
        for connection in connections:
            await connection.closed.wait()


async def test_a_connection_that_answers_no_more_pings_is_found_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.legs.sip_trunking._ANEW_SECONDS", (0.0, 0.0))
    monkeypatch.setattr("trunkline.sip.connections._KEEP_ALIVE_SECONDS", 0.05)
    monkeypatch.setattr("trunkline.sip.connections._PONG_SECONDS", 0.3)
    connections: list[Registrar] = []
    server = await asyncio.get_running_loop().create_server(lambda: Registrar(connections), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        trunk = Trunk("t", server=f"127.0.0.1:{port};transport=tcp", user="bob", password="p", register=True)
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", trunks=(trunk,))):
            await until(lambda: len(connections) >= 2 and connections[1].registers >= 1)
            assert connections[0].pings >= 2
    finally:
        server.close()
        await server.wait_closed()
        for connection in connections:
            await connection.closed.wait()


async def test_several_servers_are_all_known_as_the_trunks_own(place: str) -> None:
    async with exchange(503) as other:
        trunk = Trunk("t", server=other.server, peers=("192.0.2.0/24",))
        async with two_phones(SipSettings(bind="udp:127.0.0.1:0", trunks=(trunk,))) as (one, _):
            service: SipService = one
            assert service._trunking.is_known("127.0.0.1")
            assert service._trunking.is_known("192.0.2.9")
            assert not service._trunking.is_known("198.51.100.1")
