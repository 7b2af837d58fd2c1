"""How the sound of a call at Asterisk is brought here. `RtpMedia`: as RTP, at a port of ours for each call.
`SocketMedia`, the other way, is in `ari_socket.py`."""

from __future__ import annotations

from typing import Protocol

from trunkline.audio.codecs.registry import usable_codec
from trunkline.errors import ConfigError, MediaError, SipError
from trunkline.legs.ari import STREAMS, AriSettings
from trunkline.legs.ari_commands import AriCommands, BridgedCall
from trunkline.legs.call_control import CallControl
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.leg import LegInfo
from trunkline.legs.rtp_leg import RtpLeg
from trunkline.legs.switchboard import Switchboard
from trunkline.rtp.port import MediaPort


class AriMedia(Protocol):
    """One of the two ways. Opened and closed with the `Ari` that has it."""

    async def open(self) -> None:
        """Raises `ConfigError` for settings that cannot be, `MediaError` for an address that is taken."""

    def leg(self, info: LegInfo, control: CallControl) -> CarriedLeg:
        """A leg of its kind on the board; of an inbound call it is announced there. Raises `CallRefused`."""
        ...

    async def bring(self, call: BridgedCall) -> None:
        """Have the caller's sound brought to the call's leg: at first, or again. Leaves no media where it
        raises: `SipError`, `MediaError`, `ParseError`, `CallRefused`."""

    async def bring_again(self, call: BridgedCall) -> None:
        """The same for a call whose sound broke off, where it can break off."""

    async def close(self) -> None: ...


def check_format(codec: str) -> None:
    """Raises `ConfigError` where this codec cannot be had here."""
    try:
        usable_codec(codec)
    except MediaError as error:
        raise ConfigError(error.what, where="ari.format", hint=error.hint) from error


class RtpMedia:
    """External media as RTP."""

    def __init__(self, settings: AriSettings, board: Switchboard, asterisk: AriCommands) -> None:
        self._settings = settings
        self._board = board
        self._asterisk = asterisk

    async def open(self) -> None:
        stream = STREAMS.get(self._settings.format)
        if stream is None:
            raise ConfigError(
                f"{self._settings.format!r} cannot be had over RTP",
                where="ari.format",
                hint=f'There are {", ".join(STREAMS)}; the others come with media = "websocket"',
            )
        check_format(stream.codec)

    async def close(self) -> None: ...

    def leg(self, info: LegInfo, control: CallControl) -> RtpLeg:
        ours = info.direction == "outbound"
        return self._board.place_rtp(info, control) if ours else self._board.ring_rtp(info, control)

    async def bring_again(self, call: BridgedCall) -> None:
        """RTP does not break off: packets come again, or do not."""

    async def bring(self, call: BridgedCall) -> None:
        settings, board, asterisk = self._settings, self._board, self._asterisk
        leg = call.leg
        assert isinstance(leg, RtpLeg)
        media = await MediaPort.open(
            board.pacer,
            board.clock,
            settings.rtp_host,
            settings.rtp_ports,
            lost_after=board.settings.lost_after,
        )
        try:
            await asterisk.external_media(
                call,
                external_host=f"{settings.rtp_host}:{media.local_port}",
                encapsulation="rtp",
                transport="udp",
                direction="both",
            )
            await asterisk.await_media(call)
            host = await asterisk.variable(call.media_channel, "UNICASTRTP_LOCAL_ADDRESS")
            port = await asterisk.variable(call.media_channel, "UNICASTRTP_LOCAL_PORT")
            if not port.isdigit() or not 0 < int(port) < 65536:
                raise SipError("Asterisk did not say where its sound comes from", where=leg.info.kind)
            stream = STREAMS[settings.format]
            media.configure(stream, remote=(host, int(port)))
            await asterisk.join(call)
            leg.attach(media, stream.codec)
        except BaseException:  # cancelled, too: no port is to stay behind; raised again
            await media.close()
            asterisk.forget(call.media_channel)
            raise
