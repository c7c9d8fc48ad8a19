"""Watches a library when the program imports it, and not before."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

Undo = Callable[[], None]


def watch_when_imported(module: str, watch: Callable[[], Undo | None]) -> Undo:
    """Call `watch` once `module` is imported, at once if it is. Return what undoes it, at any time."""
    if module in sys.modules:
        return watch() or _nothing
    waiting = _WaitsForImport(module, watch)
    sys.meta_path.insert(0, waiting)
    return waiting.undo


def _nothing() -> None:
    """Undo nothing."""


class _WaitsForImport(MetaPathFinder):
    """Finds nothing itself, but lets the module that others find be followed by a call of `watch`."""

    def __init__(self, module: str, watch: Callable[[], Undo | None]) -> None:
        self._module = module
        self._watch = watch
        self._searching = threading.local()
        self._undo: Undo | None = None
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
        execute = getattr(getattr(spec, "loader", None), "exec_module", None)
        if spec is None or execute is None:
            return spec

        def execute_and_watch(module: ModuleType) -> None:
            execute(module)
            # The import must not fail because of us.
            with contextlib.suppress(Exception):
                self._imported()

        with contextlib.suppress(AttributeError):
            spec.loader.exec_module = execute_and_watch  # type: ignore[union-attr, method-assign]
        return spec

    def _imported(self) -> None:
        if not self._is_over and self._undo is None:
            self._undo = self._watch()
            self._forget()

    def _forget(self) -> None:
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)

    def undo(self) -> None:
        """Wait no longer, and undo what was done."""
        self._is_over = True
        self._forget()
        if self._undo is not None:
            self._undo()
            self._undo = None
