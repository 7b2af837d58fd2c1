"""Messages cut out of a stream of bytes (RFC 3261 §18.3), and the keep-alives between them (RFC 5626 §3.5.1).

A stream has no edges but those that Content-Length gives, so whatever makes a length doubtful ends the
connection: the next message's beginning could not be known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from trunkline.errors import ParseError
from trunkline.sip.parse import MAX_MESSAGE

PING = b"\r\n\r\n"
PONG = b"\r\n"
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)


class Framer:
    """Cuts one connection's bytes. Holds at most one message and what came with it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = 0
        """How far the end of the headers was looked for in vain."""
        self._body = -1
        """Where the body of the message at hand ends; -1 while its headers are not complete."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Whole messages, and `PING` for each keep-alive that wants a `PONG`, as they become complete.
        Raises `ParseError` where the stream cannot be followed any further."""
        self._buffer += data
        while True:
            if self._body < 0:
                yield from self._between()
                self._look_for_headers()
            if self._body < 0 or len(self._buffer) < self._body:
                return
            message = bytes(self._buffer[: self._body])
            del self._buffer[: self._body]
            self._body, self._seen = -1, 0
            yield message

    @property
    def idle(self) -> bool:
        """Whether nothing is begun and not complete."""
        return not self._buffer

    def _between(self) -> Iterator[bytes]:
        """Line ends before a message: two of them are a ping, one is a pong, or nothing."""
        while self._buffer[:2] == PONG:
            if self._buffer[:4] == PING:
                del self._buffer[:4]
                yield PING
            elif len(self._buffer) == 3:
                return  # Half of the second line end, perhaps.
            else:
                # A lone line end at the edge of what has come: the other half of a ping that was cut in
                # two is then read as two pongs, which asks nothing of us. A ping is sent again anyway.
                del self._buffer[:2]

    def _look_for_headers(self) -> None:
        found = self._buffer.find(b"\r\n\r\n", max(0, self._seen - 3))
        if found < 0:
            self._seen = len(self._buffer)
            if self._seen > MAX_MESSAGE:
                raise ParseError("headers longer than 64 KiB", where="sip")
            return
        self._body = found + 4 + self._length(bytes(self._buffer[:found]))
        if self._body > MAX_MESSAGE:
            raise ParseError("a message longer than 64 KiB", where="sip")

    @staticmethod
    def _length(head: bytes) -> int:
        lengths = set(_LENGTH.findall(head.replace(b"\r\n", b"\n")))
        if not lengths:
            return 0  # §20.14 wants one over a stream; who leaves it out sends no body.
        text = lengths.pop()
        if lengths or not text.isdigit() or len(text) > 9:
            raise ParseError("the length of a message is in doubt", where="sip")
        return int(text)
