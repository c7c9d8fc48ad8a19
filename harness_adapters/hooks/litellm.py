"""LiteLLM, and frameworks that call models through it: smolagents, mini-swe-agent, Google ADK, CrewAI, ….

    from tokenprof.harness_adapters.hooks import litellm as litellm_hook
    litellm_hook.install()

Calls that LiteLLM sends itself are recorded as they pass its HTTP client; those that it makes through the
`openai` SDK are recorded there.
"""

from __future__ import annotations

from collections.abc import Callable

from tokenprof.harness_adapters.clients import httpx_client as httpx_wire


def install() -> Callable[[], None]:
    """Record LiteLLM's calls from now on. Return what undoes it."""
    return httpx_wire.wrap_new_clients()
