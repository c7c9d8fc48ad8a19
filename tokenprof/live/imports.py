"""Watches a library each time that the program imports it, and not before."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

Undo = Callable[[], None]


def watch_when_imported(module: str, watch: Callable[[], Undo | None]) -> Undo:
    """Call `watch` each time that `module` is imported, and at once if it is. Return what undoes it all.

    Tests import libraries again, or reload them, and then make their calls with other classes than before.
    """
    watcher = _Watcher(watch)
    waiting = _finder().waiting.setdefault(module, [])
    waiting.append(watcher.imported)
    if module in sys.modules:
        # Another thread may still be importing it, and at the end of that load what `watch` loads: this one
        # must not begin to load it and then wait for that thread.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
        watcher.imported()

    def undo() -> None:
        with contextlib.suppress(ValueError):
            waiting.remove(watcher.imported)
        watcher.undo()

    return undo


class _Watcher:
    """Watches a module each time that it is imported, until it is undone."""

    def __init__(self, watch: Callable[[], Undo | None]) -> None:
        self._watch = watch
        self._undo: list[Undo] = []
        self._is_over = False

    def imported(self) -> None:
        """Watch the module that is imported."""
        if not self._is_over and (undo := self._watch()) is not None:
            self._undo.append(undo)

    def undo(self) -> None:
        """Wait no longer, and undo what was done."""
        self._is_over = True
        while self._undo:
            self._undo.pop()()


def _finder() -> WatchedImports:
    """Return the finder of this process, also one that an earlier copy of this module has put there."""
    for finder in tuple(sys.meta_path):
        if (type(finder).__module__, type(finder).__name__) == (__name__, WatchedImports.__name__):
            return cast(WatchedImports, finder)
    made = WatchedImports()
    sys.meta_path.insert(0, made)
    return made


class WatchedImports(MetaPathFinder):
    """Finds nothing itself, but lets a module that others find be followed by calls of who waits for it.

    It stays for good. A thread that is going through `sys.meta_path` skips a finder if one before it is
    removed meanwhile, and what it imports is then not found.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callable[[], None]]] = {}
        self._of_thread = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the other finders, with our calls after the module's own code."""
        if not self.waiting.get(fullname):
            return None
        searched: set[str] = self._of_thread.__dict__.setdefault("searched", set())
        if fullname in searched:
            return None
        searched.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            searched.discard(fullname)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _FollowedLoader(spec.loader, functools.partial(self._imported, fullname))
        return spec

    def _imported(self, module: str) -> None:
        for tell in tuple(self.waiting.get(module, ())):
            # The import must not fail because of us.
            with contextlib.suppress(Exception):
                tell()


class _FollowedLoader(Loader):
    """Loads a module as its own loader does, leaves that one in its place, and makes a call afterwards.

    The loader itself is not changed: it may be the stand-in of another tool that waits for the same module,
    which hands whatever is set on it to the loader that it holds.
    """

    def __init__(self, loader: Any, then: Callable[[], None]) -> None:
        self._loader = loader
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return what the loader returns."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module's code."""
        if module.__spec__ is not None and module.__spec__.loader is self:
            module.__spec__.loader = self._loader
        if module.__loader__ is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then()
