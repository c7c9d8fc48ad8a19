"""Adapters, loaded by name: nothing in `tokenprof` imports `harness_adapters`."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

from tokenprof.facts.errors import TokenprofError
from tokenprof.facts.imported import is_whole

ADAPTERS = "tokenprof.harness_adapters"

_PACKAGE: Final = "tokenprof."

_at_work: Final[dict[str, ModuleType]] = {}
"""Our modules by name, those with which this one works together, imported to their end.

Several threads load adapters at once: what is looked through here is a copy, and nothing has to be there.
"""


class AdapterError(TokenprofError):
    """An adapter that cannot be loaded, because a package that it needs is missing or it is broken itself."""


def load_adapter(name: str) -> Any:
    """Return a module of `harness_adapters/` by its name below that folder, such as `wires.openai_exchange`.

    Raises AdapterError if the module is missing or fails while it is imported.
    """
    module = f"{ADAPTERS}.{name}"
    if (at_work := _at_work.get(module)) is not None and not _is_outdated(at_work):
        return at_work
    try:
        for modules in (sys.modules, _at_work):
            if (found := modules.get(module)) is not None and _is_outdated(found):
                modules.pop(module, None)
        with _modules_at_work():
            return importlib.import_module(module)
    except Exception as error:
        raise AdapterError(
            f"The adapter harness_adapters/{name.replace('.', '/')}.py cannot be loaded "
            f"({type(error).__name__}: {error}). Install the package it names, or install tokenprof again."
        ) from error


def _is_outdated(adapter: ModuleType) -> bool:
    """Whether the library that an adapter has imported has been imported again since then."""
    return any(
        isinstance(value, ModuleType) and sys.modules.get(value.__name__, value) is not value
        for value in tuple(vars(adapter).values())
    )


@contextlib.contextmanager
def _modules_at_work() -> Iterator[None]:
    """Let an adapter find the modules that are at work, and with them the recordings that are open.

    A host may have taken them out of `sys.modules`, as tests do that load everything again. New copies
    would not know what is recorded, and nobody would see the host's calls. The host finds `sys.modules`
    as it has left it.
    """
    taken_out = {
        name: module for name, module in _at_work.copy().items() if sys.modules.get(name) is not module
    }
    of_the_host = _ours() if taken_out else {}
    sys.modules.update(taken_out)
    try:
        yield
    finally:
        # Another thread may be importing some of them; those are its own.
        for name, module in _ours().items():
            if not is_whole(module):
                continue
            _at_work.setdefault(name, module)
            if taken_out and name not in of_the_host:
                sys.modules.pop(name, None)
        sys.modules.update(of_the_host)


def _ours() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.copy().items() if f"{name}.".startswith(_PACKAGE)}
