"""Google ADK: the agent's name on every model call it makes.

    runner = InMemoryRunner(agent, plugins=[AdkAgentNames()])

The calls themselves are recorded where they leave the process, by LiteLLM's hook or the wrapped SDK.
"""

from __future__ import annotations

from typing import Any

from google.adk.plugins.base_plugin import BasePlugin

from tokenprof.harness_adapters.hooks.named_scopes import NamedScopes


class AdkAgentNames(BasePlugin):
    """A plugin that names the agent around each model call; changes nothing else."""

    def __init__(self) -> None:
        super().__init__(name="tokenprof_agent_names")
        self._scopes = NamedScopes()

    async def before_model_callback(self, *, callback_context: Any, llm_request: Any) -> None:
        """A call begins, in the task in which it is made."""
        self._scopes.begin(id(callback_context.session), callback_context.agent_name)

    async def after_model_callback(self, *, callback_context: Any, llm_response: Any) -> None:
        """A response, or a piece of one, has arrived."""
        if not getattr(llm_response, "partial", False):
            self._scopes.end(id(callback_context.session))

    async def on_model_error_callback(
        self, *, callback_context: Any, llm_request: Any, error: Exception
    ) -> None:
        """A call has failed."""
        self._scopes.end(id(callback_context.session))
