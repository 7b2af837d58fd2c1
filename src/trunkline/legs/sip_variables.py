"""What a call's variables are in SIP: X- headers both ways, User-to-User, and what is known of a caller."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.errors import ConfigError
from trunkline.legs.leg import LegInfo
from trunkline.sip.fields import TOKEN
from trunkline.sip.identity import user_to_user, who_calls
from trunkline.sip.session import Session

_VARIABLES = 32
"""Headers of one call that become variables."""


def variable_headers(variables: Mapping[str, str]) -> dict[str, str]:
    """The headers that these go along as. Raises `ConfigError` for what cannot be the name of one."""
    headers: dict[str, str] = {}
    for name, value in variables.items():
        if name == "user_to_user":
            headers["User-to-User"] = user_to_user(value)
            continue
        header = name if name.lower().startswith("x-") else f"X-{name}"
        if not TOKEN.fullmatch(header):
            raise ConfigError(f"{name!r} cannot be the name of a header", where="sip")
        headers[header] = value
    return headers


def inbound_info(session: Session, trunk: str, wanted: tuple[str, ...]) -> LegInfo:
    """Who calls, and what came with the call. `trunk`: by whose; `wanted`: headers beside the X- ones."""
    invite = session.invite
    also = {name.lower() for name in wanted}
    variables = [
        (name, value)
        for name, value in invite.headers
        if name.lower().startswith("x-") or name.lower() in also
    ]
    # What is said of the call comes after what its headers say, so that no header can pass for it.
    return LegInfo(
        invite.call_id,
        "inbound",
        str(invite.from_.uri),
        invite.uri,
        "sip",
        dict(variables[:_VARIABLES])
        | who_calls(invite, trusted=bool(trunk))
        | ({"trunk": trunk} if trunk else {}),
    )
