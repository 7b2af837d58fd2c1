"""MRCP that nobody overhears: SIP and words over TLS, sound over SRTP; certificates that do not convince."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from call.test_mrcp_service import CLOCK, RATE, TRANSCRIBE, URIS, Client, offered, uri
from legs.far_ends import tone, until
from legs.test_sip_streams import certified
from providers.servers.mrcp_server import played_server
from providers.stt_conformance import listening
from providers.tts_conformance import say
from trunkline.audio.frame import Frame
from trunkline.errors import ConfigError, EngineNetwork, MediaError, SipError, TrunklineError
from trunkline.mrcp.client import MrcpClient
from trunkline.mrcp.codecs import codecs_named
from trunkline.mrcp.connection import Connection
from trunkline.mrcp.message import Event, Message, Request, Response
from trunkline.mrcp.server import MrcpServer
from trunkline.mrcp.tls import ClientSecurity
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.stt.mrcp import Mrcp
from trunkline.providers.tts.mrcp import MrcpVoices
from trunkline.sip.connections import TlsFiles

pytest.importorskip("pylibsrtp", reason="needs: pip install 'trunkline[srtp]'")
UDP = "udp:127.0.0.1:0"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and a certificate for 127.0.0.1 that it vouches for."""
    return certified(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of another authority, for another name."""
    return certified(tmp_path_factory.mktemp("other"), "DNS:elsewhere.example")


def secure(folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a server."""
    return {
        "tls_bind": "tls:127.0.0.1:0",
        "tls_certificate_file": str(folder / "phone.pem"),
        "tls_key_file": str(folder / "phone.key"),
        "tls_trusted_file": str(folder / "ca.pem"),
        "srtp": "preferred",
        **more,
    }


def sips(server: MrcpServer) -> str:
    return f"sips:mrcp@127.0.0.1:{server.tls_port}"


def options(folder: Path, server: MrcpServer, **more: str) -> dict[str, Any]:
    """Of an engine."""
    return {
        "clock": CLOCK,
        "server": sips(server),
        "bind": UDP,
        "control": "tls",
        "srtp": "required",
        "trusted": str(folder / "ca.pem"),
        **more,
    }


def files(folder: Path, *, own: bool = False, trusted: bool = True) -> TlsFiles:
    return TlsFiles(
        str(folder / "phone.pem") if own else "",
        str(folder / "phone.key") if own else "",
        str(folder / "ca.pem") if trusted else "",
    )


@asynccontextmanager
async def client(
    where: str, security: ClientSecurity, resource: str = "speechrecog"
) -> AsyncIterator[tuple[MrcpClient, Client]]:
    opened = await MrcpClient.open(CLOCK, where, UDP, security)
    try:
        yield opened, Client(await opened.channel(resource, codecs_named("PCMU")))
    finally:
        await opened.close()


async def refusal(where: str, security: ClientSecurity) -> TrunklineError:
    """What becomes of a channel that is not to be had."""
    opened = await MrcpClient.open(CLOCK, where, UDP, security)
    try:
        with pytest.raises(TrunklineError) as caught:
            await opened.channel("speechrecog", codecs_named("PCMU"))
    finally:
        await opened.close()
    return caught.value


# --- our engines over it ----------------------------------------------------------------------------


async def test_our_recogniser_understands_what_nobody_overhears(folder: Path) -> None:
    async with offered(**secure(folder, tls_only=True, srtp="required")) as server:
        engine = Mrcp(silence_ms=200, **options(folder, server))
        await engine.start()
        async with listening(engine) as (recognition, ear):
            for place in range(50):
                recognition.push(Frame(tone(RATE) if place < 20 else bytes(320), RATE, CLOCK.now()))
                await asyncio.sleep(0.02)
            await ear.until_finals(1)
            assert [final.text for final in ear.finals] == ["yes that is right"]
        await engine.close()
        await until(lambda: server.active == 0)


async def test_our_voice_speaks_what_nobody_overhears(folder: Path) -> None:
    async with offered(**secure(folder)) as server:
        engine = MrcpVoices(**options(folder, server))
        await engine.start()
        voice = await engine.open(VoiceOptions())
        said = await say(voice, "You have four new messages.")
        assert 1.0 < said.seconds < 3.0
        await voice.close()
        await engine.close()


async def test_words_and_sound_are_really_encrypted(folder: Path) -> None:
    async with (
        offered(**secure(folder)) as server,
        client(sips(server), ClientSecurity(tls=True, srtp=True, files=files(folder))) as (_, one),
    ):
        answer = await one.ask("RECOGNIZE", URIS, ("Speech-Complete-Timeout", "100"), body=TRANSCRIBE)
        assert answer.status == 200
        one.loud = 20
        await one.until("RECOGNITION-COMPLETE")
        assert one.channel._connection is not None
        assert one.channel._connection.secure
        assert one.channel.media.quality().srtp
        (call,) = server._calls.values()
        assert call.media.quality().srtp
        assert call.media.quality().packets_received > 20


async def test_plain_clients_are_served_beside_them(folder: Path) -> None:
    async with offered(**secure(folder)) as server, client(uri(server), ClientSecurity()) as (_, one):
        assert (await one.ask("GET-PARAMS")).status == 200


# --- a server that is nothing of ours ---------------------------------------------------------------


@asynccontextmanager
async def recogniser_of_a_played_server(folder: Path, named: str = "", **more: Any) -> AsyncIterator[Mrcp]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "phone.pem", folder / "phone.key")
    certificate = ssl.PEM_cert_to_DER_cert((folder / "phone.pem").read_text())
    shown = named or "sha-256 " + hashlib.sha256(certificate).digest().hex(":")
    async with played_server(context, shown) as server:
        where = f"sip:127.0.0.1:{server.port}"
        engine = Mrcp(clock=CLOCK, server=where, bind=UDP, control="tls", **more)
        try:
            yield engine
        finally:
            await engine.close()


async def test_a_recogniser_of_others_is_spoken_to_over_tls(folder: Path) -> None:
    async with recogniser_of_a_played_server(folder, trusted=str(folder / "ca.pem")) as engine:
        await engine.start()
        async with listening(engine) as (recognition, ear):
            for place in range(40):
                recognition.push(Frame(tone(RATE) if place < 15 else bytes(320), RATE, CLOCK.now()))
                await asyncio.sleep(0.02)
            await ear.until_finals(1)
            assert ear.finals[0].text == "may I speak to Andre Roy"


@pytest.mark.parametrize("wrong", ["fingerprint", "authority", "name"])
async def test_a_server_that_does_not_convince_is_refused_in_plain_words(
    wrong: str, folder: Path, elsewhere: Path
) -> None:
    theirs = elsewhere if wrong == "name" else folder
    trusted = str((folder if wrong == "fingerprint" else elsewhere) / "ca.pem")
    named = "sha-256 " + ":".join(["00"] * 32) if wrong == "fingerprint" else ""
    async with recogniser_of_a_played_server(theirs, named, trusted=trusted) as engine:
        with pytest.raises(EngineNetwork, match="certificate") as caught:
            await engine.start()
        assert caught.value.hint or wrong == "fingerprint"


# --- certificates -----------------------------------------------------------------------------------


async def test_sip_of_a_server_that_nobody_vouches_for_is_refused(folder: Path) -> None:
    async with offered(**secure(folder)) as server:
        error = await refusal(sips(server), ClientSecurity(files=files(folder, trusted=False)))
        assert isinstance(error, SipError)
        assert "certificate is not to be trusted: 127.0.0.1" in error.what
        assert error.hint


async def test_over_plain_sip_a_channels_certificate_needs_somebody_who_vouches_for_it(folder: Path) -> None:
    async with offered(**secure(folder)) as server:
        trusted = ClientSecurity(tls=True, files=files(folder))
        async with client(uri(server), trusted) as (_, one):
            assert (await one.ask("GET-PARAMS")).status == 200
        error = await refusal(uri(server), ClientSecurity(tls=True, files=files(folder, trusted=False)))
        assert isinstance(error, MediaError)
        assert "not to be trusted" in error.what


async def test_over_sips_it_is_enough_that_the_answer_names_it(folder: Path, elsewhere: Path) -> None:
    async with offered(**secure(folder)) as server:
        # The channel's certificate is another's, for another name, that nobody here vouches for.
        await server._control.close()
        make = type(server._control)
        control = server._control = make(CLOCK, lambda _: True, 8, server._take, server._gone)
        security = server._security
        await control.listen("127.0.0.1", 0, type(security)(files=files(elsewhere, own=True)))
        trusted = ClientSecurity(tls=True, files=files(folder))
        error = await refusal(sips(server), trusted)
        assert "another certificate than its answer names" in error.what
        certificate = ssl.PEM_cert_to_DER_cert((elsewhere / "phone.pem").read_text())
        server._fingerprint = "SHA-256 " + hashlib.sha256(certificate).digest().hex(":").upper()
        async with client(sips(server), trusted) as (_, one):
            assert (await one.ask("GET-PARAMS")).status == 200


async def test_clients_must_show_theirs_where_that_is_demanded(folder: Path, elsewhere: Path) -> None:
    async with offered(**secure(folder, tls_demand_certificate=True)) as server:
        assert await refusal(sips(server), ClientSecurity(tls=True, files=files(folder)))
        ours = ClientSecurity(tls=True, files=files(folder, own=True))
        async with client(sips(server), ours) as (opened, one):
            assert (await one.ask("GET-PARAMS")).status == 200
            # Another certificate is named than is shown: such a connection is not the one that was agreed on.
            opened._fingerprint = "SHA-256 " + ":".join(["00"] * 32)
            two = Client(await opened.channel("speechrecog", codecs_named("PCMU")))
            assert (await two.ask("GET-PARAMS")).status == 405


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "security"),
    [
        ({"tls_only": True}, ClientSecurity()),
        ({"srtp": "required"}, ClientSecurity()),
        ({"srtp": "off"}, ClientSecurity(srtp=True)),
    ],
)
async def test_who_wants_other_secrecy_than_there_is_gets_no_channel(
    settings: dict[str, Any], security: ClientSecurity, folder: Path
) -> None:
    async with offered(**secure(folder, **settings)) as server:
        assert "488" in (await refusal(uri(server), security)).what
        assert server.active == 0


async def test_a_server_without_a_certificate_has_no_channels_over_tls() -> None:
    async with offered() as server:
        assert "488" in (await refusal(uri(server), ClientSecurity(tls=True))).what


async def test_a_channel_that_was_agreed_for_tls_cannot_be_had_over_tcp(folder: Path) -> None:
    async with (
        offered(**secure(folder)) as server,
        client(uri(server), ClientSecurity(tls=True, files=files(folder))) as (_, one),
    ):
        told: asyncio.Queue[Message] = asyncio.Queue()
        streams = await asyncio.open_connection("127.0.0.1", server._control.port)
        plain = Connection(*streams, told.put_nowait)
        running = asyncio.create_task(plain.run())
        plain.send(Request("GET-PARAMS", 1, (("Channel-Identifier", one.channel.id),)))
        answer = await told.get()
        assert not isinstance(answer, Event)
        assert isinstance(answer, Response)
        assert answer.status == 405
        await plain.close()
        await running
        assert (await one.ask("GET-PARAMS")).status == 200


async def test_who_speaks_no_tls_or_may_not_connect_is_sent_away(folder: Path) -> None:
    async with offered(**secure(folder)) as server:
        port = server._control.secure_port
        for allowed in (True, False):
            server._control._accepts = lambda _, allowed=allowed: allowed  # type: ignore[misc]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"MRCP/2.0 49 GET-PARAMS 1\r\n\r\n")
            with suppress(ConnectionError):
                async with asyncio.timeout(20):
                    while await reader.read(100):
                        pass  # An alert of TLS.
            writer.close()
        await until(lambda: server._control._handshakes == 0)
        server._control._accepts = lambda _: True
        async with client(uri(server), ClientSecurity(tls=True, files=files(folder))) as (_, one):
            assert (await one.ask("GET-PARAMS")).status == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"tls_only": True},
        {"tls_bind": "tls:127.0.0.1:0"},
        {"tls_certificate_file": "/nowhere.pem"},
    ],
)
async def test_settings_that_cannot_be_are_the_owners_mistake(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        async with offered(**settings):
            pass
    assert caught.value.where.startswith("mrcp.")


@pytest.mark.parametrize(
    "more",
    [{"control": "udp"}, {"srtp": "maybe"}, {"certificate": "/nowhere.pem"}, {"trusted": "/nowhere.pem"}],
)
async def test_options_that_cannot_be_are_the_owners_mistake(more: dict[str, Any]) -> None:
    engine = Mrcp(clock=CLOCK, server="sip:127.0.0.1:9", bind=UDP, **more)
    with pytest.raises(ConfigError):
        await engine.start()
    await engine.close()
