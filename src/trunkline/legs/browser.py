"""A browser: what is set for it, and the messages of its WebSocket.

A page talks over WebRTC (`webrtc.py`) or, where that does not come through, over a WebSocket: 16-bit
little-endian PCM at 16 kHz in binary messages of any length both ways, and JSON beside it:

    page → us    {"type": "start", "call", "ticket"?, "again"?}   first, see below
                 {"type": "key", "digit"}, {"type": "played", "mark"}, {"type": "stop"}
    us → page    {"type": "mark", "mark"}, {"type": "clear"}, {"type": "stop"}

`call` is a word that the page made up and nobody can guess; with the same word and `again` it comes back to a
call whose socket broke off.

Who may open calls: `browser_door.py`. Requests and calls: `browser_calls.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from trunkline.errors import ParseError
from trunkline.legs.stream import Happening, Heard, Message, Opened, Played, Stopped, key, read_object, text

RATE = 16000
"""Samples a second over the WebSocket, both ways; what Opus carries here too."""
WORD_LENGTH = 22
"""Letters that a page's word for its call must have at least: 128 bits."""
AGAIN = "again"
"""What `Opened.stream_id` says of a socket that comes back."""
_PIECE = 64 * 1024
"""Bytes of one binary message at most: two seconds."""


@dataclass(frozen=True, slots=True)
class BrowserSettings:
    """How calls reach us from web pages."""

    bind: str = ""
    """Where to serve the page, the snippet and the calls, `HOST:PORT`; empty: not at all."""
    origins: tuple[str, ...] = ()
    """Pages that may open calls, as `https://shop.example.com`; our own page on this machine always may."""
    token: str = ""
    """What a page's own server asks for tickets with. Empty: only this machine may open calls."""
    max_calls: int = 20
    """Calls from browsers at once; more are refused as busy."""
    per_address: int = 5
    """The same from one address. Behind a proxy everybody has the proxy's."""
    webrtc: bool = True
    """Off: the WebSocket alone."""
    stun: str = ""
    """A STUN server, `stun:HOST:PORT`, where this machine has no public address of its own."""
    turn: str = ""
    """A TURN server, `turn:HOST:PORT`, where browsers cannot reach this machine by UDP."""
    turn_username: str = ""
    turn_password: str = ""
    media_host: str = ""
    """The address that browsers are told to send sound to, where it is not the machine's own (NAT)."""


class BrowserStream:
    """The pure half of one WebSocket of a page. Made for each socket."""

    name = "browser"
    rate = RATE
    buffers = True

    def receive(self, message: Message) -> list[Happening]:
        if isinstance(message, bytes):
            if len(message) % 2 or len(message) > _PIECE:
                raise ParseError("sound that is not whole samples, or too much of it", where=self.name)
            return [Heard(message)]
        value = read_object(message, self.name)
        match text(value, "type"):
            case "start":
                word = text(value, "call")
                if not WORD_LENGTH <= len(word) <= 100:
                    raise ParseError("a start without a word of its own for the call", where=self.name)
                stream = AGAIN if value.get("again") is True else ""
                return [Opened(stream, word, "L16", RATE, token=text(value, "ticket"))]
            case "key":
                return [key(value, self.name)]
            case "played":
                return [Played(text(value, "mark"))]
            case "stop":
                return [Stopped("hung up")]
            case other:
                raise ParseError(f"a message of the unknown type {other[:20]!r}", where=self.name)

    def audio(self, pcm: bytes) -> Message:
        return pcm

    def clear(self) -> Message | None:
        return '{"type": "clear"}'

    def mark(self, name: str) -> Message | None:
        return json.dumps({"type": "mark", "mark": name})

    def goodbye(self) -> Message | None:
        return '{"type": "stop"}'
