"""The `openai` SDK: 3.x on `httpx2`, 2.x on `httpx`, seen where its bytes pass that library.

A client and all its `with_options()` copies share one HTTP client, so wrapping that one sees them all.
Clients made inside a profile need nothing: their library is watched while the profile is open.
"""

from __future__ import annotations

from typing import Any

from tokenprof.harness_adapters.clients.httpx_calls import wrap_http_client


def wrap(client: Any) -> Any:
    """Return the same client with its model calls seen; wrapping twice changes nothing."""
    wrap_http_client(client._client)
    return client
