"""SRTP and SRTCP (RFC 3711), keyed by SDES (RFC 4568), through `pylibsrtp`.

The state (keys, rollover counters, replay windows) belongs to the call and not to one negotiation: the
same keys again change nothing, so counters go on over a re-INVITE.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from trunkline.errors import MediaError
from trunkline.rtp.stream import Keys

KEY_BYTES = {
    "AEAD_AES_256_GCM": 32 + 12,
    "AEAD_AES_128_GCM": 16 + 12,
    "AES_256_CM_HMAC_SHA1_80": 32 + 14,
    "AES_256_CM_HMAC_SHA1_32": 32 + 14,
    "AES_CM_128_HMAC_SHA1_80": 16 + 14,
    "AES_CM_128_HMAC_SHA1_32": 16 + 14,
}
"""Suites as SDP names them (RFC 4568, 6188, 7714), strongest first: bytes of master key and salt."""
_PROFILES = {
    "AEAD_AES_256_GCM": "SRTP_PROFILE_AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM": "SRTP_PROFILE_AEAD_AES_128_GCM",
    "AES_256_CM_HMAC_SHA1_80": "SRTP_PROFILE_AES128_CM_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32": "SRTP_PROFILE_AES128_CM_SHA1_32",
    "AES_CM_128_HMAC_SHA1_80": "SRTP_PROFILE_AES128_CM_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32": "SRTP_PROFILE_AES128_CM_SHA1_32",
}
_ICM_128, _ICM_256 = (1, 16 + 14), (5, 32 + 14)
"""libsrtp's cipher type and key length of AES in counter mode (srtp.h)."""
_WINDOW = 1024
"""Packets that may be this much older than the newest."""
_OVERLAP = 50
"""Packets under new keys after which none under the old ones is awaited any more: a second."""


@cache
def _library() -> ModuleType:
    try:
        return import_module("pylibsrtp")
    except ImportError as error:
        raise MediaError(
            "pylibsrtp is not installed", where="SRTP", hint="pip install 'trunkline[srtp]'"
        ) from error


@cache
def suites() -> tuple[str, ...]:
    """What can be had here, strongest first. Raises `MediaError` where the library is missing."""
    library = _library()
    usable = []
    for suite, size in KEY_BYTES.items():
        try:
            library.Session(_policy(suite, bytes(size), outbound=True))
        except (library.Error, MediaError, AttributeError, ValueError):
            continue
        usable.append(suite)
    return tuple(usable)


def _policy(suite: str, key: bytes, *, outbound: bool) -> Any:
    policy_class = _library().Policy
    kind = policy_class.SSRC_ANY_OUTBOUND if outbound else policy_class.SSRC_ANY_INBOUND
    policy = policy_class(key, kind, 0, getattr(policy_class, _PROFILES[suite]))
    policy.window_size = _WINDOW
    if suite.startswith("AES_256_CM"):
        _widen(policy)
    return policy


def _widen(policy: Any) -> None:
    """AES-256 in counter mode, which libsrtp has and pylibsrtp has no name for: the policy of AES-128
    with another cipher and key length, the first two numbers of `srtp_crypto_policy_t`."""
    ffi = import_module("pylibsrtp._binding").ffi
    for part in (policy._policy.rtp, policy._policy.rtcp):
        numbers = ffi.cast("int *", ffi.addressof(part))
        if (numbers[0], numbers[1]) != _ICM_128:
            raise MediaError("this libsrtp lays out its policies otherwise", where="SRTP")
        numbers[0], numbers[1] = _ICM_256


class Srtp:
    """Protects what one call sends and opens what it receives. Raises `MediaError` for a suite that
    cannot be had, or keys of the wrong length."""

    def __init__(self, keys: Keys) -> None:
        self._error: type[Exception] = _library().Error
        self._keys = keys
        self._sender = self._session(keys, outbound=True)
        self._receiver = self._session(keys, outbound=False)
        self._former: Any = None
        """The receiving side before the keys changed: what is under way still comes under the old ones."""
        self._former_left = 0
        self.refused = 0
        """Packets whose tag was wrong, that came again, or were too old."""

    @property
    def suite(self) -> str:
        return self._keys.suite

    def rekey(self, keys: Keys) -> None:
        """What was negotiated again; only a direction whose key changed begins anew."""
        before, sender, receiver = self._keys, self._sender, self._receiver
        if (keys.suite, keys.send) != (before.suite, before.send):
            sender = self._session(keys, outbound=True)
        if (keys.suite, keys.receive) != (before.suite, before.receive):
            receiver = self._session(keys, outbound=False)
            self._former, self._former_left = self._receiver, _OVERLAP
        self._keys, self._sender, self._receiver = keys, sender, receiver

    def _session(self, keys: Keys, *, outbound: bool) -> Any:
        size = KEY_BYTES.get(keys.suite)
        key = keys.send if outbound else keys.receive
        if size is None or keys.suite not in suites():
            raise MediaError(f"{keys.suite} cannot be had", where="SRTP")
        if len(key) != size:
            raise MediaError(f"{keys.suite} takes {size} bytes of key, not {len(key)}", where="SRTP")
        return _library().Session(_policy(keys.suite, key, outbound=outbound))

    def protect(self, packet: bytes) -> bytes:
        """An RTP packet as it goes out. Raises `MediaError` for what libsrtp will not take."""
        try:
            return bytes(self._sender.protect(packet))
        except (self._error, ValueError) as error:
            raise MediaError(f"a packet cannot be protected: {error}", where="SRTP") from error

    def protect_report(self, packet: bytes) -> bytes:
        """The same for RTCP."""
        try:
            return bytes(self._sender.protect_rtcp(packet))
        except (self._error, ValueError) as error:
            raise MediaError(f"a report cannot be protected: {error}", where="SRTP") from error

    def open(self, packet: bytes) -> bytes | None:
        """What is in a packet that came; None unless its tag says that it is the other end's and new."""
        try:
            opened: bytes = self._receiver.unprotect(packet)
        except (self._error, ValueError):
            return self._opened_as_before(packet, report=False)
        if self._former is not None:
            self._forget_former()
        return opened

    def open_report(self, packet: bytes) -> bytes | None:
        """The same for RTCP."""
        try:
            opened: bytes = self._receiver.unprotect_rtcp(packet)
        except (self._error, ValueError):
            return self._opened_as_before(packet, report=True)
        return opened

    def _opened_as_before(self, packet: bytes, *, report: bool) -> bytes | None:
        if self._former is not None:
            try:
                opening = self._former.unprotect_rtcp if report else self._former.unprotect
                opened: bytes = opening(packet)
            except (self._error, ValueError):
                pass  # not under the old keys either: refused below
            else:
                return opened
        self.refused += 1
        return None

    def _forget_former(self) -> None:
        self._former_left -= 1
        if self._former_left <= 0:
            self._former = None
