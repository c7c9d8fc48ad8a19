"""Model calls whose bytes pass `httpx` or `httpx2`, whoever makes them.

LiteLLM makes its HTTP calls itself, and its loggers report a streamed call only afterwards, from another
thread and without the provider's ids. The `openai` SDK has no middleware. Here every kind of call looks the
same: sync, async, streamed, raw, parsed, retried. Calls of `anthropic` clients with our middleware are left
to it, so that none is seen twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tokenprof.facts.adapters import load_adapter
from tokenprof.facts.provider_errors import ProviderError
from tokenprof.harness_adapters.clients.calls_in_progress import (
    CallInProgress,
    call_here,
)
from tokenprof.harness_adapters.clients.host_calls import (
    HeldCall,
    begin,
    begun,
    call_through,
    call_through_async,
    held_call,
)
from tokenprof.harness_adapters.clients.httpx_response import named_headers, observe
from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, is_marked, marked
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.exchange import ATTEMPT_HEADERS
from tokenprof.record.session import active_recorder
from tokenprof.record.wires import wire_of


class Library:
    """An HTTP library whose clients are observed. Wrapping a client twice changes nothing."""

    def __init__(self, module: Any):
        self._module = module
        self._patched = PatchedMethods(
            lambda: [
                (module.Client, "send", self._observed),
                (module.AsyncClient, "send", self._observed_async),
            ]
        )

    def wrap(self, client: Any) -> Any:
        """Return the same client, with its model calls observed."""
        if not is_marked(vars(client).get("send")):
            is_async = isinstance(client, self._module.AsyncClient)
            client.send = (self._observed_async if is_async else self._observed)(client.send)
        return client

    def wrap_new_clients(self) -> Callable[[], None]:
        """Observe the model calls of all clients, old and new.

        Return what undoes it; profiles may overlap.
        """
        return self._patched.apply()

    def _observed(self, send: Any) -> Any:
        def observed_send(*args: Any, **kwargs: Any) -> Any:
            outer = call_here()
            if outer is not None and self._is_part(outer, args, kwargs):
                return send(*args, **kwargs)
            if _may_intervene():
                held = self._held(args, kwargs)
                if held is not None and (refusal := held.settled_refusal()) is not None:
                    return self._refused(args, kwargs, refusal)
                args, kwargs = self._asking_for_usage(args, kwargs)
            attempt, request = self._begin(args, kwargs)
            if attempt is None:
                return send(*args, **kwargs)
            call = CallInProgress(self._module.__name__, request, attempt.exchange.request.__eq__)
            response = call_through(attempt, call, lambda: send(*args, **kwargs))
            observe(attempt, response)
            return response

        return marked(observed_send, send)

    def _observed_async(self, send: Any) -> Any:
        async def observed_send(*args: Any, **kwargs: Any) -> Any:
            outer = call_here()
            if outer is not None and self._is_part(outer, args, kwargs):
                return await send(*args, **kwargs)
            if _may_intervene():
                held = self._held(args, kwargs)
                if held is not None and (refusal := await held.settled_refusal_async()) is not None:
                    return self._refused(args, kwargs, refusal)
                args, kwargs = self._asking_for_usage(args, kwargs)
            attempt, request = self._begin(args, kwargs)
            if attempt is None:
                return await send(*args, **kwargs)
            call = CallInProgress(self._module.__name__, request, attempt.exchange.request.__eq__)
            response = await call_through_async(attempt, call, lambda: send(*args, **kwargs))
            observe(attempt, response)
            return response

        return marked(observed_send, send)

    def _asking_for_usage(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments; if the profile wants it, the request asks for the usage of its stream.

        Never raises. A request that is not a chat stream, or already says what it wants, is left as it is.
        """
        try:
            recorder = active_recorder()
            if recorder is None or not recorder.request_usage:
                return args, kwargs
            given = self._request_of(args, kwargs)
            wire = wire_of(given.method, given.url.path)
            if wire is None or wire.adapter != "openai_exchange":
                return args, kwargs
            # Only who asks for it pays for this import.
            from tokenprof.harness_adapters.wires.openai_chat import with_usage

            asking = with_usage(given.content)
            if asking is None:
                return args, kwargs
            headers = [(k, v) for k, v in given.headers.multi_items() if k.lower() != "content-length"]
            request = self._module.Request(
                given.method, given.url, headers=headers, content=asking, extensions=given.extensions
            )
            if "request" in kwargs:
                return args, {**kwargs, "request": request}
            return tuple(request if arg is given else arg for arg in args), kwargs
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
            raise_if_the_hosts(error)
            return args, kwargs

    def _held(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> HeldCall | None:
        """Return a call that a hard budget may refuse, else None. Never raises."""
        try:
            recorder = active_recorder()
            if recorder is None or recorder.gatekeeper is None:
                return None
            request = self._request_of(args, kwargs)
            method, path = request.method, request.url.path
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
            raise_if_the_hosts(error)
            return None
        return held_call(self._module.__name__, request, method, path, lambda: _content_of(request))

    def _refused(self, args: tuple[Any, ...], kwargs: dict[str, Any], refusal: ProviderError) -> Any:
        return self._module.Response(
            refusal.status,
            headers=list(refusal.headers),
            content=refusal.body,
            request=self._request_of(args, kwargs),
        )

    def _request_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "request" in kwargs:
            return kwargs["request"]
        for arg in args:
            if isinstance(arg, self._module.Request):
                return arg
        raise TypeError("no request is sent")

    def _is_part(self, call: CallInProgress, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a request is a part of the call that is being made. Never raises."""
        try:
            request = self._request_of(args, kwargs)
            return wire_of(request.method, request.url.path) is not None and call.has_part(
                self._module.__name__, request, lambda: _content_of(request)
            )
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
            raise_if_the_hosts(error)
            return False

    def _begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Attempt | None, object]:
        """Begin an attempt if a request is a model call; also return the request. Never raises."""
        try:
            request = self._request_of(args, kwargs)
            client, method, path = self._module.__name__, request.method, request.url.path
        except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
            raise_if_the_hosts(error)
            return None, None
        attempt = begun(
            lambda: begin(
                client,
                method,
                path,
                named_headers(request.headers, ATTEMPT_HEADERS),
                lambda: _content_of(request),
                request.url.host,
                request=request,
            ),
            client,
            method,
            path,
        )
        return attempt, request


def _may_intervene() -> bool:
    """Whether the recording here may refuse calls, or ask for more than they do. Never raises."""
    try:
        recorder = active_recorder()
        return recorder is not None and (recorder.gatekeeper is not None or recorder.request_usage)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return False


def _content_of(request: Any) -> bytes | None:
    """Return the bytes of a request; None for a stream, which can be read only once."""
    content = getattr(request, "_content", None)
    return content if isinstance(content, bytes) else None


def wrap_http_client(http_client: Any) -> None:
    """Observe an SDK's HTTP client. Raises TypeError if it is neither an `httpx` nor an `httpx2` client."""
    for ancestor in type(http_client).__mro__:
        library = ancestor.__module__.partition(".")[0]
        if library in ("httpx", "httpx2"):
            load_adapter(f"clients.{library}_client").wrap(http_client)
            return
    raise TypeError(
        f"tokenprof.wrap knows clients over httpx and httpx2, not over "
        f"{type(http_client).__module__}.{type(http_client).__qualname__}."
    )
