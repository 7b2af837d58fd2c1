"""Telnyx's side of a call: signed webhooks, and commands over its Call Control API.

An inbound call is announced by `call.initiated`; we answer it by a command that names the stream's
address, ticket and all. A transfer dials a leg of its own, whose webhooks carry the state that we gave
it. Sources: https://developers.telnyx.com/docs/voice/programmable-voice/voice-api-webhooks and the
commands of https://developers.telnyx.com/api-reference/call-commands
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog

from trunkline.audio.codecs.registry import usable_codec
from trunkline.errors import CallRefused, ConfigError, MediaError, ParseError, SipError, TrunklineError
from trunkline.legs.carried_leg import CarriedLeg
from trunkline.legs.carrier import (
    PublicUrl,
    StreamRequest,
    WebhookReply,
    WebhookRequest,
    need,
    refuse_unless,
)
from trunkline.legs.carrier_http import CarrierApi
from trunkline.legs.leg import Can, LegInfo, TransferResult
from trunkline.legs.phone_number import is_sip, phone_number
from trunkline.legs.signatures import ReplayGuard, check_telnyx
from trunkline.legs.stream import Opened, part, read_object, text
from trunkline.legs.switchboard import TICKET_SECONDS, Switchboard
from trunkline.legs.telnyx import TelnyxSettings, TelnyxStream
from trunkline.legs.transfer_wait import DIAL_SECONDS, TransferWait
from trunkline.legs.websocket_leg import StreamLeg

_CAUSES = {
    "user_busy": ("busy", TransferResult.BUSY),
    "call_rejected": ("declined", TransferResult.DECLINED),
    "no_answer": ("no answer", TransferResult.NO_ANSWER),
    "timeout": ("no answer", TransferResult.NO_ANSWER),
    "not_found": ("not reachable", TransferResult.FAILED),
}
_HEADERS = 32
BUSY = {"cause": "USER_BUSY"}

logger = structlog.get_logger(__name__)


class TelnyxCall:
    """The hand on one call. `id`: its call_control_id."""

    can = frozenset({Can.TRANSFER, Can.SEND_DTMF})

    def __init__(self, carrier: Telnyx, call_id: str) -> None:
        self.id = call_id
        self.leg: StreamLeg | None = None
        self.transfer_wait = TransferWait()
        self._carrier = carrier
        self._asked_to_answer = False

    async def answer(self) -> None:
        assert self.leg is not None
        if self.leg.info.direction == "inbound":
            self._asked_to_answer = True
            await self._carrier.command(self.id, "answer", self._carrier.stream_fields(self.leg))

    async def stream_broke_off(self) -> None:
        assert self.leg is not None
        await self._carrier.command(self.id, "streaming_start", self._carrier.stream_fields(self.leg))

    async def send_dtmf(self, digits: str) -> None:
        await self._carrier.command(self.id, "send_dtmf", {"digits": digits})

    async def transfer(self, target: str) -> TransferResult:
        to = target if is_sip(target) else phone_number(target)
        fields = {
            "to": to,
            "timeout_secs": DIAL_SECONDS,
            "target_leg_client_state": state("transfer", self.id),
        }
        if self._carrier.settings.number:
            fields["from"] = self._carrier.settings.number
        return await self.transfer_wait.result_of(self._carrier.command(self.id, "transfer", fields))

    async def hang_up(self) -> None:
        if not self.id:
            return
        untaken = self.leg is not None and self.leg.info.direction == "inbound" and not self._asked_to_answer
        if untaken:
            await self._carrier.end(self.id, "reject", BUSY)
        else:
            await self._carrier.end(self.id, "hangup", {})


class Telnyx:
    """One account. Made with its settings and the board that its calls live on."""

    name = "telnyx"

    def __init__(self, settings: TelnyxSettings, board: Switchboard) -> None:
        """Raises `ConfigError` where the codec cannot be had here."""
        try:
            usable_codec(settings.codec)
        except MediaError as error:
            raise ConfigError(error.what, where="telnyx.codec", hint=error.hint) from error
        self.settings = settings
        self._board = board
        self._public = PublicUrl(settings.public_url or f"http://{settings.bind or 'localhost'}")
        self._signatures = ReplayGuard()
        self._events = ReplayGuard()
        self._api = CarrierApi(self.name, settings.api, lambda: f"Bearer {settings.api_key}")

    def stream_fields(self, leg: StreamLeg, seconds: float = TICKET_SECONDS) -> dict[str, Any]:
        """What a command says to have the call's stream opened, both ways."""
        word = self._board.ticket(leg, seconds)
        settings = self.settings
        return {
            "stream_url": self._public.socket(f"/{self.name}/stream/{word}"),
            "stream_track": "inbound_track",
            "stream_codec": settings.codec,
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": settings.codec,
            "stream_bidirectional_sampling_rate": settings.stream_rate,
        }

    # --- webhooks -----------------------------------------------------------------------------------

    async def webhook(self, request: WebhookRequest) -> WebhookReply:
        if request.path != "voice":
            return WebhookReply(404)
        signature = request.headers.get("telnyx-signature-ed25519", "")
        wall = self._board.clock.wall().timestamp()
        check_telnyx(
            request.body,
            signature,
            request.headers.get("telnyx-timestamp", ""),
            self.settings.public_key,
            wall,
        )
        now = self._board.clock.now()
        refuse_unless(self._signatures.first(signature, now), "a webhook once more", self.name)
        data = part(read_object(request.body, self.name), "data", self.name)
        event = text(data, "id")
        # Telnyx may deliver an event twice, signed anew: that is no attack, and nothing new.
        if event and self._events.first(event, now):
            await self._take(text(data, "event_type"), part(data, "payload", self.name))
        return WebhookReply(200)

    async def _take(self, event: str, said: Mapping[str, Any]) -> None:
        call_id = text(said, "call_control_id")
        if not call_id:
            raise ParseError("an event without its call_control_id", where=self.name)
        kind, ours = read_state(text(said, "client_state"))
        if kind == "transfer":
            self._take_of_target(event, said, ours)
            return
        leg = self._board.find(self.name, call_id) or self._board.find(self.name, ours)
        match event:
            case "call.initiated" if text(said, "direction") == "incoming":
                if self._board.full:
                    await self._turn_away(call_id)
                else:
                    self._ring(call_id, said)
            case "call.bridged" if leg is not None:
                self._control(leg).transfer_wait.told(TransferResult.TRANSFERRED)
            case "call.hangup" if leg is not None:
                self._control(leg).transfer_wait.told(TransferResult.FAILED)
                leg.end(_CAUSES.get(text(said, "hangup_cause"), ("hung up", None))[0])
            case "streaming.failed" if leg is not None:
                leg.stream_failed("the carrier could not open the stream")

    async def _turn_away(self, call_id: str) -> None:
        try:
            await self.end(call_id, "reject", BUSY)
        except TrunklineError as error:  # the caller then hears it ring until they have enough
            logger.warning("call not turned away", call_id=call_id, error=error.for_log())

    def _ring(self, call_id: str, said: Mapping[str, Any]) -> None:
        headers = said.get("custom_headers")
        named = [one for one in headers if isinstance(one, dict)] if isinstance(headers, list) else []
        variables = {text(one, "name"): text(one, "value") for one in named[:_HEADERS] if text(one, "name")}
        info = LegInfo(call_id, "inbound", text(said, "from"), text(said, "to"), self.name, variables)
        call = TelnyxCall(self, call_id)
        call.leg = self._board.ring(info, call, rate=self.settings.stream_rate)

    def _take_of_target(self, event: str, said: Mapping[str, Any], call_id: str) -> None:
        """What becomes of the leg that a transfer dials."""
        leg = self._board.find(self.name, call_id)
        if leg is None:
            return
        if event in ("call.answered", "call.bridged"):
            self._control(leg).transfer_wait.told(TransferResult.TRANSFERRED)
        elif event == "call.hangup":
            cause = _CAUSES.get(text(said, "hangup_cause"), ("", TransferResult.FAILED))
            self._control(leg).transfer_wait.told(cause[1])

    def _control(self, leg: CarriedLeg) -> TelnyxCall:
        assert isinstance(leg.control, TelnyxCall)
        return leg.control

    # --- streams ------------------------------------------------------------------------------------

    def stream(self, request: StreamRequest) -> TelnyxStream:
        right = self._board.expects(request.token)
        refuse_unless(right, "a stream for a call that nobody announced", self.name)
        return TelnyxStream(self.settings)

    def admit(self, request: StreamRequest, opened: Opened) -> StreamLeg:
        leg = self._board.admit(request.token, self.name)
        right = self._control(leg).id in ("", opened.call_id)
        refuse_unless(right, "a stream with the ticket of another call", self.name)
        leg.info = replace(leg.info, variables={**opened.variables, **leg.info.variables})
        return leg

    # --- the API ------------------------------------------------------------------------------------

    async def dial(self, number: str, *, caller: str = "", variables: Mapping[str, str]) -> StreamLeg:
        """Call a number (+15551234567) or `sip:…` address."""
        settings = self.settings
        need(settings.api_key, "telnyx.api_key", "place calls")
        connection = need(settings.connection_id, "telnyx.connection_id", "place calls")
        sender = caller or need(settings.number, "telnyx.number", "place calls")
        target = number if is_sip(number) else phone_number(number)
        reference = f"out-{secrets.token_hex(8)}"
        call = TelnyxCall(self, "")
        info = LegInfo(reference, "outbound", sender, target, self.name, dict(variables))
        leg = call.leg = self._board.place(info, call, rate=settings.stream_rate)
        try:
            made = await self._api.post(
                "/calls",
                {
                    "connection_id": connection,
                    "to": target,
                    "from": sender,
                    "timeout_secs": settings.ring_timeout,
                    "client_state": state("call", reference),
                    "command_id": secrets.token_hex(16),
                    **self.stream_fields(leg, settings.ring_timeout + TICKET_SECONDS),
                },
            )
            data = made.get("data")
            call_id = text(data, "call_control_id") if isinstance(data, dict) else ""
            if not call_id:
                raise SipError("the carrier gave the call no call_control_id", where=self.name)
            call.id = call_id
            self._board.name(leg, call_id)
        except (SipError, CallRefused) as error:
            leg.end(error.what)
            raise
        return leg

    async def command(self, call_id: str, action: str, fields: Mapping[str, Any]) -> None:
        """One Call Control command."""
        need(self.settings.api_key, "telnyx.api_key", "take and lead calls")
        path = f"/calls/{quote(call_id, safe=':')}/actions/{action}"
        await self._api.post(path, {**fields, "command_id": secrets.token_hex(16)})

    async def end(self, call_id: str, action: str, fields: Mapping[str, Any]) -> None:
        """A command that ends a call, which may have ended already."""
        await self._api.end(self.command(call_id, action, fields))

    async def close(self) -> None:
        await self._api.close()


def state(kind: str, call_id: str) -> str:
    """What a call's webhooks are to carry, as Telnyx wants it: base64."""
    return base64.b64encode(f"{kind} {call_id}".encode()).decode()


def read_state(carried: str) -> tuple[str, str]:
    """The kind and the call id of a state of ours; ("", "") for anything else."""
    try:
        kind, _, call_id = base64.b64decode(carried, validate=True).decode("utf-8").partition(" ")
    except (binascii.Error, ValueError):
        return "", ""
    return (kind, call_id) if kind in ("call", "transfer") else ("", "")
