"""A leg over a stream in virtual time: what only time brings about, and sockets that break off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from legs.far_ends import tone
from trunkline.audio.frame import Frame
from trunkline.clock import VirtualClock, run_virtual
from trunkline.errors import CallRefused, MediaError, SipError
from trunkline.events import CallAnswered, HungUp, MediaBack, MediaLost
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carried_leg import EVENTS_BOUND
from trunkline.legs.leg import Can, LegInfo, TransferResult
from trunkline.legs.stream import Happening, Heard, Message, Opened, Played, Stopped
from trunkline.legs.websocket_leg import StreamLeg
from trunkline.rtp.pacer import Pacer

SOUND = tone(8000)
OPENED = Opened("S1", "C1", "L16", 8000)


class Plain:
    """A protocol whose messages are the PCM itself."""

    name = "plain"
    rate = 8000
    buffers = True

    def receive(self, message: Message) -> list[Happening]:
        assert isinstance(message, bytes)
        return [Heard(message)]

    def audio(self, pcm: bytes) -> Message:
        return pcm

    def clear(self) -> Message | None:
        return "clear"

    def mark(self, name: str) -> Message | None:
        return f"mark {name}"

    def goodbye(self) -> Message | None:
        return "goodbye"


@dataclass
class PaperWire:
    """Writes down what is sent, and when."""

    clock: VirtualClock
    sent: list[tuple[float, Message]] = field(default_factory=list)
    dropped: int = 0
    closed: str = ""

    def send(self, message: Message, *, droppable: bool = False) -> None:
        assert not self.closed
        self.sent.append((self.clock.now(), message))

    def drop(self) -> None:
        self.dropped += 1

    def close(self, why: str) -> None:
        self.closed = why

    def audio(self) -> list[float]:
        return [at for at, message in self.sent if isinstance(message, bytes)]


@dataclass
class Hand:
    """A carrier that does as the test says."""

    can: frozenset[Can] = frozenset({Can.TRANSFER, Can.SEND_DTMF})
    asked: list[str] = field(default_factory=list)
    refuses: bool = False
    during: Callable[[], Awaitable[TransferResult | None]] | None = None

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.refuses:
            raise SipError("no", where="plain")

    async def answer(self) -> None:
        await self._ask("answer")

    async def send_dtmf(self, digits: str) -> None:
        await self._ask(f"dtmf {digits}")
        if self.during is not None:
            await self.during()

    async def transfer(self, target: str) -> TransferResult:
        await self._ask(f"transfer {target}")
        return (await self.during() if self.during is not None else None) or TransferResult.TRANSFERRED

    async def stream_broke_off(self) -> None:
        await self._ask("again")

    async def hang_up(self) -> None:
        await self._ask("hang up")


@dataclass
class Scene:
    clock: VirtualClock
    leg: StreamLeg
    hand: Hand
    wire: PaperWire
    frames: list[Frame] = field(default_factory=list)
    speaks: bool = False

    def attach(self, opened: Opened = OPENED) -> PaperWire:
        self.wire = PaperWire(self.clock)
        self.leg.attach(Plain(), self.wire, opened)
        return self.wire

    def start(self) -> None:
        self.leg.start(self.frames.append, lambda _: SOUND if self.speaks else None)

    async def events(self) -> list[str]:
        return [type(event).__name__ async for event in self.leg.events()]


def play(story: Callable[[Scene], Awaitable[None]], *, attached: bool = True, **times: float) -> None:
    async def told(clock: VirtualClock) -> None:
        pacer = Pacer(clock)
        pacer.start()
        hand = Hand()
        info = LegInfo("C1", "inbound", "+1", "+2", "plain")
        leg = StreamLeg(clock, pacer, info, hand, StreamSettings(**times))
        scene = Scene(clock, leg, hand, PaperWire(clock))
        if attached:
            scene.attach()
            await leg.answer()
            scene.start()
        await story(scene)
        hand.refuses = False
        await leg.hang_up()
        await leg.release()
        await pacer.close()

    run_virtual(told)


def test_an_agents_frames_leave_on_the_beat_with_the_lead_in_front() -> None:
    async def story(scene: Scene) -> None:
        scene.speaks = True
        await scene.clock.sleep(1.0)
        times = scene.wire.audio()
        assert times[0] == times[1] == times[2]
        assert all(b - a == pytest.approx(0.02) for a, b in pairwise(times[2:]))
        assert 48 <= len(times) <= 53
        marks = [message for _, message in scene.wire.sent if isinstance(message, str)]
        assert marks == ["mark t1", "mark t2"]

    play(story)


def test_the_playing_of_marks_gives_the_delay_of_the_wire() -> None:
    async def story(scene: Scene) -> None:
        assert scene.leg.wire_delay == 0
        scene.speaks = True
        while not any(message == "mark t1" for _, message in scene.wire.sent):
            await scene.clock.sleep(0.02)
        await scene.clock.sleep(0.25)
        scene.leg.take([Played("t1")], scene.clock.now())
        assert 0.08 <= scene.leg.wire_delay <= 0.13
        assert scene.leg.quality().round_trip_ms == pytest.approx(2000 * scene.leg.wire_delay)

    play(story)


def test_a_cut_clears_what_waits_here_and_at_the_carrier() -> None:
    async def story(scene: Scene) -> None:
        scene.leg.clear()
        assert [message for _, message in scene.wire.sent] == []
        scene.speaks = True
        await scene.clock.sleep(0.2)
        scene.speaks = False
        scene.leg.clear()
        scene.leg.clear()
        assert [m for _, m in scene.wire.sent if isinstance(m, str)] == ["clear"]
        assert scene.wire.dropped == 3

    play(story)


def test_a_stream_that_comes_back_in_time_goes_on() -> None:
    async def story(scene: Scene) -> None:
        scene.leg.take([Heard(SOUND, 7)], scene.clock.now())
        scene.leg.detach(scene.wire)
        scene.speaks = True
        await scene.clock.sleep(6.0)
        assert scene.hand.asked == ["again"]
        wire = scene.attach()
        scene.leg.take([Heard(SOUND, 1)], scene.clock.now())
        await scene.clock.sleep(0.1)
        assert len(scene.frames) >= 2
        assert not scene.frames[-1].concealed or scene.frames[-2].pcm == SOUND
        assert len(wire.audio()) >= 3
        scene.leg.take([Stopped("hung up")], scene.clock.now())
        assert await scene.events() == ["CallAnswered", "MediaLost", "MediaBack", "HungUp"]

    play(story, return_within=10, lost_after=5)


def test_a_stream_that_stays_away_ends_the_call() -> None:
    async def story(scene: Scene) -> None:
        scene.leg.detach(scene.wire)
        gone = scene.clock.now()
        events = [event async for event in scene.leg.events()]
        assert isinstance(events[-1], HungUp)
        assert events[-1].reason == "the stream broke off"
        assert events[-1].at - gone == pytest.approx(4.0)
        with pytest.raises(CallRefused):
            scene.attach()
        await scene.clock.sleep(0)
        assert "hang up" in scene.hand.asked, "nobody is kept in silence there"

    play(story, return_within=4)


def test_a_socket_that_was_replaced_closes_without_harm() -> None:
    async def story(scene: Scene) -> None:
        first = scene.wire
        scene.attach()
        assert first.closed
        scene.leg.detach(first)
        await scene.clock.sleep(60.0)
        assert not scene.leg.ended

    play(story, lost_after=100)


def test_a_stream_that_comes_back_at_another_rate_is_refused() -> None:
    async def story(scene: Scene) -> None:
        scene.leg.detach(scene.wire)
        with pytest.raises(CallRefused, match="16000 Hz"):
            scene.leg.attach(Plain(), PaperWire(scene.clock), Opened("S2", "C1", "L16", 16000))

    play(story)


def test_media_that_stays_away_is_told_once_and_again_when_it_is_back() -> None:
    async def story(scene: Scene) -> None:
        await scene.clock.sleep(12.0)
        scene.leg.take([Heard(SOUND)], scene.clock.now())
        scene.leg.take([Heard(SOUND)], scene.clock.now())
        scene.leg.end("over")
        events = [event async for event in scene.leg.events()]
        assert [type(event) for event in events] == [CallAnswered, MediaLost, MediaBack, HungUp]
        assert isinstance(events[1], MediaLost)
        assert events[1].seconds == pytest.approx(5.0, abs=0.03)

    play(story, lost_after=5)


def test_a_stream_that_never_comes_is_no_answer() -> None:
    async def story(scene: Scene) -> None:
        before = scene.clock.now()
        with pytest.raises(CallRefused, match="did not come"):
            await scene.leg.answer()
        assert scene.clock.now() - before == pytest.approx(20)
        assert scene.hand.asked == ["answer", "hang up"]
        with pytest.raises(CallRefused):
            await scene.leg.answer()
        with pytest.raises(MediaError):
            scene.start()

    play(story, attached=False, answer_within=20)


def test_a_carrier_that_will_not_answer_ends_the_call() -> None:
    async def story(scene: Scene) -> None:
        scene.hand.refuses = True
        with pytest.raises(SipError):
            await scene.leg.answer()
        assert scene.leg.ended

    play(story, attached=False)


def test_a_call_hung_up_while_it_was_answered_is_refused() -> None:
    async def story(scene: Scene) -> None:
        answering = asyncio.create_task(scene.leg.answer())
        await scene.clock.sleep(1.0)
        scene.leg.ring()
        scene.leg.end("busy")
        with pytest.raises(CallRefused, match="busy"):
            await answering
        assert await scene.events() == ["CallRinging", "HungUp"]

    play(story, attached=False)


def test_the_stream_may_stop_while_the_call_is_handed_over() -> None:
    async def story(scene: Scene) -> None:
        async def meanwhile() -> TransferResult:
            scene.leg.take([Stopped("hung up")], scene.clock.now())
            scene.leg.detach(scene.wire)
            await scene.clock.sleep(30.0)
            assert not scene.leg.ended
            return TransferResult.TRANSFERRED

        scene.hand.during = meanwhile
        assert await scene.leg.transfer("+49") is TransferResult.TRANSFERRED
        await scene.clock.sleep(30.0)
        assert not scene.leg.ended
        await scene.leg.hang_up()
        assert scene.hand.asked == ["transfer +49"]

    play(story, return_within=5, lost_after=1000)


def test_a_transfer_that_came_to_nothing_waits_for_the_stream_like_a_break() -> None:
    async def story(scene: Scene) -> None:
        async def meanwhile() -> TransferResult:
            scene.leg.detach(scene.wire)
            return TransferResult.BUSY

        scene.hand.during = meanwhile
        assert await scene.leg.transfer("+49") is TransferResult.BUSY
        await scene.clock.sleep(3.0)
        scene.attach()
        await scene.clock.sleep(30.0)
        assert not scene.leg.ended

    play(story, return_within=5, lost_after=1000)


def test_what_a_carrier_cannot_do_is_said() -> None:
    async def story(scene: Scene) -> None:
        scene.leg.can = frozenset()
        assert await scene.leg.transfer("+49") is TransferResult.NOT_SUPPORTED
        with pytest.raises(MediaError):
            await scene.leg.send_dtmf("1")
        scene.leg.can = frozenset(Can)
        for wrong in ("", "1;2", "x", "1" * 65):
            with pytest.raises(MediaError):
                await scene.leg.send_dtmf(wrong)
        await scene.leg.hang_up()
        assert await scene.leg.transfer("+49") is TransferResult.FAILED

    play(story)


def test_a_carrier_that_does_not_hang_up_does_not_keep_the_leg() -> None:
    async def story(scene: Scene) -> None:
        scene.hand.refuses = True
        with pytest.raises(SipError):
            await scene.leg.hang_up()
        assert scene.leg.ended
        assert scene.wire.closed
        assert scene.wire.sent[-1][1] == "goodbye"
        await scene.leg.hang_up()

    play(story)


def test_events_that_nobody_reads_are_bounded() -> None:
    async def story(scene: Scene) -> None:
        for _ in range(EVENTS_BOUND * 3):
            scene.leg.take([Played("x")], scene.clock.now())
            scene.leg.ring()
        await scene.clock.sleep(400.0)
        scene.leg.end("over")
        assert len(await scene.events()) <= EVENTS_BOUND

    play(story, lost_after=0.5)
