"""Processes that leave without running what `atexit` knows, or become another program.

What they have not written by then is noted, in one write. Waiting for it would hold up the host.
"""

from __future__ import annotations

import os
from typing import Any

from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, marked
from tokenprof.record.background.host_interrupts import raise_if_the_hosts
from tokenprof.record.session import open_recorders


def _leaving(leave: Any) -> Any:
    def observed_leave(*args: Any, **kwargs: Any) -> Any:
        for recorder in open_recorders():
            try:
                recorder.note_unfinished()
            except Exception as error:  # noqa: BLE001 - whatever happens to us, the host leaves
                raise_if_the_hosts(error)
        return leave(*args, **kwargs)

    return marked(observed_leave, leave)


wrap_new_clients = PatchedMethods(
    lambda: [(os, name, _leaving) for name in ("_exit", "abort", "execv", "execve") if hasattr(os, name)]
).apply
