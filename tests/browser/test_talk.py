"""The page to talk from in a real browser: it hears the agent, and the agent hears it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from browser.chromium import bursts, chromium, needs_chromium, pitch
from legs.browser_ends import browsers
from legs.far_ends import loudness, tone, until
from trunkline.events import Dtmf, HungUp

aiohttp = pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")
web = pytest.importorskip("aiohttp.web")

AGENT, CALLER = 1000.0, 600.0
"""The tones that either says, in Hz."""
PICTURES = os.environ.get("TRUNKLINE_PICTURES", "")
"""A folder for pictures of the page, for people who want to look."""

pytestmark = [needs_chromium, pytest.mark.timeout(300)]


def phrase(rate: int) -> list[bytes]:
    """The agent's tone in frames that join without a step."""
    whole = tone(rate, AGENT, seconds=1.0)
    size = rate // 50 * 2
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_both_hear_each_other(transport: str, tmp_path: Path) -> None:
    microphone = tmp_path / "microphone.wav"
    bursts(microphone, CALLER)
    async with browsers() as here:
        url = f"{here.http}/browser/talk?transport={transport}"
        async with chromium(tmp_path, microphone, url) as page:
            await page.until("!!document.querySelector('.trunkline button')")
            await page.run("document.querySelector('.trunkline button').click()")
            leg = await here.next_call()
            assert leg.info.variables["origin"] == here.http
            await leg.answer()
            heard: list[bytes] = []
            frames = phrase(leg.rate)
            said = 0

            def next_frame(_at: float) -> bytes:
                nonlocal said
                said += 1
                return frames[said % len(frames)]

            leg.start(lambda frame: heard.append(frame.pcm), next_frame)
            await page.until("window.current && current.state === 'talking'")
            assert await page.run("current.transport") == transport
            await page.until("Trunkline.level(current.theirs) > 0.05")
            await page.until(f"Math.abs(Trunkline.pitch(current.theirs) - {AGENT}) < 60")
            await until(lambda: any(_is_the_caller(heard, n, leg.rate) for n in range(2, len(heard) - 2)))
            await page.run("[...document.querySelectorAll('#keys button')][4].click()")
            events = leg.events()
            async for event in events:
                if isinstance(event, Dtmf):
                    assert event.digit == "5"
                    break
            if PICTURES:
                await page.picture(Path(PICTURES) / f"talking-{transport}.png")
            await page.run("document.querySelector('.trunkline button').click()")
            last = [event async for event in events][-1]
            assert isinstance(last, HungUp)
            assert last.reason == "hung up"
            await page.until("current.state === 'ended'")
            if PICTURES:
                await page.picture(Path(PICTURES) / f"ended-{transport}.png")


def _is_the_caller(heard: list[bytes], place: int, rate: int) -> bool:
    """Whether a tenth of a second around here is the caller's tone."""
    piece = b"".join(heard[place - 2 : place + 3])
    return loudness(piece) > 0.02 and abs(pitch(piece, rate) - CALLER) < 40


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_the_page_learns_that_the_agent_hung_up(transport: str, tmp_path: Path) -> None:
    microphone = tmp_path / "microphone.wav"
    bursts(microphone, CALLER)
    async with browsers() as here:
        url = f"{here.http}/browser/talk?transport={transport}"
        async with chromium(tmp_path, microphone, url) as page:
            await page.until("!!document.querySelector('.trunkline button')")
            await page.run("document.querySelector('.trunkline button').click()")
            leg = await here.next_call()
            await leg.answer()
            leg.start(lambda _: None, lambda _: None)
            await page.until("window.current && current.state === 'talking'")
            await leg.hang_up()
            await page.until("current.state === 'ended'")


async def test_where_webrtc_is_off_the_page_takes_the_other_way(tmp_path: Path) -> None:
    microphone = tmp_path / "microphone.wav"
    bursts(microphone, CALLER)
    async with (
        browsers(webrtc=False) as here,
        chromium(tmp_path, microphone, f"{here.http}/browser/talk") as page,
    ):
        await page.until("!!document.querySelector('.trunkline button')")
        await page.run("document.querySelector('.trunkline button').click()")
        leg = await here.next_call()
        await leg.answer()
        await page.until("window.current && current.state === 'talking'")
        assert await page.run("current.transport") == "websocket"


async def test_a_page_of_another_site_talks_with_the_snippet_and_a_ticket(tmp_path: Path) -> None:
    """The site's own server gets the ticket; its page has one script tag and nothing else of ours."""
    microphone = tmp_path / "microphone.wav"
    bursts(microphone, CALLER)
    async with site() as shop, browsers(origins=(shop.origin,), token=shop.token) as here:
        shop.voice = here.http
        async with chromium(tmp_path, microphone, shop.origin + "/") as page:
            await page.until("!!document.querySelector('.trunkline button')")
            assert await page.run("document.querySelector('.trunkline button').textContent") == "Ask us"
            await page.run("document.querySelector('.trunkline button').click()")
            leg = await here.next_call()
            assert leg.info.caller == "Ada"
            assert leg.info.variables == {"origin": shop.origin, "cart": "7"}
            await leg.answer()
            await page.until("document.querySelector('.trunkline').dataset.state === 'talking'")
            if PICTURES:
                await page.picture(Path(PICTURES) / "shop.png")
            await page.run("document.querySelector('.trunkline button').click()")
            assert isinstance([event async for event in leg.events()][-1], HungUp)


class Site:
    """Somebody's web site, with a server of its own."""

    def __init__(self) -> None:
        self.origin = self.voice = ""
        self.token = "known to servers alone"

    async def page(self, _request: Any) -> Any:
        tag = (
            f'<script src="{self.voice}/browser/trunkline.js" data-ticket-url="/ticket" data-label="Ask us">'
            "</script>"
        )
        return web.Response(text=f"<!doctype html><h1>Shop</h1>{tag}", content_type="text/html")

    async def ticket(self, _request: Any) -> Any:
        facts = {"caller": "Ada", "variables": {"cart": "7"}}
        asked = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.voice}/browser/tickets", json=facts, headers=asked) as reply,
        ):
            return web.json_response(await reply.json())


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    app = web.Application()
    app.router.add_get("/", made.page)
    app.router.add_post("/ticket", made.ticket)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()
