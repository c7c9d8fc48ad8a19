"""A response of `httpx` or `httpx2` while the host reads it: its bytes are noted as they pass, never ahead.

Both libraries look alike but check for their own classes, so a stream is stood in for by a subclass of
the base that it has itself.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

from tokenprof.harness_adapters.attempt import Attempt


def observe(attempt: Attempt, response: Any) -> None:
    """Note a response: at once if its body is read already, else as the host reads it. Never raises."""
    try:
        is_read = response.is_closed and hasattr(response, "_content")
        attempt.answered(response.status_code, response.headers, is_decoded=is_read)
        if is_read:
            attempt.whole(response.content)
            return
        attempt.watch()
        stream = response.stream
        response.stream = _class_like(type(stream).__mro__)(stream, attempt)
    except Exception as error:  # noqa: BLE001 - the host's call goes on whatever happens to us
        attempt.end(failure=type(error).__name__)


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
