"""Between signalling and media, which know nothing of each other: what settings allow, as signalling
takes it, and what it agreed on, as the media room takes that."""

from __future__ import annotations

import secrets
from dataclasses import replace

from trunkline.audio.codecs.registry import usable_codec
from trunkline.errors import ConfigError, MediaError
from trunkline.rtp.port import MediaPort
from trunkline.rtp.srtp import suites
from trunkline.rtp.stream import Keys, Stream
from trunkline.sip.offer import PACKET_TIMES, Agreement, MediaPolicy, Srtp
from trunkline.sip.sdp_codecs import KNOWN, Codec


def configured_codecs(names: tuple[str, ...]) -> tuple[Codec, ...]:
    """The codecs named in settings, in that order, each of which can be used here. Raises `ConfigError`."""
    if not names:
        raise ConfigError("no codec is named", where="sip.codecs", hint=f"There are {', '.join(KNOWN)}")
    for name in names:
        if name.upper() not in KNOWN:
            hint = f"There are {', '.join(KNOWN)}"
            raise ConfigError(f"no codec is called {name!r}", where="sip.codecs", hint=hint)
        try:
            usable_codec(name)
        except MediaError as error:
            what = f"{name} cannot be used: {error.what}"
            raise ConfigError(what, where="sip.codecs", hint=error.hint) from error
    return tuple(KNOWN[name] for name in dict.fromkeys(name.upper() for name in names))


def configured_policy(
    *,
    srtp: str,
    srtp_suites: tuple[str, ...],
    packet_time: int,
    rtcp_mux: bool,
    comfort_noise: bool,
    rtcp_xr: bool,
) -> MediaPolicy:
    """What settings allow beside the codecs. Raises `ConfigError` for what cannot be."""
    if packet_time not in PACKET_TIMES:
        hint = f"One of {', '.join(map(str, PACKET_TIMES))}"
        raise ConfigError(f"{packet_time} ms is no packet time", where="sip.packet_time", hint=hint)
    policy = MediaPolicy(
        srtp=Srtp(srtp),
        make_key=secrets.token_bytes,
        ptime_ms=packet_time,
        rtcp_mux=rtcp_mux,
        comfort_noise=comfort_noise,
        xr=rtcp_xr,
    )
    if policy.srtp is Srtp.OFF:
        return policy
    try:
        usable = suites()
    except MediaError as error:
        raise ConfigError(error.what, where="sip.srtp", hint=error.hint) from error
    offered = tuple(suite for suite in srtp_suites if suite in usable)
    if not offered or len(offered) < len(srtp_suites):
        what = f"of {', '.join(srtp_suites) or 'no suites'} not all can be had"
        raise ConfigError(what, where="sip.srtp_suites", hint=f"There are {', '.join(usable)}")
    return replace(policy, suites=usable, offered=offered)


def configure_media(media: MediaPort, agreement: Agreement) -> None:
    """Give `media` what was agreed. Raises `MediaError`; what was in force then stays so."""
    keys = agreement.keys
    stream = Stream(
        codec=agreement.codec.name,
        payload_type=agreement.codec.payload_type,
        fmtp=agreement.codec.fmtp,
        receivable=tuple((codec.payload_type, codec.name) for codec in agreement.receivable),
        dtmf_payload_type=agreement.dtmf_payload_type,
        dtmf_clock=agreement.dtmf_clock,
        noise_payload_type=agreement.noise_payload_type,
        ptime_ms=agreement.ptime_ms,
        send=agreement.send,
        receive=agreement.receive,
        keys=Keys(keys.suite, keys.ours, keys.theirs) if keys is not None else None,
        rtcp_mux=agreement.rtcp_mux,
        xr=agreement.xr,
    )
    media.configure(stream, remote=(agreement.host, agreement.port), remote_rtcp=agreement.rtcp)
