"""Secrets in messages, covered: what proves a password, and the keys of encrypted media. Pure.

Covered with as many asterisks as there were bytes, so that lengths stay true and what is covered is still
the same message to every reader. What was covered cannot be had back.
"""

from __future__ import annotations

import re

_AUTHORIZATION = re.compile(
    rb"^(?:Proxy-)?Authorization[ \t]*:[ \t]*(?:\r?\n[ \t]+)?(?P<scheme>[^\s,]+)"
    rb"(?P<rest>[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_PARAM = re.compile(rb'(?P<name>[\w-]+)(?P<equals>\s*=\s*)(?P<value>"(?:[^"\\]|\\.)*"?|[^\s,"]*)')
_SHOWN = {b"username", b"realm", b"nonce", b"uri", b"algorithm", b"qop", b"nc", b"opaque"}
"""What of a Digest may be seen (RFC 7616 section 3.4): none of it tells the password without the answer."""
_CRYPTO = re.compile(rb"^(?P<head>a=crypto:[^\r\n]*?inline:)(?P<key>[^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(rb"[^\s|;]+")
_VISIBLE = re.compile(rb"[^\s]")


def covered(message: bytes) -> bytes:
    """The message with its secrets covered, of the same length."""
    if b"uthorization" in message or b"UTHORIZATION" in message or _AUTHORIZATION.search(message):
        message = _AUTHORIZATION.sub(_cover_authorization, message)
    return _CRYPTO.sub(_cover_key, message) if b"crypto:" in message.lower() else message


def _cover_authorization(found: re.Match[bytes]) -> bytes:
    head = found[0][: found.start("rest") - found.start()]
    if found["scheme"].lower() != b"digest":
        return head + _VISIBLE.sub(b"*", found["rest"])
    shown, last = [], 0
    for param in _PARAM.finditer(found["rest"]):
        between = found["rest"][last : param.start()]
        value = param["value"]
        if param["name"].lower() not in _SHOWN:
            value = re.sub(rb'[^\s"]', b"*", value)
        # What is no parameter between two is nothing that anybody has to see.
        shown += [re.sub(rb"[^\s,]", b"*", between), param["name"], param["equals"], value]
        last = param.end()
    shown.append(re.sub(rb"[^\s,]", b"*", found["rest"][last:]))
    return head + b"".join(shown)


def _cover_key(found: re.Match[bytes]) -> bytes:
    """Every key of the line; the lifetimes behind them stay."""
    key = _KEY.sub(lambda one: b"*" * len(one[0]), found["key"], count=1)
    return found["head"] + key
