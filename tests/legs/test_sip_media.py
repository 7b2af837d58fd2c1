"""Calls over SIP with all that media can be: encrypted, wide-band, in longer packets; and bad settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest

from trunkline.audio.codecs.registry import codec_named, usable_codec
from trunkline.audio.frame import Frame, frame_bytes
from trunkline.clock import SystemClock
from trunkline.errors import ConfigError, MediaError
from trunkline.legs import sip_media
from trunkline.legs.leg import MediaQuality
from trunkline.legs.sip import SipService, SipSettings
from trunkline.legs.sip_leg import SipLeg
from trunkline.rtp.pacer import Pacer
from trunkline.rtp.quality import Quality
from trunkline.rtp.srtp import KEY_BYTES, suites
from trunkline.sip import sdp_crypto
from trunkline.sip.not_taken import CallNotTaken
from trunkline.sip.offer import Srtp
from trunkline.sip.sdp_codecs import KNOWN

BIND = SipSettings(bind="udp:127.0.0.1:0")


def has(check: Callable[[], object]) -> bool:
    try:
        check()
    except MediaError:
        return False
    return True


needs_srtp = pytest.mark.skipif(not has(suites), reason="pylibsrtp is not installed")


@asynccontextmanager
async def two_services(
    one: dict[str, Any], two: dict[str, Any]
) -> AsyncIterator[tuple[SipService, SipService]]:
    clock = SystemClock()
    pacer = Pacer(clock)
    pacer.start()
    services = [await SipService.open(replace(BIND, **changes), clock, pacer) for changes in (one, two)]
    try:
        async with asyncio.timeout(20):
            yield services[0], services[1]
    finally:
        for service in services:
            await service.close()
        await pacer.close()


async def connected(one: SipService, two: SipService) -> tuple[SipLeg, SipLeg]:
    host, port = two.address
    calling = await one.dial(f"sip:two@{host}:{port}")
    called = await anext(two.calls())
    await called.answer()
    await calling.answer()
    return calling, called


async def hear(speaker: SipLeg, listener: SipLeg, count: int = 10) -> list[Frame]:
    """So many frames that really came."""
    heard: list[Frame] = []
    enough = asyncio.Event()

    def listen(frame: Frame) -> None:
        if not frame.concealed:
            heard.append(frame)
        if len(heard) >= count:
            enough.set()

    loud = b"\x00\x20\x00\xe0" * (frame_bytes(speaker.rate) // 4)
    listener.start(listen, lambda _: None)
    speaker.start(lambda _: None, lambda _: loud)
    await enough.wait()
    return heard


@pytest.mark.parametrize(
    ("codec", "rate"),
    [
        pytest.param(
            name,
            rate,
            marks=pytest.mark.skipif(not has(partial(usable_codec, name)), reason=f"{name} is not installed"),
        )
        for name, rate in (("G722", 16000), ("OPUS", 16000), ("L16", 16000), ("PCMA", 8000))
    ],
)
async def test_wide_band_stays_wide_up_to_the_listener(codec: str, rate: int) -> None:
    settings = {"codecs": (codec, "PCMU"), "packet_time": 40}
    async with two_services(settings, settings) as (one, two):
        calling, called = await connected(one, two)
        assert (calling.rate, called.rate) == (rate, rate)
        heard = await hear(calling, called)
        assert {(frame.rate, len(frame.pcm)) for frame in heard} == {(rate, frame_bytes(rate))}
        assert called.quality().codec == codec
        assert calling.quality().packets_sent < 2 * called.quality().packets_received + 10
        await calling.send_dtmf("5")  # It has a limit of its own.
        await calling.hang_up()


async def test_who_knows_more_codecs_takes_what_the_other_knows_too() -> None:
    async with two_services({"codecs": ("L16", "PCMA", "PCMU")}, {"codecs": ("PCMU", "PCMA")}) as (one, two):
        calling, called = await connected(one, two)
        assert calling.quality().codec == called.quality().codec == "PCMU"
        await calling.hang_up()


@needs_srtp
@pytest.mark.parametrize("suite", KEY_BYTES)
async def test_an_encrypted_call_is_heard_under_every_suite(suite: str) -> None:
    settings = {"srtp": "required", "srtp_suites": (suite,)}
    async with two_services(settings, {"srtp": "preferred"}) as (one, two):
        calling, called = await connected(one, two)
        assert await hear(calling, called)
        assert calling.quality().srtp == called.quality().srtp == suite
        await calling.hang_up()


@needs_srtp
async def test_who_requires_encryption_gets_it_or_no_call() -> None:
    async with two_services({"srtp": "required"}, {}) as (one, two):
        host, port = two.address
        calling = await one.dial(f"sip:two@{host}:{port}")
        with pytest.raises(CallNotTaken):
            await calling.answer()
    async with two_services({}, {"srtp": "required"}) as (one, two):
        host, port = two.address
        calling = await one.dial(f"sip:two@{host}:{port}")
        with pytest.raises(CallNotTaken):
            await calling.answer()


@needs_srtp
async def test_who_prefers_encryption_speaks_in_the_clear_with_who_has_none() -> None:
    async with two_services({"srtp": "preferred"}, {}) as (one, two):
        calling, called = await connected(one, two)
        assert await hear(called, calling)
        assert calling.quality().srtp == called.quality().srtp == ""
        await calling.hang_up()


@pytest.mark.parametrize(
    ("changes", "place", "hint"),
    [
        ({"codecs": ()}, "sip.codecs", "PCMU"),
        ({"codecs": ("SPEEX",)}, "sip.codecs", "OPUS"),
        ({"packet_time": 25}, "sip.packet_time", "20"),
    ],
)
async def test_settings_that_cannot_be_say_what_can(changes: dict[str, Any], place: str, hint: str) -> None:
    clock = SystemClock()
    with pytest.raises(ConfigError) as refused:
        await SipService.open(replace(BIND, **changes), clock, Pacer(clock))
    assert refused.value.where == place
    assert hint in refused.value.hint


@needs_srtp
async def test_suites_that_nobody_has_are_named() -> None:
    clock = SystemClock()
    for wanted in ((), ("AES_CM_512",), ("AES_CM_128_HMAC_SHA1_80", "AES_CM_512")):
        with pytest.raises(ConfigError, match="not all") as refused:
            await SipService.open(replace(BIND, srtp="preferred", srtp_suites=wanted), clock, Pacer(clock))
        assert "AEAD_AES_256_GCM" in refused.value.hint


def test_what_is_not_installed_is_a_setting_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise MediaError("it is not installed", hint="pip install 'trunkline[it]'")

    monkeypatch.setattr(sip_media, "usable_codec", missing)
    monkeypatch.setattr(sip_media, "suites", missing)
    with pytest.raises(ConfigError, match=r"sip\.codecs: G722 cannot be used.*trunkline\[it\]"):
        sip_media.configured_codecs(("G722",))
    with pytest.raises(ConfigError, match=r"sip\.srtp: .*trunkline\[it\]"):
        sip_media.configured_policy(
            srtp="required",
            srtp_suites=("AES_CM_128_HMAC_SHA1_80",),
            packet_time=20,
            rtcp_mux=True,
            comfort_noise=False,
            rtcp_xr=False,
        )


def test_signalling_and_media_mean_the_same_by_the_same_words() -> None:
    assert sdp_crypto.KEY_BYTES == KEY_BYTES
    assert {mode.value for mode in Srtp} == {"off", "preferred", "required"}
    for name, codec in KNOWN.items():
        real = codec_named(name)
        assert (codec.clock, codec.channels) == (real.clock_rate, real.channels)
        assert real.payload_type in (None, codec.payload_type)
    assert {field.name for field in fields(MediaQuality)} <= {field.name for field in fields(Quality)}
