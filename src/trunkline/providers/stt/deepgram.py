"""Deepgram: `--stt deepgram,model=nova-3` or `--stt deepgram,model=flux-general-en`, the key in
`DEEPGRAM_API_KEY`.

Nova listens on `/v1/listen` (developers.deepgram.com/reference/speech-to-text/listen-streaming): a pause or
the turn's end is told with `Finalize`, so that its final words come at once. Flux listens on `/v2/listen`
(developers.deepgram.com/reference/speech-to-text/listen-flux) and finds the end of the turn itself; where
our own turn-taking was first, `ForceEndTurn` says so. Telephone sound goes out as mu-law at 8 kHz.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.deepgram_flux import FluxWire
from trunkline.providers.stt.deepgram_nova import NovaWire
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import line_format
from trunkline.providers.stt.socket_recognition import SocketRecognition

_OFFICIAL = "https://api.deepgram.com"


class Deepgram(HostedEngine):
    """`model`: nova-3, nova-2, flux-general-en and their like. `language`: instead of the call's own; "multi"
    for several. `keyterms`: separated by `|`, beside the scenario's.

    Nova: `endpointing_ms`: silence after which words are final anyway. `finalise_on_pause`: ask for them as
    soon as our own voice activity hears a pause. Flux: `eot_threshold` (0.5 to 1) and `eot_timeout_ms`: when
    it believes that the turn is over; `eager_eot_threshold` (0.3 to 0.9; 0 for never): when it thinks so."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "nova-3",
        language: str = "",
        keyterms: str = "",
        smart_format: bool = True,
        endpointing_ms: int = 300,
        utterance_end_ms: int = 1000,
        finalise_on_pause: bool = True,
        eot_threshold: float = 0.7,
        eager_eot_threshold: float = 0.4,
        eot_timeout_ms: int = 5000,
        base_url: str = _OFFICIAL,
        key_env: str = "DEEPGRAM_API_KEY",
        connect_s: float = 5.0,
        verify: bool = True,
    ) -> None:
        # Nova's mixture of languages has a price of its own; Flux has a model for it.
        priced = f"{model}-multi" if language == "multi" and model.startswith("nova-") else model
        super().__init__(clock, f"deepgram/{priced}", "deepgram", base_url, key_env, connect_s, verify)
        self._model = model
        self._language = language
        self._keyterms = tuple(keyterms.split("|"))
        self._smart_format = smart_format
        self._endpointing = endpointing_ms
        self._utterance_end = utterance_end_ms
        self._finalise_on_pause = finalise_on_pause
        self._eot = eot_threshold
        self._eager_eot = eager_eot_threshold
        self._eot_timeout = eot_timeout_ms

    def _headers(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Token {key}"}

    def _card(self) -> str:
        return "/v1/models"

    def _check(self) -> None:
        good = (
            0.5 <= self._eot <= 1
            and (self._eager_eot == 0 or 0.3 <= self._eager_eot <= min(0.9, self._eot))
            and 500 <= self._eot_timeout <= 60_000
            and self._endpointing >= 0
            and (self._utterance_end == 0 or self._utterance_end >= 1000)
        )
        if not good:
            raise ConfigError(
                "its times or thresholds are out of range",
                where="deepgram",
                hint="eot_threshold is 0.5 to 1, eager_eot_threshold 0.3 to 0.9 and not above it, "
                "eot_timeout_ms 500 to 60000, utterance_end_ms 1000 or more",
            )

    @property
    def _flux(self) -> bool:
        return self._model.startswith("flux")

    async def open(self, options: ListenOptions) -> SocketRecognition:
        key = self._key_when_started()
        sound = line_format(options.rate, self.where)
        keyterms = keyterms_of(self._keyterms, options.keyterms)
        query: list[tuple[str, Any]] = [
            ("model", self._model),
            ("encoding", "mulaw" if sound.mulaw else "linear16"),
            ("sample_rate", sound.rate),
            *(self._flux_query(options) if self._flux else self._nova_query(options)),
        ]
        # Nova-2 and older know keywords; what came after them, key terms.
        older = not self._flux and not self._model.startswith("nova-3")
        query += [("keywords" if older else "keyterm", term) for term in keyterms]
        path = "/v2/listen" if self._flux else "/v1/listen"
        url = f"{self._base_url.replace('http', 'ws', 1)}{path}?{urlencode(query)}"
        wire: FluxWire | NovaWire
        if self._flux:
            wire = FluxWire()
        else:
            wire = NovaWire(finalise_on_pause=self._finalise_on_pause, configures=not older)
        line = SocketLine(
            self.where, url, self._headers(key), self._key_env, "deepgram", connect_s=self._connect
        )
        heard = ListenOptions(options.rate, options.language, keyterms)
        return await self._opened(SocketRecognition(line, wire, self._clock, heard, sound))

    def _nova_query(self, options: ListenOptions) -> list[tuple[str, Any]]:
        query: list[tuple[str, Any]] = [
            ("channels", 1),
            ("language", self._language or options.language),
            ("interim_results", "true"),
            ("vad_events", "true"),
            ("punctuate", "true"),
            ("smart_format", str(self._smart_format).lower()),
            ("endpointing", self._endpointing or "false"),
        ]
        return query + ([("utterance_end_ms", self._utterance_end)] if self._utterance_end else [])

    def _flux_query(self, options: ListenOptions) -> list[tuple[str, Any]]:
        query: list[tuple[str, Any]] = [
            ("eot_threshold", self._eot),
            ("eot_timeout_ms", self._eot_timeout),
        ]
        if self._eager_eot:
            query.append(("eager_eot_threshold", self._eager_eot))
        if self._model == "flux-general-multi":
            query.append(("language_hint", (self._language or options.language).split("-")[0]))
        return query
