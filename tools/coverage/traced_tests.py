"""A plugin of pytest that has coverage.py go on after a test that ended the tracing of its thread.

Python takes the trace function away when it cannot be called, as at the end of the stack or of the memory.
"""

from __future__ import annotations

import sys
import threading


def pytest_runtest_setup() -> None:
    """Trace the test that begins."""
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())
