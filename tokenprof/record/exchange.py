"""What an adapter hands to the recorder: one attempt at a model call, as it went over the wire.

On the caller's thread an adapter fills an `Exchange` with references and bytes it already has. Everything
that takes time (parsing, digesting, counting) happens in `interpret`, which the recorder calls on its own
thread and which returns a `Call`. The host's thread imports this module, so it imports little itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from tokenprof.record.block_facts import Shaper
    from tokenprof.record.call import Call

HEADERS_READ = frozenset(
    {
        "content-encoding",
        "content-type",
        "request-id",
        "x-amzn-requestid",
        "x-amzn-bedrock-input-token-count",
        "x-amzn-bedrock-output-token-count",
    }
)
"""The headers of a response that are read; they are not recorded."""


@dataclass(slots=True)
class Exchange:
    """One attempt at a model call, as it went over the wire.

    Times are nanoseconds since the epoch. `body` is the response body as received, in the content coding that
    `headers` names; `complete` says that it was read to its end. `call` is the same for all attempts at one
    call; it is empty if the request does not name it. `client` is the library that made the call, `host` the
    server, which may show who sells the call; it is not recorded. `failure`
    names the exception that ended the attempt; `in_flight` says that the recording ended first. `target` is
    the path of the request, without its query: some providers name the model there. `is_guess` says that the
    path does not show a model call, but the counts in its answer may. `tags` are the call's own.
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
    is_guess: bool = False
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


CALL_HEADERS = ("idempotency-key", "amz-sdk-invocation-id")
"""Headers that all attempts at one call share."""

RETRIES_HEADER = "x-stainless-retry-count"
AWS_ATTEMPT_HEADER = "amz-sdk-request"

ATTEMPT_HEADERS = frozenset({*CALL_HEADERS, RETRIES_HEADER, AWS_ATTEMPT_HEADER})
"""The headers of a request that say which attempt at which call it is."""


def attempt_of_headers(headers: Mapping[str, str]) -> tuple[str, int]:
    """Return the id of the call that a request names, and how many attempts it says were made before.

    SDKs say so in headers, whose names are in lower case here: `2`, or AWS's `attempt=3; max=5`.
    """
    if not headers:
        return "", 0
    call = next(filter(None, map(headers.get, CALL_HEADERS)), "")
    if AWS_ATTEMPT_HEADER in headers:
        number = headers[AWS_ATTEMPT_HEADER].partition("attempt=")[2].partition(";")[0]
        if number.isdecimal():
            return call, max(int(number) - 1, 0)
    told = headers.get(RETRIES_HEADER, "")
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


FETCHED = re.compile(r"/v1/responses/resp[^/]*$")
"""Where a response that ran in the background is fetched, with the counts that its call lacked."""


def is_fetch(exchange: Exchange) -> bool:
    """Whether an exchange only fetched a response, which another request had asked for."""
    return FETCHED.search(exchange.target.partition("?")[0].rstrip("/")) is not None
