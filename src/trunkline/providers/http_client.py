"""The HTTP client of the engines without a good SDK of their own: connections stay warm, answers stream.

One client for each engine, made when it starts and shared by its calls. HTTP/1.1, so that closing an
answer early closes its connection, which is how these services are told to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.errors import EngineMissing

if TYPE_CHECKING:
    import httpx

_KEPT_WARM_SECONDS = 300.0
"""A connection outlives a long turn of the caller; the client's own limit is 5 s."""


def make_client(
    base_url: str, headers: dict[str, str], where: str, extra: str, limit_s: float
) -> httpx.AsyncClient:
    """A client whose every wait for the network is limited to `limit_s` seconds."""
    try:
        import httpx
    except ImportError as error:
        raise EngineMissing(
            "the httpx package is not installed", where=where, hint=f"Run: pip install 'trunkline[{extra}]'"
        ) from error
    limits = httpx.Limits(max_keepalive_connections=64, keepalive_expiry=_KEPT_WARM_SECONDS)
    return httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits, timeout=limit_s)
