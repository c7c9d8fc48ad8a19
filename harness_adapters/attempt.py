"""One attempt at a model call, from the request on its way to the last byte of the answer.

Whatever library carries the bytes, a call is seen alike: `begin` looks at a request and says whether it is a
model call, the library's own module notes the answer as the host reads it, never ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tokenprof.record.exchange import HEADERS_READ, Exchange
from tokenprof.record.retries import Retries
from tokenprof.record.span import start_span
from tokenprof.session import active_recorder, current_agent, current_tags
from tokenprof.wires import interpreter_of, wire_of

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder

CALL_HEADERS = ("idempotency-key", "amz-sdk-invocation-id")
"""Headers that all attempts at one call share."""

_RETRIES = Retries()
_inside: ContextVar[bool] = ContextVar("tokenprof_inside_a_seen_call", default=False)


class Attempt:
    """One attempt at a call while its response is being read; handed to the recorder exactly once.

    Without a recorder, only the span of the call is finished. `ended` is told of the finished exchange.
    """

    def __init__(
        self,
        exchange: Exchange,
        recorder: Recorder | None,
        ended: Callable[[Exchange], None] | None = None,
    ):
        self.exchange = exchange
        self._ended = ended
        self._recorder = recorder
        self._chunks: list[bytes] = []
        self._handed_over = False
        self._ticket: int | None = None

    def answered(self, status_code: int, headers: Mapping[str, str], *, is_decoded: bool) -> None:
        """Note how the provider answers; `is_decoded`: the bytes come without their content coding."""
        self.exchange.status_code = status_code
        self.exchange.headers = {
            name: headers[name]
            for name in HEADERS_READ
            if name in headers and not (is_decoded and name == "content-encoding")
        }

    def watch(self) -> None:
        """Have the attempt ended with the recording, should the host leave the rest of the body unread."""
        if self._recorder is not None:
            self._ticket = self._recorder.watch(self.end)

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the body on its way to the host."""
        if self.exchange.first_byte_ns is None:
            self.exchange.first_byte_ns = time.time_ns()
        self._chunks.append(chunk)

    def whole(self, body: bytes) -> None:
        """Note a body that the host's library has read already."""
        self._chunks.append(body)
        self.end(complete=True)

    def broken(self, error: BaseException) -> None:
        """Note that the body ended in an exception; a reader that stops early is none."""
        self.end(failure=None if isinstance(error, GeneratorExit) else type(error).__name__)

    def end(self, *, complete: bool = False, failure: str | None = None) -> None:
        """Hand over what was seen: to its end, cut (without a `failure`), or failed."""
        if self._handed_over:
            return
        self._handed_over = True
        exchange = self.exchange
        exchange.ended_ns = time.time_ns()
        exchange.body = b"".join(self._chunks)
        exchange.complete = complete
        exchange.failure = failure
        self._chunks.clear()
        if self._ended is not None:
            self._ended(exchange)
        if self._recorder is None:
            from tokenprof.record.spans_only import recorder

            recorder().submit(exchange)
            return
        if self._ticket is not None:
            self._recorder.unwatch(self._ticket)
        self._recorder.submit(exchange)


def begin(
    method: str, path: str, headers: Mapping[str, str], body: Callable[[], bytes | None]
) -> Attempt | None:
    """Return the attempt that a request begins; None for what is not a model call, or is seen elsewhere.

    `headers` know their names in lower case. `body` is asked where the path is a model call's; it returns
    None where the bytes cannot be known.
    """
    wire = wire_of(method, path)
    if wire is None or _inside.get():
        return None
    request = body()
    if request is None:
        return None
    call, retries_taken = _RETRIES.attempt(request, _attempts_before(headers))
    told = next((headers[name] for name in CALL_HEADERS if name in headers), "")
    exchange = Exchange(
        interpret=interpreter_of(wire),
        provider=wire.provider,
        request=request,
        started_ns=time.time_ns(),
        call=told or call,
        target=path,
        retries_taken=retries_taken,
        agent=current_agent(),
        tags=current_tags(),
    )
    recorder = active_recorder()
    start_span(exchange, "")
    if recorder is None and exchange.span is None:
        return None
    return Attempt(exchange, recorder, _RETRIES.ended)


@contextmanager
def seen() -> Iterator[None]:
    """Mark a call as being seen: below an SDK's middleware, or another HTTP library, it passes here again."""
    token = _inside.set(True)
    try:
        yield
    finally:
        # A framework may drive the call from another context than it began in.
        with suppress(ValueError):
            _inside.reset(token)


def _attempts_before(headers: Mapping[str, str]) -> str:
    """Return how many attempts an SDK says it has made: `2`, or AWS's `attempt=3; max=5`."""
    told = headers.get("x-stainless-retry-count", "")
    number = headers.get("amz-sdk-request", "").partition("attempt=")[2].partition(";")[0]
    return str(int(number) - 1) if number.isdecimal() else told
