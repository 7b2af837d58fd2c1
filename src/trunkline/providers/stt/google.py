"""Google Cloud Speech v2: `--stt google,project=NAME`, credentials as for all of Google Cloud's clients.

The vendor's own asyncio client (`google-cloud-speech`), StreamingRecognize over gRPC. A stream lasts five
minutes at most (cloud.google.com/speech-to-text/quotas), so a long call has several: the next one begins
where the caller pauses, and what is said meanwhile waits for it. Ending a stream's sound is also how final
words are asked for at once. Telephone sound goes out as mu-law at 8 kHz.
"""

from __future__ import annotations

import asyncio
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineKeyWrong, EngineMissing, EngineNetwork
from trunkline.providers.protocols import ListenOptions
from trunkline.providers.refusals import checked_limits
from trunkline.providers.stt.google_recognition import GoogleRecognition, StreamPlan
from trunkline.providers.stt.hearing import keyterms_of
from trunkline.providers.stt.line_sound import line_format

_WHERE = "google"
_SENSITIVITY = {"standard": 1, "supershort": 2, "short": 3}
_USUAL_REGION = {"en": "en-US", "de": "de-DE", "es": "es-US", "fr": "fr-FR", "it": "it-IT", "pt": "pt-BR"}


class GoogleSpeech:
    """`project`: else the credentials' own. `location`: global, eu, us, or a region. `model`: telephony,
    long, chirp_2, chirp_3, … `recognizer`: one of your own instead of the settings here.

    `endpointing`: standard, short or supershort silence that ends a phrase. `finalise_on_pause`: end the
    stream at each pause, for its final words, and begin another. `credentials`: a service account's file,
    else the variable `GOOGLE_APPLICATION_CREDENTIALS` or what `gcloud` left. `endpoint`: HOST:PORT instead of
    the vendor's; `insecure`: it has neither TLS nor credentials, which is for tests."""

    def __init__(
        self,
        *,
        clock: Clock,
        project: str = "",
        location: str = "global",
        model: str = "telephony",
        language: str = "",
        recognizer: str = "_",
        keyterms: str = "",
        endpointing: str = "short",
        finalise_on_pause: bool = False,
        credentials: str = "",
        endpoint: str = "",
        insecure: bool = False,
        connect_s: float = 5.0,
        stream_s: float = 240.0,
    ) -> None:
        if endpointing not in _SENSITIVITY:
            raise ConfigError(
                f"there is no endpointing {endpointing!r}",
                where=_WHERE,
                hint=f"Use {', '.join(_SENSITIVITY)}",
            )
        self.name = f"google/{model}"
        self._clock = clock
        self._project = project
        self._location = location
        self._model = model
        self._language = language
        self._recognizer = recognizer
        self._keyterms = tuple(keyterms.split("|"))
        self._endpointing = _SENSITIVITY[endpointing]
        self._on_pause = finalise_on_pause
        self._credentials = credentials
        self._endpoint = endpoint
        self._insecure = insecure
        self._connect = connect_s
        self._stream = stream_s
        self._client: Any = None
        self._channel: Any = None
        self._open: list[GoogleRecognition] = []

    async def start(self) -> None:
        """Find the credentials and make the client, which connects with the first call."""
        checked_limits(_WHERE, connect_s=self._connect, stream_s=self._stream)
        if self._client is not None:
            return
        try:
            speech = await asyncio.to_thread(_library)
        except ImportError as error:
            raise EngineMissing(
                f"google-cloud-speech cannot be loaded ({error})",
                where=_WHERE,
                hint="Run: pip install 'trunkline[google]'",
            ) from error
        if self._insecure:
            import grpc

            self._project = self._project or "local"
            self._channel = grpc.aio.insecure_channel(self._endpoint)
            transport = speech.services.speech.transports.SpeechGrpcAsyncIOTransport(channel=self._channel)
            self._client = speech.SpeechAsyncClient(transport=transport)
            await self._reached()
            return
        found = await asyncio.to_thread(self._found_credentials)
        host = "speech.googleapis.com"
        if self._location != "global":
            host = f"{self._location}-{host}"
        options = {"api_endpoint": self._endpoint or host}
        self._client = speech.SpeechAsyncClient(credentials=found, client_options=options)
        await self._reached()

    async def _reached(self) -> None:
        """Wait for the connection, which costs nothing; the credentials are met with the first call."""
        try:
            async with asyncio.timeout(self._connect):
                await self._client.transport.grpc_channel.channel_ready()
        except TimeoutError:
            await self.close()
            raise EngineNetwork(
                "it could not be reached in its time",
                where=_WHERE,
                hint="See that this machine has a way out",
            ) from None

    def _found_credentials(self) -> Any:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import service_account

        scopes = ["https://www.googleapis.com/auth/cloud-platform"]
        try:
            if self._credentials:
                load: Any = service_account.Credentials.from_service_account_file
                found = load(self._credentials, scopes=scopes)
                project = found.project_id
            else:
                found, project = google.auth.default(scopes=scopes)
        except (GoogleAuthError, OSError, ValueError) as error:
            raise EngineKeyWrong(
                f"there are no credentials ({' '.join(str(error).split())[:120]})",
                where=_WHERE,
                hint="Set GOOGLE_APPLICATION_CREDENTIALS to a service account's file, or credentials=FILE",
            ) from error
        self._project = self._project or project or ""
        if not self._project:
            raise ConfigError("the credentials name no project", where=_WHERE, hint="Set project=")
        return found

    async def open(self, options: ListenOptions) -> GoogleRecognition:
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=_WHERE)
        sound = line_format(options.rate, _WHERE)
        language = self._language or options.language
        plan = StreamPlan(
            recognizer=f"projects/{self._project}/locations/{self._location}/recognizers/{self._recognizer}",
            model=self._model if self._recognizer == "_" else "",
            language=language if "-" in language else _USUAL_REGION.get(language, language),
            endpointing=self._endpointing,
            on_pause=self._on_pause,
            longest=self._stream,
        )
        keyterms = keyterms_of(self._keyterms, options.keyterms)
        heard = ListenOptions(options.rate, options.language, keyterms)
        recognition = GoogleRecognition(self._client, plan, self._clock, heard, sound)
        self._open = [other for other in self._open if not other.closed]
        self._open.append(recognition)
        return recognition

    async def close(self) -> None:
        """Close the recognitions of all calls, and the client; may be called more than once."""
        still_open, self._open = self._open, []
        for recognition in still_open:
            await recognition.close()
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()


def _library() -> Any:
    from google.cloud import speech_v2

    return speech_v2
