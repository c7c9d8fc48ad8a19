"""A response of `httpx` or `httpx2` while the host reads it: its bytes are noted as they pass, never ahead.

Both libraries look alike but check for their own classes, so a stream is stood in for by a subclass of
the base that it has itself.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from tokenprof.record.exchange import Exchange

if TYPE_CHECKING:
    from tokenprof.record.recorder import Recorder

HEADERS_READ = ("content-encoding", "content-type", "request-id")


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

    def observe(self, response: Any) -> None:
        """Note a response: at once if its body is read already, else as the host reads it. Never raises."""
        try:
            self._observe(response)
        except Exception as error:  # noqa: BLE001 - the host's call goes on whatever happens to us
            self.end(failure=type(error).__name__)

    def _observe(self, response: Any) -> None:
        is_read = response.is_closed and hasattr(response, "_content")
        self.exchange.status_code = response.status_code
        self.exchange.headers = {
            name: response.headers[name]
            for name in HEADERS_READ
            # What was read already was decoded, too.
            if name in response.headers and not (is_read and name == "content-encoding")
        }
        if is_read:
            self._chunks.append(response.content)
            self.end(complete=True)
            return
        if self._recorder is not None:
            self._ticket = self._recorder.watch(self.end)
        stream = response.stream
        response.stream = _class_like(type(stream).__mro__)(stream, self)

    def take(self, chunk: bytes) -> None:
        """Note a chunk of the body on its way to the host."""
        if self.exchange.first_byte_ns is None:
            self.exchange.first_byte_ns = time.time_ns()
        self._chunks.append(chunk)

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


@functools.cache
def _class_like(ancestors: tuple[type, ...]) -> Any:
    """Return a class that stands in for a stream: a subclass of its HTTP library's own base."""
    bases = {base.__name__: base for base in ancestors}
    if "AsyncByteStream" in bases and "SyncByteStream" not in bases:
        return type("ObservedAsyncStream", (_ObservedAsync, bases["AsyncByteStream"]), {})
    return type("ObservedStream", (_Observed, bases["SyncByteStream"]), {})


class _Observed:
    """A response body that shows each chunk to an attempt as it passes."""

    def __init__(self, inner: Any, attempt: Attempt):
        self._inner = inner
        self._attempt = attempt

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._attempt.take(chunk)
                yield chunk
        except BaseException as error:
            self._attempt.broken(error)
            raise
        self._attempt.end(complete=True)

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._attempt.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _ObservedAsync:
    """The asynchronous twin of `_Observed`."""

    def __init__(self, inner: Any, attempt: Attempt):
        self._inner = inner
        self._attempt = attempt

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._attempt.take(chunk)
                yield chunk
        except BaseException as error:
            self._attempt.broken(error)
            raise
        self._attempt.end(complete=True)

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._attempt.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
