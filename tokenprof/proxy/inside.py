"""Inside a Python program that `tokenprof run` has started: each SDK is wrapped as soon as it is imported.

Nothing is imported for it before: a program that calls no model starts as fast as ever.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from tokenprof.session import RUN_VARIABLE, SDK_ADAPTERS, _record_as_environment_says

log = logging.getLogger("tokenprof")


def begin() -> None:
    """Wait for the SDKs that adapters know, if the environment says where to record."""
    if os.environ.get(RUN_VARIABLE):
        sys.meta_path.insert(0, AfterImport(SDK_ADAPTERS.keys(), _wrap))


def _wrap(package: str) -> None:
    """Make new clients of a package recorded ones. Never raises: the import that led here goes on."""
    try:
        _record_as_environment_says()
        importlib.import_module(SDK_ADAPTERS[package]).wrap_new_clients()
    except Exception:
        log.warning("tokenprof could not wrap the clients of %s", package, exc_info=True)


class AfterImport(MetaPathFinder):
    """Calls `then` with the name of each of some modules, once, when it has been imported."""

    def __init__(self, modules: Iterable[str], then: Callable[[str], None]):
        self._waiting = set(modules)
        self._then = then
        self._searching = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, with our call behind the module's own code."""
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
