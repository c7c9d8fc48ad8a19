"""The `openai` SDK, observed at its HTTP library: `httpx2` for 3.x, `httpx` for 2.x.

A client and all its `with_options()` copies share one HTTP client, so wrapping that one covers them all.
Inside a profile no client needs wrapping, because the library is watched.
"""

from __future__ import annotations

from typing import Any

from tokenprof.harness_adapters.clients.httpx_calls import wrap_http_client


def wrap(client: Any) -> Any:
    """Return the same client, with its model calls observed. Wrapping it twice changes nothing."""
    wrap_http_client(client._client)
    return client
