"""Pydantic AI agents by name, over the wrapped Anthropic SDK."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import inbox
import pytest
import with_pydantic_ai
from agreement import recorded
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers.anthropic import AnthropicProvider

import tokenprof
from tokenprof.harness_adapters.hooks.pydantic_ai import PydanticAIAgentNames
from tokenprof.record.session import current_agent
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow


def chat_model(provider: LoopbackProvider) -> AnthropicModel:
    return AnthropicModel(inbox.MODEL, provider=AnthropicProvider(api_key="none", base_url=provider.url))


def reader(provider: LoopbackProvider, name: str | None, **settings: Any) -> Agent[None, str]:
    return Agent(chat_model(provider), name=name, tools=[inbox.read_mail], **settings)


def test_the_example_is_billed_and_named(run_path: Path) -> None:
    with LoopbackProvider(inbox.answer) as provider:
        said = with_pydantic_ai.main(str(run_path), api_key="none", base_url=provider.url)
    run = recorded(run_path, provider)
    assert said == inbox.ANSWER
    assert [turn.agent for turn in run.turns] == ["triage", "triage", "researcher", "researcher", "triage"]
    assert [turn.usage.cache_read_tokens > 0 for turn in run.turns if turn.usage] == [0, 1, 0, 1, 1]


async def test_agents_that_stream_at_once_keep_their_names(run_path: Path) -> None:
    names = [f"agent-{number}" for number in range(4)]
    with LoopbackProvider(inbox.answer) as provider, tokenprof.profile(run_path):

        async def stream(name: str) -> str:
            agent = reader(provider, name, instructions=name, capabilities=[PydanticAIAgentNames()])
            async with agent.run_stream("read") as result:
                return "".join([piece async for piece in result.stream_text(delta=True)])

        assert await asyncio.gather(*map(stream, names)) == ["It asks for the key."] * 4
        assert current_agent() is None
    run = recorded(run_path, provider)
    sent = {call.response_id: str(call.body["system"]) for call in provider.billed}
    assert len(run.turns) == 8
    assert [turn for turn in run.turns if str(turn.agent) not in sent[turn.id]] == []


async def test_a_name_ends_with_its_call_even_if_the_call_fails(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(400), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        with pytest.raises(ModelHTTPError):
            await reader(provider, "unlucky", capabilities=[PydanticAIAgentNames()]).run("read")
        assert current_agent() is None
        with tokenprof.agent("outer"):
            await reader(provider, "unhooked").run("read")
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["outer"]


async def test_an_agent_without_a_name_takes_the_capabilitys(run_path: Path) -> None:
    with LoopbackProvider([Reply.text("done")] * 2) as provider, tokenprof.profile(run_path):
        await Agent(chat_model(provider), capabilities=[PydanticAIAgentNames("spare")]).run("one")
        agents = [Agent(chat_model(provider), capabilities=[PydanticAIAgentNames()])]
        await agents[0].run("two")
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["spare", None]


async def test_an_attempt_that_was_retried_is_billed_once_and_named(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(529), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        await reader(provider, "patient", capabilities=[PydanticAIAgentNames()]).run("read")
    (turn,) = recorded(run_path, provider).turns
    assert (turn.agent, turn.attempts) == ("patient", 2)
