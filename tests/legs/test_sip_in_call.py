"""What happens to a call that is up, over real loopback UDP: hold, moved media, keys, other parties."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from legs.far_ends import loudness, tone, until
from legs.test_sip_calls import LIMIT, address, all_events, next_call, two_phones
from trunkline.audio.frame import Frame
from trunkline.clock import SystemClock
from trunkline.errors import CallRefused, MediaError, SipError
from trunkline.events import CallAnswered, CallRinging, Dtmf, HoldEnded, HoldStarted, MediaLost
from trunkline.legs.leg import TransferResult
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_keys import Pressed
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.srtp import suites
from trunkline.sip.not_taken import CallNotTaken, Why
from trunkline.sip.offer import Agreement
from trunkline.sip.phase import Phase
from trunkline.sip.replaces import Replaces
from trunkline.sip.uri import parse_uri


def _has_srtp() -> bool:
    try:
        suites()
    except MediaError:
        return False
    return True


needs_srtp = pytest.mark.skipif(not _has_srtp(), reason="pylibsrtp is not installed")


@asynccontextmanager
async def phones(*settings: SipSettings) -> AsyncIterator[list[SipService]]:
    """As many services, on one pacer."""
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    services = [await SipService.open(each, clock, pacer) for each in settings]
    try:
        async with asyncio.timeout(3 * LIMIT):
            yield services
    finally:
        for service in services:
            await service.close()
        await pacer.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}


def named(user: str, **settings: object) -> SipSettings:
    return SipSettings(bind="udp:127.0.0.1:0", user=user, **settings)  # type: ignore[arg-type]


async def connected(one: SipService, two: SipService) -> tuple[SipLeg, SipLeg]:
    calling = await one.dial(address(two))
    called = await next_call(two)
    await called.answer()
    await calling.answer()
    return calling, called


class Ear:
    """What a leg hears, and a voice for it: `level` 0 for silence."""

    def __init__(self, leg: SipLeg, level: float = 0.0) -> None:
        self.frames: list[Frame] = []
        self._sound = tone(leg.rate, level=level) if level else None
        leg.start(self._hear, lambda _: self._sound)

    def _hear(self, frame: Frame) -> None:
        self.frames.append(frame)

    async def hears_sound(self) -> None:
        seen = len(self.frames)
        await until(lambda: any(loudness(frame.pcm) > 0.1 for frame in self.frames[seen:]))


def in_force(leg: SipLeg) -> tuple[bool, bool]:
    assert leg.media is not None
    return leg.media.stream.send, leg.media.stream.receive


def agreed(leg: SipLeg) -> Agreement:
    assert leg._sound.agreement is not None
    return leg._sound.agreement


async def test_a_call_is_held_and_resumed() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        ear = Ear(called)
        Ear(calling, level=0.5)
        await ear.hears_sound()
        await called.hold()
        assert (in_force(called), in_force(calling)) == ((True, False), (False, True))
        await called.resume()
        assert (in_force(called), in_force(calling)) == ((True, True), (True, True))
        await ear.hears_sound()
        await calling.hang_up()


@pytest.mark.parametrize(
    ("change", "sends"),
    [
        (lambda offer: offer.replace(b"a=sendrecv", b"a=sendonly"), False),
        (lambda offer: offer.replace(b"a=sendrecv", b"a=inactive"), False),
        (lambda offer: offer.replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 0.0.0.0"), False),
        (lambda offer: offer.replace(b"a=sendrecv", b"a=recvonly"), True),
    ],
    ids=["sendonly", "inactive", "0.0.0.0", "recvonly"],
)
async def test_every_form_of_hold_is_understood_and_ended(change, sends: bool) -> None:  # type: ignore[no-untyped-def]
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        ear = Ear(calling)
        Ear(called, level=0.5)
        await ear.hears_sound()
        assert calling._terms is not None
        calling._session.change(change(calling._terms.offer()), calling._clock.now())
        calling._settle()
        await until(lambda: in_force(called)[0] is sends and not called.ended)
        held = [event for event in called._waiting if isinstance(event, HoldStarted)]
        assert len(held) == (0 if sends else 1)
        await until(lambda: calling._session.may_change and not calling._session.changes._busy)
        calling._session.change(calling._terms.offer(), calling._clock.now())
        calling._settle()
        await until(lambda: in_force(called) == (True, True))
        await ear.hears_sound()
        over = [event for event in called._waiting if isinstance(event, HoldEnded)]
        assert len(over) == len(held)
        await calling.hang_up()


async def test_silence_on_hold_is_no_loss_and_counts_anew_after_it() -> None:
    async with phones(named("one"), named("two", media_lost_after=0.2)) as (one, two):
        calling, called = await connected(one, two)
        ear = Ear(called)
        Ear(calling, level=0.5)
        await ear.hears_sound()
        # Held as many phones do: "sendonly", and then nothing is sent.
        await calling.hold()
        assert calling.media is not None
        calling.media.session.latch.remote = None
        seen = len(ear.frames)
        await until(lambda: len(ear.frames) > seen + 30)
        assert not any(isinstance(event, MediaLost) for event in called._waiting)
        await calling.resume()
        await until(lambda: any(isinstance(event, MediaLost) for event in called._waiting))
        (lost,) = [event for event in called._waiting if isinstance(event, MediaLost)]
        assert lost.seconds < 2.0
        await calling.hang_up()


async def test_media_follows_a_reinvite_to_another_port() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        Ear(called, level=0.5)
        await Ear(calling).hears_sound()
        second = await one._ports.open(calling.session.hop)
        assert calling._terms is not None
        calling._terms.move("127.0.0.1", second.local_port)
        calling._session.change(calling._terms.offer(), calling._clock.now())
        calling._settle()
        assert called.media is not None
        await until(
            lambda: called.media is not None and called.media.remote == ("127.0.0.1", second.local_port)
        )
        await second.close()
        await calling.hang_up()


async def test_another_codec_of_another_rate_leaves_the_call_its_rate() -> None:
    wide = named("one", codecs=("PCMU", "L16")), named("two", codecs=("PCMU", "L16"))
    async with two_phones(*wide) as (one, two):
        calling, called = await connected(one, two)
        ears = Ear(calling, level=0.5), Ear(called, level=0.5)
        for ear in ears:
            await ear.hears_sound()
        assert calling._terms is not None
        offer = calling._terms.offer().replace(b"RTP/AVP 0 97", b"RTP/AVP 97")
        calling._session.change(offer, calling._clock.now())
        calling._settle()
        await until(lambda: calling.quality().codec == called.quality().codec == "L16")
        assert (calling.rate, called.rate) == (8000, 8000)
        for ear in ears:
            seen = len(ear.frames)
            await until(lambda ear=ear, seen=seen: len(ear.frames) > seen + 10)  # type: ignore[misc]
            await ear.hears_sound()
            assert {(frame.rate, len(frame.pcm)) for frame in ear.frames[seen + 5 :]} == {(8000, 320)}
        await calling.hang_up()


async def test_keys_that_come_by_info_are_told_and_doubles_are_not() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        for key in "12":
            calling._session.press(key, calling._clock.now(), lambda taken, at: None)
            calling._settle()
        await until(lambda: sum(isinstance(event, Dtmf) for event in called._waiting) == 2)
        await calling.hang_up()
        assert [event.digit for event in await all_events(called) if isinstance(event, Dtmf)] == ["1", "2"]


@pytest.mark.parametrize(
    ("presses", "new"),
    [
        ([("1", "rtp", 0.0), ("1", "info", 0.2)], [True, False]),
        ([("1", "info", 0.0), ("1", "rtp", 0.2)], [True, False]),
        ([("1", "rtp", 0.0), ("1", "rtp", 0.2)], [True, True]),
        ([("1", "rtp", 0.0), ("2", "info", 0.2)], [True, True]),
        ([("1", "rtp", 0.0), ("1", "info", 2.0)], [True, True]),
        ([("1", "rtp", 0.0), ("1", "info", 0.1), ("1", "rtp", 0.3), ("1", "info", 0.4)], [True, False] * 2),
        # Signalling takes longer than sound: the next key is there before the double of the first.
        (
            [("1", "rtp", 0.0), ("2", "rtp", 0.2), ("1", "info", 0.3), ("2", "info", 0.5)],
            [True, True, False, False],
        ),
        (
            [("1", "rtp", 0.0), ("1", "rtp", 0.2), ("1", "info", 0.3), ("1", "info", 0.5)],
            [True, True, False, False],
        ),
    ],
)
def test_a_key_is_told_once_whichever_way_it_comes(
    presses: list[tuple[str, str, float]], new: list[bool]
) -> None:
    pressed = Pressed()
    assert [pressed.is_new(*press) for press in presses] == new


async def test_keys_are_pressed_by_info_where_the_sound_takes_none() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        assert calling._terms is not None
        offer = calling._terms.offer().replace(b"RTP/AVP 0 8 101", b"RTP/AVP 0 8")
        calling._session.change(offer, calling._clock.now())
        calling._settle()
        await until(
            lambda: called._sound.agreement is not None and called._sound.agreement.dtmf_payload_type is None
        )
        for leg in (calling, called):
            Ear(leg)
        await called.send_dtmf("4#")
        with pytest.raises(MediaError, match="not all"):
            await called.send_dtmf("x")
        await called.hang_up()
        assert [event.digit for event in await all_events(calling) if isinstance(event, Dtmf)] == ["4", "#"]


async def test_early_media_is_heard_before_the_call_is_taken() -> None:
    async with two_phones() as (one, two):
        calling = await one.dial(address(two))
        called = await next_call(two)
        await called.early_media()
        Ear(called, level=0.5)
        await until(lambda: any(isinstance(e, CallRinging) and e.early_media for e in calling._waiting))
        ear = Ear(calling)
        await ear.hears_sound()
        assert not calling._answered
        await called.answer()
        await calling.answer()
        await ear.hears_sound()
        with pytest.raises(SipError):
            await called.early_media()
        await calling.hang_up()


@pytest.mark.parametrize("update", [True, False], ids=["UPDATE", "re-INVITE"])
@pytest.mark.parametrize("srtp", ["off", pytest.param("required", marks=needs_srtp)])
async def test_a_session_refresh_leaves_sound_and_keys_alone(srtp: str, update: bool) -> None:
    async with two_phones(named("one", srtp=srtp), named("two", srtp=srtp)) as (one, two):
        calling, called = await connected(one, two)
        ears = Ear(calling, level=0.5), Ear(called, level=0.5)
        for ear in ears:
            await ear.hears_sound()
        keys = [agreed(leg).keys for leg in (calling, called)]
        counted = calling.quality().packets_received
        for leg in (calling, called):
            if not update:
                leg.session.peer.refused("UPDATE")
            leg.session.changes.refresh(leg._clock.now())
            leg._settle()
            await until(lambda leg=leg: not leg.session.changes._busy and leg.session.may_change)  # type: ignore[misc]
            await until(lambda: calling.session.may_change and called.session.may_change)
        for ear in ears:
            await ear.hears_sound()
        assert keys == [
            leg._sound.agreement.keys for leg in (calling, called) if leg._sound.agreement is not None
        ]
        assert calling.quality().packets_received > counted
        assert not calling.ended
        await calling.hang_up()


# --- other parties --------------------------------------------------------------------------------


async def test_a_call_asked_for_is_made_and_the_leg_goes_on_in_it() -> None:
    settings = named("boss"), named("agent", accept_refer=True), named("person")
    async with phones(*settings) as (boss, agent, person):
        asking, leg = await connected(boss, agent)
        ear = Ear(leg, level=0.5)
        result = asyncio.create_task(asking.transfer(address(person, "person")))
        answered = await next_call(person)
        assert answered.info.call_id != leg.info.call_id
        await answered.answer()
        assert await result is TransferResult.TRANSFERRED
        Ear(answered, level=0.5)
        await ear.hears_sound()
        await until(lambda: asking.ended)  # We hang up on whoever asked, once they know how it went.
        assert not leg.ended
        await answered.hang_up()
        await until(lambda: leg.ended)


async def test_a_call_asked_for_goes_on_though_whoever_asked_leaves_at_once() -> None:
    settings = named("boss"), named("agent", accept_refer=True), named("person")
    async with phones(*settings) as (boss, agent, person):
        asking, leg = await connected(boss, agent)
        Ear(leg)
        result = asyncio.create_task(asking.transfer(address(person, "person")))
        answered = await next_call(person)
        await asking.hang_up()
        with suppress(SipError):
            await result
        await until(lambda: asking.gone)
        assert not leg.ended
        await answered.answer()
        await until(lambda: not leg.ended and leg.session.hop.port == person.address[1])
        await leg.hang_up()


async def test_another_phone_picks_up_a_call_of_ours_that_rings() -> None:
    async with phones(named("agent"), named("desk"), named("pickup")) as (agent, desk, pickup):
        leg = await agent.dial(address(desk))
        ringing = await next_call(desk)
        await until(lambda: any(isinstance(event, CallRinging) for event in leg._waiting))
        rings = ringing.session.dialog
        assert rings is not None
        # The phone that rings tells the one that picks up; the tag that it knows as its caller's is ours.
        replaces = Replaces(rings.call_id, rings.remote_tag, rings.local_tag, early_only=True)
        target = parse_uri(address(agent, "agent"))
        (place,) = await pickup.endpoint.places(target)
        terms = pickup._ports.terms(place)
        taking = pickup.endpoint.agent.invite(
            target, place, leg._clock.now(), body=terms.offer(), headers={"Replaces": str(replaces)}
        )
        pickup.endpoint.settle()
        await leg.answer()
        await until(lambda: taking.is_up and ringing.ended)
        assert agreed(leg).port == 9
        assert leg.session.hop.port == pickup.address[1]
        events = [type(event) for event in leg._waiting]
        assert events == [CallRinging, CallAnswered]
        assert agent.active == 1
        await leg.hang_up()
        await until(lambda: taking.phase is Phase.ENDED)


async def test_where_nobody_takes_the_call_asked_for_the_leg_stays_where_it_is() -> None:
    settings = named("boss"), named("agent", accept_refer=True), named("person")
    async with phones(*settings) as (boss, agent, person):
        asking, leg = await connected(boss, agent)
        ear = Ear(leg)
        Ear(asking, level=0.5)
        result = asyncio.create_task(asking.transfer(address(person, "person")))
        await (await next_call(person)).hang_up("busy")
        assert await result is TransferResult.BUSY
        assert not leg.ended
        await ear.hears_sound()
        await asking.hang_up()


async def test_a_leg_that_ends_gives_up_the_call_asked_for() -> None:
    settings = named("boss"), named("agent", accept_refer=True), named("person")
    async with phones(*settings) as (boss, agent, person):
        asking, leg = await connected(boss, agent)
        result = asyncio.create_task(asking.transfer(address(person, "person")))
        ringing = await next_call(person)
        await leg.hang_up()
        with suppress(SipError):
            await result
        with pytest.raises(CallRefused):
            await ringing.answer()


async def test_an_attended_transfer_leaves_the_other_two_talking() -> None:
    settings = named("caller", accept_refer=True), named("agent"), named("person")
    async with phones(*settings) as (caller, agent, person):
        theirs, ours = await connected(caller, agent)
        consulting, asked = await connected(agent, person)
        ear, far = Ear(theirs, level=0.5), Ear(asked, level=0.5)
        for leg in (ours, consulting):
            Ear(leg)
        assert await ours.transfer_to(consulting) is TransferResult.TRANSFERRED
        await until(lambda: consulting.ended)  # The person's phone let go of us.
        await ours.hang_up()
        await ear.hears_sound()
        await far.hears_sound()
        assert not theirs.ended
        assert not asked.ended
        await asked.hang_up()
        await until(lambda: theirs.ended)


async def test_a_call_that_others_transfer_to_us_takes_the_place_of_the_first() -> None:
    """The phone that calls us consults us, and then has its caller take its place."""
    settings = named("caller", accept_refer=True), named("boss"), named("agent")
    async with phones(*settings) as (caller, boss, agent):
        theirs, middle = await connected(caller, boss)
        consulting, leg = await connected(boss, agent)
        ear = Ear(leg, level=0.5)
        Ear(theirs, level=0.5)
        for other in (middle, consulting):
            Ear(other)
        assert await middle.transfer_to(consulting) is TransferResult.TRANSFERRED
        await ear.hears_sound()
        assert not leg.ended
        await until(lambda: consulting.ended)
        await leg.hang_up()
        await until(lambda: theirs.ended)


async def test_without_leave_nobody_makes_us_call() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        assert await calling.transfer("sip:expensive@192.0.2.1") is TransferResult.DECLINED
        assert not called.ended
        await calling.hang_up()


async def test_a_redirect_is_followed_to_the_phone_that_it_names() -> None:
    async with phones(named("one"), named("two"), named("three")) as (one, two, three):
        calling = await one.dial(address(two))
        ringing = await next_call(two)
        contact = ("Contact", f"<{address(three)}>")
        ringing.session.refuse(302, ringing._clock.now(), headers=(contact,))
        ringing._settle()
        called = await next_call(three)
        await called.answer()
        await calling.answer()
        assert calling.session.hop.port == three.address[1]
        await calling.hang_up()


async def test_redirects_that_are_not_followed_fail_the_call() -> None:
    async with phones(named("one", redirects=0), named("two")) as (one, two):
        calling = await one.dial(address(two))
        ringing = await next_call(two)
        ringing.session.refuse(302, ringing._clock.now(), headers=(("Contact", "<sip:a@127.0.0.1>"),))
        ringing._settle()
        with pytest.raises(CallNotTaken) as caught:
            await calling.answer()
        assert caught.value.why is Why.UNAVAILABLE


async def test_calls_ask_for_a_session_timer_and_agree_on_one() -> None:
    async with two_phones() as (one, two):
        calling, called = await connected(one, two)
        assert (calling.session.timer.interval, called.session.timer.interval) == (1800, 1800)
        assert calling.session.timer.ours != called.session.timer.ours
        await calling.hang_up()


async def test_a_path_that_has_fallen_silent_is_offered_once_more() -> None:
    settings = named("one"), named("two", media_lost_after=0.2)
    async with phones(*settings) as (one, two):
        calling, called = await connected(one, two)
        ear = Ear(called)
        Ear(calling, level=0.5)
        await ear.hears_sound()
        assert calling.media is not None
        offered = called.session.dialog.local_seq if called.session.dialog is not None else 0
        calling.media._ticket.remove()  # type: ignore[union-attr]
        await until(lambda: any(isinstance(event, MediaLost) for event in called._waiting))
        await until(
            lambda: called.session.dialog is not None and called.session.dialog.local_seq == offered + 1
        )
        await until(lambda: called.session.may_change)
        await called.hang_up()
