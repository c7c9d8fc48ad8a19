"""Model calls that leave the process through `httpx`: LiteLLM's, an older `anthropic`'s, hand-written ones.

LiteLLM makes its HTTP calls itself, and its loggers tell of a streamed call afterwards, from another
thread and without the provider's ids. Taken where the bytes pass, every kind of call is seen alike.
The `openai` SDK has an adapter of its own, and so has `anthropic` as far as it takes middleware; their calls
are left to those, so that none is seen twice.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from tokenprof.harness_adapters.anthropic_exchange import PROVIDER, interpret
from tokenprof.harness_adapters.observed_response import Attempt
from tokenprof.record.exchange import Exchange
from tokenprof.record.span import start_span
from tokenprof.session import active_recorder, current_agent

MESSAGES_PATH = "/v1/messages"
ANTHROPIC_AGENTS = ("Anthropic/", "AsyncAnthropic/")
"""User agents of the `anthropic` SDK."""

SEEN = "tokenprof.seen"
"""Marks a request that is being recorded, however often its client was wrapped."""


def wrap(client: Any) -> Any:
    """Return the same client with its model calls seen; wrapping twice changes nothing."""
    send = _observed_async if isinstance(client, httpx.AsyncClient) else _observed
    client.send = send(client.send)
    return client


def wrap_new_clients() -> Callable[[], None]:
    """See the model calls of every httpx client, new or old; returns what undoes it. Profiles may overlap."""
    with _lock:
        if not _patched:
            for client_class, observed in ((httpx.Client, _observed), (httpx.AsyncClient, _observed_async)):
                original = client_class.send
                replacement = observed(original)
                client_class.send = replacement  # type: ignore[method-assign]
                _patched.append((client_class, original, replacement))
        _users.append(object())

    pending = [True]

    def undo() -> None:
        with _lock:
            if not pending:
                return
            pending.clear()
            _users.pop()
            if _users:
                return
            for client_class, original, replacement in _patched:
                # Another tool may have wrapped the method since; its work is left alone.
                if client_class.send is replacement:
                    client_class.send = original
            _patched.clear()

    return undo


_lock = threading.Lock()
_patched: list[tuple[Any, Any, Any]] = []
_users: list[object] = []


def _observed(send: Any) -> Any:
    def observed_send(*args: Any, **kwargs: Any) -> Any:
        attempt = _begin(args, kwargs)
        if attempt is None:
            return send(*args, **kwargs)
        try:
            response = send(*args, **kwargs)
        except BaseException as error:
            attempt.end(failure=type(error).__name__)
            raise
        attempt.observe(response)
        return response

    observed_send.__wrapped__ = send  # type: ignore[attr-defined]
    return observed_send


def _observed_async(send: Any) -> Any:
    async def observed_send(*args: Any, **kwargs: Any) -> Any:
        attempt = _begin(args, kwargs)
        if attempt is None:
            return await send(*args, **kwargs)
        try:
            response = await send(*args, **kwargs)
        except BaseException as error:
            attempt.end(failure=type(error).__name__)
            raise
        attempt.observe(response)
        return response

    observed_send.__wrapped__ = send  # type: ignore[attr-defined]
    return observed_send


def _begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attempt | None:
    """Take what is needed of a request; None for what is not a model call. Never raises."""
    try:
        request = kwargs.get("request") or next(arg for arg in args if isinstance(arg, httpx.Request))
        if request.method != "POST" or not request.url.path.rstrip("/").endswith(MESSAGES_PATH):
            return None
        if SEEN in request.extensions or _is_seen_by_middleware(request):
            return None
        exchange = Exchange(
            interpret=interpret,
            provider=PROVIDER,
            request=request.content,
            started_ns=time.time_ns(),
            call=request.headers.get("idempotency-key", ""),
            retries_taken=int(request.headers.get("x-stainless-retry-count", 0)),
            agent=current_agent(),
        )
        recorder = active_recorder()
        start_span(exchange, "")
        if recorder is None and exchange.span is None:
            return None
        request.extensions = {**request.extensions, SEEN: True}
        return Attempt(exchange, recorder)
    except Exception:  # noqa: BLE001 - the host's call goes on whatever happens to us
        return None


def _is_seen_by_middleware(request: httpx.Request) -> bool:
    """Whether the adapter of the `anthropic` SDK records this call: not where that has no middleware yet."""
    if not request.headers.get("user-agent", "").startswith(ANTHROPIC_AGENTS):
        return False
    return hasattr(sys.modules.get("anthropic"), "Middleware")
