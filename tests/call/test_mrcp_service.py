"""Our engines offered over MRCP: used by our own client's engines, and led by hand."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from legs.far_ends import loudness, tone, until
from providers.stt_conformance import listening
from providers.tts_conformance import say
from trunkline.audio.frame import Frame
from trunkline.call.mrcp_service import open_mrcp
from trunkline.call.mrcp_settings import MrcpSettings
from trunkline.call.service import ServiceSettings, open_service
from trunkline.call.settings import CallSettings
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, SipError
from trunkline.legs.sip import SipSettings
from trunkline.mrcp.client import MrcpChannel, MrcpClient
from trunkline.mrcp.codecs import codecs_named
from trunkline.mrcp.markup import print_grammar
from trunkline.mrcp.message import Event, Response, State, field
from trunkline.mrcp.nlsml import parse_nlsml
from trunkline.mrcp.results import Recognised, cause
from trunkline.mrcp.server import MrcpServer
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.stt.mrcp import Mrcp
from trunkline.providers.tts.mrcp import MrcpVoices

CLOCK = SystemClock()
RATE = 8000
TRANSCRIBE = b"builtin:speech/transcribe"
URIS = ("Content-Type", "text/uri-list")


@asynccontextmanager
async def offered(
    stt: str = "fake,text='yes that is right|no',delay_ms=20", tts: str = "fake,delay_ms=10", **settings: Any
) -> AsyncIterator[MrcpServer]:
    """A service with these engines, which offers them."""
    service_settings = ServiceSettings(
        sip=SipSettings(bind="udp:127.0.0.1:0"), stt=(stt,), tts=tts, call=CallSettings(vad="energy")
    )
    async with (
        open_service(service_settings, CLOCK) as service,
        open_mrcp(service, MrcpSettings(**{"bind": "udp:127.0.0.1:0", **settings})) as server,
    ):
        yield server


def uri(server: MrcpServer) -> str:
    host, port = server.address
    return f"sip:mrcp@{host}:{port}"


class Client:
    """A channel led by hand."""

    def __init__(self, channel: MrcpChannel) -> None:
        self.channel = channel
        self.events: list[Event] = []
        self.heard = bytearray()
        self.loud = 0
        """Frames of tone that still leave."""
        channel.on_event = self.events.append
        channel.media.start(lambda frame: self.heard.extend(frame.pcm), self._next_frame)

    def _next_frame(self, _at: float) -> bytes | None:
        self.loud -= 1
        return tone(RATE) if self.loud >= 0 else None

    async def ask(self, method: str, *fields: tuple[str, str], body: bytes = b"") -> Response:
        return await self.channel.ask(method, fields, body)

    async def until(self, name: str, count: int = 1) -> Event:
        def found() -> list[Event]:
            return [event for event in self.events if event.name == name]

        await until(lambda: len(found()) >= count)
        return found()[count - 1]


@asynccontextmanager
async def client(server: MrcpServer, resource: str) -> AsyncIterator[Client]:
    opened = await MrcpClient.open(CLOCK, uri(server), "udp:127.0.0.1:0")
    try:
        yield Client(await opened.channel(resource, codecs_named("PCMU")))
    finally:
        await opened.close()


# --- our own engines over it ------------------------------------------------------------------------


async def test_our_recogniser_engine_understands_through_our_server() -> None:
    async with offered() as server:
        engine = Mrcp(clock=CLOCK, server=uri(server), bind="udp:127.0.0.1:0", silence_ms=200)
        await engine.start()
        async with listening(engine) as (recognition, ear):
            for count in (1, 2):
                for place in range(50):
                    pcm = tone(RATE) if place < 20 else bytes(320)
                    recognition.push(Frame(pcm, RATE, CLOCK.now()))
                    await asyncio.sleep(0.02)
                await ear.until_finals(count)
            assert [final.text for final in ear.finals] == ["yes that is right", "no"]
        await engine.close()
        await until(lambda: server.active == 0)


async def test_our_voice_engine_speaks_through_our_server() -> None:
    async with offered() as server:
        engine = MrcpVoices(clock=CLOCK, server=uri(server), bind="udp:127.0.0.1:0")
        await engine.start()
        voice = await engine.open(VoiceOptions())
        for _ in range(2):
            said = await say(voice, "You have four new messages.")
            assert 1.0 < said.seconds < 3.0
            assert [place for _, place in said.marks] == [3, 8, 13, 17, 27]
        await voice.close()
        await engine.close()
        await until(lambda: server.active == 0)


# --- recognising ------------------------------------------------------------------------------------


async def test_a_recognition_from_its_request_to_its_result() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        answer = await one.ask("RECOGNIZE", URIS, ("Speech-Complete-Timeout", "100"), body=TRANSCRIBE)
        assert (answer.status, answer.state) == (200, State.IN_PROGRESS)
        one.loud = 20
        started = await one.until("START-OF-INPUT")
        assert started.state is State.IN_PROGRESS
        complete = await one.until("RECOGNITION-COMPLETE")
        assert (complete.id, complete.state) == (answer.id, State.COMPLETE)
        assert cause(complete) == Recognised.SUCCESS
        assert parse_nlsml(complete.body)[0].text == "yes that is right"
        again = await one.ask("GET-RESULT")
        assert again.body == complete.body


async def test_what_is_said_after_a_short_pause_belongs_to_it() -> None:
    async with (
        offered(stt="fake,text='yes|that is right',gap_ms=60,delay_ms=20") as server,
        client(server, "speechrecog") as one,
    ):
        await one.ask("RECOGNIZE", URIS, ("Speech-Complete-Timeout", "300"), body=TRANSCRIBE)
        one.loud = 10
        await until(lambda: one.loud < -8)
        one.loud = 10
        complete = await one.until("RECOGNITION-COMPLETE")
        assert parse_nlsml(complete.body)[0].text == "yes that is right"


async def test_nothing_said_ends_a_request_unless_the_timers_wait() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        limit = ("No-Input-Timeout", "60")
        await one.ask("RECOGNIZE", URIS, limit, body=TRANSCRIBE)
        assert cause(await one.until("RECOGNITION-COMPLETE")) == Recognised.NO_INPUT_TIMEOUT
        await one.ask("RECOGNIZE", URIS, limit, ("Start-Input-Timers", "false"), body=TRANSCRIBE)
        assert (await one.ask("START-INPUT-TIMERS")).status == 200
        assert cause(await one.until("RECOGNITION-COMPLETE", 2)) == Recognised.NO_INPUT_TIMEOUT


async def test_what_the_engine_is_not_sure_of_is_no_match() -> None:
    async with offered(stt="fake,silent=true") as server, client(server, "speechrecog") as one:
        import trunkline.call.mrcp_recogniser as recogniser

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recogniser, "FINAL_WITHIN", 0.1)
            await one.ask("RECOGNIZE", URIS, ("Speech-Complete-Timeout", "50"), body=TRANSCRIBE)
            one.loud = 20
            assert cause(await one.until("RECOGNITION-COMPLETE")) == Recognised.NO_MATCH


async def test_who_speaks_without_end_is_cut_off() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        await one.ask("RECOGNIZE", URIS, ("Recognition-Timeout", "300"), body=TRANSCRIBE)
        one.loud = 10_000
        complete = await one.until("RECOGNITION-COMPLETE")
        assert cause(complete) in (Recognised.SUCCESS_MAXTIME, Recognised.NO_MATCH_MAXTIME)


async def test_stop_ends_a_request_and_those_behind_it() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        first = await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)
        second = await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)
        assert second.state is State.PENDING
        stopped = await one.ask("STOP")
        assert field(stopped, "Active-Request-Id-List") == f"{first.id},{second.id}"
        assert field(await one.ask("STOP"), "Active-Request-Id-List") == ""
        assert not one.events


async def test_a_request_that_waits_is_begun_and_one_that_will_not_wait_takes_its_place() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        limit = ("No-Input-Timeout", "60")
        await one.ask("RECOGNIZE", URIS, limit, body=TRANSCRIBE)
        second = await one.ask("RECOGNIZE", URIS, limit, body=TRANSCRIBE)
        assert (await one.until("RECOGNITION-COMPLETE", 2)).id == second.id
        third = await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)
        fourth = await one.ask("RECOGNIZE", URIS, ("Cancel-If-Queue", "true"), body=TRANSCRIBE)
        dropped = await one.until("RECOGNITION-COMPLETE", 3)
        assert (dropped.id, cause(dropped)) == (third.id, Recognised.CANCELLED)
        assert fourth.state is State.IN_PROGRESS


async def test_grammars_are_defined_used_and_refused() -> None:
    grammar = print_grammar(["yes", "no"], "en")
    srgs = ("Content-Type", "application/srgs+xml")
    async with offered() as server, client(server, "speechrecog") as one:
        defined = await one.ask("DEFINE-GRAMMAR", srgs, ("Content-ID", "<a@b>"), body=grammar)
        assert (defined.status, cause(defined)) == (200, Recognised.SUCCESS)
        used = await one.ask("RECOGNIZE", URIS, body=b"session:a@b")
        assert used.status == 200
        await one.ask("STOP")
        for fields, body, why in (
            ((URIS,), b"session:nonesuch", Recognised.URI_FAILURE),
            ((URIS,), b"http://intranet/secret", Recognised.URI_FAILURE),
            ((srgs,), b"<grammar", Recognised.GRAMMAR_COMPILATION_FAILURE),
            ((("Content-Type", "image/png"),), b"x", Recognised.GRAMMAR_LOAD_FAILURE),
        ):
            refused = await one.ask("RECOGNIZE", *fields, body=body)
            assert (refused.status, cause(refused)) == (407, why)
        nameless = await one.ask("DEFINE-GRAMMAR", srgs, body=grammar)
        assert nameless.status == 407


async def test_parameters_hold_for_the_requests_that_follow() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        await one.ask("SET-PARAMS", ("No-Input-Timeout", "60"))
        told = await one.ask("GET-PARAMS", ("No-Input-Timeout", ""), ("Voice-Name", ""))
        assert field(told, "No-Input-Timeout") == "60"
        await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)
        assert cause(await one.until("RECOGNITION-COMPLETE")) == Recognised.NO_INPUT_TIMEOUT


@pytest.mark.parametrize(
    ("method", "status"), [("SPEAK", 401), ("NONESUCH", 401), ("START-INPUT-TIMERS", 402)]
)
async def test_methods_that_cannot_be_are_refused(method: str, status: int) -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        assert (await one.ask(method)).status == status


# --- speaking ---------------------------------------------------------------------------------------


async def test_a_text_is_spoken_and_its_end_told() -> None:
    async with offered() as server, client(server, "speechsynth") as one:
        script = b'<speak>one <mark name="half"/> two</speak>'
        answer = await one.ask("SPEAK", ("Content-Type", "application/ssml+xml"), body=script)
        assert (answer.status, answer.state) == (200, State.IN_PROGRESS)
        complete = await one.until("SPEAK-COMPLETE")
        assert field(complete, "Completion-Cause") == "000 normal"
        names = [event.name for event in one.events]
        assert names == ["SPEECH-MARKER", "SPEAK-COMPLETE"]
        assert field(one.events[0], "Speech-Marker").endswith(";half")
        assert loudness(bytes(one.heard)) > 0.02


async def test_requests_to_speak_wait_their_turn() -> None:
    async with offered() as server, client(server, "speechsynth") as one:
        first = await one.ask("SPEAK", body=b"one")
        second = await one.ask("SPEAK", body=b"two")
        assert second.state is State.PENDING
        assert (await one.until("SPEAK-COMPLETE", 2)).id == second.id
        assert one.events[0].id == first.id


@pytest.mark.parametrize("method", ["STOP", "BARGE-IN-OCCURRED"])
async def test_what_is_stopped_falls_silent_and_the_next_is_spoken(method: str) -> None:
    async with offered() as server, client(server, "speechsynth") as one:
        speaking = await one.ask("SPEAK", body=b"one two three four five six seven eight nine ten")
        await until(lambda: loudness(bytes(one.heard[-320:])) > 0.05)
        stopped = await one.ask(method)
        assert field(stopped, "Active-Request-Id-List") == str(speaking.id)
        assert field(await one.ask("STOP"), "Active-Request-Id-List") == ""
        await until(lambda: loudness(bytes(one.heard[-3200:])) < 0.01)
        assert not one.events
        after = await one.ask("SPEAK", body=b"one")
        assert (await one.until("SPEAK-COMPLETE")).id == after.id


async def test_a_text_that_must_not_be_interrupted_goes_on() -> None:
    async with offered() as server, client(server, "speechsynth") as one:
        speaking = await one.ask("SPEAK", ("Kill-On-Barge-In", "false"), body=b"one two")
        assert field(await one.ask("BARGE-IN-OCCURRED"), "Active-Request-Id-List") == ""
        assert (await one.until("SPEAK-COMPLETE")).id == speaking.id


async def test_pausing_and_going_on() -> None:
    async with offered() as server, client(server, "speechsynth") as one:
        assert (await one.ask("PAUSE")).status == 402
        speaking = await one.ask("SPEAK", body=b"one two three")
        await until(lambda: loudness(bytes(one.heard[-320:])) > 0.05)
        assert field(await one.ask("PAUSE"), "Active-Request-Id-List") == str(speaking.id)
        await until(lambda: loudness(bytes(one.heard[-3200:])) < 0.01)
        assert (await one.ask("RESUME")).status == 200
        await one.until("SPEAK-COMPLETE")


async def test_what_cannot_be_spoken_is_told() -> None:
    async with offered(tts="fake,fail_after=0") as server, client(server, "speechsynth") as one:
        refused = await one.ask("SPEAK", ("Content-Type", "application/ssml+xml"), body=b"<speak")
        assert (refused.status, field(refused, "Completion-Cause")) == (407, "002 parse-failure")
        await one.ask("SPEAK", body=b"one")
        assert field(await one.until("SPEAK-COMPLETE"), "Completion-Cause") == "004 error"
        await one.ask("SPEAK", body=b"...")
        assert field(await one.until("SPEAK-COMPLETE", 2), "Completion-Cause") == "000 normal"


# --- strangers --------------------------------------------------------------------------------------


async def test_addresses_that_are_not_allowed_get_no_channel() -> None:
    async with offered(allow=("192.0.2.0/24",)) as server:
        with pytest.raises(SipError, match="403"):
            async with client(server, "speechrecog"):
                pass


async def test_there_are_never_more_channels_than_may_be() -> None:
    async with offered(max_channels=1) as server, client(server, "speechrecog"):
        with pytest.raises(SipError, match="503"):
            async with client(server, "speechsynth"):
                pass


async def test_a_channel_that_is_none_is_not_there() -> None:
    async with offered() as server, client(server, "speechrecog") as one:
        known = one.channel.id
        one.channel.id = "0000000000000000@speechrecog"
        assert (await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)).status == 405
        one.channel.id = known
        assert (await one.ask("RECOGNIZE", URIS, body=TRANSCRIBE)).status == 200


async def test_a_recogniser_that_fails_for_good_ends_its_channel() -> None:
    async with offered(stt="fake,fail_after=0") as server, client(server, "speechrecog") as one:
        lost: list[Exception] = []
        one.channel.on_lost = lost.append
        await one.ask("RECOGNIZE", URIS, ("Speech-Complete-Timeout", "50"), body=TRANSCRIBE)
        one.loud = 10_000
        await one.until("RECOGNITION-COMPLETE")


@pytest.mark.parametrize(
    "settings", [{"bind": "nowhere"}, {"allow": ("nowhere",)}, {"codecs": ("nonesuch",)}]
)
async def test_settings_that_cannot_be_are_the_owners_mistake(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        async with offered(**settings):
            pass


# --- strangers --------------------------------------------------------------------------------------


async def test_a_strangers_flood_is_counted_and_not_looked_at() -> None:
    async with offered(allow=("192.0.2.1",)) as server:
        loop = asyncio.get_running_loop()
        dropped = server._endpoint.agent.dropped
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.1", 0))
            stranger.setblocking(False)
            host, port = server.address
            async with asyncio.timeout(20):
                while not dropped["flood"]:
                    via = f"Via: SIP/2.0/UDP {host};branch=z9hG4bK{secrets.token_hex(8)}"
                    data = f"OPTIONS sip:mrcp@{host} SIP/2.0\r\n{via}\r\n\r\n"
                    await loop.sock_sendto(stranger, data.encode(), (host, port))
                    await asyncio.sleep(0)  # for it to read


async def test_whoever_may_use_the_engines_is_never_taken_for_a_flood() -> None:
    async with offered() as server:
        assert server._endpoint._is_known("127.0.0.1")
        assert not server._endpoint._is_known("192.0.2.1")


async def test_a_strangers_connection_is_ended_at_once() -> None:
    async with offered(allow=("192.0.2.1",), control_port=0) as server:
        host, port = "127.0.0.1", server._control.port
        reader, writer = await asyncio.open_connection(host, port)
        with suppress(ConnectionResetError):
            async with asyncio.timeout(20):
                assert await reader.read(1) == b""
        writer.close()
        assert not server._control._connections


async def test_no_more_connections_are_held_than_channels_could_need() -> None:
    async with offered(max_channels=1) as server:
        host, port = "127.0.0.1", server._control.port
        held = [await asyncio.open_connection(host, port) for _ in range(17)]
        await until(lambda: len(server._control._connections) == 17)
        reader, writer = await asyncio.open_connection(host, port)
        with suppress(ConnectionResetError):
            async with asyncio.timeout(20):
                assert await reader.read(1) == b""
        for _, each in [*held, (reader, writer)]:
            each.close()
