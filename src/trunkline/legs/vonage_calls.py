"""Vonage's side of a call: signed webhooks answered with NCCOs, and its Voice API.

An inbound call: Vonage posts to `/vonage/answer` and is told to connect the call to our socket. When
that ends (broken off, or a transfer that came to nothing) it asks at `/vonage/events`, and is told to
connect it again. Both addresses are to be set to POST, because then the signature covers what is said.
Sources: https://developer.vonage.com/en/voice/voice-api/ncco-reference,
https://developer.vonage.com/en/voice/voice-api/webhook-reference, https://developer.vonage.com/en/api/voice
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from trunkline.errors import CallRefused, ConfigError, ParseError, SipError
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
from trunkline.legs.signatures import ReplayGuard, check_vonage, vonage_token
from trunkline.legs.stream import Opened, read_object, text
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.transfer_wait import DIAL_SECONDS, TransferWait
from trunkline.legs.vonage import CALL, VonageSettings, VonageStream
from trunkline.legs.websocket_leg import StreamLeg

_OVER = {
    "completed": "hung up",
    "busy": "busy",
    "rejected": "declined",
    "unanswered": "no answer",
    "timeout": "no answer",
    "cancelled": "cancelled",
    "failed": "not reachable",
}
_DIALLED = {
    "answered": TransferResult.TRANSFERRED,
    "busy": TransferResult.BUSY,
    "rejected": TransferResult.DECLINED,
    "unanswered": TransferResult.NO_ANSWER,
    "timeout": TransferResult.NO_ANSWER,
    "cancelled": TransferResult.FAILED,
    "failed": TransferResult.FAILED,
}
_AWAY = frozenset({"disconnected", "failed", "unanswered", "timeout", "rejected", "busy"})
"""What is said of our socket when it broke off or never came."""


class VonageCall:
    """The hand on one call. `uuid`: of the caller's leg."""

    def __init__(self, carrier: Vonage, uuid: str) -> None:
        self.uuid = uuid
        self.leg: StreamLeg | None = None
        self.can = frozenset({Can.TRANSFER, Can.SEND_DTMF}) if carrier.has_api else frozenset[Can]()
        self.transfer_wait = TransferWait()
        self._carrier = carrier

    async def answer(self) -> None:
        """Nothing to do: the answer to the webhook was the answer to the call."""

    async def stream_broke_off(self) -> None:
        """Nothing to do: Vonage tells of it, and is then told to connect again."""

    async def send_dtmf(self, digits: str) -> None:
        # Vonage's pause is `p`, half a second like the `w` of others.
        await self._carrier.put(self.uuid, {"digits": digits.replace("w", "p").replace("W", "pp")}, "/dtmf")

    async def transfer(self, target: str) -> TransferResult:
        ncco = self._carrier.dial_ncco(self.uuid, target)
        change = {"action": "transfer", "destination": {"type": "ncco", "ncco": ncco}}
        return await self.transfer_wait.result_of(self._carrier.put(self.uuid, change))

    async def hang_up(self) -> None:
        if self.uuid and self._carrier.has_api:
            await self._carrier.end(self.uuid)


class Vonage:
    """One application. Made with its settings and the board that its calls live on."""

    name = "vonage"

    def __init__(self, settings: VonageSettings, board: Switchboard) -> None:
        self.settings = settings
        self._board = board
        self._public = PublicUrl(settings.public_url or f"http://{settings.bind or 'localhost'}")
        self._private_key = _key(settings.private_key)
        self._seen = ReplayGuard()
        self._api = CarrierApi(self.name, settings.api, self._authorization)

    @property
    def has_api(self) -> bool:
        """Whether we can place, hand over and end calls."""
        return bool(self.settings.application_id and self._private_key)

    def stream_ncco(self, leg: CarriedLeg) -> list[dict[str, Any]]:
        """Connect the call to our socket, at first or again."""
        word = self._board.ticket(leg)
        call = leg.info.call_id
        return [
            {
                "action": "connect",
                "eventType": "synchronous",
                "eventUrl": [self._events(call, "stream")],
                "endpoint": [
                    {
                        "type": "websocket",
                        "uri": self._public.socket(f"/{self.name}/stream/{word}"),
                        "content-type": f"audio/l16;rate={self.settings.rate}",
                        "headers": {CALL: call},
                    }
                ],
            }
        ]

    def dial_ncco(self, call: str, target: str) -> list[dict[str, Any]]:
        """Connect the call to somebody else. Raises `ParseError` for what cannot be called."""
        action: dict[str, Any] = {
            "action": "connect",
            "eventType": "synchronous",
            "eventUrl": [self._events(call, "transfer")],
            "timeout": DIAL_SECONDS,
            "endpoint": [_endpoint(target)],
        }
        if self.settings.number:
            action["from"] = phone_number(self.settings.number).removeprefix("+")
        return [action]

    def _events(self, call: str, what: str) -> str:
        return self._public.http(f"/{self.name}/events?call={quote(call, safe='')}&of={what}")

    # --- webhooks -----------------------------------------------------------------------------------

    async def webhook(self, request: WebhookRequest) -> WebhookReply:
        if request.method != "POST":
            # What a GET says stands in its address, which the signature may not cover.
            return WebhookReply(405)
        wall = self._board.clock.wall().timestamp()
        authorization = request.headers.get("authorization", "")
        claims = check_vonage(authorization, request.body, self.settings.signature_secret, wall)
        now = self._board.clock.now()
        refuse_unless(
            self._seen.first(text(claims, "jti") or authorization, now), "a webhook once more", self.name
        )
        application = text(claims, "application_id")
        if application and self.settings.application_id:
            right = application == self.settings.application_id
            refuse_unless(right, "a webhook for another application", self.name)
        asked = dict(request.query)
        said = read_object(request.body, self.name)
        match request.path:
            case "answer":
                return self._answer(said, asked)
            case "events":
                return self._event(said, asked)
            case _:
                return WebhookReply(404)

    def _answer(self, said: Mapping[str, Any], asked: Mapping[str, str]) -> WebhookReply:
        uuid = text(said, "uuid")
        if not uuid:
            raise ParseError("a call without its uuid", where=self.name)
        if reference := asked.get("ref"):
            leg = self._board.find(self.name, reference) or self._board.find(self.name, uuid)
            return WebhookReply.of_json(self.stream_ncco(leg) if leg is not None else [])
        if self._board.full:
            return WebhookReply.of_json([])  # An empty NCCO ends the call.
        variables = dict(asked)
        variables |= {
            name.removeprefix("SipHeader_"): text(said, name)
            for name in list(said)[:100]
            if name.startswith("SipHeader_")
        }
        info = LegInfo(uuid, "inbound", text(said, "from"), text(said, "to"), self.name, variables)
        call = VonageCall(self, uuid)
        call.leg = self._board.ring(info, call, rate=self.settings.rate)
        return WebhookReply.of_json(self.stream_ncco(call.leg))

    def _event(self, said: Mapping[str, Any], asked: Mapping[str, str]) -> WebhookReply:
        uuid, status = text(said, "uuid"), text(said, "status")
        leg = self._board.find(self.name, asked.get("call", "")) or self._board.find(self.name, uuid)
        if leg is None:
            return WebhookReply()
        call = self._control(leg)
        of = asked.get("of", "")
        if of == "transfer":
            result = _DIALLED.get(status)
            if result is None or not call.transfer_wait.told(result) or result is TransferResult.TRANSFERRED:
                return WebhookReply()
            return WebhookReply.of_json(self.stream_ncco(leg))
        if of == "stream":
            # While the call is handed over its socket is meant to go.
            again = status in _AWAY and not call.transfer_wait.waiting
            return WebhookReply.of_json(self.stream_ncco(leg)) if again else WebhookReply()
        if uuid not in ("", call.uuid) and call.uuid:
            return WebhookReply()  # Of our socket or of a transfer's target, told once more.
        if status == "ringing":
            leg.ring()
        elif status in _OVER:
            call.transfer_wait.told(TransferResult.FAILED)
            leg.end(_OVER[status])
        return WebhookReply()

    def _control(self, leg: CarriedLeg) -> VonageCall:
        assert isinstance(leg.control, VonageCall)
        return leg.control

    # --- streams ------------------------------------------------------------------------------------

    def stream(self, request: StreamRequest) -> VonageStream:
        right = self._board.expects(request.token)
        refuse_unless(right, "a stream for a call that nobody announced", self.name)
        return VonageStream(self.settings.rate)

    def admit(self, request: StreamRequest, opened: Opened) -> StreamLeg:
        leg = self._board.admit(request.token, self.name, opened.call_id)
        leg.info = replace(leg.info, variables={**opened.variables, **leg.info.variables})
        return leg

    # --- the API ------------------------------------------------------------------------------------

    async def dial(self, number: str, *, caller: str = "", variables: Mapping[str, str]) -> StreamLeg:
        """Call a number (+15551234567) or `sip:…` address."""
        settings = self.settings
        need(settings.application_id, "vonage.application_id", "place calls")
        need(self._private_key, "vonage.private_key", "place calls")
        sender = phone_number(caller or need(settings.number, "vonage.number", "place calls"))
        reference = f"out-{secrets.token_hex(8)}"
        call = VonageCall(self, "")
        info = LegInfo(reference, "outbound", sender, number, self.name, dict(variables))
        leg = call.leg = self._board.place(info, call, rate=settings.rate)
        try:
            made = await self._api.post(
                "/v1/calls",
                {
                    "to": [_endpoint(number)],
                    "from": {"type": "phone", "number": sender.removeprefix("+")},
                    "answer_url": [self._public.http(f"/{self.name}/answer?ref={reference}")],
                    "answer_method": "POST",
                    "event_url": [self._public.http(f"/{self.name}/events?call={reference}")],
                    "event_method": "POST",
                    "ringing_timer": settings.ring_timeout,
                },
            )
            uuid = text(made, "uuid")
            if not uuid:
                raise SipError("the carrier gave the call no uuid", where=self.name)
            call.uuid = uuid
            self._board.name(leg, uuid)
        except (SipError, CallRefused, ParseError) as error:
            leg.end(error.what)
            raise
        return leg

    async def put(self, uuid: str, change: Mapping[str, Any], what: str = "") -> None:
        """Change a call that is up."""
        await self._api.put(f"/v1/calls/{quote(uuid, safe='')}{what}", change)

    async def end(self, uuid: str) -> None:
        await self._api.end(self.put(uuid, {"action": "hangup"}))

    def _authorization(self) -> str:
        wall = self._board.clock.wall().timestamp()
        token = vonage_token(self.settings.application_id, self._private_key, wall, secrets.token_hex(16))
        return f"Bearer {token}"

    async def close(self) -> None:
        await self._api.close()


def _endpoint(target: str) -> dict[str, str]:
    if is_sip(target):
        return {"type": "sip", "uri": target}
    return {"type": "phone", "number": phone_number(target).removeprefix("+")}


def _key(given: str) -> str:
    """The private key itself, where its file was named. Raises `ConfigError` where that cannot be read."""
    if not given or given.lstrip().startswith("-----BEGIN"):
        return given
    try:
        return Path(given).expanduser().read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(
            "is neither a key in PEM nor a file that can be read", where="vonage.private_key"
        ) from error
