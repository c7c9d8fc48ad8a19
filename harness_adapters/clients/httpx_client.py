"""Model calls that leave the process through `httpx`: LiteLLM's, an older SDK's, hand-written ones."""

from __future__ import annotations

import httpx

from tokenprof.harness_adapters.clients.httpx_calls import Library

LIBRARY = Library(httpx)
wrap = LIBRARY.wrap
wrap_new_clients = LIBRARY.wrap_new_clients
