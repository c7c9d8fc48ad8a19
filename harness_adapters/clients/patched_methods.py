"""Methods of a library's classes, and functions of its modules, replaced while a profile is open."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from tokenprof.record.background.fork_safe_lock import ForkSafeLock
from tokenprof.record.background.harmless_log import log

Replacement = tuple[type | ModuleType, str, Callable[[Any], Any]]
"""A class or module, the name of a method or function of it, and a function from the old to the new one."""


class PatchedMethods:
    """Replaces methods while a profile is open. Profiles may overlap; the last to end restores them."""

    def __init__(self, replacements: Callable[[], Iterable[Replacement]]):
        self._replacements = replacements
        self._lock = ForkSafeLock()
        self._patched: list[tuple[type | ModuleType, str, Any, Any]] = []
        self._users = 0

    def apply(self) -> Callable[[], None]:
        """Replace the methods, also those of classes that a reload has made, unless they are replaced.

        Return what undoes it; calling that twice is harmless.
        """
        # Not under the lock: a library may import a part of itself here, and a thread that imports it may be
        # waiting for the lock.
        found = [(_definer(owner, name), name, replace) for owner, name, replace in self._replacements()]
        with self._lock:
            for owner, name, replace in found:
                self._replace(owner, name, replace)
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

    def _replace(self, owner: type | ModuleType, name: str, replace: Callable[[Any], Any]) -> None:
        """Replace a method, unless it is replaced, or cannot be: a host may have a mock in its place."""
        if any(owner is patched and name == known for patched, known, _, _ in self._patched):
            return
        try:
            original = owner.__dict__[name]
            replacement = replace(original)
            setattr(owner, name, replacement)
        except Exception as error:  # noqa: BLE001 - the others can still be replaced
            log.warning("tokenprof cannot observe %s of %r here (%r)", name, owner, error)
        else:
            self._patched.append((owner, name, original, replacement))


def marked(observed: Any, original: Any) -> Any:
    """Mark a method as one of ours, so that it is not wrapped again."""
    observed.__wrapped__ = original
    observed.is_tokenprof = True
    return observed


def is_marked(method: object) -> bool:
    """Whether a method is one of ours."""
    return getattr(method, "is_tokenprof", False)


def _definer(owner: type | ModuleType, name: str) -> type | ModuleType:
    """Return where a method is defined: gevent's threads inherit what the standard library's have."""
    if not isinstance(owner, type):
        return owner
    return next((base for base in owner.__mro__ if name in base.__dict__), owner)
