"""Observes a response of `httpx` or `httpx2` while the host reads it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from tokenprof.harness_adapters.clients.host_calls import guarded
from tokenprof.harness_adapters.clients.watched_body import StandIn
from tokenprof.record.attempt import Attempt
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.exchange import HEADERS_READ


def observe(attempt: Attempt, response: Any) -> None:
    """Note a response, at once if its body has been read, else as the host reads it. Never raises."""
    try:
        is_read = response.is_closed and hasattr(response, "_content")
        headers = named_headers(response.headers, HEADERS_READ)
        attempt.answered(response.status_code, headers, is_decoded=is_read)
        if is_read:
            attempt.whole(response.content)
            return
        response.stream = ObservedStream(response.stream, attempt)
    except Exception as error:  # noqa: BLE001 - whatever happens to us, the host's call continues
        guarded(attempt, attempt.lost, error)
        raise_if_the_hosts(error)


def named_headers(headers: Any, names: frozenset[str]) -> Mapping[str, str]:
    """Return those of a message's headers that have one of some names in lower case.

    They are found in one pass: the library walks through all of them for each name that it is asked for.
    """
    found: dict[str, str] = {}
    wanted = _sent_names(names)
    for sent_name, value in headers.raw:
        if (lower := sent_name.lower()) in wanted:
            name, text = wanted[lower], value.decode("latin-1")
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found


@functools.cache
def _sent_names(names: frozenset[str]) -> Mapping[bytes, str]:
    return {name.encode("latin-1"): name for name in names}


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
