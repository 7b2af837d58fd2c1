"""OpenAI's models in a resource of Azure: `--llm azure,endpoint=https://NAME.openai.azure.com,model=DEPLOYMENT`,
the key in `AZURE_OPENAI_API_KEY`.

`model` is the deployment's name, which the person who deployed it chose. With no `api_version` the
resource's version-less address is used (`/openai/v1/`, Microsoft Learn, "Azure OpenAI in Azure AI
Foundry Models v1 API"); with one, the older address with the deployment in its path, through the SDK's
own client for it (github.com/openai/openai-python, "Microsoft Azure OpenAI").
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from trunkline.clock import Clock
from trunkline.errors import ConfigError
from trunkline.providers.llm.openai import OpenAILanguageModel, client_options, openai_sdk
from trunkline.providers.refusals import checked_address, key_from

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class AzureOpenAILanguageModel(OpenAILanguageModel):
    """`endpoint`: the resource's address, else taken from `AZURE_OPENAI_ENDPOINT`. `priced_as`: the model
    behind the deployment, for the ledger and the prices, which cannot know what a deployment is called.
    `verify`: ask for the resource's list of models at the start, which proves address and key, and not the
    deployment: only its models are listed."""

    def __init__(
        self,
        *,
        clock: Clock,
        model: str = "",
        endpoint: str = "",
        api_version: str = "",
        priced_as: str = "",
        key_env: str = "AZURE_OPENAI_API_KEY",
        temperature: float = -1.0,
        max_tokens: int = -1,
        first_token_s: float = 5.0,
        between_tokens_s: float = 3.0,
        token_limit_name: str = "max_completion_tokens",  # noqa: S107 - the name of a field
        verify: bool = True,
    ) -> None:
        endpoint = endpoint or os.environ.get("AZURE_OPENAI_ENDPOINT", "")
        super().__init__(
            clock=clock,
            model=model,
            base_url=f"{endpoint.rstrip('/')}/openai/v1/",
            key_env=key_env,
            temperature=temperature,
            max_tokens=max_tokens,
            first_token_s=first_token_s,
            between_tokens_s=between_tokens_s,
            token_limit_name=token_limit_name,
            verify=verify,
        )
        self.name = priced_as or model
        self._asked_of = model
        self._endpoint = endpoint
        self._api_version = api_version

    async def start(self) -> None:
        """Load the SDK and see that endpoint, deployment and key are there, then as its base does."""
        if not self._endpoint:
            raise ConfigError(
                "no endpoint is given", where="azure", hint="Set endpoint= or AZURE_OPENAI_ENDPOINT"
            )
        checked_address(self._endpoint, "azure", "endpoint")
        if not self._asked_of:
            raise ConfigError("no deployment is named", where="azure", hint="Set model= to its name")
        key_from(self._key_env, "azure")
        await super().start()

    def _make_client(self, key: str) -> AsyncOpenAI:
        sdk = openai_sdk()
        options = client_options(self._first_token)
        if self._api_version:
            client: AsyncOpenAI = sdk.AsyncAzureOpenAI(
                azure_endpoint=self._endpoint, api_version=self._api_version, api_key=key, **options
            )
        else:
            client = sdk.AsyncOpenAI(api_key=key, base_url=self._base_url, **options)
        return client
