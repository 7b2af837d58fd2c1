"""Hosted models, and every server that speaks the same protocol (vLLM, Ollama, llama.cpp, Groq, …).

`--llm openai,model=gpt-4o-mini` with the key in `OPENAI_API_KEY`;
`--llm openai,base_url=http://127.0.0.1:8000/v1,model=NAME` for a server of one's own, which needs no
key. The `openai` SDK speaks to it: streamed chat completions, tool calls put together from their
pieces, usage with cached tokens.

Messages and tools go out in the prompt's order, unchanged, so that the provider's prompt cache hits.
Nothing is retried here: whoever asked knows whether a second try is worth the caller's time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from trunkline.clock import Clock
from trunkline.errors import (
    ConfigError,
    EngineDown,
    EngineError,
    EngineKeyWrong,
    EngineMissing,
    EngineNetwork,
    EngineTimeout,
)
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.providers.llm.openai_errors import engine_error
from trunkline.providers.llm.openai_wire import ToolCallPieces, request_of, usage_of
from trunkline.providers.llm.thoughts import WithoutThoughts
from trunkline.providers.refusals import only_may_not_look
from trunkline.providers.warmth import Warmth

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_USAGE_SECONDS = 0.5
"""How long to wait for the token counts once the answer itself is complete."""
_OFFICIAL = "https://api.openai.com/v1"


class OpenAILanguageModel:
    """`key_env`: the environment variable that holds the key; it is read when the engine starts and
    never shown. `first_token_s`, `between_tokens_s`: how long to wait, in seconds. `temperature` and
    `max_tokens` stand in for the prompt's where they are not negative. `token_limit_name`: newer
    hosted models want `max_completion_tokens`, most other servers `max_tokens` (the default here,
    but for the official address). `verify`: ask something free of charge at the start, so that a wrong
    key is told then and the connection is open before the first turn."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "gpt-4o-mini",
        base_url: str = "",
        key_env: str = "OPENAI_API_KEY",
        temperature: float = -1.0,
        max_tokens: int = -1,
        first_token_s: float = 5.0,
        between_tokens_s: float = 3.0,
        token_limit_name: str = "",
        verify: bool = True,
    ) -> None:
        self.name = model
        self._asked_of = model
        """What the service calls the model; the ledger may know it by another name."""
        self._clock = clock
        self._base_url = base_url or _OFFICIAL
        self._key_env = key_env
        self._temperature = temperature
        self._max_tokens = max_tokens
        self._first_token = first_token_s
        self._between_tokens = between_tokens_s
        self._limit_name = token_limit_name or (
            "max_completion_tokens" if self._base_url == _OFFICIAL else "max_tokens"
        )
        self._verify = verify
        self._warmth = Warmth(clock)
        self._client: AsyncOpenAI | None = None

    async def start(self) -> None:
        """Load the SDK, look for the key and, with `verify`, ask the service about the model."""
        if urlsplit(self._base_url).scheme not in ("http", "https"):
            raise ConfigError(
                f"base_url {self._base_url!r} is not a web address",
                where="openai",
                hint="It looks like http://127.0.0.1:8000/v1",
            )
        if self._first_token <= 0 or self._between_tokens <= 0:
            raise ConfigError("a time limit is not positive", where="openai")
        key = os.environ.get(self._key_env, "")
        if not key and self._base_url == _OFFICIAL:
            raise EngineKeyWrong("there is no key", where="openai", hint=f"Set {self._key_env}")
        if self._client is None:
            # Reading the SDK's many files takes a second or so: not on the loop.
            self._client = await asyncio.to_thread(self._make_client, key)
        if self._verify:
            try:
                await self._look(self._client)
            except EngineError:
                await self.close()
                raise
            self._warmth.used()

    async def warm(self) -> None:
        """Have a connection open for the call that begins."""
        client = self._client
        if self._verify and client is not None:
            await self._warmth.renew(lambda: self._look(client))

    async def _look(self, client: AsyncOpenAI) -> None:
        """Ask the vendor for the model's card, and any other service for its list of models. Raises an
        `EngineError`."""
        official = self._base_url == _OFFICIAL
        asking = client.models.retrieve(self._asked_of) if official else client.models.list()
        try:
            async with asyncio.timeout(self._first_token):
                await asking
        except TimeoutError:
            raise EngineTimeout("it did not answer at the start", where=self.name) from None
        except Exception as error:  # whatever the client raised is told in our own tree
            told = engine_error(error, self.name, self._key_env)
            if only_may_not_look(str(error)):
                return
            # Not every server has such a list; that it was reached, and took the key, is enough.
            if official or isinstance(told, EngineKeyWrong | EngineNetwork | EngineTimeout):
                raise told from error

    def _make_client(self, key: str) -> AsyncOpenAI:
        """The SDK's client for this address; a service with its own way in has its own."""
        sdk = openai_sdk()
        client: AsyncOpenAI = sdk.AsyncOpenAI(
            api_key=key or "none", base_url=self._base_url, **client_options(self._first_token)
        )
        return client

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        if self._client is None:
            raise EngineDown("it is not started, or was closed", where=self.name)
        response: Any = None
        try:
            request = request_of(
                prompt,
                self._asked_of,
                self._limit_name,
                temperature=self._temperature,
                max_tokens=self._max_tokens,
            )
            deadline = self._clock.now() + self._first_token
            response = await self._within(self._client.chat.completions.create(**request), deadline)
            async with aclosing(self._deltas(response, deadline)) as deltas:
                async for delta in deltas:
                    yield delta
        except EngineError:
            raise
        except Exception as error:  # whatever the client raised is told in our own tree
            # The SDK lets transport, JSON and Unicode errors of its own parts through; the protocol
            # promises that only our errors escape. Cancellation is not an Exception.
            raise engine_error(error, self.name, self._key_env) from error
        finally:
            if response is not None:
                # At once, also when the caller was cancelled: the provider stops, and so does the bill.
                await asyncio.shield(_close(response))
                self._warmth.used()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _deltas(self, response: AsyncIterator[Any], deadline: float) -> AsyncGenerator[Delta, None]:
        pieces = ToolCallPieces(self.name)
        spoken = WithoutThoughts()
        usage = Usage()
        finished = False
        while True:
            try:
                chunk = await self._within(anext(response, None), deadline)
            except EngineTimeout:
                if finished:
                    break  # the answer is complete; only the usage did not come
                raise
            if chunk is None:
                break
            if chunk.usage is not None:
                usage = usage_of(chunk.usage)
            for choice in (chunk.choices or [])[:1]:
                given = choice.delta is not None and (choice.delta.content or choice.delta.tool_calls)
                if given:
                    deadline = self._clock.now() + self._between_tokens
                if given and choice.delta.content and (words := spoken.feed(choice.delta.content)):
                    yield Token(words)
                if given and choice.delta.tool_calls:
                    pieces.add(choice.delta.tool_calls)
                if choice.finish_reason:
                    finished = True
                    deadline = self._clock.now() + _USAGE_SECONDS
        if not finished:
            raise EngineDown("the answer broke off before its end", where=self.name)
        calls = pieces.finish()
        if rest := spoken.flush():
            yield Token(rest)
        if not calls:
            spoken.ended(self.name)
        for call in calls:
            yield call
        yield usage

    async def _within(self, waiting: Any, deadline: float) -> Any:
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                return await waiting
        except TimeoutError:
            raise EngineTimeout("no token came in its time", where=self.name) from None


async def _close(response: Any) -> None:
    await response.close()


def openai_sdk() -> Any:
    """The vendor's package. `EngineMissing` where it is not installed."""
    try:
        import openai
    except ImportError as error:
        raise EngineMissing(
            "the openai package is not installed", where="openai", hint="Run: pip install 'trunkline[openai]'"
        ) from error
    return openai


def client_options(connect_seconds: float) -> dict[str, Any]:
    """What every client of the SDK is made with. No retries: whoever asked knows whether one is worth it."""
    sdk = openai_sdk()
    # The limits that count are those of `_within`; this one frees a socket that was forgotten.
    timeout = max(30.0, 2 * connect_seconds)
    # A connection outlives a long turn of the caller; the client's own limit is 5 s. The class comes
    # from the SDK's own default, since its versions stand on different HTTP clients.
    limits = type(sdk.DEFAULT_CONNECTION_LIMITS)(max_keepalive_connections=64, keepalive_expiry=300.0)
    http_client = sdk.DefaultAsyncHttpxClient(timeout=timeout, limits=limits)
    return {"max_retries": 0, "timeout": timeout, "http_client": http_client}
