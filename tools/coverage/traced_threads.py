"""A plugin of coverage.py that has it trace the threads of the recorder as well.

The recorder starts its threads below `threading`, whose `start` would make the host wait for them, so the
trace function that coverage gives to `threading` never reaches them. In a program that is not measured that
is as it should be: the host's debugger and profiler leave our threads alone.
"""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any


def coverage_init(_registry: object, _options: Mapping[str, object]) -> None:
    """Start threads with the trace function that `threading` would give them; coverage.py calls this."""
    start = _thread.start_new_thread

    def start_traced(function: Callable[..., object], args: tuple[Any, ...] = (), *more: Any) -> int:
        def run(*args: Any, **kwargs: Any) -> None:
            sys.settrace(threading.gettrace())
            function(*args, **kwargs)

        return start(run, args, *more)

    _thread.start_new_thread = start_traced
