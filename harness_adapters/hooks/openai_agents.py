"""OpenAI Agents SDK: the agent's name on every model call, from its own tracing.

    from tokenprof.harness_adapters.hooks import openai_agents as openai_agents_hook
    openai_agents_hook.install()

This is a trace processor that keeps and exports nothing; the calls themselves are recorded where they leave
the process, by the wrapped OpenAI SDK. The SDK's tracing must be on. If you do not want it to export traces,
call `agents.set_trace_processors([])` before this line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agents.tracing import AgentSpanData, TracingProcessor, get_trace_provider

from tokenprof.harness_adapters.hooks.named_scopes import NamedScopes, once


class OpenAIAgentNames(TracingProcessor):
    """Names the agent from the start of its span to the end; changes nothing else."""

    def __init__(self) -> None:
        self._scopes = NamedScopes()
        self.users = 1

    def on_span_start(self, span: Any) -> None:
        """An agent begins, in the task in which it will call the model."""
        if self.users and isinstance(span.span_data, AgentSpanData):
            self._scopes.begin(span.span_id, span.span_data.name)

    def on_span_end(self, span: Any) -> None:
        """An agent has finished, or handed over."""
        self._scopes.end(span.span_id)

    def on_trace_start(self, trace: Any) -> None:
        """Do nothing: a workflow does not name any call."""

    def on_trace_end(self, trace: Any) -> None:
        """Do nothing: a workflow does not name any call."""

    def shutdown(self) -> None:
        """Do nothing: there is nothing to release."""

    def force_flush(self) -> None:
        """Do nothing: there is nothing to send."""


_everywhere = OpenAIAgentNames()
_everywhere.users = 0
_registered: list[Any] = []


def install() -> Callable[[], None]:
    """Name the agents of every run in this process from now on. Return what undoes it.

    Call it after `agents.set_trace_processors`, which replaces all processors.
    """
    provider = get_trace_provider()
    if provider not in _registered:
        # The SDK can add a processor but not take one away; without users this one does nothing.
        provider.register_processor(_everywhere)
        _registered[:] = [provider]
    _everywhere.users += 1
    return once(_leave)


def _leave() -> None:
    _everywhere.users -= 1
