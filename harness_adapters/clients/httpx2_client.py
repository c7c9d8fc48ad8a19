"""Model calls that leave the process through `httpx2`: those of the `openai` SDK 3.x, hand-written ones."""

from __future__ import annotations

import httpx2

from tokenprof.harness_adapters.clients.httpx_calls import Library

LIBRARY = Library(httpx2)
wrap = LIBRARY.wrap
wrap_new_clients = LIBRARY.wrap_new_clients
