"""Watches a library each time that the program imports it, and not before."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Undo = Callable[[], None]


def watch_when_imported(module: str, watch: Callable[[], Undo | None]) -> Undo:
    """Call `watch` each time that `module` is imported, and at once if it is. Return what undoes it all.

    Tests import libraries again, or reload them, and then make their calls with other classes than before.
    """
    waiting = _WaitsForImport(module, watch)
    if module in sys.modules:
        waiting.imported()
    sys.meta_path.insert(0, waiting)
    return waiting.undo


class _WaitsForImport(MetaPathFinder):
    """Finds nothing itself, but lets the module that others find be followed by a call of `watch`."""

    def __init__(self, module: str, watch: Callable[[], Undo | None]) -> None:
        self._module = module
        self._watch = watch
        self._searching = threading.local()
        self._undo: list[Undo] = []
        self._is_over = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of the other finders, with our call after the module's own code."""
        if fullname != self._module or self._is_over or getattr(self._searching, "now", False):
            return None
        self._searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.now = False
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _FollowedLoader(spec.loader, self.imported)
        return spec

    def imported(self) -> None:
        """Watch the module that is imported."""
        if not self._is_over and (undo := self._watch()) is not None:
            self._undo.append(undo)

    def undo(self) -> None:
        """Wait no longer, and undo what was done."""
        self._is_over = True
        # A program that ends has no finders left.
        with contextlib.suppress(ValueError, AttributeError):
            sys.meta_path.remove(self)
        while self._undo:
            self._undo.pop()()


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
        # The import must not fail because of us.
        with contextlib.suppress(Exception):
            self._then()
