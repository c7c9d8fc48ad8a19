"""The base of the objects that replace a response's body and show what the host reads to an attempt."""

from __future__ import annotations

from typing import Any

from tokenprof.harness_adapters.clients.host_calls import guarded
from tokenprof.record.attempt import Attempt


class StandIn:
    """Looks like the body that it holds: it has its class, which libraries check, and its attributes.

    The methods that note something never raise.
    """

    def __init__(self, inner: Any, attempt: Attempt):
        self._inner = inner
        self._attempt = attempt

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class of the body that it replaces."""
        return type(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _took(self, data: bytes) -> None:
        guarded(self._attempt, self._attempt.take, data)

    def _ended(self, *, complete: bool = False) -> None:
        guarded(self._attempt, self._attempt.end, complete=complete)

    def _broke(self, error: BaseException) -> None:
        guarded(self._attempt, self._attempt.broken, error)
