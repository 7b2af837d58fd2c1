"""Anthropic's models, through their own SDK: `--llm anthropic,model=claude-haiku-5-5`, the key in
`ANTHROPIC_API_KEY`.

The prompt's stable part is marked for the vendor's cache. Sampling settings are not sent unless one
is asked for: the present version of the protocol refuses them (see `anthropic_wire.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineDown, EngineError, EngineMissing, EngineRate, EngineTimeout
from trunkline.prompt import Prompt
from trunkline.providers.llm.anthropic_wire import MessageReader, request_of
from trunkline.providers.llm.hosted import HostedModel, OpenAnswer
from trunkline.providers.refusals import checked_address, checked_limits, key_from, refusal, unreachable

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

_OFFICIAL = "https://api.anthropic.com"
_KEPT_WARM_SECONDS = 300.0
"""A connection outlives a long turn of the caller; the client's own limit is 5 s."""
_TYPES = {"overloaded_error": 529, "rate_limit_error": 429, "timeout_error": 504, "api_error": 500}
"""The status that an error told in mid-stream would have had (the vendor's page "Errors")."""


class AnthropicLanguageModel(HostedModel):
    """`thinking`: "least" (the default: a caller waits) or "default" for what the model does by itself.
    `temperature`: negative sends none; else the protocol's older version is asked for, and models that
    take none refuse it. `verify`: ask for the model's card at the start, which costs nothing, so that
    a wrong key or model is told then and the connection is open before the first turn."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "claude-haiku-5-5",
        base_url: str = _OFFICIAL,
        key_env: str = "ANTHROPIC_API_KEY",
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
        self._client: AsyncAnthropic | None = None

    async def start(self) -> None:
        """Load the SDK, look for the key and, with `verify`, ask the service about the model."""
        base_url = checked_address(self._base_url, "anthropic")
        checked_limits("anthropic", first_token_s=self._first_token, between_tokens_s=self._between_tokens)
        if self._thinking not in ("least", "default"):
            raise ConfigError(
                f"thinking={self._thinking!r} is not known", where="anthropic", hint="Use least or default"
            )
        key = key_from(self._key_env, "anthropic")
        if self._client is None:
            # Reading the SDK's many files takes a second or so: not on the loop.
            self._client = await asyncio.to_thread(_client, base_url, key, self._first_token)
        await self._verified()

    @property
    def _started(self) -> bool:
        return self._client is not None

    async def _look_at_the_model(self) -> None:
        assert self._client is not None
        try:
            await self._within(self._client.models.retrieve(self.name), self._clock.now() + self._first_token)
        except EngineTimeout as error:
            raise EngineTimeout("it did not answer at the start", where=self.name) from error
        except Exception as error:  # whatever the client raised is told in our own tree
            raise self._engine_error(error) from error

    async def _ask(self, prompt: Prompt) -> OpenAnswer:
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.name)
        request = request_of(
            prompt,
            self.name,
            temperature=self._temperature,
            max_tokens=self._max_tokens,
            thinking=self._thinking,
        )
        response = await self._client.messages.create(**request)
        return OpenAnswer(response, response.close)

    def _reader(self) -> MessageReader:
        return MessageReader(self.name)

    def _engine_error(self, error: Exception) -> EngineError:
        import anthropic

        if isinstance(error, anthropic.APITimeoutError):
            return EngineTimeout("it did not answer in its time", where=self.name)
        if isinstance(error, anthropic.APIConnectionError):
            return unreachable(error, self.name)
        if isinstance(error, anthropic.APIStatusError):
            # In mid-stream the status is the response's 200 and the type alone tells.
            status = error.status_code if error.status_code >= 400 else _TYPES.get(error.type or "", 500)
            if status == 529:
                return EngineRate("it is overloaded just now", where=self.name, hint="Try again")
            return refusal(status, error.api_message or "", self.name, self._key_env)
        if isinstance(
            error, ValueError | LookupError | TypeError | AttributeError | anthropic.AnthropicError
        ):
            return EngineDown("it answered what is not its protocol", where=self.name)
        return unreachable(error, self.name)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _client(base_url: str, key: str, connect_seconds: float) -> AsyncAnthropic:
    try:
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
    except ImportError as error:
        raise EngineMissing(
            "the anthropic package is not installed, or older than 2",
            where="anthropic",
            hint="Run: pip install 'trunkline[anthropic]'",
        ) from error
    limits = httpx2.Limits(max_keepalive_connections=64, keepalive_expiry=_KEPT_WARM_SECONDS)
    client: Any = DefaultAsyncHttpxClient(base_url=base_url, limits=limits)
    # The limits that count are those of the stream; this one frees a socket that was forgotten.
    return AsyncAnthropic(
        api_key=key,
        base_url=base_url,
        max_retries=0,
        timeout=max(30.0, 2 * connect_seconds),
        http_client=client,
    )
