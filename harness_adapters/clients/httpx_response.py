"""Observes a response of `httpx` or `httpx2` while the host reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from tokenprof.harness_adapters.clients.host_calls import guarded
from tokenprof.harness_adapters.clients.watched_body import StandIn
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts


def observe(attempt: Attempt, response: Any) -> None:
    """Note a response, at once if its body has been read, else as the host reads it. Never raises."""
    try:
        is_read = response.is_closed and hasattr(response, "_content")
        attempt.answered(response.status_code, response.headers, is_decoded=is_read)
        if is_read:
            attempt.whole(response.content)
            return
        response.stream = ObservedStream(response.stream, attempt)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        guarded(attempt, attempt.lost, error)
        raise_if_the_hosts(error)


class ObservedStream(StandIn):
    """Replaces a response's stream, synchronous or not, and shows each chunk to an attempt."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._inner:
                self._took(chunk)
                yield chunk
        except BaseException as error:
            self._broke(error)
            raise
        self._ended(complete=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._inner:
                self._took(chunk)
                yield chunk
        except BaseException as error:
            self._broke(error)
            raise
        self._ended(complete=True)

    def close(self) -> None:
        """Release the rest."""
        try:
            self._inner.close()
        finally:
            self._ended()

    async def aclose(self) -> None:
        """Release the rest."""
        try:
            await self._inner.aclose()
        finally:
            self._ended()
