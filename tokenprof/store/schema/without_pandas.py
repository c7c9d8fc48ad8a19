"""Keeps pandas out of a process that makes Arrow arrays but no data frames; importing it takes long."""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Final


class _NoPandasHere:
    """A finder that lets some threads find no pandas; other threads import it as ever.

    It stays for good: another thread that is going through `sys.meta_path` would skip a finder if this one
    was taken out meanwhile.
    """

    def __init__(self) -> None:
        self.threads: set[int] = set()

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> None:
        """Raise ImportError for pandas; leave all else to the other finders."""
        if name == "pandas" and threading.get_ident() in self.threads:
            raise ImportError("pandas is not needed here")


_FINDER: Final = _NoPandasHere()


def keep_pandas_out() -> None:
    """Let Arrow look for pandas once without finding it; it looks again when a data frame is asked for."""
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)
    _FINDER.threads.add(threading.get_ident())
    try:
        pa.array([0])
    finally:
        _FINDER.threads.discard(threading.get_ident())
