"""Wireshark's dissectors, which nobody here wrote, read what `--trace` writes: signalling and media."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from legs.test_sip_calls import address, two_phones
from trunkline.legs.sip_settings import SipSettings
from trunkline.sip.pcap import PcapWriter, Seen

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed here"),
]


def dissected(path: Path, *fields: str) -> list[list[str]]:
    """These fields of each packet."""
    wanted = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-r", str(path), "-o", "ip.check_checksum:TRUE", "-T", "fields", *wanted]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in run.stdout.splitlines()]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_is_sip_and_rtp_to_wireshark(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "calls.pcap"
    first = SipSettings(bind="udp:127.0.0.1:0", user="one", trace=str(path))
    async with two_phones(first) as (one, two):
        calling = await one.dial(f"{address(two)};transport={transport}")
        called = await anext(two.calls())
        await called.answer()
        await calling.answer()
        heard = asyncio.Event()
        calling.start(lambda _: heard.set(), lambda _: bytes(320))
        called.start(lambda _: None, lambda _: bytes(320))
        await heard.wait()
        await calling.hang_up()
    rows = dissected(path, "_ws.col.Protocol", "sip.Method", "sip.Status-Code", "rtp.p_type", "_ws.malformed")
    assert [row[1] or row[2] for row in rows if row[0].startswith("SIP")] == [
        "INVITE", "180", "200", "ACK", "BYE", "200",
    ]  # fmt: skip
    assert {row[3] for row in rows if row[0] == "RTP"} == {"0"}
    assert not [row for row in rows if row[4]]
    bad = dissected(path, "ip.checksum.status")
    assert {row[0] for row in bad} == {"1"}


def test_what_went_in_tls_and_over_ipv6_is_sip_to_wireshark(tmp_path: Path) -> None:
    data = (
        b"OPTIONS sip:i SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
        b"To: <sip:b@h>\r\nCall-ID: q\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    writer = PcapWriter()
    path = tmp_path / "tls.pcap"
    with path.open("wb") as out:
        out.write(writer.header())
        for port in (5061, 40_000):
            out.write(writer.record(Seen(1.0, "tls", ("2001:db8::1", 45_678), ("2001:db8::2", port), data)))
        out.write(writer.record(Seen(2.0, "udp", ("2001:db8::1", 5060), ("2001:db8::2", 5060), data)))
    assert [row[0] for row in dissected(path, "sip.Method")] == ["OPTIONS"] * 3
