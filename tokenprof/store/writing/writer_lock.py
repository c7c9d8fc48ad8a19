"""The one writer of a store.

On this machine the right to write is a lock of the operating system, which lets it go when the process ends,
however it ends. At an address it is a file that only one writer can create; if its writer died, others take
it over after `LEASE`, and a commit that somebody else made first is refused (`manifest.write_manifest`).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final

from tokenprof.facts.errors import InputError
from tokenprof.store.writing.store_folder import AnyStore, LocalFolder, StoreFolder, store_folder

LOCK_FILE: Final = "writer.lock"
LEASE: Final = timedelta(hours=1)


class StoreIsLockedError(InputError):
    """Another process is writing to the store."""


@contextmanager
def writer_lock(store: AnyStore) -> Iterator[None]:
    """Hold the right to write to a store.

    Raises StoreIsLockedError, which names the process, if somebody else has it, and InputError if the folder
    cannot be written.
    """
    folder = store_folder(store)
    with _local_lock(folder.folder) if isinstance(folder, LocalFolder) else _lease(folder):
        yield


@contextmanager
def _lease(store: StoreFolder) -> Iterator[None]:
    try:
        if not store.create(LOCK_FILE, _holder().encode()):
            held = (store.read(LOCK_FILE) or b"").decode("utf-8", "replace")
            if _age(held) < LEASE:
                raise _locked(store, held)
            store.write(LOCK_FILE, _holder().encode())
    except OSError as error:
        raise _not_writable(store, error) from error
    try:
        yield
    finally:
        store.remove(LOCK_FILE)


def _age(held: str) -> timedelta:
    """Return how long ago a holder wrote its line; a line that cannot be read is as old as can be."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(held.rpartition(" since ")[2])
    except (ValueError, TypeError):
        return timedelta.max


def _holder() -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"


def _locked(store: object, holder: str) -> StoreIsLockedError:
    return StoreIsLockedError(
        f"The store {store} is being written by {holder.strip() or 'another process'}. Wait until it has "
        "ended; the store can be read meanwhile."
    )


def _not_writable(store: object, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(f"The store {store} cannot be written ({reason}); name another --store.")


@contextmanager
def _local_lock(store: Path) -> Iterator[None]:
    path = store / LOCK_FILE
    try:
        # Who called which model when is nobody else's business.
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _not_writable(store, error) from error
    with file:
        if not _lock(file):
            file.seek(0)
            raise _locked(store, file.read())
        file.truncate(0)
        file.write(_holder())
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
