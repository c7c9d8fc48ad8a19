"""What passes between an adapter and the recorder.

On the caller's thread an adapter fills an `Exchange` with references and bytes it already has. Everything
that takes time (parsing, digesting, counting) happens in `interpret`, which the recorder calls on its own
thread and which returns a `Call`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tokenprof.facts.types import AnswerFacts, Block
from tokenprof.pricing.sellers import seller_of_answer, seller_of_host
from tokenprof.record.block_facts import Shaper

if TYPE_CHECKING:
    from opentelemetry.trace import Span

HEADERS_READ = ("content-encoding", "content-type", "request-id", "x-amzn-requestid")
"""The headers of a response that are read; they are not recorded."""


@dataclass(slots=True)
class Exchange:
    """One attempt at a model call, as it went over the wire.

    Times are nanoseconds since the epoch. `body` is the response body as received, in the content coding that
    `headers` names; `complete` says that it was read to its end. `call` is the same for all attempts at one
    call; it is empty if the request does not name it. `client` is the library that made the call, `host` the
    server, which may show who sells the call; it is not recorded. `failure`
    names the exception that ended the attempt; `in_flight` says that the recording ended first. `target` is
    the path of the request, without its query: some providers name the model there. `tags` are the call's
    own.
    """

    interpret: Callable[[Exchange, Shaper], Call | None]
    provider: str
    request: bytes
    started_ns: int
    call: str
    target: str = ""
    client: str = ""
    host: str = ""
    retries_taken: int = 0
    status_code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    first_byte_ns: int | None = None
    ended_ns: int = 0
    complete: bool = False
    in_flight: bool = False
    failure: str | None = None
    agent: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    span: Span | None = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""


class OpenCall(Protocol):
    """A call whose answer is still being read."""

    @property
    def exchange(self) -> Exchange:
        """What is known of it so far."""

    def cut(self) -> None:
        """End it because the recording ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(AnswerFacts):
    """What an adapter read in an exchange. `response_id` is None if the attempt produced no response to bill.

    `prompt` holds all blocks of the request in the order of the cache; `output_as_prompt` the answer as the
    blocks that it becomes when it is sent back. `continues` is the id of the response whose prompt and output
    the provider itself puts in front of this prompt (a server-side thread), after the first `head` blocks,
    which are sent again each time. `thread` is a name under which the provider keeps all that was said (a
    conversation). `replaces` says that the answer replaces everything said before it (a compaction).
    `content` is the request and the response as they went over the wire, kept only if content is recorded.
    `seller` is who sold the call, if the answer says so.
    """

    response_id: str | None
    prompt: tuple[Block, ...]
    output_as_prompt: tuple[Block, ...] = ()
    continues: str | None = None
    head: int = 0
    thread: str | None = None
    replaces: bool = False
    content: Mapping[str, Any] | None = None
    seller: str | None = None


def unanswered_call(requested_model: str) -> Call:
    """Return the call of an attempt that failed: nothing to bill, and only the model that was asked for."""
    return Call(
        response_id=None, requested_model=requested_model, model="", status="error", usage=None, prompt=()
    )


def unmeasured_call(exchange: Exchange, call: Call | None) -> Call:
    """Return the call of an exchange whose answer the recording did not see: it may be billed."""
    requested = call.requested_model if call else model_in(exchange.request)
    return Call(
        response_id=exchange.span_id,
        requested_model=requested,
        model=requested,
        status="partial",
        usage=None,
        prompt=(),
        output_incomplete=True,
    )


CALL_HEADERS = ("idempotency-key", "amz-sdk-invocation-id")
"""Headers that all attempts at one call share."""


def attempt_of_headers(headers: Mapping[str, str]) -> tuple[str, int]:
    """Return the id of the call that a request names, and how many attempts it says were made before.

    SDKs say so in headers, whose names are in lower case here: `2`, or AWS's `attempt=3; max=5`.
    """
    call = next((headers[name] for name in CALL_HEADERS if headers.get(name)), "")
    told = headers.get("x-stainless-retry-count", "")
    number = headers.get("amz-sdk-request", "").partition("attempt=")[2].partition(";")[0]
    if number.isdecimal():
        return call, max(int(number) - 1, 0)
    return call, int(told) if told.isdecimal() else 0


_MODEL = re.compile(rb'"model(?:Id)?"\s{0,9}:\s{0,9}"([^"\\]{1,200})"')
_LOOKED_AT_BYTES = 4096


def model_in(request: bytes) -> str:
    """Return the model that a request names near its beginning or its end, without parsing it; else ""."""
    ends = request[:_LOOKED_AT_BYTES], request[-_LOOKED_AT_BYTES:]
    found = next(filter(None, map(_MODEL.search, ends)), None)
    return found.group(1).decode("utf-8", "replace") if found else ""


def without_prompt(exchange: Exchange) -> bytes:
    """Return a request without its prompt, from which the model and the API can still be known."""
    model = model_in(exchange.request).encode()
    messages = b"" if exchange.target.endswith("/responses") else b',"messages":[]'
    return b'{"model":"' + model + b'"' + messages + b"}"


def was_answered(exchange: Exchange) -> bool:
    """Whether a provider accepted a request and sent something back, which may be billed."""
    code = exchange.status_code
    return code is not None and 200 <= code < 300 and bool(exchange.body)


def seller_of(exchange: Exchange, call: Call) -> str | None:
    """Return who sold a call, as its host or its answer shows; None if that is the API's own provider."""
    found = seller_of_host(exchange.host) or call.seller
    found = found or seller_of_answer(call.response_id or "", call.model, exchange.provider)
    return None if found == exchange.provider else found
