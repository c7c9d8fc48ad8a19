"""Recognises a repeated request as the next attempt at the same call."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from tokenprof.record.exchange import Exchange

CALL_HEADERS = ("idempotency-key", "amz-sdk-invocation-id")
"""Headers that all attempts at one call share."""

REMEMBERED_FAILURES = 256
"""How many failed requests are remembered, to recognise their repetitions."""


@dataclass(frozen=True, slots=True)
class _Failed:
    call: str
    attempts: int


class Retries:
    """Knows a repeated request as the next attempt at the same call.

    SDKs name the call and number their attempts in headers. A harness with a retry loop of its own does not,
    but it sends the same bytes again.
    """

    def __init__(self) -> None:
        self._failed: dict[bytes, _Failed] = {}
        self._lock = threading.Lock()

    def attempt(self, request: bytes, headers: Mapping[str, str]) -> tuple[str, int]:
        """Return the id of the call that a request belongs to, and how many attempts there have been before.

        The names in `headers` are in lower case.
        """
        with self._lock:
            before = self._failed.get(_digest(request)) if self._failed else None
        told = _attempts_before(headers)
        call = next((headers[name] for name in CALL_HEADERS if headers.get(name)), "")
        if before is None:
            return call or secrets.token_hex(8), told
        return call or before.call, max(told, before.attempts)

    def ended(self, exchange: Exchange) -> None:
        """Remember a failed attempt. Once an attempt is answered, forget the failed ones before it."""
        answered = exchange.status_code is not None and 200 <= exchange.status_code < 300
        with self._lock:
            if answered and exchange.failure is None:
                if self._failed:
                    self._failed.pop(_digest(exchange.request), None)
                return
            self._failed[_digest(exchange.request)] = _Failed(exchange.call, exchange.retries_taken + 1)
            if len(self._failed) > REMEMBERED_FAILURES:
                del self._failed[next(iter(self._failed))]


def _attempts_before(headers: Mapping[str, str]) -> int:
    """Return how many attempts an SDK says it has made: in `2`, or in AWS's `attempt=3; max=5`."""
    told = headers.get("x-stainless-retry-count", "")
    number = headers.get("amz-sdk-request", "").partition("attempt=")[2].partition(";")[0]
    if number.isdecimal():
        return max(int(number) - 1, 0)
    return int(told) if told.isdecimal() else 0


def _digest(request: bytes) -> bytes:
    return hashlib.blake2b(request, digest_size=16).digest()
