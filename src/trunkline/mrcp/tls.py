"""The edge of TLS for channels: whose certificate is ours, and whose the other end's is.

A server is believed by what its answer says of its certificate (`a=fingerprint`), where that answer came over
TLS itself; else by its name, which somebody trusted must vouch for (RFC 6787 section 12.1, RFC 4572 section
6). Python's `ssl` cannot ask a client for a certificate without asking who vouches for it; so clients are
asked only where `demand` says so, and are then held to their fingerprint too.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from trunkline.errors import ConfigError, MediaError
from trunkline.mrcp.fingerprint import fingerprint, is_one_of
from trunkline.sip.connections import TlsFiles

HANDSHAKE_WITHIN = 5.0
"""Seconds."""
_TRUST = "Name a file of who vouches for it as trusted"
_PEM = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class ClientSecurity:
    """How a client's channels are kept secret. `tls`: of words; `srtp`: of sound. `files`: for these and for
    SIP over TLS."""

    tls: bool = False
    srtp: bool = False
    files: TlsFiles = field(default_factory=TlsFiles)


@dataclass(frozen=True, slots=True)
class ServerSecurity:
    """How a server's are. `bind`: where SIP over TLS is listened for, `tls:HOST:PORT`; `control_port`: where
    words over TLS are, 0 for any. Words over TLS are taken where `files` has a certificate; `only`: no
    others are."""

    bind: str = ""
    control_port: int = 0
    only: bool = False
    srtp: Literal["off", "preferred", "required"] = "off"
    files: TlsFiles = field(default_factory=TlsFiles)


def own_fingerprint(files: TlsFiles) -> str:
    """Of our certificate, the first in its file; "" where we have none. Raises `ConfigError`."""
    if not files.certificate:
        return ""
    where = f"{files.section}.tls_certificate_file"
    try:
        text = Path(files.certificate).read_text("ascii", "replace")
        begin = text.index(_PEM[0])
        return fingerprint(ssl.PEM_cert_to_DER_cert(text[begin : text.index(_PEM[1], begin) + len(_PEM[1])]))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the certificate cannot be used: {error}", where=where) from error


async def connect(
    host: str, port: int, files: TlsFiles, name: str, named: tuple[str, ...], *, answer_is_safe: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the server `name`, whose answer `named` its certificate. Raises `MediaError` where it
    is not to be had, or not to be trusted; `ConfigError` for files that cannot be used."""
    context = files.client()
    if answer_is_safe and named:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname=name, ssl_handshake_timeout=HANDSHAKE_WITHIN
        )
    except ssl.SSLCertVerificationError as error:
        what = f"the certificate of {name} is not to be trusted: {error.verify_message}"
        raise MediaError(what, where="mrcp", hint=_TRUST) from error
    except ssl.SSLError as error:
        raise MediaError(f"no TLS with {host}:{port}: {error.reason}", where="mrcp") from error
    except (OSError, TimeoutError) as error:
        raise MediaError(f"no connection to {host}:{port}: {error}", where="mrcp") from error
    if named and not is_one_of(certificate_of(writer), named):
        writer.transport.abort()
        raise MediaError(f"{name} has another certificate than its answer names", where="mrcp")
    return reader, writer


def certificate_of(writer: asyncio.StreamWriter) -> bytes:
    """The other end's, in DER; b"" where it showed none."""
    secured = writer.get_extra_info("ssl_object")
    return (secured.getpeercert(binary_form=True) if secured is not None else None) or b""
