"""Pydantic AI: the agent's name on every model call it makes.

    agent = Agent("anthropic:claude-opus-4-8", name="triage", capabilities=[PydanticAIAgentNames()])

The calls themselves are recorded where they leave the process, by the wrapped SDK under the model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model, ModelRequestContext, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel

from tokenprof.record import session


@dataclass
class PydanticAIAgentNames(AbstractCapability[Any]):
    """A capability that names the agent around each request; changes nothing else.

    `name` is used if the agent has none of its own.
    """

    name: str | None = None

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Put the name around the model itself, because a stream is opened in another task."""
        name = (ctx.agent.name if ctx.agent is not None else None) or self.name
        if not name:
            return request_context
        return replace(request_context, model=_NamedModel(request_context.model, name))


class _NamedModel(WrapperModel):
    """A model whose requests are made under an agent's name."""

    def __init__(self, wrapped: Model, name: str):
        super().__init__(wrapped)
        self._agent_name = name

    async def request(self, *args: Any, **kwargs: Any) -> ModelResponse:
        with session.agent(self._agent_name):
            return await self.wrapped.request(*args, **kwargs)

    @asynccontextmanager
    async def request_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[StreamedResponse]:
        async with AsyncExitStack() as stack:
            # The name applies only while the request goes out: the stream may be closed in another context.
            with session.agent(self._agent_name):
                response = await stack.enter_async_context(self.wrapped.request_stream(*args, **kwargs))
            yield response
