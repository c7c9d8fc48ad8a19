"""OpenAI Agents SDK: agents by name, whatever model they run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import inbox
import pytest
from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_trace_processors
from agreement import recorded
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

import tokenprof
from tokenprof.harness_adapters.hooks import openai_agents as openai_agents_hook
from tokenprof.record.session import current_agent
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Nothing is sent to OpenAI; the hook is registered again in every test."""
    set_trace_processors([])
    openai_agents_hook._registered.clear()


@pytest.fixture
def _installed(_quiet: None) -> Iterator[None]:
    undo = openai_agents_hook.install()
    yield
    undo()


class Claude(Model):
    """A model of the kind that users write: the agents' items in another provider's terms, and back."""

    def __init__(self, provider: LoopbackProvider):
        self._client = anthropic.AsyncAnthropic(api_key="none", base_url=provider.url, max_retries=0)

    async def get_response(
        self, system_instructions: Any, input: Any, model_settings: Any, tools: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        answer = await self._client.messages.create(
            model=inbox.MODEL,
            max_tokens=100,
            system=system_instructions or "none",
            messages=list(self._messages(input)),
            tools=[{"name": t.name, "input_schema": t.params_json_schema} for t in tools],
        )
        return ModelResponse(output=[_item(b) for b in answer.content], usage=Usage(), response_id=answer.id)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError

    @staticmethod
    def _messages(items: Any) -> Iterator[Any]:
        if isinstance(items, str):
            yield {"role": "user", "content": items}
            return
        for item in items:
            kind = item.get("type")
            if kind == "function_call":
                call = {"type": "tool_use", "id": item["call_id"], "name": item["name"], "input": {}}
                yield {"role": "assistant", "content": [call]}
            elif kind == "function_call_output":
                result = {
                    "type": "tool_result",
                    "tool_use_id": item["call_id"],
                    "content": str(item["output"]),
                }
                yield {"role": "user", "content": [result]}
            else:
                yield {"role": item["role"], "content": str(item["content"])}


def _item(block: Any) -> Any:
    if block.type == "tool_use":
        return ResponseFunctionToolCall(
            type="function_call",
            call_id=block.id,
            name=block.name,
            arguments=block.model_dump_json(include={}),
        )
    text = ResponseOutputText(type="output_text", text=block.text, annotations=[])
    return ResponseOutputMessage(id="m", type="message", role="assistant", status="completed", content=[text])


@pytest.mark.usefixtures("_installed")
async def test_an_agent_behind_a_tool_keeps_its_own_name(run_path: Path) -> None:
    @function_tool
    def look() -> str:
        """Look."""
        return "nothing"

    def script(body: Any, attempt: int) -> Reply:
        if any(message["role"] == "assistant" for message in body["messages"]):
            return Reply.text("done")
        return Reply.calls((body["tools"][0]["name"], {}))

    with LoopbackProvider(script) as provider, tokenprof.profile(run_path):
        helper = Agent("helper", model=Claude(provider), tools=[look])

        @function_tool
        async def ask() -> str:
            """Ask the helper."""
            return str((await Runner.run(helper, "look")).final_output)

        await Runner.run(Agent("lead", model=Claude(provider), tools=[ask]), "begin")
        assert current_agent() is None
    turns = recorded(run_path, provider).turns
    assert [turn.agent for turn in turns] == ["lead", "helper", "helper", "lead"]


@pytest.mark.usefixtures("_installed")
async def test_agents_that_run_at_once_keep_their_names(run_path: Path) -> None:
    with LoopbackProvider(lambda body, attempt: Reply.text("done")) as provider, tokenprof.profile(run_path):
        agents = [Agent(name, instructions=name, model=Claude(provider)) for name in ("one", "two", "three")]
        await asyncio.gather(*(Runner.run(agent, "begin") for agent in agents))
    run = recorded(run_path, provider)
    sent = {str(call.response_id): call.body["system"] for call in provider.billed}
    assert {turn.id: turn.agent for turn in run.turns} == sent
    assert len(sent) == 3


@pytest.mark.usefixtures("_installed")
async def test_a_name_ends_with_its_run_even_if_that_fails(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(400), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        with pytest.raises(anthropic.BadRequestError):
            await Runner.run(Agent("unlucky", model=Claude(provider)), "begin")
        assert current_agent() is None
        await Runner.run(Agent("lucky", model=Claude(provider)), "begin")
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["lucky"]


async def test_names_stop_when_the_hook_is_undone(run_path: Path) -> None:
    first, second = openai_agents_hook.install(), openai_agents_hook.install()
    with LoopbackProvider([Reply.text("done")] * 2) as provider, tokenprof.profile(run_path):
        agent = Agent("named", model=Claude(provider))
        first()
        first()
        await Runner.run(agent, "one")
        second()
        await Runner.run(agent, "two")
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["named", None]
