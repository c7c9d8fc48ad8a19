"""The recorder of calls that are made without a profile: it only finishes their spans."""

from __future__ import annotations

import atexit
import functools

from tokenprof.record.recorder import Recorder


@functools.cache
def recorder() -> Recorder:
    """Return the process's recorder for spans alone, started on first use and drained at exit."""
    made = Recorder(None)
    atexit.register(made.close)
    return made
