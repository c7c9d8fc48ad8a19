"""The `anthropic` SDK (0.108 and later), through its own middleware.

The middleware chain runs once per attempt inside the SDK's retry loop, before a platform client rewrites the
request, so one class serves every client and every way of calling. A body that has not been read yet is
observed as its bytes pass; nothing is read ahead or held back.
"""

from __future__ import annotations

import inspect
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anthropic
import orjson
from anthropic import Middleware

from tokenprof.harness_adapters.clients.host_calls import (
    attempt_at,
    begun,
    call_through,
    call_through_async,
    guarded,
)
from tokenprof.harness_adapters.clients.httpx_response import observe
from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, Replacement
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.exchange import Exchange
from tokenprof.record.session import active_recorder, current_agent, current_tags
from tokenprof.record.wires import interpreter_of, wire_of

if TYPE_CHECKING:
    from anthropic import APIRequest
    from anthropic._middleware import AsyncCallNext, CallNext

MESSAGES_PATHS = ("/v1/messages",)
PROVIDER = "anthropic"

_WIRE = wire_of("POST", MESSAGES_PATHS[0])
assert _WIRE is not None
_INTERPRET = interpreter_of(_WIRE)


class TokenprofMiddleware(Middleware):
    """Shows tokenprof each attempt at a Messages call, and changes nothing unless asked to.

    `provider` names who sells the calls: Anthropic, or the platform whose client this is.
    """

    def __init__(self, provider: str = PROVIDER):
        self._provider = provider

    def handle(self, request: APIRequest, call_next: CallNext) -> Any:
        """Pass the request on, and note what went over the wire."""
        request = _asking_for_diagnostics(request)
        attempt = _begin(request, self._provider)
        if attempt is None:
            return call_next(request)
        response = call_through(attempt, lambda: _send(attempt, call_next, request))
        _observe(attempt, response)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> Any:
        """Pass the request on, and note what went over the wire."""
        request = _asking_for_diagnostics(request)
        attempt = _begin(request, self._provider)
        if attempt is None:
            return await call_next(request)
        response = await call_through_async(attempt, lambda: _send_async(attempt, call_next, request))
        _observe(attempt, response)
        return response


def wrap(client: Any) -> Any:
    """Return a copy of a client with the middleware, or the client itself if it already has it."""
    if any(isinstance(entry, TokenprofMiddleware) for entry in client.middleware):
        return client
    return client.with_middleware(TokenprofMiddleware(_seller(client)))


def _seller(client: Any) -> str:
    """Return who sells a client's calls, by the name that the SDK has for its own spans."""
    return str(getattr(client, "_gen_ai_provider_name", PROVIDER))


def wrap_new_clients() -> Callable[[], None]:
    """Give the middleware to every Anthropic client created from now on. Return what undoes it.

    It patches the constructors of all client classes that the package exports, so platform clients (Bedrock,
    Vertex, Foundry, …) are covered. Profiles may overlap; the last to end restores the constructors.
    """
    return _patched.apply()


def _client_classes() -> list[type]:
    """Return the exported client classes that take middleware, each once (some have two names)."""
    exported = [getattr(anthropic, name) for name in dir(anthropic) if name[0].isupper()]
    return [
        client_class
        for client_class in {id(value): value for value in exported if inspect.isclass(value)}.values()
        if issubclass(client_class, _client_bases())
        and "__init__" in client_class.__dict__
        and "middleware" in inspect.signature(client_class.__dict__["__init__"]).parameters
    ]


def _replacements() -> list[Replacement]:
    return [(client_class, "__init__", _constructor_with_middleware) for client_class in _client_classes()]


_patched = PatchedMethods(_replacements)


def _client_bases() -> tuple[type, ...]:
    return tuple(base for base in anthropic.Anthropic.__mro__ if base.__name__ == "BaseClient")


def _constructor_with_middleware(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        middleware = tuple(kwargs.get("middleware") or ())
        if not any(isinstance(entry, TokenprofMiddleware) for entry in middleware):
            kwargs["middleware"] = (*middleware, TokenprofMiddleware(_seller(self)))
        original(self, *args, **kwargs)

    __init__.__wrapped__ = original  # type: ignore[attr-defined]
    # The SDK copies clients by the parameters it finds in the constructor's signature.
    __init__.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    return __init__


def _asking_for_diagnostics(request: APIRequest) -> APIRequest:
    """Return the request, asking why the cache was missed if the profile wants to know.

    The provider compares it with the response that is named, the one that made the calls answered here. Never
    raises; a request that already has the field is left as it is.
    """
    try:
        recorder = active_recorder()
        body = request.json
        if recorder is None or not recorder.cache_diagnostics or not _is_model_call(request):
            return request
        if not isinstance(body, dict) or "diagnostics" in body:
            return request
        previous = recorder.response_that_made(_calls_answered(body))
        return request.copy(body={**body, "diagnostics": {"previous_message_id": previous}})
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        raise_if_the_hosts(error)
        return request


def _calls_answered(body: dict[str, Any]) -> list[str]:
    content = body["messages"][-1]["content"]
    return [
        part["tool_use_id"]
        for part in content
        if isinstance(part, dict) and part.get("type") == "tool_result"
    ]


def _is_model_call(request: APIRequest) -> bool:
    path = request.url.partition("?")[0].rstrip("/")
    return request.method.lower() == "post" and path.endswith(MESSAGES_PATHS)


def _begin(request: APIRequest, provider: str) -> Attempt | None:
    """Begin an attempt if a request is a model call, else return None. Never raises."""
    return begun(lambda: _attempt(request, provider), "anthropic", "POST", MESSAGES_PATHS[0])


def _attempt(request: APIRequest, provider: str) -> Attempt | None:
    if not _is_model_call(request) or _is_under_a_hard_budget():
        return None
    body = request.json
    if not isinstance(body, dict):
        return None
    # What Anthropic is sent is taken from the response, once it is there: serialising it again takes longer
    # than everything else here. Platforms are sent another form of it.
    is_sent_as_it_is = provider == PROVIDER
    exchange = Exchange(
        interpret=_INTERPRET,
        provider=provider,
        request=_stand_in(body) if is_sent_as_it_is else _serialised(request, body),
        started_ns=time.time_ns(),
        call=request.options.idempotency_key or "",
        target=MESSAGES_PATHS[0],
        client="anthropic",
        retries_taken=request.retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    return attempt_at(exchange, str(body.get("model", "")))


def _is_under_a_hard_budget() -> bool:
    """Whether calls may be refused; they are then left to the HTTP library, which can answer them itself."""
    recorder = active_recorder()
    return recorder is not None and recorder.gatekeeper is not None


def _serialised(request: APIRequest, body: dict[str, Any]) -> bytes:
    # Only the clients of platforms come here, and they pay for this import.
    from tokenprof.record.block_facts import canonical

    extra = request.options.extra_json
    return canonical({**body, **extra} if extra else body)


def _stand_in(body: dict[str, Any]) -> bytes:
    """Return what is known of a request until its bytes are; no two are the same."""
    return orjson.dumps({"model": str(body.get("model", "")), "messages": [], "id": secrets.token_hex(8)})


def _send(attempt: Attempt, call_next: CallNext, request: APIRequest) -> Any:
    try:
        return call_next(request)
    except BaseException as error:
        guarded(attempt, _take_request, attempt, error)
        raise


async def _send_async(attempt: Attempt, call_next: AsyncCallNext, request: APIRequest) -> Any:
    try:
        return await call_next(request)
    except BaseException as error:
        guarded(attempt, _take_request, attempt, error)
        raise


def _observe(attempt: Attempt, response: Any) -> None:
    """Note a response, with the request that it answers. Never raises."""
    http_response = getattr(response, "http_response", None)
    guarded(attempt, _take_request, attempt, http_response)
    observe(attempt, http_response)


def _take_request(attempt: Attempt, answer: Any) -> None:
    """Take the bytes that were sent from a response, or from an error of the SDK."""
    content = getattr(getattr(answer, "request", None), "_content", None)
    if attempt.exchange.provider == PROVIDER and isinstance(content, bytes):
        attempt.exchange.request = content
