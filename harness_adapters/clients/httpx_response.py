"""A response of `httpx` or `httpx2` while the host reads it: its bytes are noted as they pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from tokenprof.harness_adapters.clients.watched_body import StandIn
from tokenprof.record.attempt import Attempt


def observe(attempt: Attempt, response: Any) -> None:
    """Note a response: at once if its body is read already, else as the host reads it. Never raises."""
    try:
        is_read = response.is_closed and hasattr(response, "_content")
        attempt.answered(response.status_code, response.headers, is_decoded=is_read)
        if is_read:
            attempt.whole(response.content)
            return
        attempt.watch()
        response.stream = ObservedStream(response.stream, attempt)
    except Exception as error:  # noqa: BLE001 - the host's call goes on whatever happens to us
        attempt.end(failure=type(error).__name__)


class ObservedStream(StandIn):
    """Stands in for a response's stream, synchronous or not: shows each chunk to an attempt as it passes."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._attempt.take(chunk)
                yield chunk
        except BaseException as error:
            self._attempt.broken(error)
            raise
        self._attempt.end(complete=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._attempt.take(chunk)
                yield chunk
        except BaseException as error:
            self._attempt.broken(error)
            raise
        self._attempt.end(complete=True)

    def close(self) -> None:
        """Let go of the rest."""
        try:
            self._inner.close()
        finally:
            self._attempt.end()

    async def aclose(self) -> None:
        """Let go of the rest."""
        try:
            await self._inner.aclose()
        finally:
            self._attempt.end()
