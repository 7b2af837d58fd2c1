"""Offer and answer (RFC 3264): what both ends can do, and what they agree on for one audio stream.

`Terms` is one call's side of it: `offer()` makes an offer, `take_answer()` reads the answer to it,
`answer()` reads an offer and answers it; each agreement is an `Agreement`. Nothing here knows
sockets: the address of our own media is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from trunkline.errors import ParseError, SipError
from trunkline.sip.sdp import Attributes, Description, Media, parse_sdp
from trunkline.sip.sdp_codecs import (
    EVENTS,
    NOISE,
    Codec,
    codec_attributes,
    events_for,
    listed_codecs,
    noise_for,
    numbered_as,
)
from trunkline.sip.sdp_crypto import KEY_BYTES, Crypto, cryptos

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
PACKET_TIMES = (10, 20, 30, 40, 60)
_PLAIN, _SECURE = ("RTP/AVP", "RTP/AVPF"), ("RTP/SAVP", "RTP/SAVPF")
_XR = "voip-metrics"


class Srtp(StrEnum):
    """Whether media is encrypted, with keys in the description (RFC 4568)."""

    OFF = "off"
    PREFERRED = "preferred"
    """Offered as `RTP/AVP` with keys, which those who encrypt understand and the others pass over."""
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class MediaPolicy:
    """What our media may be, beside its codecs.

    `suites`: what this machine can encrypt with; `offered`: what of it is offered, in order of
    preference (each makes the offer longer by a line, so not all). `make_key`: random bytes, so
    many; handed in because nothing here is random. `ptime_ms`: how much sound a packet to us should
    hold. `comfort_noise`, `xr`: offer RFC 3389 and the VoIP metrics of RFC 3611; where the other end
    offers them, they are taken anyway.
    """

    srtp: Srtp = Srtp.OFF
    suites: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    make_key: Callable[[int], bytes] | None = None
    ptime_ms: int = 20
    rtcp_mux: bool = True
    comfort_noise: bool = False
    xr: bool = False


@dataclass(frozen=True, slots=True)
class AgreedKeys:
    """How media is encrypted: one suite, a key for each direction."""

    suite: str
    ours: bytes = field(repr=False)
    theirs: bytes = field(repr=False)
    tag: int = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both ends agreed on for the audio."""

    host: str
    """Where their media is received."""
    port: int
    codec: Codec
    """What to send; received under the same payload type, and under any other in `receivable`."""
    receivable: tuple[Codec, ...]
    """Everything that may come: other codecs, keypad events and comfort noise too."""
    dtmf_payload_type: int | None
    """Telephone-events; None where they take none."""
    send: bool = True
    receive: bool = True
    ptime_ms: int = 20
    """The packet time that they ask for."""
    dtmf_clock: int = 8000
    noise_payload_type: int | None = None
    keys: AgreedKeys | None = None
    """None for plain RTP."""
    rtcp: tuple[str, int] | None = None
    """Where their reports are received, if they say so (RFC 3605)."""
    rtcp_mux: bool = False
    """Reports share the port of the sound (RFC 5761)."""
    xr: bool = False
    """They want VoIP metrics (RFC 3611)."""


class Terms:
    """One call's offers and answers. `codecs` in order of our preference.

    Raises `SipError` (the call cannot be made to work: answer 488) and `ParseError` (no SDP).
    """

    def __init__(
        self,
        host: str,
        port: int,
        codecs: tuple[Codec, ...],
        *,
        session_id: int,
        policy: MediaPolicy | None = None,
        report_port: int = 0,
    ) -> None:
        """`report_port`: where reports are received, if not at the port after `port`."""
        self._host = host
        self._port = port
        self._report_port = report_port
        self._codecs = codecs
        self._policy = policy or MediaPolicy()
        self._session_id = str(session_id)
        self._version = 0
        self._last: bytes = b""
        self._described: Description | None = None
        """What we said last, be it offer or answer."""
        self._audio = 0
        """Which of the m= sections is the one that both ends use."""
        self._known: tuple[Codec, ...] = ()
        """Payload types that mean something in this call."""
        self._offered: Description | None = None
        self._keys: dict[str, bytes] = {}
        """Our key for each suite: the same for as long as the call lasts, so that neither a re-INVITE
        nor a session refresh sets counters back."""
        self.agreement: Agreement | None = None
        """What counts now; None before the first agreement."""

    def move(self, host: str, port: int) -> None:
        """Our media is received elsewhere from now on: tell with the next offer or answer."""
        self._host, self._port, self._report_port = host, port, 0

    def offer(self, *, hold: bool = False) -> bytes:
        """Our offer: for an INVITE, a re-INVITE, or a 200 to an INVITE without one. Sections that were
        refused before keep their place (RFC 3264 §8)."""
        policy = self._policy
        noise = noise_for(self._codecs) if policy.comfort_noise else ()
        codecs = numbered_as((*self._codecs, *noise, *events_for(self._codecs)), self._known)
        media = Media(
            "audio",
            self._port,
            self._protocol(),
            tuple(str(codec.payload_type) for codec in codecs),
            attributes=(
                *codec_attributes(codecs),
                *(("crypto", str(crypto)) for crypto in self._our_cryptos()),
                *self._reports(),
                *((("rtcp-mux", ""),) if policy.rtcp_mux else ()),
                *((("rtcp-xr", _XR),) if policy.xr else ()),
                ("ptime", str(policy.ptime_ms)),
                ("sendonly" if hold else "sendrecv", ""),
            ),
        )
        before = self._described.media if self._described is not None else (media,)
        sections = [Media(other.kind, 0, other.protocol, other.formats) for other in before]
        sections[self._audio] = media
        self._offered = self._describe(tuple(sections))
        return self._print(self._offered)

    def _reports(self) -> tuple[tuple[str, str], ...]:
        """Where reports are received, where that has to be said (RFC 3605)."""
        return (("rtcp", str(self._report_port)),) if self._report_port not in (0, self._port + 1) else ()

    def _protocol(self) -> str:
        """Within a call it stays what both ends have agreed on: whoever speaks RTP/SAVP may take nothing
        else."""
        if self.agreement is not None and self._described is not None:
            return self._described.media[self._audio].protocol
        return "RTP/SAVP" if self._policy.srtp is Srtp.REQUIRED else "RTP/AVP"

    def repeat(self) -> None:
        """What we said last is offered again as it stands: their answer to it comes."""
        self._offered = self._described

    def take_answer(self, data: bytes) -> Agreement:
        """What their answer to our last offer comes to."""
        offered = self._offered
        if offered is None:
            raise SipError("an answer without an offer", where="sdp")
        answer = parse_sdp(data)
        media = answer.media[self._audio] if len(answer.media) > self._audio else None
        if media is None or media.kind != "audio" or media.port == 0:
            raise SipError("they refuse our audio", where="sdp")
        ours = offered.media[self._audio]
        agreement = self._agree(answer, media, ours_first=False)
        direction = _direction(ours.attributes, offered.attributes)
        # They are to send under the payload types of our offer; many send under their own.
        known = {codec.payload_type: codec for codec in (*agreement.receivable, *listed_codecs(ours))}
        self.agreement = replace(
            agreement,
            receivable=tuple(known.values()),
            keys=self._answered_keys(ours, media),
            rtcp_mux=agreement.rtcp_mux and ours.attribute("rtcp-mux") is not None,
            send=agreement.send and direction in ("sendrecv", "sendonly"),
            receive=agreement.receive and direction in ("sendrecv", "recvonly"),
        )
        self._known = self.agreement.receivable
        return self.agreement

    def answer(self, data: bytes) -> tuple[bytes, Agreement]:
        """Our answer to their offer, and what it comes to. The first audio stream that can be had is
        taken, all others are refused (RFC 3264 §6)."""
        offer = parse_sdp(data)
        agreement: Agreement | None = None
        sections: list[Media] = []
        problem = SipError("no audio in their offer", where="sdp")
        for media in offer.media:
            section = Media(media.kind, 0, media.protocol, media.formats)
            if agreement is None and media.kind == "audio" and media.port:
                try:
                    agreement = self._agree(offer, media, ours_first=True)
                    agreement = replace(agreement, keys=self._chosen_keys(media))
                except SipError as error:
                    problem, agreement = error, None
                else:
                    section = self._answer_media(media, agreement)
                    self._audio = len(sections)
            sections.append(section)
        if agreement is None:
            raise problem
        self.agreement = agreement
        self._known = agreement.receivable
        return self._print(self._describe(tuple(sections))), agreement

    def _agree(self, theirs: Description, media: Media, *, ours_first: bool) -> Agreement:
        """What can be had of one audio section of theirs, be it offer or answer; but for the keys."""
        if media.protocol not in (_PLAIN if self._policy.srtp is Srtp.OFF else _PLAIN + _SECURE):
            raise SipError(f"{media.protocol} is not served", where="sdp")
        host = theirs.host_of(media)
        if not host:
            raise ParseError("no c= line for the audio", where="sdp")
        codecs = listed_codecs(media)
        # In an offer our preference decides among what they can do; an answer's own order counts.
        common = [c for c in codecs if any(c.same_encoding(own) for own in self._codecs)]
        if ours_first:
            order = {own.name: place for place, own in enumerate(self._codecs)}
            common.sort(key=lambda codec: order[codec.name])
        if not common:
            names = ", ".join(codec.name for codec in codecs) or "nothing"
            raise SipError(f"no codec in common: they have {names[:200]}", where="sdp")
        # Events belong at the sound's own clock (RFC 4733 §2.1); at 8000 many offer them for any sound.
        clocks = {codec.clock for codec in common} | {8000}
        beside = [c for c in codecs if c.name in (EVENTS, NOISE) and c.clock in clocks]
        events = {c.clock: c for c in reversed(beside) if c.name == EVENTS}
        dtmf = events.get(common[0].clock) or events.get(8000)
        noise = next((c for c in beside if c.name == NOISE and c.clock == common[0].clock), None)
        direction = _direction(media.attributes, theirs.attributes)
        # c=0.0.0.0 is the old way to say hold (RFC 2543): nothing must be sent there.
        held = host in ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
        return Agreement(
            host,
            media.port,
            common[0],
            (*common, *beside),
            dtmf.payload_type if dtmf else None,
            send=direction in ("sendrecv", "recvonly") and not held,
            receive=direction in ("sendrecv", "sendonly"),
            ptime_ms=_ptime(media, self._policy.ptime_ms),
            dtmf_clock=dtmf.clock if dtmf else common[0].clock,
            noise_payload_type=noise.payload_type if noise else None,
            rtcp=_rtcp(media, host),
            rtcp_mux=self._policy.rtcp_mux and media.attribute("rtcp-mux") is not None,
            xr=_XR in (media.attribute("rtcp-xr") or theirs.attribute("rtcp-xr") or ""),
        )

    def _answer_media(self, media: Media, agreement: Agreement) -> Media:
        own = {codec.name: codec.fmtp for codec in (*self._codecs, *events_for(self._codecs))}
        codecs = tuple(replace(codec, fmtp=own.get(codec.name, "")) for codec in agreement.receivable)
        direction = {
            (True, True): "sendrecv",
            (True, False): "sendonly",
            (False, True): "recvonly",
            (False, False): "inactive",
        }[agreement.send, agreement.receive]
        keys = agreement.keys
        return Media(
            "audio",
            self._port,
            media.protocol,
            tuple(str(codec.payload_type) for codec in codecs),
            attributes=(
                *codec_attributes(codecs),
                *((("crypto", str(Crypto(keys.tag, keys.suite, keys.ours))),) if keys else ()),
                *self._reports(),
                *((("rtcp-mux", ""),) if agreement.rtcp_mux else ()),
                *((("rtcp-xr", _XR),) if agreement.xr else ()),
                ("ptime", str(self._policy.ptime_ms)),
                (direction, ""),
            ),
        )

    # --- keys -------------------------------------------------------------------------------------

    def _our_key(self, suite: str) -> bytes:
        if suite not in self._keys:
            make = self._policy.make_key
            if make is None:
                raise SipError("nothing here makes keys", where="sdp")
            self._keys[suite] = make(KEY_BYTES[suite])
        return self._keys[suite]

    def _our_cryptos(self) -> list[Crypto]:
        if self._policy.srtp is Srtp.OFF:
            return []
        suites = enumerate(self._policy.offered, start=1)
        return [Crypto(tag, suite, self._our_key(suite)) for tag, suite in suites]

    def _chosen_keys(self, media: Media) -> AgreedKeys | None:
        """Of what they offer: what is in force, if that is among it, else what they like best (RFC 4568
        §5.1.2)."""
        policy = self._policy
        if policy.srtp is Srtp.OFF:
            return None
        offered = cryptos(media, policy.suites)
        if not offered:
            if policy.srtp is Srtp.REQUIRED:
                raise SipError("they offer no encryption that we have", where="sdp")
            if media.protocol in _SECURE:
                raise SipError(f"{media.protocol} without keys that we can take", where="sdp")
            return None
        before = self.agreement.keys if self.agreement is not None else None
        same = (c for c in offered if before is not None and c.suite == before.suite)
        chosen = next(same, offered[0])
        return AgreedKeys(chosen.suite, self._our_key(chosen.suite), chosen.key, chosen.tag)

    def _answered_keys(self, ours: Media, media: Media) -> AgreedKeys | None:
        """What their answer took of the keys that we offered."""
        offered = {crypto.tag: crypto for crypto in cryptos(ours, self._policy.suites)}
        answered = cryptos(media, self._policy.suites)
        if not answered:
            if offered and (self._policy.srtp is Srtp.REQUIRED or media.protocol in _SECURE):
                raise SipError("they answer without encryption", where="sdp")
            return None
        taken = answered[0]
        mine = offered.get(taken.tag)
        if len(answered) > 1 or mine is None or mine.suite != taken.suite:
            raise SipError("they answer with keys that were not offered", where="sdp")
        return AgreedKeys(taken.suite, mine.key, taken.key, taken.tag)

    # --- the description --------------------------------------------------------------------------

    def _describe(self, media: tuple[Media, ...]) -> Description:
        return Description("-", self._session_id, self._version, self._host, self._host, media)

    def _print(self, description: Description) -> bytes:
        """As bytes; the version goes up if and only if something changed (RFC 3264 §8)."""
        if self._last and bytes(description) != self._last:
            self._version += 1
            description = replace(description, version=self._version)
        self._last = bytes(description)
        self._described = description
        return self._last


def _direction(media: Attributes, session: Attributes) -> str:
    for attributes in (media, session):
        for name, _ in attributes:
            if name in DIRECTIONS:
                return name
    return "sendrecv"


def _ptime(media: Media, default: int) -> int:
    """The packet time that they ask for, within what they can take at most."""
    asked = _milliseconds(media.attribute("ptime")) or default
    most = _milliseconds(media.attribute("maxptime")) or PACKET_TIMES[-1]
    within = [time for time in PACKET_TIMES if time <= most] or [PACKET_TIMES[0]]
    return max((time for time in within if time <= asked), default=within[0])


def _milliseconds(text: str | None) -> int:
    """A packet time, 0 for none and for nonsense; some write 20.0."""
    whole = (text or "").partition(".")[0]
    return int(whole) if whole.isascii() and whole.isdigit() and len(whole) <= 4 else 0


def _rtcp(media: Media, host: str) -> tuple[str, int] | None:
    """Where their reports are received, where a=rtcp says so (RFC 3605)."""
    fields = (media.attribute("rtcp") or "").split()
    if not fields or not (fields[0].isascii() and fields[0].isdigit() and len(fields[0]) <= 5):
        return None
    port = int(fields[0])
    return (fields[3] if len(fields) == 4 else host, port) if 0 < port <= 65535 else None
