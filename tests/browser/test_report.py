"""The report of a call in a real browser: what it says of the media."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path

import pytest

from browser.chromium import bursts, chromium, needs_chromium
from trunkline.lab.report import report_page
from trunkline.legs.leg import MediaQuality

pytest.importorskip("aiohttp", reason="needs: pip install aiohttp")

pytestmark = [needs_chromium, pytest.mark.timeout(300)]

POOR = MediaQuality(
    codec="PCMU",
    packets_received=950,
    packets_lost=50,
    jitter_ms=12.34,
    round_trip_ms=81.0,
    burst_loss=0.4,
    burst_ms=180.0,
    gap_loss=0.01,
    mos=3.42,
    remote_mos=4.11,
    remote_loss=0.005,
    remote_jitter_ms=7.0,
    srtp="AES_CM_128_HMAC_SHA1_80",
)
FACTS = """Object.fromEntries([...document.querySelectorAll("#media dt")].map(
    (name) => [name.textContent, name.nextSibling.textContent]))"""


async def facts(folder: Path, quality: MediaQuality) -> dict[str, str]:
    """What the page says under "media"."""
    page, microphone = folder / "report.html", folder / "microphone.wav"
    bursts(microphone, 600.0)
    await asyncio.to_thread(page.write_text, report_page({"version": 1, "media": asdict(quality)}, None))
    async with chromium(folder, microphone, page.as_uri()) as browser:
        await browser.until("document.querySelector('#media dt') !== null")
        found: dict[str, str] = await browser.run(FACTS)
    return found


async def test_the_quality_of_the_sound_is_all_there(tmp_path: Path) -> None:
    said = await facts(tmp_path, POOR)
    assert said == said | {
        "Lost": "50 (5.00 %)",
        "Jitter": "12.3 ms",
        "In bursts": "40.00 % lost, 180 ms long",
        "Between them": "1.00 % lost",
        "Round trip": "81.0 ms",
        "MOS (estimated)": "3.4",
        "They lost": "0.50 %",
        "Their jitter": "7.0 ms",
        "Their MOS": "4.1",
        "Encrypted by": "AES_CM_128_HMAC_SHA1_80",
    }


async def test_what_nobody_knows_is_left_out(tmp_path: Path) -> None:
    said = await facts(tmp_path, MediaQuality(codec="PCMU"))
    assert not set(said) & {"MOS (estimated)", "Round trip", "In bursts", "They lost", "Encrypted by"}
