"""The bad network is as bad as it says, the same each time, and its proxy carries packets both ways."""

import asyncio

import pytest

from trunkline.clock import SystemClock
from trunkline.lab.link import LinkModel, LossyLink, Weather


def offered(weather: Weather, count: int = 20_000, seed: int = 1) -> list[tuple[float, ...]]:
    model = LinkModel(weather, seed)
    return [model.deliveries(n * 0.02) for n in range(count)]


def test_fair_weather_changes_nothing() -> None:
    assert offered(Weather(), 100) == [(n * 0.02,) for n in range(100)]


def test_the_same_seed_is_the_same_network() -> None:
    weather = Weather(loss=0.1, burst=0.01, jitter=0.04, reorder=0.1, double=0.1)
    assert offered(weather) == offered(weather)
    assert offered(weather) != offered(weather, seed=2)


def test_shares_are_what_was_asked_for() -> None:
    assert sum(not times for times in offered(Weather(loss=0.05))) == pytest.approx(1000, rel=0.15)
    assert sum(len(times) == 2 for times in offered(Weather(double=0.05))) == pytest.approx(1000, rel=0.15)
    bursts = [not times for times in offered(Weather(burst=0.01, burst_length=5))]
    runs = sum(1 for n in range(1, len(bursts)) if bursts[n] and not bursts[n - 1])
    assert sum(bursts) / runs == pytest.approx(5, rel=0.3)


def test_jitter_alone_never_lets_packets_overtake_and_reordering_does() -> None:
    times = [t for one in offered(Weather(jitter=0.1)) for t in one]
    assert times == sorted(times)
    times = [t for one in offered(Weather(reorder=0.1)) for t in one]
    assert times != sorted(times)


def test_drift_is_in_millionths() -> None:
    assert offered(Weather(drift_ppm=200), 50_001)[-1][0] == pytest.approx(1000.2)


async def test_the_proxy_carries_both_ways_and_loses_what_it_should() -> None:
    loop = asyncio.get_running_loop()
    got: asyncio.Queue[bytes] = asyncio.Queue()

    class Echo(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            echo.sendto(data.upper(), addr)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            got.put_nowait(data)

    echo, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    there, back = LinkModel(Weather(delay=0.01)), LinkModel(Weather(double=1.0))
    link = LossyLink(SystemClock(), echo.get_extra_info("sockname"), there, back)
    client, _ = await loop.create_datagram_endpoint(Client, remote_addr=link.local)
    try:
        client.sendto(b"hello")
        for _ in range(2):
            assert await asyncio.wait_for(got.get(), 10) == b"HELLO"
        there.weather = Weather(loss=1.0)
        client.sendto(b"lost")
        async with asyncio.timeout(10):
            while there.lost == 0:  # noqa: ASYNC110 - the model is pure and has nothing to wait on
                await asyncio.sleep(0.005)
    finally:
        await link.close()
        await link.close()
        client.close()
        echo.close()
        await asyncio.sleep(0)
