"""Modules that this process has imported already, and never one that another thread is still importing.

`sys.modules` holds a module from the beginning of its import, when it is empty. `import` waits for its end;
looking into `sys.modules` does not.
"""

from __future__ import annotations

import sys
from types import ModuleType


def imported(name: str) -> ModuleType | None:
    """Return a module that has been imported to its end; None if it has not, or not yet."""
    module = sys.modules.get(name)
    return module if module is not None and is_whole(module) else None


def is_whole(module: ModuleType) -> bool:
    """Whether the import of a module has ended. `import` itself reads the same flag of the spec."""
    return not getattr(getattr(module, "__spec__", None), "_initializing", False)
