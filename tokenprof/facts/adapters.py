"""Adapters, loaded by name: nothing in `tokenprof` imports `harness_adapters`."""

from __future__ import annotations

import importlib
from typing import Any

from tokenprof.facts.errors import TokenprofError

ADAPTERS = "tokenprof.harness_adapters"


class AdapterError(TokenprofError):
    """An adapter that cannot be loaded, because a package that it needs is missing or it is broken itself."""


def load_adapter(name: str) -> Any:
    """Return a module of `harness_adapters/` by its name below that folder, such as `wires.openai_exchange`.

    Raises AdapterError if the module is missing or fails while it is imported.
    """
    try:
        return importlib.import_module(f"{ADAPTERS}.{name}")
    except Exception as error:
        raise AdapterError(
            f"The adapter harness_adapters/{name.replace('.', '/')}.py cannot be loaded "
            f"({type(error).__name__}: {error}). Install the package it names, or install tokenprof again."
        ) from error
