"""Threads that the host starts: their calls belong to the recording that is open where they are started."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, marked
from tokenprof.record.session import set_owner_of_thread


def _started(start: Any) -> Any:
    def observed_start(self: threading.Thread, *args: Any, **kwargs: Any) -> None:
        with contextlib.suppress(Exception):
            set_owner_of_thread(self)
        start(self, *args, **kwargs)

    return marked(observed_start, start)


wrap_new_clients = PatchedMethods(lambda: [(threading.Thread, "start", _started)]).apply
