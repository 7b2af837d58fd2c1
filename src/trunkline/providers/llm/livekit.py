"""Any language model that a plugin of LiveKit Agents speaks to: `--llm livekit:mistralai,model=…`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from trunkline.clock import Clock
from trunkline.errors import EngineError, EngineTimeout
from trunkline.prompt import Delta, Message, Prompt, Token, Tool, ToolCall, Usage
from trunkline.providers.livekit_plugins import Plugin
from trunkline.providers.llm.thoughts import WithoutThoughts

_FIRST_TOKEN = 5.0
_BETWEEN_TOKENS = 3.0


class LiveKitLanguageModel:
    """`plugin`: its name; `options`: for its constructor, temperature and length among them."""

    def __init__(self, *, clock: Clock, plugin: str, options: Mapping[str, str]) -> None:
        self.name = f"livekit/{plugin}"
        self._plugin = Plugin("LLM", plugin, options)
        self._clock = clock

    async def start(self) -> None:
        await self._plugin.start()

    async def close(self) -> None:
        await self._plugin.close()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Tokens and tool calls as they come, then one `Usage`. Closing the generator cancels."""
        engine = self._plugin.when_started()
        usage = Usage()
        spoken = WithoutThoughts()
        limit = _FIRST_TOKEN
        stream: Any = None
        try:
            stream = self._plugin.call(
                engine.chat,
                chat_ctx=_context(prompt),
                tools=[_tool(tool) for tool in prompt.tools],
                conn_options=self._plugin.once(_FIRST_TOKEN),
            )
            while True:
                async with asyncio.timeout(limit):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                limit = _BETWEEN_TOKENS
                if chunk.usage is not None:
                    cached = int(chunk.usage.prompt_cached_tokens or 0)
                    usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens, cached)
                if chunk.delta is None:
                    continue
                if chunk.delta.content and (words := spoken.feed(chunk.delta.content)):
                    yield Token(words)
                for call in chunk.delta.tool_calls or ():
                    yield ToolCall(call.call_id, call.name, json.loads(call.arguments or "{}"))
        except EngineError:
            raise
        except TimeoutError:
            raise EngineTimeout("no token came in its time", where=self._plugin.where) from None
        except Exception as error:
            # A plugin may raise whatever it likes; here it is told as what it is.
            raise self._plugin.error(error) from error
        finally:
            if stream is not None:
                await stream.aclose()
        if rest := spoken.flush():
            yield Token(rest)
        yield usage


def _context(prompt: Prompt) -> Any:
    from livekit.agents import llm

    context = llm.ChatContext.empty()
    names: dict[str, str] = {}
    for message in prompt.messages:
        if message.role == "tool":
            context.items.append(_result(message, names))
            continue
        if message.content or not message.tool_calls:
            context.add_message(role=message.role, content=message.content)
        for call in message.tool_calls:
            names[call.id] = call.name
            arguments = json.dumps(call.arguments)
            context.items.append(llm.FunctionCall(call_id=call.id, name=call.name, arguments=arguments))
    return context


def _result(message: Message, names: Mapping[str, str]) -> Any:
    from livekit.agents import llm

    return llm.FunctionCallOutput(
        call_id=message.tool_call_id,
        name=names.get(message.tool_call_id, ""),
        output=message.content,
        is_error=False,
    )


def _tool(tool: Tool) -> Any:
    from livekit.agents import llm

    async def never(raw_arguments: dict[str, object]) -> None:
        """The scenario carries tools out, not the plugin."""

    schema = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return llm.function_tool(never, raw_schema=schema)
