"""One suite over every leg there is."""

from __future__ import annotations

import pytest

from legs.ari_ends import ari_call
from legs.browser_ends import browser_socket_call, webrtc_call
from legs.carrier_ends import twilio_call
from legs.far_ends import Open, memory_call, sip_call
from legs.leg_conformance import CHECKS, Check, checked
from legs.telnyx_ends import telnyx_call
from legs.vonage_ends import vonage_call

LEGS: dict[str, Open] = {
    "memory": memory_call,
    "sip": sip_call,
    "twilio": twilio_call,
    "telnyx": telnyx_call,
    "telnyx-pcma": lambda: telnyx_call(codec="PCMA"),
    "telnyx-opus": lambda: telnyx_call(codec="OPUS"),
    "telnyx-g722": lambda: telnyx_call(codec="G722"),
    "vonage": vonage_call,
    "vonage-8k": lambda: vonage_call(rate=8000),
    "browser-websocket": browser_socket_call,
    "browser-webrtc": webrtc_call,
    "ari": ari_call,
    "ari-16k": lambda: ari_call(format="g722"),
    "ari-websocket": lambda: ari_call(media="websocket"),
    "ari-websocket-json": lambda: ari_call(media="websocket", words="json", format="slin16"),
    "ari-websocket-22.6": lambda: ari_call(media="websocket", old=True, format="slin"),
    "ari-websocket-theirs": lambda: ari_call(media="websocket", websocket_bind="127.0.0.1:0", format="alaw"),
    "ari-websocket-g722": lambda: ari_call(media="websocket", format="g722"),
    "telnyx-l16": lambda: telnyx_call(codec="L16", rate=16000),
}


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_leg(leg: str, check: Check) -> None:
    await checked(LEGS[leg], check)
