"""Google's Gemini, on its published protocol: `--llm gemini,model=gemini-3.8-flash`, the key in
`GEMINI_API_KEY`.

`POST /v1beta/models/NAME:streamGenerateContent?alt=sse` (ai.google.dev/api/generate-content), spoken
directly and not through the vendor's SDK: closing an answer must close its connection at once, and the
SDK's stream stands on a generator that leaves that to the garbage collector.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import TYPE_CHECKING

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineTimeout
from trunkline.prompt import Prompt
from trunkline.providers.http_client import make_client
from trunkline.providers.llm.gemini_wire import ContentReader, Signatures, request_of
from trunkline.providers.llm.hosted import HostedModel, OpenAnswer
from trunkline.providers.refusals import checked_address, checked_limits, key_from, refusal, unreachable
from trunkline.providers.sse import EventStream

if TYPE_CHECKING:
    import httpx

_OFFICIAL = "https://generativelanguage.googleapis.com"
_LEVELS = ("least", "default", "minimal", "low", "medium", "high")


class GeminiLanguageModel(HostedModel):
    """`thinking`: "least" (the default: a caller waits), "default" for what the model does by itself, or
    one of the vendor's levels. `verify`: ask for the model's card at the start, which costs nothing, so
    that a wrong key or model is told then and the connection is open before the first turn."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gemini-3.8-flash",
        base_url: str = _OFFICIAL,
        key_env: str = "GEMINI_API_KEY",
        temperature: float = -1.0,
        max_tokens: int = -1,
        thinking: str = "least",
        first_token_s: float = 5.0,
        between_tokens_s: float = 3.0,
        verify: bool = True,
    ) -> None:
        super().__init__(clock, model, first_token_s, between_tokens_s, verify)
        self._base_url = base_url
        self._key_env = key_env
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._thinking = thinking
        self._client: httpx.AsyncClient | None = None
        self._signatures = Signatures()
        self._answers = count(1)

    async def start(self) -> None:
        """Look for the key and, with `verify`, ask the service about the model."""
        base_url = checked_address(self._base_url, "gemini")
        checked_limits("gemini", first_token_s=self._first_token, between_tokens_s=self._between_tokens)
        if self._thinking not in _LEVELS:
            raise ConfigError(
                f"thinking={self._thinking!r} is not known", where="gemini", hint=f"Use {', '.join(_LEVELS)}"
            )
        key = key_from(self._key_env, "gemini")
        if self._client is None:
            headers = {"x-goog-api-key": key}
            limit = max(30.0, 2 * self._first_token)
            self._client = await asyncio.to_thread(make_client, base_url, headers, "gemini", "gemini", limit)
        await self._verified()

    @property
    def _started(self) -> bool:
        return self._client is not None

    async def _look_at_the_model(self) -> None:
        assert self._client is not None
        try:
            deadline = self._clock.now() + self._first_token
            response = await self._within(self._client.get(f"/v1beta/models/{self.name}"), deadline)
        except EngineTimeout as error:
            raise EngineTimeout("it did not answer at the start", where=self.name) from error
        except Exception as error:  # whatever the client raised is told in our own tree
            raise self._engine_error(error) from error
        if response.status_code >= 400:
            raise refusal(response.status_code, response.text, self.name, self._key_env)

    async def _ask(self, prompt: Prompt) -> OpenAnswer:
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.name)
        body = request_of(
            prompt,
            self.name,
            self._signatures,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            thinking=self._thinking,
        )
        request = self._client.build_request(
            "POST", f"/v1beta/models/{self.name}:streamGenerateContent", params={"alt": "sse"}, json=body
        )
        response = await self._client.send(request, stream=True)
        events = self._events(response)

        async def close() -> None:
            await events.aclose()
            await response.aclose()

        if response.status_code >= 400:
            try:
                said = (await response.aread()).decode("utf-8", "replace")
            finally:
                await close()
            raise refusal(response.status_code, said, self.name, self._key_env)
        return OpenAnswer(events, close)

    async def _events(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        stream = EventStream(self.name)
        async for piece in response.aiter_bytes():
            for data in stream.push(piece):
                yield data

    def _reader(self) -> ContentReader:
        return ContentReader(self.name, self._signatures, f"gemini{next(self._answers)}")

    def _engine_error(self, error: Exception) -> EngineError:
        if isinstance(error, ValueError | LookupError | TypeError | AttributeError):
            return EngineDown("it answered what is not its protocol", where=self.name)
        return unreachable(error, self.name)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
