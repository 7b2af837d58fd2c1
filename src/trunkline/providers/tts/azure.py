"""Azure's neural voices: `--tts azure,region=westeurope,voice=en-US-JennyNeural`, the key in
`AZURE_SPEECH_KEY`.

Text to speech over REST, streamed (learn.microsoft.com/azure/ai-services/speech-service/
rest-text-to-speech): SSML in, mu-law at 8 kHz out on telephone legs. A style is the voice's manner
(`style=chat`, `style_degree` 0.01 to 2). A custom neural voice is one more voice at its own endpoint:
give its name and `deployment`. This address tells no word times.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown
from trunkline.providers.protocols import VoiceOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.tts.hosted import HostedVoices, VoiceCard, cards
from trunkline.providers.tts.http_voice import HttpVoice, SentenceRequest
from trunkline.providers.tts.sentence_sound import Encoding, speed_of, telephone_format

_FORMATS = {
    8000: "raw-8khz-8bit-mono-mulaw",
    16000: "raw-16khz-16bit-mono-pcm",
    24000: "raw-24khz-16bit-mono-pcm",
}


class AzureVoices(HostedVoices):
    """`region`: the resource's, else from `AZURE_SPEECH_REGION`. `base_url`: in place of it, for a private
    endpoint or a container. `deployment`: the id of a custom neural voice's endpoint."""

    def __init__(
        self,
        *,
        clock: Clock,
        voice: str = "en-US-JennyNeural",
        region: str = "",
        base_url: str = "",
        deployment: str = "",
        key_env: str = "AZURE_SPEECH_KEY",
        style: str = "",
        style_degree: float = -1.0,
        connect_s: float = 5.0,
        first_audio_s: float = 5.0,
        between_audio_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        region = region or os.environ.get("AZURE_SPEECH_REGION", "")
        host = "voice" if deployment else "tts"
        address = base_url or (f"https://{region}.{host}.speech.microsoft.com" if region else "")
        # The endpoint of a custom voice answers nothing but its sentences.
        super().__init__(
            clock, "azure/custom" if deployment else "azure/neural", "azure", address, key_env, connect_s,
            verify and not deployment,
        )  # fmt: skip
        self._voice = voice
        self._deployment = deployment
        self._style = style
        self._style_degree = style_degree
        self._first_audio = first_audio_s
        self._between_audio = between_audio_s

    def _headers(self, key: str) -> dict[str, str]:
        return {"Ocp-Apim-Subscription-Key": key, "User-Agent": "trunkline"}

    def _check(self) -> None:
        checked_limits("azure", first_audio_s=self._first_audio, between_audio_s=self._between_audio)
        if self._style_degree > 2 or 0 <= self._style_degree < 0.01:
            raise ConfigError("style_degree is not from 0.01 to 2", where="azure")

    async def start(self) -> None:
        if not self._base_url:
            raise ConfigError("no region is given", where="azure", hint="Set region= or AZURE_SPEECH_REGION")
        await super().start()

    async def open(self, options: VoiceOptions) -> HttpVoice:
        self._key_when_started()
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.where)
        encoding, rate = telephone_format(options.rate)
        path = "/cognitiveservices/v1"
        if self._deployment:
            path += f"?deploymentId={quote(self._deployment, safe='')}"
        headers = {
            "Content-Type": "application/ssml+xml; charset=utf-8",
            "X-Microsoft-OutputFormat": _FORMATS[8000 if encoding is Encoding.MULAW else rate],
        }
        speed = speed_of(options.words_per_minute, 0.5, 2.0)
        name = options.voice or self._voice

        def request(text: str) -> SentenceRequest:
            body = ssml_of(text, name, options.language, self._style, self._style_degree, speed)
            return SentenceRequest(path, body.encode(), headers)

        voice = HttpVoice(
            self.where,
            self._key_env,
            self._client,
            self._clock,
            encoding,
            rate,
            request,
            self._first_audio,
            self._between_audio,
        )
        self._keep(voice)
        return voice

    async def voices(self) -> list[VoiceCard]:
        return cards(await self._get(self._card()), self.where, _voices)

    def _card(self) -> str:
        return "/cognitiveservices/voices/list"


def _voices(listing: Any) -> list[VoiceCard]:
    return [
        VoiceCard(
            str(voice["ShortName"]),
            str(voice.get("DisplayName", "")),
            str(voice.get("Locale", "")),
            "styles: " + ", ".join(voice["StyleList"]) if voice.get("StyleList") else "",
        )
        for voice in listing
    ]


def ssml_of(text: str, voice: str, language: str, style: str, degree: float, speed: float) -> str:
    """The sentence as SSML (W3C, with the vendor's `mstts` names). What the text holds stays text."""
    inner = escape(text)
    if speed != 1.0:
        inner = f'<prosody rate="{round((speed - 1) * 100):+d}%">{inner}</prosody>'
    if style:
        how = f' styledegree="{degree:g}"' if degree > 0 else ""
        inner = f"<mstts:express-as style={quoteattr(style)}{how}>{inner}</mstts:express-as>"
    # A voice speaks its own language; the attribute is demanded and chooses nothing.
    spoken = quoteattr(language if "-" in language else "en-US")
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
        f'xmlns:mstts="http://www.w3.org/2001/mstts" xml:lang={spoken}>'
        f"<voice name={quoteattr(voice)}>{inner}</voice></speak>"
    )
