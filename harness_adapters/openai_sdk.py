"""The `openai` SDK: 3.x on `httpx2`, 2.x on `httpx`, seen where its bytes pass that library.

A client and all its `with_options()` copies share one HTTP client, so wrapping that one sees them all.
Clients made inside a profile need nothing: their library is watched while the profile is open.
"""

from __future__ import annotations

import importlib
from typing import Any


def wrap(client: Any) -> Any:
    """Return the same client with its model calls seen; wrapping twice changes nothing."""
    http_client = client._client
    for ancestor in type(http_client).__mro__:
        library = ancestor.__module__.partition(".")[0]
        if library in ("httpx", "httpx2"):
            importlib.import_module(f"tokenprof.harness_adapters.{library}_wire").wrap(http_client)
            return client
    raise TypeError(
        f"tokenprof.wrap knows openai clients over httpx and httpx2, not over "
        f"{type(http_client).__module__}.{type(http_client).__qualname__}."
    )
