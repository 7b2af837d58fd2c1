"""A call from aiortc's own peer connection: ICE, DTLS, Opus and RTP that nobody here wrote."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import pytest

from legs.browser_ends import browsers, post_offer
from legs.far_ends import loudness, tone, until
from trunkline.events import HungUp

aiortc = pytest.importorskip("aiortc", reason="needs: pip install aiortc")
av = pytest.importorskip("av", reason="needs: pip install av")
Track: Any = aiortc.MediaStreamTrack


class Microphone(Track):  # type: ignore[misc]
    """A tone, in the beat of the clock."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    async def recv(self) -> Any:
        await asyncio.sleep(0.02)
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(tone(48000))
        frame.pts, frame.sample_rate, frame.time_base = self._sent, 48000, Fraction(1, 48000)
        self._sent += 960
        return frame


async def test_a_call_from_another_implementation_is_heard_both_ways() -> None:
    async with browsers() as here:
        page = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        heard: list[bytes] = []
        listening: list[asyncio.Task[None]] = []

        async def listen(track: Any) -> None:
            while True:
                heard.append(bytes((await track.recv()).planes[0]))

        page.on("track", lambda track: listening.append(asyncio.create_task(listen(track))))
        page.addTrack(Microphone())
        await page.setLocalDescription(await page.createOffer())
        posting = asyncio.create_task(post_offer(here, page.localDescription.sdp))
        leg = await here.next_call()
        answering = asyncio.create_task(leg.answer())
        status, answer, _ = await posting
        assert status == 201
        await page.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
        await answering
        frames: list[bytes] = []
        leg.start(lambda frame: frames.append(frame.pcm), lambda _: tone(leg.rate))
        await until(lambda: any(loudness(frame) > 0.1 for frame in frames))
        await until(lambda: any(loudness(frame) > 0.1 for frame in heard))
        assert (leg.quality().codec, leg.quality().srtp) == ("OPUS", "DTLS")
        await page.close()
        last = [event async for event in leg.events()][-1]
        assert isinstance(last, HungUp)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
