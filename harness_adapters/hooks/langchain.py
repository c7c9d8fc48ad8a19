"""LangChain, LangGraph and deepagents: the agent's name on every model call that a chat model makes.

    from tokenprof.harness_adapters.hooks import langchain as langchain_hook
    langchain_hook.install()

The calls themselves are recorded where they leave the process, by the wrapped SDK under the chat model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from tokenprof.harness_adapters.hooks.named_scopes import NamedScopes, once

COMMON_NODES = ("model", "agent", "tools")
UNNAMED_AGENT = "langchain_create_agent"
"""What `create_agent` calls the integration; its nodes are called `model` and `tools` in every agent."""


class LangChainAgentNames(BaseCallbackHandler):
    """A callback that names the agent around each chat model call; changes nothing else.

    `install` adds it everywhere. For one run only: `config={"callbacks": [LangChainAgentNames()]}`.
    """

    run_inline = True
    """Run in the task of the call: a context variable set in an executor's thread would be lost."""

    def __init__(self) -> None:
        self._scopes = NamedScopes()
        self.users = 1

    @property
    def ignore_chat_model(self) -> bool:
        """Whether starts are ignored. Ends never are, so that no scope stays open."""
        return not self.users

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note which agent, or node of a hand-written graph, calls the model, and in which step."""
        self._scopes.begin(run_id, agent_of(metadata or {}), step_of(metadata or {}))

    def on_llm_end(self, response: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """The call is over."""
        self._scopes.end(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """The call is over."""
        self._scopes.end(run_id)


def agent_of(metadata: Mapping[str, Any]) -> str | None:
    """Return who makes a call: a named agent, else the node of a graph; None if neither is known."""
    name = metadata.get("lc_agent_name")
    if not name and metadata.get("ls_integration") != UNNAMED_AGENT:
        name = metadata.get("langgraph_node")
    return name if isinstance(name, str) else None


def step_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the graph node in which a named agent calls the model; None for nodes that every agent has."""
    node = metadata.get("langgraph_node")
    is_own = isinstance(node, str) and node not in (*COMMON_NODES, agent_of(metadata))
    return node if is_own else None


_everywhere = LangChainAgentNames()
_everywhere.users = 0
# The class is given so that a run with its own LangChainAgentNames does not get a second one.
register_configure_hook(ContextVar("tokenprof_langchain", default=_everywhere), True, LangChainAgentNames)


def install() -> Callable[[], None]:
    """Name the agents of every run in this process from now on. Return what undoes it."""
    _everywhere.users += 1
    return once(_leave)


def _leave() -> None:
    _everywhere.users -= 1
