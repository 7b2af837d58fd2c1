"""The messages between an engine and its worker processes, over the worker's stdin and stdout.

A message is one byte of kind, four bytes of length (big-endian) and the body: raw 16-bit samples for
`SOUND`, JSON for the others.
"""

from __future__ import annotations

import json
import struct
from enum import IntEnum
from typing import Any

from trunkline.errors import ParseError

_WHERE = "stt worker"
HEADER = struct.Struct("!BI")
LONGEST_BODY = 4_000_000


class Kind(IntEnum):
    """What a message is. The first group goes to the worker, the second comes from it."""

    NEW_CALL = 1
    """{rate}: forget the last call."""
    EXPECT = 2
    """{kind, phrases, keyterms}: the grammar of the next utterance."""
    BEGIN = 3
    """{id, at}: an utterance begins; its first sample was heard at `at`."""
    SOUND = 4
    """Samples of the utterance."""
    END = 5
    """{}: the utterance is over."""
    WINDOW = 6
    """{id, language, hotwords}: the `SOUND` that follows is all of an utterance so far (16 kHz)."""

    OPEN = 7
    """{id, rate, keyterms}: a stream begins."""
    HEAR = 8
    """{id}: the `SOUND` that follows is the next of this stream."""
    FINISH = 9
    """{id}: a `FINAL` is wanted for what was heard of this stream so far."""
    CLOSE = 10
    """{id}: the stream is over, or the sentence is cut."""
    SPEAK = 11
    """{id, text, pace}: a sentence; `pace` 1 is the voice's own, 2 twice as slow."""

    READY = 20
    """{}: the models are loaded."""
    PARTIAL = 21
    """{id, text, words, stable}; a word is [text, start, end, confidence]."""
    FINAL = 22
    """{id, text, words, confidence, rejected}: of an utterance, or of a window."""
    DONE = 23
    """{}: one message was worked off."""
    LOG = 24
    """{text}: something a person may want to know."""
    SPOKEN = 26
    """{id, pcm, rate}: a piece of a sentence's sound, base64; after the last one {id, last}."""
    FAILED = 25
    """{what, hint, missing}: the worker cannot go on."""


def packed(kind: Kind, body: bytes | dict[str, Any]) -> bytes:
    """A message as it goes over the wire."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HEADER.pack(kind, len(data)) + data


def header(data: bytes) -> tuple[Kind, int]:
    """The kind and the body's length. Raises `ParseError`."""
    number, length = HEADER.unpack(data)
    try:
        kind = Kind(number)
    except ValueError as error:
        raise ParseError(f"there is no message of kind {number}", where=_WHERE) from error
    if length > LONGEST_BODY:
        raise ParseError(f"a message of {length} bytes is too long", where=_WHERE)
    return kind, length


def unpacked(data: bytes) -> dict[str, Any]:
    """The body of a message that is not sound. Raises `ParseError`."""
    try:
        body = json.loads(data)
    except ValueError as error:
        raise ParseError("a message's body is not JSON", where=_WHERE) from error
    if not isinstance(body, dict):
        raise ParseError("a message's body is not an object", where=_WHERE)
    return body
