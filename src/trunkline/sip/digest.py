"""Digest authentication, the side that answers (RFC 3261 §22, RFC 7616, RFC 8760).

`Answers` holds one account's credentials and the challenges met so far in one call or registration:
`take` reads the challenges of a 401 or 407, `sign` puts the answers into a request. A nonce that was
met once is used again, with its count going up, until the other end wants another.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from trunkline.errors import ParseError
from trunkline.sip.message import Request, Response

_PARAM = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)', re.DOTALL)
_HASHES: dict[str, Callable[[bytes], str]] = {
    # MD5 is what nearly every trunk speaks: here it is a protocol's field, not a protection of ours.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_HEADERS = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}
_MOST_CHALLENGES = 8
"""Challenges remembered at once; a chain of more proxies than that is no chain but an attack."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom we are to a registrar, proxy or trunk. An empty `realm` answers any realm."""

    user: str
    password: str = field(repr=False)
    realm: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge that can be answered: a Digest with an algorithm and a qop that we know."""

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str
    """MD5 or SHA-256, without the `-sess` ending."""
    session: bool
    """Whether the algorithm is the `-sess` variety (RFC 7616 §3.4.2)."""
    named: bool
    """Whether the challenge named its algorithm: the answer does so only then, for old servers' sake."""
    qop: bool
    """Whether `auth` is offered; without any qop the answer is the one of RFC 2069."""
    stale: bool


def parse_challenge(text: str) -> Challenge | None:
    """The challenge in one header value, or None for a scheme, algorithm or qop that we do not speak.
    Raises `ParseError` for what follows no grammar."""
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params: dict[str, str] = {}
    place = 0
    while place < len(rest):
        found = _PARAM.match(rest, place)
        if found is None:
            raise ParseError(f"a bad challenge: {rest[place : place + 40]!r}", where="sip")
        params.setdefault(found[1].lower(), _unquote(found[2]))
        place = found.end()
    if "realm" not in params or "nonce" not in params:
        raise ParseError("a challenge without realm or nonce", where="sip")
    algorithm = params.get("algorithm", "MD5").upper()
    session = algorithm.endswith("-SESS")
    algorithm = algorithm.removesuffix("-SESS")
    qops = {word.strip().lower() for word in params.get("qop", "").split(",") if word.strip()}
    if algorithm not in _HASHES or (qops and "auth" not in qops):
        return None
    return Challenge(
        params["realm"],
        params["nonce"],
        params.get("opaque"),
        algorithm,
        session,
        "algorithm" in params,
        bool(qops),
        params.get("stale", "").lower() == "true",
    )


def challenges_in(response: Response) -> list[Challenge]:
    """What `response` wants answered: for each realm its first challenge that we can answer, which is
    the one that the other end prefers (RFC 8760 §2.4)."""
    found: dict[str, Challenge] = {}
    asked, _ = _HEADERS.get(response.status, ("", ""))
    for value in response.headers.all(asked) if asked else ():
        try:
            challenge = parse_challenge(value)
        except ParseError:
            continue  # One that cannot be read is one that cannot be answered; the next one may do.
        if challenge is not None and len(found) < _MOST_CHALLENGES:
            found.setdefault(challenge.realm, challenge)
    return list(found.values())


def digest_response(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, *, count: int, cnonce: str
) -> str:
    """The `response` value (RFC 7616 §3.4.1) in hexadecimal."""
    digest = _HASHES[challenge.algorithm]

    def h(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))

    a1 = h(credentials.user, challenge.realm, credentials.password)
    if challenge.session:
        a1 = h(a1, challenge.nonce, cnonce)
    a2 = h(method, uri)
    if not challenge.qop:
        return h(a1, challenge.nonce, a2)
    return h(a1, challenge.nonce, f"{count:08x}", cnonce, "auth", a2)


def authorization(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, *, count: int, cnonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization that answers `challenge` for one request."""
    response = digest_response(challenge, credentials, method, uri, count=count, cnonce=cnonce)
    fields = [
        f"username={_quote(credentials.user)}",
        f"realm={_quote(challenge.realm)}",
        f"nonce={_quote(challenge.nonce)}",
        f"uri={_quote(uri)}",
        f'response="{response}"',
    ]
    if challenge.named:
        fields.append(f"algorithm={challenge.algorithm}{'-sess' if challenge.session else ''}")
    if challenge.opaque is not None:
        fields.append(f"opaque={_quote(challenge.opaque)}")
    if challenge.qop:
        fields += ["qop=auth", f"nc={count:08x}"]
    if challenge.qop or challenge.session:
        fields.append(f'cnonce="{cnonce}"')
    return "Digest " + ", ".join(fields)


class Answers:
    """One account's answers in one call or registration. `credentials`: tried in order, by realm."""

    def __init__(
        self,
        credentials: tuple[Credentials, ...],
        *,
        cnonce: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._credentials = credentials
        self._cnonce = cnonce
        self._met: dict[tuple[int, str], Challenge] = {}
        self._counts: dict[str, int] = {}

    def take(self, response: Response, answered: set[tuple[int, str]]) -> bool:
        """Note the challenges of a 401 or 407. False where the same request would fail again: nothing
        in it can be answered, or what it asks was answered in this request already (`answered`, which
        grows here) and the nonce was not merely stale."""
        again = False
        for challenge in challenges_in(response):
            key = response.status, challenge.realm
            if self._for(challenge.realm) is None or (key in answered and not challenge.stale):
                continue
            answered.add(key)
            if len(self._met) >= _MOST_CHALLENGES and key not in self._met:
                continue
            self._met[key] = challenge
            again = True
        return again

    def sign(self, request: Request) -> None:
        """Put an answer to every challenge met so far into `request`, in place of older ones."""
        for status, (_, name) in _HEADERS.items():
            values = [self._answer(c, request) for (met, _), c in self._met.items() if met == status]
            if not values:
                continue
            request.headers.set(name, values[0])
            for value in values[1:]:
                request.headers.add(name, value)

    def _answer(self, challenge: Challenge, request: Request) -> str:
        credentials = self._for(challenge.realm)
        assert credentials is not None
        count = self._counts[challenge.nonce] = self._counts.get(challenge.nonce, 0) + 1
        if len(self._counts) > 2 * _MOST_CHALLENGES:
            live = {challenge.nonce for challenge in self._met.values()}
            self._counts = {nonce: seen for nonce, seen in self._counts.items() if nonce in live}
        return authorization(
            challenge, credentials, request.method, request.uri, count=count, cnonce=self._cnonce()
        )

    def _for(self, realm: str) -> Credentials | None:
        named = [c for c in self._credentials if c.realm == realm]
        return next(iter(named or [c for c in self._credentials if not c.realm]), None)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if text.startswith('"') else text
