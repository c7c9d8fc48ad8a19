"""LangChain and LangGraph agents by name, over the wrapped Anthropic SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import inbox
import pytest
import with_langchain
from agreement import recorded
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware
from langchain_anthropic import ChatAnthropic
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph

import tokenprof
from tokenprof.harness_adapters.hooks import langchain as langchain_hook
from tokenprof.record.session import current_agent
from tokenprof.testing import LoopbackProvider, Reply

pytestmark = pytest.mark.slow

TWO_AGENTS = ["triage", "triage", "researcher", "researcher", "triage"]


@pytest.fixture
def _installed() -> Iterator[None]:
    undo = langchain_hook.install()
    yield
    undo()


def chat_model(provider: LoopbackProvider, **settings: Any) -> ChatAnthropic:
    return ChatAnthropic(model=inbox.MODEL, api_key="none", base_url=provider.url, **settings)


def test_the_example_is_billed_and_named(run_path: Path) -> None:
    with LoopbackProvider(inbox.answer) as provider:
        said = with_langchain.main(str(run_path), api_key="none", base_url=provider.url)
    run = recorded(run_path, provider)
    assert said == inbox.ANSWER
    assert [turn.agent for turn in run.turns] == TWO_AGENTS
    assert [turn.usage.cache_read_tokens > 0 for turn in run.turns if turn.usage] == [0, 1, 0, 1, 1]


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("streaming", [False, True])
async def test_agents_that_run_at_once_keep_their_names(run_path: Path, streaming: bool) -> None:
    names = [f"agent-{number}" for number in range(4)]
    with LoopbackProvider(inbox.answer) as provider, tokenprof.profile(run_path):
        model = chat_model(provider, streaming=streaming)
        agents = [
            create_agent(model, [tool(inbox.read_mail)], name=name, system_prompt=name) for name in names
        ]
        await asyncio.gather(*(agent.ainvoke({"messages": [("user", "read")]}) for agent in agents))
        assert current_agent() is None
    run = recorded(run_path, provider)
    sent = {call.response_id: str(call.body["system"]) for call in provider.billed}
    assert len(run.turns) == 8
    assert [turn for turn in run.turns if str(turn.agent) not in sent[turn.id]] == []


@pytest.mark.usefixtures("_installed")
def test_a_node_of_a_graph_is_named_after_itself(run_path: Path) -> None:
    with LoopbackProvider(lambda body, attempt: Reply.text("done")) as provider, tokenprof.profile(run_path):
        model = chat_model(provider)
        graph = StateGraph(MessagesState)
        for name in ("draft", "review"):
            graph.add_node(
                name, lambda state: {"messages": [model.invoke(state["messages"]), ("user", "go on")]}
            )
        graph.add_edge(START, "draft")
        graph.add_edge("draft", "review")
        graph.add_edge("review", END)
        graph.compile().invoke({"messages": [("user", "write")]})
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["draft", "review"]


@pytest.mark.usefixtures("_installed")
def test_a_name_ends_with_its_call_even_if_the_call_fails(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(400), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        model = chat_model(provider, max_retries=0)
        with pytest.raises(anthropic.BadRequestError):
            create_agent(model, [], name="unlucky").invoke({"messages": [("user", "read")]})
        assert current_agent() is None
        with tokenprof.agent("outer"):
            model.invoke("and now by hand")
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["outer"]


def test_names_stop_when_the_hook_is_undone(run_path: Path) -> None:
    first, second = langchain_hook.install(), langchain_hook.install()
    answers = [Reply.text("done")] * 2
    with LoopbackProvider(answers) as provider, tokenprof.profile(run_path):
        agent = create_agent(chat_model(provider), [], name="named")
        first()
        first()
        agent.invoke({"messages": [("user", "one")]})
        second()
        agent.invoke({"messages": [("user", "two")]})
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["named", None]


def test_a_callback_of_your_own_names_that_run_only(run_path: Path) -> None:
    with LoopbackProvider([Reply.text("done")] * 2) as provider, tokenprof.profile(run_path):
        agent = create_agent(chat_model(provider), [], name="named")
        agent.invoke({"messages": [("user", "one")]}, {"callbacks": [langchain_hook.LangChainAgentNames()]})
        agent.invoke({"messages": [("user", "two")]})
    assert [turn.agent for turn in recorded(run_path, provider).turns] == ["named", None]


@pytest.mark.usefixtures("_installed")
def test_an_attempt_that_was_retried_is_billed_once_and_named(run_path: Path) -> None:
    with LoopbackProvider([Reply.error(529), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        create_agent(chat_model(provider), [], name="patient").invoke({"messages": [("user", "read")]})
    (turn,) = recorded(run_path, provider).turns
    assert (turn.agent, turn.attempts) == ("patient", 2)


@pytest.mark.usefixtures("_installed")
def test_a_call_that_an_agents_middleware_makes_is_tagged_with_its_step(run_path: Path) -> None:
    class Planning(AgentMiddleware[Any, Any, Any]):
        def __init__(self, model: ChatAnthropic) -> None:
            super().__init__()
            self._model = model

        def before_model(self, state: Any, runtime: Any) -> None:
            self._model.invoke("What first?")

    with LoopbackProvider([Reply.text("plan"), Reply.text("done")]) as provider, tokenprof.profile(run_path):
        model = chat_model(provider)
        agent = create_agent(model, [], name="planner", middleware=[Planning(model)])
        agent.invoke({"messages": [("user", "read")]})
    turns = recorded(run_path, provider).turns
    assert [(turn.agent, turn.tags.get("step")) for turn in turns] == [
        ("planner", "Planning.before_model"),
        ("planner", None),
    ]
