"""Which carriers there are: one entry each. Start with `Carrying`, which opens those that are set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.legs.ari import AriSettings
from trunkline.legs.ari_calls import Ari
from trunkline.legs.ari_socket import SocketMedia
from trunkline.legs.audiosocket import AudioSocketSettings
from trunkline.legs.audiosocket_server import AudioSocketServer
from trunkline.legs.browser import BrowserSettings
from trunkline.legs.browser_calls import Browser
from trunkline.legs.call_control import StreamSettings
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carrier import Carrier
from trunkline.legs.carrier_front import CarrierFront
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.telnyx import TelnyxSettings
from trunkline.legs.telnyx_calls import Telnyx
from trunkline.legs.twilio import TwilioSettings
from trunkline.legs.twilio_calls import Twilio
from trunkline.legs.vonage import VonageSettings
from trunkline.legs.vonage_calls import Vonage
from trunkline.rtp.pacer import Pacer


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """The accounts that are set. A carrier whose `bind` is empty is not used."""

    twilio: TwilioSettings = field(default_factory=TwilioSettings)
    telnyx: TelnyxSettings = field(default_factory=TelnyxSettings)
    vonage: VonageSettings = field(default_factory=VonageSettings)
    audiosocket: AudioSocketSettings = field(default_factory=AudioSocketSettings)
    browser: BrowserSettings = field(default_factory=BrowserSettings)
    ari: AriSettings = field(default_factory=AriSettings)

    def check(self) -> None:
        """Raises `ConfigError` for settings that cannot be meant together."""
        if self.twilio.trust_loopback and not self.twilio.bind:
            raise ConfigError(
                "trusts streams where none can come",
                where="twilio.trust_loopback",
                hint="Say where to listen: --twilio 127.0.0.1:8080",
            )

    def in_use(self) -> list[tuple[str, Callable[[Switchboard], Carrier]]]:
        """For each carrier that is used: where it listens, and how it is made."""
        every: list[tuple[str, Callable[[Switchboard], Carrier]]] = [
            (self.twilio.bind, lambda board: Twilio(self.twilio, board)),
            (self.telnyx.bind, lambda board: Telnyx(self.telnyx, board)),
            (self.vonage.bind, lambda board: Vonage(self.vonage, board)),
            (self.browser.bind, lambda board: Browser(self.browser, board)),
        ]
        return [(bind, make) for bind, make in every if bind]


class Carrying:
    """All carriers of a process: one board, one server for each address. `open` it, take `calls()`,
    `dial`, `close` it."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board
        self.listening: dict[str, tuple[str, int]] = {}
        """For each carrier, by its name, the address where it really listens."""
        self._carriers: dict[str, Carrier | Ari] = {}
        self._fronts: list[CarrierFront | AudioSocketServer] = []

    @classmethod
    async def open(
        cls, settings: CarrierSettings, clock: Clock, pacer: Pacer, times: StreamSettings | None = None
    ) -> Carrying:
        """Listen for every carrier that is used. Raises `ConfigError` where that cannot be."""
        settings.check()
        carrying = cls(Switchboard(clock, pacer, times))
        by_bind: dict[str, list[Carrier]] = {}
        for bind, make in settings.in_use():
            carrier = make(carrying._board)
            carrying._carriers[carrier.name] = carrier
            by_bind.setdefault(bind, []).append(carrier)
        try:
            for bind, carriers in by_bind.items():
                front = await CarrierFront.open(bind, carriers, clock)
                carrying._fronts.append(front)
                carrying.listening |= {carrier.name: front.address for carrier in carriers}
            if settings.audiosocket.bind:
                server = await AudioSocketServer.open(settings.audiosocket, carrying._board)
                carrying._fronts.append(server)
                carrying.listening["audiosocket"] = server.address
            if settings.ari.url:
                ari = carrying._carriers["ari"] = await Ari.open(settings.ari, carrying._board)
                carrying.listening["ari"] = ari.address
                if isinstance(ari.media, SocketMedia) and settings.ari.websocket_bind:
                    carrying.listening["ari websocket"] = ari.media.address
        except BaseException:  # a stop in the middle of opening leaves nothing open either
            await carrying.close()
            raise
        return carrying

    @property
    def board(self) -> Switchboard:
        return self._board

    async def ari_connected(self) -> None:
        """Until the events of the Asterisk that is led come."""
        ari = self._carriers.get("ari")
        if isinstance(ari, Ari):
            await ari.connected()

    async def dial(
        self, carrier: str, number: str, *, caller: str = "", variables: Mapping[str, str] | None = None
    ) -> CarriedLeg:
        """Place a call over this carrier. Raises `ConfigError` where it is not in use or not set up for
        it, `SipError` where it would not."""
        chosen = self._carriers.get(carrier)
        if chosen is None:
            raise ConfigError(
                f"no carrier {carrier!r} is in use", where="carriers", hint=_hint(list(self._carriers))
            )
        return await chosen.dial(number, caller=caller, variables=variables or {})

    async def close(self) -> None:
        """End what is left, and listen no more."""
        await self._board.close()
        for front in self._fronts:
            await front.close()
        for carrier in self._carriers.values():
            await carrier.close()


def _hint(names: list[str]) -> str:
    return f"There are: {', '.join(names)}." if names else "Set its bind first."
