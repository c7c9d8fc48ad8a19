"""Keeps pandas out of a process that makes Arrow arrays but no data frames; importing it takes long."""

from __future__ import annotations

import sys
import threading
from types import ModuleType


class _NoPandasHere:
    """A finder that lets one thread find no pandas; other threads import it as ever."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> None:
        """Raise ImportError for pandas; leave all else to the other finders."""
        if name == "pandas" and threading.get_ident() == self._thread:
            raise ImportError("pandas is not needed here")


def keep_pandas_out() -> None:
    """Let Arrow look for pandas once without finding it; it looks again when a data frame is asked for."""
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    finder = _NoPandasHere()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
