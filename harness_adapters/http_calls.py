"""Model calls where their bytes pass an HTTP library (`httpx`, `httpx2`), whoever makes them.

LiteLLM makes its HTTP calls itself, and its loggers tell of a streamed call afterwards, from another
thread and without the provider's ids. The `openai` SDK has no middleware. Taken where the bytes pass, every
kind of call is seen alike: sync, async, streamed, raw, parsed, retried. Calls of the `anthropic` SDK are left
to its own adapter as far as it takes middleware, so that none is seen twice.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from tokenprof.harness_adapters.observed_response import Attempt
from tokenprof.harness_adapters.openai_chat import with_usage
from tokenprof.record.exchange import Exchange
from tokenprof.record.retries import Retries
from tokenprof.record.span import start_span
from tokenprof.session import active_recorder, current_agent, current_tags
from tokenprof.wires import Wire, interpreter_of, wire_of

SDK_MARK = "x-stainless-lang"
"""A header of generated SDKs, whatever user agent a framework has given them."""

ANTHROPIC_ADAPTERS = ("anthropic_exchange", "anthropic_platforms")

SEEN = "tokenprof.seen"
"""Marks a request that is being recorded, however often its client was wrapped."""


class Library:
    """An HTTP library whose clients' model calls are seen. Wrapping twice changes nothing."""

    def __init__(self, module: Any):
        self._module = module
        self._lock = threading.Lock()
        self._patched: list[tuple[Any, Any, Any]] = []
        self._users: list[object] = []
        self._retries = Retries()

    def wrap(self, client: Any) -> Any:
        """Return the same client with its model calls seen."""
        if not getattr(client.send, "is_tokenprof", False):
            client.send = self._observer_of(type(client))(client.send)
        return client

    def wrap_new_clients(self) -> Callable[[], None]:
        """See the model calls of every client, new or old; returns what undoes it. Profiles may overlap."""
        with self._lock:
            if not self._patched:
                for client_class in (self._module.Client, self._module.AsyncClient):
                    original = client_class.send
                    replacement = self._observer_of(client_class)(original)
                    client_class.send = replacement
                    self._patched.append((client_class, original, replacement))
            self._users.append(object())
        pending = [True]

        def undo() -> None:
            with self._lock:
                if not pending:
                    return
                pending.clear()
                self._users.pop()
                if self._users:
                    return
                for client_class, original, replacement in self._patched:
                    # Another tool may have wrapped the method since; its work is left alone.
                    if client_class.send is replacement:
                        client_class.send = original
                self._patched.clear()

        return undo

    def _observer_of(self, client_class: type) -> Callable[[Any], Any]:
        is_async = issubclass(client_class, self._module.AsyncClient)
        return self._observed_async if is_async else self._observed

    def _observed(self, send: Any) -> Any:
        def observed_send(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = self._asking_for_usage(args, kwargs)
            attempt = self._begin(args, kwargs)
            if attempt is None:
                return send(*args, **kwargs)
            try:
                response = send(*args, **kwargs)
            except BaseException as error:
                attempt.end(failure=type(error).__name__)
                raise
            attempt.observe(response)
            return response

        return _marked(observed_send, send)

    def _observed_async(self, send: Any) -> Any:
        async def observed_send(*args: Any, **kwargs: Any) -> Any:
            args, kwargs = self._asking_for_usage(args, kwargs)
            attempt = self._begin(args, kwargs)
            if attempt is None:
                return await send(*args, **kwargs)
            try:
                response = await send(*args, **kwargs)
            except BaseException as error:
                attempt.end(failure=type(error).__name__)
                raise
            attempt.observe(response)
            return response

        return _marked(observed_send, send)

    def _asking_for_usage(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with a request that asks for the stream's usage, where the profile wants that.

        Never raises; what is no chat stream, or says itself what it wants, is left as it is.
        """
        try:
            recorder = active_recorder()
            if recorder is None or not recorder.request_usage:
                return args, kwargs
            given = self._request_of(args, kwargs)
            wire = wire_of(given.method, given.url.path)
            asking = with_usage(given.content) if wire and wire.adapter == "openai_exchange" else None
            if asking is None:
                return args, kwargs
            headers = [(k, v) for k, v in given.headers.multi_items() if k.lower() != "content-length"]
            request = self._module.Request(
                given.method, given.url, headers=headers, content=asking, extensions=given.extensions
            )
            if "request" in kwargs:
                return args, {**kwargs, "request": request}
            return tuple(request if arg is given else arg for arg in args), kwargs
        except Exception:  # noqa: BLE001 - the host's call goes on whatever happens to us
            return args, kwargs

    def _request_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        request_class = self._module.Request
        return kwargs.get("request") or next(arg for arg in args if isinstance(arg, request_class))

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attempt | None:
        """Take what is needed of a request; None for what is not a model call. Never raises."""
        try:
            request = self._request_of(args, kwargs)
            wire = wire_of(request.method, request.url.path)
            if wire is None or SEEN in request.extensions or _is_seen_by_middleware(request, wire):
                return None
            call, retries_taken = self._retries.attempt(
                request.content, request.headers.get("x-stainless-retry-count", "")
            )
            exchange = Exchange(
                interpret=interpreter_of(wire),
                provider=wire.provider,
                request=request.content,
                started_ns=time.time_ns(),
                call=request.headers.get("idempotency-key") or call,
                target=request.url.path,
                retries_taken=retries_taken,
                agent=current_agent(),
                tags=current_tags(),
            )
            recorder = active_recorder()
            start_span(exchange, "")
            if recorder is None and exchange.span is None:
                return None
            request.extensions = {**request.extensions, SEEN: True}
            return Attempt(exchange, recorder, self._retries.ended)
        except Exception:  # noqa: BLE001 - the host's call goes on whatever happens to us
            return None


def wrap_http_client(http_client: Any) -> None:
    """Have an SDK's HTTP client seen, whichever library it is of. Raises TypeError for another library's."""
    for ancestor in type(http_client).__mro__:
        library = ancestor.__module__.partition(".")[0]
        if library in ("httpx", "httpx2"):
            importlib.import_module(f"tokenprof.harness_adapters.{library}_wire").wrap(http_client)
            return
    raise TypeError(
        f"tokenprof.wrap knows clients over httpx and httpx2, not over "
        f"{type(http_client).__module__}.{type(http_client).__qualname__}."
    )


def _marked(observed: Any, send: Any) -> Any:
    observed.__wrapped__ = send
    observed.is_tokenprof = True
    return observed


def _is_seen_by_middleware(request: Any, wire: Wire) -> bool:
    """Whether the adapter of the `anthropic` SDK records this call: not where that has no middleware yet."""
    if SDK_MARK not in request.headers or wire.adapter not in ANTHROPIC_ADAPTERS:
        return False
    return hasattr(sys.modules.get("anthropic"), "Middleware")
