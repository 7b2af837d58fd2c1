"""OPTIONS as a sign of life (RFC 3261 §11): whether a server answers at all."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.sip.asking import Asking
from trunkline.sip.hop import Hop
from trunkline.sip.layer import TransactionLayer
from trunkline.sip.message import Headers, Message, Request, Response
from trunkline.sip.transaction import Do, Transaction
from trunkline.sip.uri import Uri


def ping(
    layer: TransactionLayer, uri: Uri, sender: Uri, hop: Hop, at: float, tell: Callable[[int, float], None]
) -> None:
    """Ask `uri` by way of `hop`. `tell` hears once of the final status, 0 where none came, and when. Any
    status is a sign of life, a refusal too; 503 says that calls had better go elsewhere."""
    seq = 1
    headers = Headers()
    headers.add("Via", layer.via(hop))
    headers.add("Max-Forwards", "70")
    headers.add("From", f"<{sender}>;tag={layer.token()}")
    headers.add("To", f"<{uri}>")
    headers.add("Call-ID", layer.token() + layer.token())
    headers.add("CSeq", f"{seq} OPTIONS")
    headers.add("Contact", layer.identity.contact(hop))
    headers.add("Accept", "application/sdp")
    headers.add("User-Agent", layer.identity.software)

    def heard(_: Transaction, message: Message | None, do: Do, when: float) -> None:
        if do is not Do.DELIVER:
            tell(0, when)
        elif isinstance(message, Response) and message.status >= 200:
            tell(message.status, when)

    request = Request(headers, method="OPTIONS", uri=str(uri))
    Asking(layer).ask(request, hop, heard, at, seq=lambda: seq + 1)
