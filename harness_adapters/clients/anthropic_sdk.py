"""The `anthropic` SDK (0.108 and later), through its own middleware.

The middleware chain runs once per attempt inside the SDK's retry loop, before a platform client rewrites the
request, so one class serves every client and every way of calling. A body that has not been read yet is
observed as its bytes pass; nothing is read ahead or held back.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anthropic
import orjson
from anthropic import Middleware

from tokenprof.harness_adapters.clients.calls_in_progress import CallInProgress
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
from tokenprof.record.background.fresh_ids import fresh_id
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.background.system_threads import now_ns
from tokenprof.record.exchange import Exchange, model_in
from tokenprof.record.session import active_recorder, current_agent, current_tags
from tokenprof.record.wires import interpreter_of, wire_of

if TYPE_CHECKING:
    from anthropic import APIRequest
    from anthropic._middleware import AsyncCallNext, CallNext

MESSAGES_PATHS = ("/v1/messages",)
PROVIDER = "anthropic"
SELLERS = {"AnthropicBedrock": "aws.bedrock", "AnthropicVertex": "gcp.vertex_ai"}
"""What the names of a platform's clients contain, and who sells there; all others sell for Anthropic.
Early releases of the SDK do not say who sells."""

_LOOKED_AT_CHARACTERS = 64
_PLAIN_WORDS = re.compile(r"[A-Za-z0-9 ]+")
"""Characters that are the same in every way of writing JSON."""

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
        call = CallInProgress("anthropic", request, lambda sent: _may_be(request, sent))
        response = call_through(attempt, call, lambda: _send(attempt, call_next, request))
        _observe(attempt, response)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> Any:
        """Pass the request on, and note what went over the wire."""
        request = _asking_for_diagnostics(request)
        attempt = _begin(request, self._provider)
        if attempt is None:
            return await call_next(request)
        call = CallInProgress("anthropic", request, lambda sent: _may_be(request, sent))
        response = await call_through_async(attempt, call, lambda: _send_async(attempt, call_next, request))
        _observe(attempt, response)
        return response


def wrap(client: Any) -> Any:
    """Return a copy of a client with the middleware, or the client itself if it already has it."""
    if any(isinstance(entry, TokenprofMiddleware) for entry in client.middleware):
        return client
    return client.with_middleware(TokenprofMiddleware(seller_of(type(client))))


def seller_of(client_class: type) -> str:
    """Return who sells a client's calls, by the names of its class and of those it inherits from."""
    names = [inherited.__name__ for inherited in client_class.__mro__]
    return next((SELLERS[part] for part in SELLERS for name in names if part in name), PROVIDER)


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
            kwargs["middleware"] = (*middleware, TokenprofMiddleware(seller_of(type(self))))
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
        if recorder is None or not recorder.cache_diagnostics or not _is_model_call(request):
            return request
        body = request.json
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
    recorder = active_recorder()
    # Under a hard budget, calls may be refused; they are left to the HTTP library, which can answer itself.
    if not _is_model_call(request) or (recorder is not None and recorder.gatekeeper is not None):
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
        started_ns=now_ns(),
        call=request.options.idempotency_key or "",
        target=MESSAGES_PATHS[0],
        client="anthropic",
        retries_taken=request.retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    return attempt_at(exchange, str(body.get("model", "")), recorder)


def _serialised(request: APIRequest, body: dict[str, Any]) -> bytes:
    # Only the clients of platforms come here, and they pay for this import.
    from tokenprof.record.block_facts import canonical

    extra = request.options.extra_json
    return canonical({**body, **extra} if extra else body)


def _stand_in(body: dict[str, Any]) -> bytes:
    """Return what is known of a request until its bytes are; no two are the same."""
    return orjson.dumps({"model": str(body.get("model", "")), "messages": [], "id": fresh_id()})


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


def _may_be(request: APIRequest, sent: bytes) -> bool:
    """Whether bytes can be those of a request; that neither its model nor its last words differ will do.

    Serialising the request again, to be sure, would take as long as the SDK does. Never raises.
    """
    try:
        body: Any = request.json
        asked = str(body.get("model", ""))
        # The name in quotes stands nowhere but in its place, which is searched for only if it is not found.
        if asked and sent.rfind(b'"%b"' % asked.encode()) < 0 and model_in(sent) not in ("", asked):
            return False
        words = _PLAIN_WORDS.match(_last_text(body["messages"][-1]["content"]))
        return words is None or sent.rfind(words.group().encode()) >= 0
    except Exception as error:  # noqa: BLE001 - it may be, then
        raise_if_the_hosts(error)
        return True


def _last_text(content: Any) -> str:
    """Return the beginning of the last text in a message, or ""."""
    while isinstance(content, list) and content:
        part = content[-1]
        content = part.get("text") or part.get("content") or ""
    return content[:_LOOKED_AT_CHARACTERS] if isinstance(content, str) else ""


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
