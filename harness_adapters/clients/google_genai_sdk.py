"""The `google-genai` SDK, observed at its HTTP clients: `httpx2`, `httpx` and `aiohttp`."""

from __future__ import annotations

from typing import Any

from tokenprof.facts.adapters import load_adapter
from tokenprof.harness_adapters.clients.httpx_calls import wrap_http_client
from tokenprof.harness_adapters.clients.patched_methods import is_marked, marked


def wrap(client: Any) -> Any:
    """Return the same client, with its model calls observed. Raises TypeError for Google's other clients."""
    api_client = getattr(client, "_api_client", None)
    found = [getattr(api_client, name, None) for name in ("_httpx_client", "_async_httpx_client")]
    if not any(found):
        raise TypeError(
            f"tokenprof.wrap knows google.genai.Client, not "
            f"{type(client).__module__}.{type(client).__qualname__}."
        )
    for http_client in filter(None, found):
        wrap_http_client(http_client)
    _wrap_sessions(api_client)
    return client


def _wrap_sessions(api_client: Any) -> None:
    """Observe the `aiohttp` sessions that a client makes with its first call in each event loop."""
    session_here = getattr(api_client, "_get_aiohttp_session", None)
    if session_here is None or is_marked(session_here):
        return

    async def observed_session_here() -> Any:
        session = await session_here()
        wire = load_adapter("clients.aiohttp_client")
        # Google's own authorised session is not an aiohttp session, but it uses one that a profile sees.
        if isinstance(session, wire.aiohttp.ClientSession):
            wire.wrap(session)
        return session

    api_client._get_aiohttp_session = marked(observed_session_here, session_here)
