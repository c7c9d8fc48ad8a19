"""The one writer of a store, held by a lock of the operating system.

The system lets a lock go when its process ends, however it ends, so no lock is ever left over.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from tokenprof.facts.errors import InputError

LOCK_FILE: Final = "writer.lock"


class StoreIsLockedError(InputError):
    """Another process is writing to the store."""


@contextmanager
def writer_lock(store: Path) -> Iterator[None]:
    """Hold the right to write to a store.

    Raises StoreIsLockedError, which names the process, if somebody else has it, and InputError if the folder
    cannot be written.
    """
    path = store / LOCK_FILE
    try:
        # Who called which model when is nobody else's business.
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"The store {store} cannot be written ({reason}); name another --store.") from error
    with file:
        if not _lock(file):
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise StoreIsLockedError(
                f"The store {store} is being written by {holder}. Wait until it has ended; the store can be "
                "read meanwhile."
            )
        file.truncate(0)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {now}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
            _unlock(file)


def _lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _lock_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(file: IO[str]) -> None:
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_UN)


def _lock_on_windows(file: IO[str]) -> bool:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    try:
        # Beyond the text that names the holder, which others read.
        file.seek(1 << 20)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        file.seek(0)
    return True
