"""Methods of a library's classes, replaced while a profile is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tokenprof.record.background.fork_safe_lock import ForkSafeLock

Replacement = tuple[type, str, Callable[[Any], Any]]
"""A class, the name of one of its methods, and a function from the old method to the new one."""


class PatchedMethods:
    """Replaces methods while a profile is open. Profiles may overlap; the last to end restores them."""

    def __init__(self, replacements: Callable[[], Iterable[Replacement]]):
        self._replacements = replacements
        self._lock = ForkSafeLock()
        self._patched: list[tuple[type, str, Any, Any]] = []
        self._users = 0

    def apply(self) -> Callable[[], None]:
        """Replace the methods, unless they are replaced.

        Return what undoes it; calling that twice is harmless.
        """
        with self._lock:
            if not self._users:
                self._patched = [_patch(*replacement) for replacement in self._replacements()]
            self._users += 1
        pending = [True]

        def undo() -> None:
            with self._lock:
                if not pending:
                    return
                pending.clear()
                self._users -= 1
                if self._users:
                    return
                for owner, name, original, replacement in self._patched:
                    # Another tool may have wrapped the method since then; leave that alone.
                    if owner.__dict__.get(name) is replacement:
                        setattr(owner, name, original)
                self._patched = []

        return undo


def marked(observed: Any, original: Any) -> Any:
    """Mark a method as one of ours, so that it is not wrapped again."""
    observed.__wrapped__ = original
    observed.is_tokenprof = True
    return observed


def is_marked(method: object) -> bool:
    """Whether a method is one of ours."""
    return getattr(method, "is_tokenprof", False)


def _patch(owner: type, name: str, replace: Callable[[Any], Any]) -> tuple[type, str, Any, Any]:
    # gevent's threads inherit what the standard library's have.
    owner = next(base for base in owner.__mro__ if name in base.__dict__)
    original = owner.__dict__[name]
    replacement = replace(original)
    setattr(owner, name, replacement)
    return owner, name, original, replacement
