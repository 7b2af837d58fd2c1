"""TwiML: what Twilio is told to do with a call. Source: https://www.twilio.com/docs/voice/twiml"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from trunkline.legs.carrier import WebhookReply
from trunkline.legs.phone_number import is_sip, phone_number


def reply(*verbs: str) -> WebhookReply:
    return WebhookReply(200, document(*verbs), "text/xml")


def document(*verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{"".join(verbs)}</Response>'


def stream(url: str, parameters: Mapping[str, str], again: str) -> str:
    """Connect the call to our socket, both ways. When the stream ends, Twilio asks at `again` what to
    do: so a stream that broke off can come back, and a call that is over is hung up."""
    inner = "".join(
        f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>" for name, value in parameters.items()
    )
    return f"<Connect><Stream url={quoteattr(url)}>{inner}</Stream></Connect>{redirect(again)}"


def redirect(url: str) -> str:
    return f'<Redirect method="POST">{escape(url)}</Redirect>'


def dial(target: str, *, action: str, progress: str, caller: str, seconds: int) -> str:
    """Call `target` (a number, or `sip:…`) and join it to the caller. Raises `ParseError` for what is
    neither. `progress` is told when it answers, `action` when it is over or came to nothing."""
    told = f'statusCallback={quoteattr(progress)} statusCallbackEvent="answered"'
    if is_sip(target):
        whom = f"<Sip {told}>{escape(target)}</Sip>"
    else:
        whom = f"<Number {told}>{phone_number(target)}</Number>"
    from_ = f" callerId={quoteattr(caller)}" if caller else ""
    return f'<Dial timeout="{seconds}" action={quoteattr(action)}{from_}>{whom}</Dial>'


def press(digits: str) -> str:
    """Send these keys to the caller's side; `w` is half a second's pause."""
    return f"<Play digits={quoteattr(digits)}/>"


def hang_up() -> str:
    return "<Hangup/>"


def reject(reason: str) -> str:
    """Turn an unanswered call away; `reason` is "busy" or "rejected"."""
    return f"<Reject reason={quoteattr(reason)}/>"
