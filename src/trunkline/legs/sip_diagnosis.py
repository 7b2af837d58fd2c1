"""What is wrong with a trunk, in words: what was seen goes in, sentences come out. Pure.

`Observed` is filled by `sip_doctor.py`; `diagnose` is all there is to it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

OWN_SOUND = 0.4
"""Share of what came back that has to be ours (a correlation) for it to count as an echo."""
SILENT_DBFS = -60.0
_LONG_DELAY = 0.5
_LOSS = 0.02
_JITTER_MS = 50.0
_DATE_SECONDS = 60.0
_CLOCK_PPM = 2_000.0
"""What a few seconds of arrival times tell at best: crystals are 100 apart, broken clocks thousands."""
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
        "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""What no one outside can reach: RFC 1918, 6598, 3927, 4193. (Python's own list has documentation's too.)"""


class State(StrEnum):
    """How a thing was found."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


class Part(StrEnum):
    """What a finding is about."""

    ADDRESS = "address"
    FIREWALL = "firewall"
    ENCRYPTION = "encryption"
    NAT = "nat"
    CREDENTIALS = "credentials"
    CALL = "call"
    CODEC = "codec"
    SOUND = "sound"
    LOSS = "loss"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence. `hint`: what to do about it."""

    part: Part
    state: State
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request came to: its last status, 0 where nothing came."""

    method: str
    status: int = 0
    reason: str = ""
    seconds: float = 0.0
    challenged: bool = False
    """It was asked for a password on its way."""


@dataclass(slots=True)
class Observed:
    """Everything that was seen, in the order of the steps; what was not reached keeps its default."""

    server: str
    transport: str = "udp"
    has_credentials: bool = False
    addresses: tuple[str, ...] = ()
    """What the server's name resolves to, or `()`."""
    resolve_error: str = ""
    connect_error: str = ""
    """"refused", "timeout", or why a certificate did not convince; empty where all was well."""
    our_address: tuple[str, int] = ("", 0)
    """How our Via and Contact name us."""
    seen_as: tuple[str, int] = ("", 0)
    """As whom the server saw us (`received` and `rport` of our Via, RFC 3581)."""
    options: Reply | None = None
    register: Reply | None = None
    granted: int = 0
    """Seconds of the registration."""
    invite: Reply | None = None
    server_date: float | None = None
    """Seconds that the server's clock is ahead of ours (its Date header)."""
    echo: str = ""
    """Whom we called; empty: nobody was given."""
    answered: bool = False
    ended_early: str = ""
    offered: tuple[str, ...] = ()
    codec: str = ""
    our_media: tuple[str, int] = ("", 0)
    """What our SDP named, and what theirs named."""
    their_media: tuple[str, int] = ("", 0)
    media_from: tuple[str, int] = ("", 0)
    """Where their packets came from."""
    sent: int = 0
    received: int = 0
    lost: int = 0
    remote_loss: float | None = None
    """Share of ours that they say was lost (RTCP)."""
    jitter_ms: float = 0.0
    round_trip_ms: float | None = None
    level_dbfs: float = -120.0
    """The loudest tenth of a second that came back."""
    own_share: float = 0.0
    echo_delay: float | None = None
    clock_ppm: float | None = None
    """How much faster their sound's clock runs than ours."""
    others: dict[str, str] = field(default_factory=dict)
    """What the server says of itself."""


def diagnose(seen: Observed) -> list[Finding]:
    """All there is to say, in the order in which a person would look."""
    found = list(_address(seen))
    if not seen.resolve_error:
        reached = list(_reached(seen))
        found += reached
        if not any(one.state is State.PROBLEM for one in reached):
            found += [*_nat(seen), *_credentials(seen), *_call(seen)]
            if seen.answered:
                found += [*_sound(seen), *_loss(seen)]
            found += _clock(seen)
    return found


def _address(seen: Observed) -> Iterator[Finding]:
    if seen.resolve_error:
        yield Finding(
            Part.ADDRESS, State.PROBLEM, f"{seen.server} cannot be found: {seen.resolve_error}.",
            "Check how it is spelt, and that this machine can ask a name server.",
        )  # fmt: skip
    else:
        where = ", ".join(seen.addresses)
        yield Finding(Part.ADDRESS, State.OK, f"{seen.server} is {where}, over {seen.transport.upper()}.")


def _reached(seen: Observed) -> Iterator[Finding]:
    replies = [reply for reply in (seen.options, seen.register, seen.invite) if reply is not None]
    first = next((reply for reply in replies if reply.status), None)
    if first is not None:
        took = f" after {first.seconds * 1000:.0f} ms" if first.seconds else ""
        said = f"{first.method}: {first.status} {first.reason}"
        software = next(iter(seen.others.values()), "")
        name = f" It calls itself {software!r}." if software else ""
        yield Finding(Part.FIREWALL, State.OK, f"It answers{took} ({said}).{name}")
        if seen.transport == "tls":
            yield Finding(Part.ENCRYPTION, State.OK, "Its certificate convinces.")
        return
    if seen.connect_error == "refused":
        yield Finding(
            Part.FIREWALL, State.PROBLEM, f"Nobody listens at {seen.server} over {seen.transport.upper()}.",
            "Check the port and the transport: sip:HOST:PORT;transport=udp, tcp or tls.",
        )  # fmt: skip
    elif seen.connect_error and seen.connect_error != "timeout":
        yield Finding(
            Part.ENCRYPTION, State.PROBLEM, f"No encrypted connection could be made: {seen.connect_error}.",
            "The name in `server` must be the certificate's; sip.tls_trusted_file names who may vouch for "
            "it. Check this machine's date too.",
        )  # fmt: skip
    else:
        other = "tcp" if seen.transport == "udp" else "udp"
        asked = ", ".join(reply.method for reply in replies) or "what we sent"
        yield Finding(
            Part.FIREWALL, State.PROBLEM,
            f"Nothing came back from {seen.server} over {seen.transport.upper()} to {asked}.",
            "A firewall on either side drops it, or the server ignores whom it does not know: have this "
            f"machine's public address allowed there. Try ;transport={other} too.",
        )  # fmt: skip


def _nat(seen: Observed) -> Iterator[Finding]:
    (ours, our_port), (theirs, their_port) = seen.our_address, seen.seen_as
    if not theirs:
        if _private(ours) and seen.addresses and not _private(seen.addresses[0]):
            yield Finding(
                Part.NAT, State.NOTE,
                f"We call ourselves {ours}, a private address, and the server does not say how it sees us.",
                "Behind NAT set sip.advertised_host to the public address.",
            )  # fmt: skip
        return
    if ours == theirs and our_port == their_port:
        yield Finding(Part.NAT, State.OK, f"The server sees us as we call ourselves: {ours}:{our_port}.")
    elif ours == theirs:
        if seen.transport == "udp":
            yield Finding(
                Part.NAT, State.NOTE,
                f"The server sees our port {our_port} as {their_port}: NAT changes it.",
                "Calls to us arrive only while that opening lasts: register, or forward the port as it is.",
            )  # fmt: skip
    else:
        yield Finding(
            Part.NAT, State.PROBLEM,
            f"The server sees us as {theirs}:{their_port}; we call ourselves {ours}:{our_port}: that is NAT.",
            f"Set sip.advertised_host to {theirs}; forward its SIP port and sip.rtp_ports to this machine.",
        )  # fmt: skip


def _credentials(seen: Observed) -> Iterator[Finding]:
    for reply in (seen.register, seen.invite):
        if reply is None or not reply.status:
            continue
        said = f"{reply.method}: {reply.status} {reply.reason}"
        if reply.status in (401, 407) and not seen.has_credentials:
            yield Finding(
                Part.CREDENTIALS, State.PROBLEM, f"The server asks for a password, and none is set ({said}).",
                "Set user and password of the trunk.",
            )  # fmt: skip
        elif reply.status in (401, 407) or (reply.status == 403 and reply.challenged):
            yield Finding(
                Part.CREDENTIALS, State.PROBLEM, f"The server refuses user and password ({said}).",
                "Check both; some trunks want a login that is not the number.",
            )  # fmt: skip
        elif reply.status == 403:
            yield Finding(
                Part.CREDENTIALS, State.PROBLEM,
                f"The server refuses us, and asked for no password ({said}).",
                "It may know callers by their address: have this machine's public address allowed there. Or "
                "the caller's number is none that it lets us show (callers of the trunk).",
            )  # fmt: skip
        elif reply.method == "REGISTER" and reply.status == 404:
            yield Finding(
                Part.CREDENTIALS,
                State.PROBLEM,
                f"The server does not know this user ({said}).",
                "Check user.",
            )
        elif reply.method == "REGISTER" and reply.status < 300:
            yield Finding(Part.CREDENTIALS, State.OK, f"Registered, for {seen.granted} s.")
        elif reply.method == "REGISTER":
            yield Finding(
                Part.CREDENTIALS, State.PROBLEM, f"The registration was refused ({said}).",
                "Where the trunk wants none, leave out register.",
            )  # fmt: skip
        elif reply.challenged and reply.status < 300:
            yield Finding(Part.CREDENTIALS, State.OK, "User and password were taken for the call.")
    if seen.register is not None and not seen.register.status:
        yield Finding(
            Part.CREDENTIALS, State.PROBLEM, "No answer came to REGISTER, though the server answers else.",
            "It may drop registrations that it does not know; check the registrar's name.",
        )  # fmt: skip


def _call(seen: Observed) -> Iterator[Finding]:
    reply = seen.invite
    if reply is None:
        if not seen.echo:
            yield Finding(
                Part.CALL, State.NOTE, "No call was placed, so nothing is known of sound.",
                "Give somebody who gives sound back: --echo sip:echo@HOST, or a number.",
            )  # fmt: skip
        return
    said = f"{reply.status} {reply.reason}"
    if seen.answered:
        yield Finding(Part.CALL, State.OK, f"{seen.echo} answered.")
        yield Finding(
            Part.CODEC, State.OK, f"The sound is {seen.codec}; {', '.join(seen.offered)} were offered."
        )
        if seen.ended_early:
            yield Finding(Part.CALL, State.PROBLEM, f"They ended the call early: {seen.ended_early}.")
    elif reply.status in (415, 488, 606) or (200 <= reply.status < 300):
        yield Finding(
            Part.CODEC, State.PROBLEM,
            f"There is no sound that both ends can do: we offered {', '.join(seen.offered)} ({said}).",
            "Offer more in sip.codecs; where they demand or refuse encryption, set sip.srtp.",
        )  # fmt: skip
    elif not reply.status:
        yield Finding(
            Part.CALL, State.PROBLEM, f"{seen.echo} did not answer in time.",
            "If the server answers OPTIONS but no INVITE, the INVITE may be too large for a datagram on the "
            "way: try ;transport=tcp, or fewer codecs.",
        )  # fmt: skip
    elif reply.status not in (401, 403, 407):
        yield Finding(
            Part.CALL, State.PROBLEM, f"{seen.echo} was not reached: {said}.", _why_not(reply.status)
        )


def _why_not(status: int) -> str:
    if status in (404, 410, 484, 604):
        return "Check the number and how the trunk wants it written: plus, prefixes."
    if status in (480, 486, 600, 603, 408, 487):
        return "The line itself said no; try another echo."
    return "The trunk's support can say why: send them a trace (--trace)."


def _sound(seen: Observed) -> Iterator[Finding]:
    to_us = f"{seen.our_media[0]}:{seen.our_media[1]}"
    to_them = f"{seen.their_media[0]}:{seen.their_media[1]}"
    if not seen.received:
        private = _private(seen.our_media[0]) and not _private(seen.their_media[0])
        behind = " We named a private address, which cannot be reached from there." if private else ""
        yield Finding(
            Part.SOUND, State.PROBLEM, f"One-way audio: no packet of theirs came to {to_us}.{behind}",
            "Open sip.rtp_ports (UDP) in the firewall and forward them to this machine; behind NAT set "
            "sip.advertised_media_host to the public address.",
        )  # fmt: skip
        return
    if seen.media_from[0] and seen.media_from[0] != seen.their_media[0]:
        yield Finding(
            Part.NAT, State.NOTE,
            f"Their sound comes from {seen.media_from[0]}, though they named {seen.their_media[0]}: NAT at "
            "their end. We send to where it comes from.",
        )  # fmt: skip
    if seen.own_share >= OWN_SOUND:
        delay = f" after {seen.echo_delay * 1000:.0f} ms" if seen.echo_delay is not None else ""
        late = seen.echo_delay is not None and seen.echo_delay > _LONG_DELAY
        yield Finding(
            Part.SOUND, State.NOTE if late else State.OK, f"Our own sound came back{delay}: both ways work.",
            "That is long for a conversation: who is nearer?" if late else "",
        )  # fmt: skip
    elif seen.remote_loss is not None and seen.remote_loss < 0.5 and seen.level_dbfs < SILENT_DBFS:
        yield Finding(
            Part.SOUND, State.PROBLEM,
            f"One-way audio: they say that our packets arrive at {to_them}, and silence comes back.",
            "Either that line gives no sound back, or sound is lost beyond it: try another echo.",
        )  # fmt: skip
    elif seen.remote_loss is not None and seen.remote_loss < 0.5:
        yield Finding(
            Part.SOUND, State.NOTE,
            f"They say that our packets arrive at {to_them}, but what came back was not our sound.",
            "Is that line an echo?",
        )  # fmt: skip
    elif seen.level_dbfs < SILENT_DBFS:
        yield Finding(
            Part.SOUND, State.PROBLEM,
            f"One-way audio: their packets come and are silent, so ours probably do not arrive at {to_them}.",
            "A firewall of ours may keep UDP from leaving, or their end sends no sound until it gets some.",
        )  # fmt: skip
    else:
        yield Finding(
            Part.SOUND, State.PROBLEM,
            f"Sound comes, but not ours: our packets to {to_them} may not arrive, or that line is no echo.",
            "Try a line that is known to give sound back; look whether UDP may leave this machine.",
        )  # fmt: skip


def _loss(seen: Observed) -> Iterator[Finding]:
    expected = seen.received + seen.lost
    share = seen.lost / expected if expected else 0.0
    bad = []
    if share > _LOSS:
        bad.append(f"{100 * share:.1f} % of their packets were lost")
    if seen.remote_loss is not None and seen.remote_loss > _LOSS:
        bad.append(f"they lost {100 * seen.remote_loss:.1f} % of ours")
    if seen.jitter_ms > _JITTER_MS:
        bad.append(f"packets come unevenly (jitter {seen.jitter_ms:.0f} ms)")
    trip = f", round trip {seen.round_trip_ms:.0f} ms" if seen.round_trip_ms is not None else ""
    if bad:
        yield Finding(
            Part.LOSS, State.PROBLEM, f"The network is bad: {'; '.join(bad)}{trip}.",
            "Use a wired line; look whether somebody else fills it.",
        )  # fmt: skip
    elif seen.received:
        yield Finding(
            Part.LOSS, State.OK,
            f"{seen.lost} of {expected} packets lost, jitter {seen.jitter_ms:.0f} ms{trip}.",
        )  # fmt: skip


def _clock(seen: Observed) -> Iterator[Finding]:
    if seen.server_date is not None and abs(seen.server_date) > _DATE_SECONDS:
        way = "ahead of" if seen.server_date > 0 else "behind"
        yield Finding(
            Part.CLOCK, State.PROBLEM,
            f"The server's clock is {abs(seen.server_date):.0f} s {way} ours: one of them is wrong.",
            "Certificates and signed caller ids depend on it: timedatectl set-ntp true",
        )  # fmt: skip
    if seen.clock_ppm is not None and abs(seen.clock_ppm) > _CLOCK_PPM:
        way = "fast" if seen.clock_ppm > 0 else "slow"
        yield Finding(
            Part.CLOCK, State.PROBLEM,
            f"The clock of their sound runs {abs(seen.clock_ppm) / 10_000:.1f} % {way}: gaps or delay.",
            "Their gateway's timing is broken, or its packets are not of the length that they say.",
        )  # fmt: skip


def _private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE if network.version == address.version)
