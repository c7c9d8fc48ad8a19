"""Processes that `multiprocessing` spawns: they record to the file that is open where they are started.

A forked process needs nothing: it has the recorder of its parent. Others get the recording with the object
that describes them, and open it when they unpack that object, before any work is done.
"""

from __future__ import annotations

import contextlib
import importlib
from multiprocessing.process import BaseProcess
from typing import Any

from tokenprof.harness_adapters.clients.patched_methods import PatchedMethods, marked
from tokenprof.record.background.shared_tally import LENT_TALLY
from tokenprof.record.session import active_recorder


class RecordingOfParent:
    """Travels to a spawned process and opens the recording there."""

    def __init__(self, path: str, tags: dict[str, str]) -> None:
        self._path = path
        self._tags = tags

    def __reduce__(self) -> tuple[Any, ...]:
        address = None
        # Its calls are recorded without a tally, too.
        with contextlib.suppress(Exception):
            address = LENT_TALLY.address()
        return _open_in_child, (self._path, self._tags, address)


def _open_in_child(path: str, tags: dict[str, str], tally_address: str | None) -> None:
    # Unpacking must not fail because of us.
    with contextlib.suppress(Exception):
        importlib.import_module("tokenprof.live.profile").record_as_parent_does(path, tags, tally_address)


def _started(start: Any) -> Any:
    def observed_start(self: Any, *args: Any, **kwargs: Any) -> None:
        recorder = None
        with contextlib.suppress(Exception):
            recorder = active_recorder()
            if recorder is not None and recorder.path is not None:
                self._tokenprof_recording = RecordingOfParent(str(recorder.path.absolute()), recorder.tags)
        try:
            start(self, *args, **kwargs)
        finally:
            with contextlib.suppress(Exception):
                if vars(self).pop("_tokenprof_recording", None) is not None and recorder is not None:
                    recorder.note_spawned(self.pid)

    return marked(observed_start, start)


wrap_new_clients = PatchedMethods(lambda: [(BaseProcess, "start", _started)]).apply
