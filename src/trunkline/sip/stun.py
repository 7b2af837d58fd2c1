"""Learning by which address others see us: the STUN binding request (RFC 8489), as a client.

Only what that needs: no credentials, no other methods. Bytes in, bytes out; `Binding` says when to ask again.
"""

from __future__ import annotations

import ipaddress
import secrets
import struct
from collections.abc import Callable

from trunkline.errors import ParseError

MAGIC = 0x2112A442
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_MAPPED, _XOR_MAPPED, _SOFTWARE, _FINGERPRINT = 0x0001, 0x0020, 0x8022, 0x8028
_FIRST_WAIT, _TRIES = 0.5, 7
"""RFC 8489 §6.2.1: RTO, doubled each time, and Rc; 39.5 s in all, the last wait being 16 RTO."""
_LAST_WAIT = 16 * _FIRST_WAIT

Address = tuple[str, int]


def is_stun(data: bytes) -> bool:
    """Whether a datagram is STUN and not SIP (§5: two zero bits first, then the magic cookie)."""
    return len(data) >= 20 and data[0] < 0x40 and data[4:8] == MAGIC.to_bytes(4, "big")


def binding_request(transaction: bytes) -> bytes:
    """A binding request; `transaction`: 12 random bytes."""
    software = b"Trunkline"
    padded = software + bytes(-len(software) % 4)
    attribute = struct.pack("!HH", _SOFTWARE, len(software)) + padded
    return struct.pack("!HHI", _REQUEST, len(attribute), MAGIC) + transaction + attribute


def mapped_address(data: bytes, transaction: bytes) -> Address | None:
    """The address that a response to our request names; None for anything that is no response to it.
    Raises `ParseError` for one that is broken, or an error."""
    if not is_stun(data) or data[8:20] != transaction:
        return None
    kind, length = struct.unpack_from("!HH", data)
    if kind not in (_SUCCESS, _ERROR):
        return None
    if length != len(data) - 20 or length % 4:
        raise ParseError("a STUN message of a wrong length", where="stun")
    if kind == _ERROR:
        raise ParseError("the STUN server refuses", where="stun")
    plain: Address | None = None
    for attribute, value in _attributes(data[20:]):
        if attribute == _XOR_MAPPED:
            return _address(value, MAGIC.to_bytes(4, "big") + transaction)
        if attribute == _MAPPED:
            plain = _address(value, bytes(16))  # servers of RFC 3489's time
        elif attribute < 0x8000 and attribute not in (0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015):
            raise ParseError(f"STUN attribute {attribute:#06x} must be understood", where="stun")
    if plain is None:
        raise ParseError("a STUN response without an address", where="stun")
    return plain


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    place = 0
    while place < len(data):
        if place + 4 > len(data):
            raise ParseError("a STUN attribute that is cut off", where="stun")
        kind, length = struct.unpack_from("!HH", data, place)
        value = data[place + 4 : place + 4 + length]
        if len(value) < length:
            raise ParseError("a STUN attribute that is cut off", where="stun")
        found.append((kind, value))
        place += 4 + length + -length % 4
    return found


def _address(value: bytes, mask: bytes) -> Address:
    size = {(1, 8): 4, (2, 20): 16}.get((value[1] if len(value) > 1 else 0, len(value)))
    if size is None:
        raise ParseError("a STUN address of no known family", where="stun")
    port = int.from_bytes(value[2:4], "big") ^ int.from_bytes(mask[:2], "big")
    raw = bytes(a ^ b for a, b in zip(value[4:], mask[:size], strict=True))
    return str(ipaddress.ip_address(raw)), port


class Binding:
    """One binding request, sent again until it is answered or given up.

    `request`: what to send, now and each time that `again` says so.
    """

    def __init__(self, at: float, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._transaction = random(12)
        self.request = binding_request(self._transaction)
        self._wait = _FIRST_WAIT
        self._tries = 1
        self.due = at + self._wait
        """When to call `again`."""

    def again(self, at: float) -> bool:
        """Whether to send the request once more; False where nobody answers."""
        if self._tries >= _TRIES:
            return False
        self._tries += 1
        self._wait *= 2
        self.due = at + (_LAST_WAIT if self._tries == _TRIES else self._wait)
        return True

    def receive(self, data: bytes) -> Address | None:
        """The address, where this datagram is the answer. Raises `ParseError` for a broken one."""
        return mapped_address(data, self._transaction)
