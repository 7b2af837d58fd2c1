"""A bad network, on purpose: loss, bursts of it, reordering, jitter, doubles and a clock that drifts.

`LinkModel` is pure and seeded: a packet's size and time in, delivery times out. `LossyLink` puts one in
each direction between two UDP sockets.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from trunkline.clock import Clock
from trunkline.errors import MediaError


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is. Shares are 0 to 1, times are seconds.

    `loss`: share of packets lost one by one. `burst`: share of packets after which a burst of losses
    begins, `burst_length` packets long on average. `delay`: of every packet; `jitter`: up to this much
    more, evenly; packets overtake each other only by `reorder`: the share that is held back by another
    `reorder_delay`. `double`: share that comes twice. `drift_ppm`: how much too slow (or, negative, too
    fast) deliveries are, as if the sender's clock were.
    """

    loss: float = 0.0
    burst: float = 0.0
    burst_length: float = 4.0
    delay: float = 0.0
    jitter: float = 0.0
    reorder: float = 0.0
    reorder_delay: float = 0.03
    double: float = 0.0
    drift_ppm: float = 0.0


class LinkModel:
    """One direction of a link, the same for the same seed and packets."""

    def __init__(self, weather: Weather, seed: int = 0) -> None:
        self.weather = weather
        self.offered = 0
        self.lost = 0
        self._random = random.Random(seed)
        self._burst_left = 0
        self._first: float | None = None
        self._last = 0.0

    def deliveries(self, at: float) -> tuple[float, ...]:
        """When the packet sent at `at` arrives: never, once or twice."""
        weather, chance = self.weather, self._random.random
        self.offered += 1
        if self._first is None:
            self._first = at
        if self._burst_left == 0 and chance() < weather.burst:
            self._burst_left = 1 + int(self._random.expovariate(1 / max(1e-9, weather.burst_length - 1)))
        if self._burst_left > 0:
            self._burst_left -= 1
            self.lost += 1
            return ()
        if chance() < weather.loss:
            self.lost += 1
            return ()
        arrival = at + weather.delay + weather.jitter * chance()
        arrival += (at - self._first) * weather.drift_ppm * 1e-6
        if chance() < weather.reorder:
            arrival += weather.reorder_delay
        else:  # jitter alone never lets packets overtake: they wait in one queue
            arrival = max(arrival, self._last)
            self._last = arrival
        if chance() < weather.double:
            return (arrival, arrival + 0.001)
        return (arrival,)


class LossyLink:
    """A UDP proxy: what comes to `local` goes to `target` through `there`, and answers come back to
    whoever sent last through `back`. At most `LIMIT` packets are under way; more are lost."""

    LIMIT = 10_000

    def __init__(self, clock: Clock, target: tuple[str, int], there: LinkModel, back: LinkModel) -> None:
        self._clock = clock
        self._target = target
        self._there = there
        self._back = back
        self._client: tuple[str, int] | None = None
        self._loop = asyncio.get_running_loop()
        self._under_way: dict[int, asyncio.TimerHandle] = {}
        self._number = 0
        self._inner = _bound("127.0.0.1")
        self._outer = _bound("127.0.0.1")
        self._loop.add_reader(self._outer, self._from_client)
        self._loop.add_reader(self._inner, self._from_target)

    @property
    def local(self) -> tuple[str, int]:
        """Where to send."""
        host, port = self._outer.getsockname()
        return host, port

    async def close(self) -> None:
        """Lose what is under way and free the sockets."""
        for timer in self._under_way.values():
            timer.cancel()
        self._under_way.clear()
        for one in (self._inner, self._outer):
            if one.fileno() >= 0:
                self._loop.remove_reader(one)
                one.close()

    def _from_client(self) -> None:
        for data, source in _waiting(self._outer):
            self._client = source
            self._carry(self._there, data, lambda data: self._inner.sendto(data, self._target))

    def _from_target(self) -> None:
        for data, _ in _waiting(self._inner):
            client = self._client
            if client is not None:
                self._carry(self._back, data, lambda data, to=client: self._outer.sendto(data, to))  # type: ignore[misc]

    def _carry(self, model: LinkModel, data: bytes, send: Callable[[bytes], int]) -> None:
        for when in model.deliveries(self._clock.now()):
            if len(self._under_way) >= self.LIMIT:
                model.lost += 1
                return
            self._number += 1
            number = self._number
            self._under_way[number] = self._clock.call_at(
                when, partial(self._deliver, number, model, data, send)
            )

    def _deliver(self, number: int, model: LinkModel, data: bytes, send: Callable[[bytes], int]) -> None:
        del self._under_way[number]
        try:
            send(data)
        except OSError:
            model.lost += 1  # nobody listens there: lost like any other


def _bound(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind((host, 0))
    except OSError as error:
        made.close()
        raise MediaError(f"no socket for the link: {error}") from error
    return made


def _waiting(one: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    """The datagrams that wait, at most 64 at a time."""
    found: list[tuple[bytes, tuple[str, int]]] = []
    while len(found) < 64:
        try:
            found.append(one.recvfrom(65536))
        except BlockingIOError:
            break
        except OSError:
            continue
    return found
