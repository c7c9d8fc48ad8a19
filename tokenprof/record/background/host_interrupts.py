"""Tells an error of ours from one that a signal handler of the host raised while we were at work.

Time limits work so (`SIGALRM`, the soft limits of task queues): the exception comes up between any two steps
of whatever runs, and the host waits for it.
"""

from __future__ import annotations

import functools
import signal
from types import CodeType, TracebackType


def raise_if_the_hosts(error: BaseException) -> None:
    """Raise an error again if it came out of a signal handler of the host."""
    handlers = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    passed: TracebackType | None = error.__traceback__ if handlers else None
    while passed is not None:
        if passed.tb_frame.f_code in handlers:
            raise error
        passed = passed.tb_next


def _code_of(handler: object) -> CodeType | None:
    """Return the code of a signal handler that is written in Python."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    function = getattr(handler, "__func__", handler)
    if not hasattr(function, "__code__"):
        function = vars(type(handler)).get("__call__")
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
