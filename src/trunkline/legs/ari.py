"""Asterisk led over ARI: what is set, and what its events say. Pure.

Source: https://docs.asterisk.org, "External Media and ARI" and the API's own description (rest-api/api-docs).
The caller's channel enters our Stasis application; a second channel, "external media", brings its sound to us
as RTP (Asterisk 16.6 or later) or over a WebSocket (`chan_websocket.py`); a bridge joins the two. Calls and
requests: `ari_calls.py`, `ari_commands.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from trunkline.errors import ParseError
from trunkline.legs.leg import TransferResult
from trunkline.legs.stream import Message, part, read_object, text, texts
from trunkline.rtp.stream import Stream

Format = Literal["ulaw", "alaw", "g722", "slin", "slin16", "slin24", "slin48"]

STREAMS: dict[str, Stream] = {
    "ulaw": Stream("PCMU", 0),
    "alaw": Stream("PCMA", 8),
    "g722": Stream("G722", 9),
}
"""What each format is in RTP; keys come as events, not in it. Only formats with a payload type of their own:
nothing is negotiated here, and what Asterisk sends under a number of its own choice (slin16 under 118) it
does not take back under it (seen with Asterisk 22.10). `slin` of any rate is for WebSockets."""


@dataclass(frozen=True, slots=True)
class AriSettings:
    """One Asterisk."""

    url: str = ""
    """Where its REST interface is, as `http://127.0.0.1:8088/ari`; empty: not used."""
    username: str = ""
    password: str = ""
    """Of a user in its ari.conf."""
    app: str = "trunkline"
    """Our name there: the dialplan says Stasis(trunkline)."""
    media: Literal["rtp", "websocket"] = "rtp"
    """How its sound comes: as RTP, or over a WebSocket (Asterisk 20.16, 21.11, 22.6 or later)."""
    format: Format = "ulaw"
    """What its sound comes in: `ulaw`, `alaw`, or `g722` (16 kHz; needs the extra `av`); over a WebSocket
    `slin` (8 kHz), `slin16`, `slin24` and `slin48` too."""
    websocket_bind: str = ""
    """Where WebSockets that Asterisk opens are taken, `HOST:PORT`; empty: we open them, to where ARI is."""
    websocket_client: str = "trunkline"
    """The section of its websocket_client.conf that leads to `websocket_bind`."""
    rtp_host: str = "127.0.0.1"
    """Our address as Asterisk reaches it."""
    rtp_ports: tuple[int, int] = (0, 0)
    """Ports for sound, first and last; 0: any free ones."""
    dial: str = "PJSIP/{number}"
    """How a number is called: for a trunk, `PJSIP/{number}@trunk`."""
    caller_id: str = ""
    """The number that calls of our own show."""
    ring_timeout: int = 60
    """Seconds that a call of our own, or the target of a transfer, may ring."""

    def endpoint(self, target: str) -> str:
        """What Asterisk is to call for this: a number, or an endpoint as it writes them (`PJSIP/desk`)."""
        return target if "/" in target else self.dial.format(number=target)


# --- events -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered:
    """A channel entered the application. `arguments`: what Stasis() or our own request gave it."""

    channel: str
    arguments: tuple[str, ...]
    caller: str
    callee: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Rings:
    """A channel of ours rings."""

    channel: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key: one of 0-9, *, #, A-D."""

    channel: str
    digit: str


@dataclass(frozen=True, slots=True)
class Left:
    """A channel left the application, or is no more. `cause`: of Q.850, 0 where it is not said."""

    channel: str
    cause: int = 0


_KINDS = ("StasisStart", "StasisEnd", "ChannelStateChange", "ChannelDestroyed", "ChannelDtmfReceived")
AriEvent = Entered | Rings | KeyPressed | Left


def read_event(message: Message) -> AriEvent | None:
    """What an event says; None for one that says nothing to us. Raises `ParseError` for what is none."""
    value = read_object(message, "ari")
    kind = text(value, "type")
    if kind not in (
        "StasisStart",
        "StasisEnd",
        "ChannelStateChange",
        "ChannelDestroyed",
        "ChannelDtmfReceived",
    ):
        return None
    channel = part(value, "channel", "ari")
    name = text(channel, "id")
    if not name:
        raise ParseError("a channel without its id", where="ari")
    match kind:
        case "StasisStart":
            return _entered(value, channel, name)
        case "StasisEnd":
            return Left(name)
        case "ChannelDestroyed":
            cause = value.get("cause")
            return Left(name, cause if isinstance(cause, int) else 0)
        case "ChannelDtmfReceived":
            digit = text(value, "digit").upper()
            if len(digit) != 1 or digit not in "0123456789*#ABCD":
                raise ParseError("a key that is on no keypad", where="ari")
            return KeyPressed(name, digit)
        case _:
            return Rings(name) if text(channel, "state") == "Ringing" else None


def _entered(value: Mapping[str, Any], channel: Mapping[str, Any], name: str) -> Entered:
    arguments = value.get("args")
    given = tuple(str(one)[:200] for one in arguments[:16]) if isinstance(arguments, list) else ()
    caller, dialplan = channel.get("caller"), channel.get("dialplan")
    return Entered(
        name,
        given,
        text(caller, "number") if isinstance(caller, dict) else "",
        text(dialplan, "exten") if isinstance(dialplan, dict) else "",
        texts(channel.get("channelvars")),
    )


_CAUSES = {
    16: ("hung up", TransferResult.FAILED),
    17: ("busy", TransferResult.BUSY),
    18: ("no answer", TransferResult.NO_ANSWER),
    19: ("no answer", TransferResult.NO_ANSWER),
    21: ("declined", TransferResult.DECLINED),
    1: ("not reachable", TransferResult.FAILED),
    20: ("not reachable", TransferResult.FAILED),
}


def meaning(cause: int) -> tuple[str, TransferResult]:
    """What a cause of Q.850 says of a call, and of a transfer that ended with it."""
    return _CAUSES.get(cause, ("hung up", TransferResult.FAILED))
