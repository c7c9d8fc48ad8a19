"""The `google-genai` SDK: its HTTP clients, on `httpx2` or `httpx`, seen where their bytes pass that library.

With `aiohttp` installed the SDK may take that for asynchronous calls instead; those are not seen, and
`HttpOptions(httpx_async_client=...)` brings them back.
"""

from __future__ import annotations

from typing import Any

from tokenprof.harness_adapters.http_calls import wrap_http_client


def wrap(client: Any) -> Any:
    """Return the same client with its model calls seen. Raises TypeError for another of Google's clients."""
    api_client = getattr(client, "_api_client", None)
    found = [getattr(api_client, name, None) for name in ("_httpx_client", "_async_httpx_client")]
    if not any(found):
        raise TypeError(
            f"tokenprof.wrap knows google.genai.Client, not "
            f"{type(client).__module__}.{type(client).__qualname__}."
        )
    for http_client in filter(None, found):
        wrap_http_client(http_client)
    return client
