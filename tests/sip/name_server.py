"""A name server on loopback that knows what a test tells it, and writes down what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

TTL = 300


class NameServer(asyncio.DatagramProtocol):
    """`zone`: records by name and kind, written as in a zone file."""

    def __init__(self, zone: dict[tuple[str, str], list[str]]) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((kind, name))
        if self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        texts = self.zone.get((kind, name))
        if texts is not None:
            response.answer.append(dns.rrset.from_text(question.name, TTL, "IN", kind, *texts))
        elif not any(other == name for _, other in self.zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(want_shuffle=False), addr)  # in the order of the zone

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.transport.get_extra_info("sockname"))


@asynccontextmanager
async def name_server(zone: dict[tuple[str, str], list[str]]) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(
        lambda: NameServer(zone), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()
        await server.closed.wait()
