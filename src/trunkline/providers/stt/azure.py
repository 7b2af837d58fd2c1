"""Azure's recogniser: `--stt azure,region=westeurope`, the key in `AZURE_SPEECH_KEY`.

The WebSocket protocol that the vendor's open SDKs speak
(github.com/microsoft/cognitive-services-speech-sdk-js): a conversation of phrases, each final after a short
silence (`segmentation_ms`), which the service measures itself: it has no message that asks for final words at
once. Telephone sound goes out as mu-law.
"""

from __future__ import annotations

import os
from urllib.parse import urlencode
from uuid import uuid4

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.providers.hosted_engine import HostedEngine
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.socket_line import SocketLine
from trunkline.providers.stt.azure_wire import AzureWire
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import line_format
from trunkline.providers.stt.socket_recognition import SocketRecognition

_WHERE = "azure"
_PATH = "/speech/recognition/conversation/cognitiveservices/v1"
_USUAL_REGION = {"en": "en-US", "de": "de-DE", "es": "es-ES", "fr": "fr-FR", "it": "it-IT", "pt": "pt-BR"}
"""The service wants a language with its country."""


class AzureRecogniser(HostedEngine):
    """`region`: the resource's, else from `AZURE_SPEECH_REGION`. `base_url`: in place of it, for a private
    endpoint or a container. `language`: such as en-GB, instead of the call's own. `deployment`: the id of a
    custom model's endpoint. `segmentation_ms` (100 to 5000): silence that ends a phrase."""

    def __init__(
        self,
        *,
        clock: Clock,
        region: str = "",
        base_url: str = "",
        language: str = "",
        deployment: str = "",
        keyterms: str = "",
        segmentation_ms: int = 300,
        key_env: str = "AZURE_SPEECH_KEY",
        connect_s: float = 5.0,
        verify: bool = True,
    ) -> None:
        region = region or os.environ.get("AZURE_SPEECH_REGION", "")
        address = base_url or (f"https://{region}.stt.speech.microsoft.com" if region else "")
        name = "azure/custom" if deployment else "azure/conversation"
        super().__init__(clock, name, _WHERE, address, key_env, connect_s, verify)
        self._language = language
        self._deployment = deployment
        self._keyterms = tuple(keyterms.split("|"))
        self._segmentation = segmentation_ms

    def _headers(self, key: str) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": key}

    def _card(self) -> str:
        return ""  # nothing there is free to look at but the socket itself

    def _check(self) -> None:
        if not 100 <= self._segmentation <= 5000:
            raise ConfigError("segmentation_ms is not from 100 to 5000", where=_WHERE)

    async def start(self) -> None:
        if not self._base_url:
            raise ConfigError("no region is given", where=_WHERE, hint="Set region= or AZURE_SPEECH_REGION")
        await super().start()
        if self._verify:
            # An open socket costs nothing before it is given sound.
            await (await self.open(ListenOptions())).close()

    async def open(self, options: ListenOptions) -> SocketRecognition:
        key = self._key_when_started()
        sound = line_format(options.rate, _WHERE)
        language = self._language or options.language
        query = {
            "language": language if "-" in language else _USUAL_REGION.get(language, language),
            "format": "detailed",
            "wordLevelTimestamps": "true",
            "segmentationSilenceTimeoutMs": str(self._segmentation),
        }
        if self._deployment:
            query = {"cid": self._deployment, **{k: v for k, v in query.items() if k != "language"}}
        url = f"{self._base_url.replace('http', 'ws', 1)}{_PATH}?{urlencode(query)}"
        headers = {**self._headers(key), "X-ConnectionId": uuid4().hex.upper()}
        line = SocketLine(_WHERE, url, headers, self._key_env, _WHERE, connect_s=self._connect)
        wire = AzureWire(sound, self._clock.wall)
        keyterms = keyterms_of(self._keyterms, options.keyterms)
        heard = ListenOptions(options.rate, options.language, keyterms)
        return await self._opened(SocketRecognition(line, wire, self._clock, heard, sound))
