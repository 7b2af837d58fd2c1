"""The edge: one TCP connection on which MRCP messages come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from trunkline.errors import MediaError, ParseError
from trunkline.mrcp.message import Message, MessageCutter, parse_message
from trunkline.mrcp.tls import certificate_of

UNSENT = 256 * 1024
"""Bytes that wait for an end that does not take them; beyond that the connection is given up."""
_READ = 16 * 1024
_CLOSE_WITHIN = 2.0
_BAD_MESSAGES = 20

logger = structlog.get_logger("mrcp")


class Connection:
    """Made with the two halves of a stream. `run` it: it gives each message to `take`, and returns when the
    connection is over."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        take: Callable[[Message], None],
    ) -> None:
        self.secure = writer.get_extra_info("ssl_object") is not None
        """It is TLS."""
        self.certificate = certificate_of(writer)
        self._reader = reader
        self._writer = writer
        self._take = take

    def send(self, message: Message) -> None:
        """Raises `MediaError` where the other end takes nothing any more."""
        if self._writer.is_closing():
            raise MediaError("the connection is closed", where="mrcp")
        if self._writer.transport.get_write_buffer_size() > UNSENT:
            self._writer.transport.abort()
            raise MediaError("the other end takes nothing", where="mrcp")
        self._writer.write(bytes(message))

    async def run(self) -> None:
        """Until the other end closes, or says what cannot be cut into messages."""
        cutter, bad = MessageCutter(), 0
        try:
            while data := await self._reader.read(_READ):
                for whole in cutter.push(data):
                    try:
                        message = parse_message(whole)
                    except ParseError as error:
                        bad += 1
                        logger.warning("message passed over", why=error.what)
                        continue
                    self._take(message)
                if bad > _BAD_MESSAGES:
                    return
        except ParseError as error:
            logger.warning("connection given up", why=error.what)
        except OSError:  # of TLS, too
            pass  # Whoever holds it is told by its end.

    async def close(self) -> None:
        """Free it."""
        self._writer.close()
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
