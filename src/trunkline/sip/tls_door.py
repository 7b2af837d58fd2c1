"""The edge where TLS comes in: whoever connects is counted before the handshake begins, and it has a limit.

The loop's own servers take in any number of handshakes. Not `loop.start_tls` either: uvloop reads what a
client says first before it can be told to wait, and so loses the beginning of the handshake.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from trunkline.clock import Clock

_BACKLOG = 512
_AT_ONCE = 32
"""Connections taken at one wake."""
_AGAIN_SECONDS = 1.0
"""After the machine would give no more connections (no file left, say)."""


class TlsDoor:
    """`listen`, and `close` it. `make`: the protocol of one connection. `enter(host)`: counts it, and says
    whether it may be; `leave(host)`: nothing came of its handshake; `failed(why)`: that, or other trouble."""

    def __init__(
        self,
        clock: Clock,
        context: ssl.SSLContext,
        make: Callable[[], asyncio.Protocol],
        *,
        enter: Callable[[str], bool],
        leave: Callable[[str], None],
        failed: Callable[[str], None],
        handshake_seconds: float,
    ) -> None:
        self._clock = clock
        self._context = context
        self._make = make
        self._enter = enter
        self._leave = leave
        self._failed = failed
        self._handshake_seconds = handshake_seconds
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._again: asyncio.TimerHandle | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    def listen(self, host: str, port: int) -> int:
        """Gives the port. Raises `OSError` where the address cannot be had."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        return int(self._listener.getsockname()[1])

    async def close(self) -> None:
        """Listen no more, and give up the handshakes under way. What they led to is not ours to close."""
        if self._again is not None:
            self._again.cancel()
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        for task in self._handshakes:
            task.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _accept(self) -> None:
        """Take in who is there; what is left wakes the loop again, after the others had their turn."""
        assert self._listener is not None
        for _ in range(_AT_ONCE):
            try:
                plain, address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # It went away before it was taken.
            except OSError as error:
                self._failed(str(error))
                self._loop.remove_reader(self._listener)
                self._again = self._clock.call_at(self._clock.now() + _AGAIN_SECONDS, self._listen_again)
                return
            self._let_in(plain, str(address[0]))

    def _listen_again(self) -> None:
        assert self._listener is not None
        self._loop.add_reader(self._listener, self._accept)

    def _let_in(self, plain: socket.socket, host: str) -> None:
        if not self._enter(host):
            plain.close()
            return
        plain.setblocking(False)
        task = self._loop.create_task(self._shake_hands(plain, host), name="tls handshake")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, plain: socket.socket, host: str) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make, plain, ssl=self._context, ssl_handshake_timeout=self._handshake_seconds
            )
        except (OSError, TimeoutError) as error:
            # Nobody, or nobody who can be believed: an SSL error is an OSError too.
            self._leave(host)
            self._failed(str(error) or type(error).__name__)
        except asyncio.CancelledError:
            self._leave(host)
            raise
