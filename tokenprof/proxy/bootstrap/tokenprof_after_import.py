"""Waits in a program that `tokenprof run` has started until it imports an SDK, and then has it wrapped.

It does not import tokenprof before that, so a program that calls no model starts as fast as without it, and
pytest can still rewrite the plugins that it finds.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGES = ("anthropic", "httpx", "httpx2", "aiohttp", "botocore")
"""The packages whose clients adapters can see."""


def begin() -> None:
    """Start waiting."""
    sys.meta_path.insert(0, AfterImport(PACKAGES, _wrap))


def _wrap(package: str) -> None:
    # The import that led here must not fail because of us.
    with contextlib.suppress(Exception):
        importlib.import_module("tokenprof.proxy.wrap_in_child").wrap(package)


class AfterImport(MetaPathFinder):
    """Calls `then` with the name of each of some modules, once, when it has been imported."""

    def __init__(self, modules: Iterable[str], then: Callable[[str], None]):
        self._waiting = set(modules)
        self._then = then
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, with our call after the module's own code."""
        if fullname not in self._waiting or getattr(self._searching, "now", False):
            return None
        self._searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching.now = False
        if spec is not None and spec.loader is not None:
            self._follow(fullname, spec.loader)
        return spec

    def _follow(self, name: str, loader: Loader) -> None:
        execute = loader.exec_module

        def execute_and_tell(module: ModuleType) -> None:
            execute(module)
            if name in self._waiting:
                self._waiting.discard(name)
                self._then(name)

        loader.exec_module = execute_and_tell  # type: ignore[method-assign]
