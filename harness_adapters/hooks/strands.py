"""Strands Agents: the agent's name on every model call it makes.

    agent = Agent(model=model, name="triage", hooks=[StrandsAgentNames()])

The calls themselves are recorded where they leave the process, by the wrapped SDK or LiteLLM under the model.
"""

from __future__ import annotations

from typing import Any

from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent, HookProvider, HookRegistry

from tokenprof.harness_adapters.hooks.named_scopes import NamedScopes


class StrandsAgentNames(HookProvider):
    """A hook that names the agent around each model call; changes nothing else."""

    def __init__(self) -> None:
        self._scopes = NamedScopes()

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Listen to the start and the end of model calls."""
        registry.add_callback(BeforeModelCallEvent, self._begin)
        registry.add_callback(AfterModelCallEvent, self._end)

    def _begin(self, event: BeforeModelCallEvent) -> None:
        self._scopes.begin(id(event.agent), event.agent.name)

    def _end(self, event: AfterModelCallEvent) -> None:
        self._scopes.end(id(event.agent))
