"""Twilio's side of a call: signed webhooks answered with TwiML, and its REST API.

An inbound call: Twilio posts to `/twilio/voice`, is told to open a stream, and the stream's ticket
leads it to the leg. An outbound call: we post to the API, Twilio asks at the same place once it is
answered. A transfer and keys replace the call's TwiML, which ends the stream; the TwiML that follows
opens it again. Sources: https://www.twilio.com/docs/voice/twiml,
https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace

from trunkline.errors import CallRefused, ParseError, SipError
from trunkline.legs import twiml
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
from trunkline.legs.signatures import ReplayGuard, check_twilio
from trunkline.legs.stream import Opened
from trunkline.legs.switchboard import Switchboard
from trunkline.legs.transfer_wait import DIAL_SECONDS, TransferWait
from trunkline.legs.twilio import TICKET, TwilioSettings, TwilioStream
from trunkline.legs.websocket_leg import StreamLeg

_DTMF_LIMIT = 30.0
_DIALED = {
    "busy": TransferResult.BUSY,
    "no-answer": TransferResult.NO_ANSWER,
    "failed": TransferResult.FAILED,
    "canceled": TransferResult.FAILED,
}
_NOT_TAKEN = {"busy": "busy", "no-answer": "no answer", "failed": "not reachable", "canceled": "cancelled"}


class TwilioCall:
    """The hand on one call."""

    def __init__(self, carrier: Twilio, sid: str, *, real: bool = True) -> None:
        self.sid = sid
        self.leg: StreamLeg | None = None
        self.can: frozenset[Can] = frozenset()
        if real and carrier.has_api:
            self.can = frozenset({Can.TRANSFER, Can.SEND_DTMF})
        self.real = real
        """False for a stream that no webhook announced: there is no call behind it."""
        self.transfer_wait = TransferWait()
        self._carrier = carrier

    async def answer(self) -> None:
        """Nothing to do: the answer to the webhook was the answer to the call."""

    async def stream_broke_off(self) -> None:
        """Nothing to do: Twilio goes on to the TwiML after the stream, and asks."""

    async def send_dtmf(self, digits: str) -> None:
        assert self.leg is not None
        back = self.leg.next_stream()
        await self._carrier.update(
            self.sid, twiml.document(twiml.press(digits), self._carrier.stream_for(self.leg))
        )
        try:
            async with asyncio.timeout(_DTMF_LIMIT):
                await back
        except TimeoutError as error:
            raise SipError("the stream did not come back after the keys", where="twilio") from error

    async def transfer(self, target: str) -> TransferResult:
        carrier = self._carrier
        verb = twiml.dial(
            target,
            action=carrier.url("dialed", call=self.sid),
            progress=carrier.url("progress", call=self.sid),
            caller=carrier.settings.number,
            seconds=DIAL_SECONDS,
        )
        return await self.transfer_wait.result_of(carrier.update(self.sid, twiml.document(verb)))

    async def hang_up(self) -> None:
        if self.real and self.sid and self._carrier.has_api:
            await self._carrier.end(self.sid)


class Twilio:
    """One account. Made with its settings and the board that its calls live on."""

    name = "twilio"

    def __init__(self, settings: TwilioSettings, board: Switchboard) -> None:
        self.settings = settings
        self._board = board
        self._public = PublicUrl(settings.public_url or f"http://{settings.bind or 'localhost'}")
        self._seen = ReplayGuard()
        self._api = CarrierApi(self.name, settings.api, self._authorization)

    @property
    def has_api(self) -> bool:
        """Whether we can place, hand over and end calls."""
        return bool(self.settings.account_sid and self.settings.auth_token)

    def url(self, path: str, **query: str) -> str:
        """One of our webhooks. A word of its own makes each of Twilio's requests differ from the one
        before it, so that a replayed one can be told from a new one that says the same."""
        parts = [f"{name}={value}" for name, value in query.items()] + [f"once={secrets.token_hex(8)}"]
        return self._public.http(f"/{self.name}/{path}?{'&'.join(parts)}")

    def stream_for(self, leg: CarriedLeg) -> str:
        """The TwiML that opens this call's stream, at first or again."""
        return twiml.stream(
            self._public.socket(f"/{self.name}/stream"),
            {TICKET: self._board.ticket(leg)},
            self.url("again"),
        )

    # --- webhooks -----------------------------------------------------------------------------------

    async def webhook(self, request: WebhookRequest) -> WebhookReply:
        form = request.form
        signature = request.headers.get("x-twilio-signature", "")
        check_twilio(self._public.http(request.target), form, signature, self.settings.auth_token)
        now = self._board.clock.now()
        refuse_unless(
            self._seen.first(f"{request.target} {signature}", now), "a webhook once more", self.name
        )
        said = dict(form)
        if self.settings.account_sid:
            right = said.get("AccountSid") == self.settings.account_sid
            refuse_unless(right, "a webhook for another account", self.name)
        asked = dict(request.query)
        match request.path:
            case "voice":
                return self._voice(said, asked)
            case "again":
                return self._again(said.get("CallSid", ""))
            case "status":
                return self._status(said, asked)
            case "dialed":
                return self._dialed(said, asked)
            case "progress":
                return self._progress(said, asked)
            case _:
                return WebhookReply(404)

    def _voice(self, said: Mapping[str, str], asked: Mapping[str, str]) -> WebhookReply:
        sid = said.get("CallSid", "")
        if not sid:
            raise ParseError("a call without its CallSid", where=self.name)
        if reference := asked.get("ref"):
            leg = self._board.find(self.name, reference) or self._board.find(self.name, sid)
            return twiml.reply(self.stream_for(leg) if leg is not None else twiml.hang_up())
        if self._board.full:
            return twiml.reply(twiml.reject("busy"))
        variables = {name: value for name, value in asked.items() if name != "once"}
        variables |= {
            name.removeprefix("SipHeader_"): value
            for name, value in said.items()
            if name.startswith("SipHeader_")
        }
        info = LegInfo(sid, "inbound", said.get("From", ""), said.get("To", ""), self.name, variables)
        call = TwilioCall(self, sid)
        call.leg = self._board.ring(info, call)
        return twiml.reply(self.stream_for(call.leg))

    def _again(self, sid: str) -> WebhookReply:
        leg = self._board.find(self.name, sid)
        return twiml.reply(self.stream_for(leg) if leg is not None else twiml.hang_up())

    def _status(self, said: Mapping[str, str], asked: Mapping[str, str]) -> WebhookReply:
        leg = self._board.find(self.name, asked.get("ref", "")) or self._board.find(
            self.name, said.get("CallSid", "")
        )
        if leg is None:
            return WebhookReply()
        status = said.get("CallStatus", "")
        if status == "ringing":
            leg.ring()
        elif status == "completed" or status in _NOT_TAKEN:
            control = leg.control
            if isinstance(control, TwilioCall):
                control.transfer_wait.told(TransferResult.FAILED)
            leg.end(_NOT_TAKEN.get(status, "hung up"))
        return WebhookReply()

    def _progress(self, said: Mapping[str, str], asked: Mapping[str, str]) -> WebhookReply:
        control = self._control(asked)
        if control is not None and said.get("CallStatus") in ("in-progress", "answered"):
            control.transfer_wait.told(TransferResult.TRANSFERRED)
        return WebhookReply()

    def _dialed(self, said: Mapping[str, str], asked: Mapping[str, str]) -> WebhookReply:
        """The transfer is over: a talk that took place, or nothing. After nothing the call goes on."""
        control = self._control(asked)
        if control is None or control.leg is None or control.leg.ended:
            return twiml.reply(twiml.hang_up())
        status = said.get("DialCallStatus", "")
        if status in ("completed", "answered"):
            control.transfer_wait.told(TransferResult.TRANSFERRED)
            return twiml.reply(twiml.hang_up())
        control.transfer_wait.told(_DIALED.get(status, TransferResult.FAILED))
        return twiml.reply(self.stream_for(control.leg))

    def _control(self, asked: Mapping[str, str]) -> TwilioCall | None:
        leg = self._board.find(self.name, asked.get("call", ""))
        return leg.control if leg is not None and isinstance(leg.control, TwilioCall) else None

    # --- streams ------------------------------------------------------------------------------------

    def stream(self, request: StreamRequest) -> TwilioStream:
        refuse_unless(not request.token, "a stream at an address that is none", self.name)
        return TwilioStream()

    def admit(self, request: StreamRequest, opened: Opened) -> StreamLeg:
        if not opened.token and self.settings.trust_loopback and request.local:
            info = LegInfo(opened.call_id, "inbound", "", "", self.name, dict(opened.variables))
            call = TwilioCall(self, opened.call_id, real=False)
            call.leg = self._board.ring(info, call)
            return call.leg
        leg = self._board.admit(opened.token, self.name)
        control = leg.control
        right = isinstance(control, TwilioCall) and control.sid in ("", opened.call_id)
        refuse_unless(right, "a stream with the ticket of another call", self.name)
        leg.info = replace(leg.info, variables={**opened.variables, **leg.info.variables})
        return leg

    # --- the API ------------------------------------------------------------------------------------

    async def dial(self, number: str, *, caller: str = "", variables: Mapping[str, str]) -> StreamLeg:
        """Call a number (+15551234567) or `sip:…` address."""
        settings = self.settings
        need(settings.account_sid, "twilio.account_sid", "place calls")
        need(settings.auth_token, "twilio.auth_token", "place calls")
        sender = caller or need(settings.number, "twilio.number", "place calls")
        target = number if is_sip(number) else phone_number(number)
        reference = f"out-{secrets.token_hex(8)}"
        call = TwilioCall(self, "")
        info = LegInfo(reference, "outbound", sender, target, self.name, dict(variables))
        leg = call.leg = self._board.place(info, call)
        try:
            made = await self._api.post_form(
                f"/2010-04-01/Accounts/{settings.account_sid}/Calls.json",
                {
                    "To": target,
                    "From": sender,
                    "Url": self.url("voice", ref=reference),
                    "StatusCallback": self.url("status", ref=reference),
                    "StatusCallbackEvent": ["ringing", "answered", "completed"],
                    "Timeout": str(settings.ring_timeout),
                },
            )
            sid = made.get("sid")
            if not isinstance(sid, str) or not sid:
                raise SipError("the carrier gave the call no sid", where=self.name)
            call.sid = sid
            self._board.name(leg, sid)
        except (SipError, CallRefused) as error:
            leg.end(error.what)
            raise
        return leg

    async def update(self, sid: str, document: str) -> None:
        """Give a call that is up other TwiML."""
        await self._api.post_form(self._call_path(sid), {"Twiml": document})

    async def end(self, sid: str) -> None:
        await self._api.end(self._api.post_form(self._call_path(sid), {"Status": "completed"}))

    def _call_path(self, sid: str) -> str:
        if not sid.isalnum():
            raise SipError("a call id that cannot be one", where=self.name)
        return f"/2010-04-01/Accounts/{self.settings.account_sid}/Calls/{sid}.json"

    def _authorization(self) -> str:
        pair = f"{self.settings.account_sid}:{self.settings.auth_token}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    async def close(self) -> None:
        await self._api.close()
