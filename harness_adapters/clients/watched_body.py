"""What stands in for a response's body while the host reads it, and shows what is read to an attempt."""

from __future__ import annotations

from typing import Any

from tokenprof.record.attempt import Attempt


class StandIn:
    """Passes for the body that it holds: by its class, which libraries check, and in what it does not do."""

    def __init__(self, inner: Any, attempt: Attempt):
        self._inner = inner
        self._attempt = attempt

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """The class that it passes for."""
        return type(self._inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
