"""The one writer of a store.

On this machine the right to write is a lock of the operating system, which lets it go when the process ends,
however it ends. At an address it is a file that only one writer can create, and that says who it is. If that
process is no more, or has not renewed the file for `LEASE`, another writer takes it over; a commit that
somebody else made first is refused (`manifest.write_manifest`).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
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


Renew = Callable[[], None]
"""Called now and then by a writer, so that others see that it goes on."""


@contextmanager
def writer_lock(store: AnyStore) -> Iterator[Renew]:
    """Hold the right to write to a store, and yield what renews it.

    Raises StoreIsLockedError, which names the process, if somebody else has it, and InputError if the folder
    cannot be written.
    """
    folder = store_folder(store)
    with _local_lock(folder.folder) if isinstance(folder, LocalFolder) else _lease(folder) as renew:
        yield renew


@contextmanager
def _lease(store: StoreFolder) -> Iterator[Renew]:
    mine = _holder()
    try:
        if not store.create(LOCK_FILE, mine.encode()):
            held = _read(store)
            if not _has_ended(held) and _age(held) < LEASE:
                raise _locked(store, held)
            store.write(LOCK_FILE, mine.encode())
    except OSError as error:
        raise _not_writable(store, error) from error

    def renew() -> None:
        nonlocal mine
        if _read(store) == mine:
            mine = _holder()
            store.write(LOCK_FILE, mine.encode())

    try:
        yield renew
    finally:
        # One that another writer has taken over is not ours to remove.
        if _read(store) == mine:
            store.remove(LOCK_FILE)


def _read(store: StoreFolder) -> str:
    return (store.read(LOCK_FILE) or b"").decode("utf-8", "replace")


def _age(held: str) -> timedelta:
    """Return how long ago a holder wrote its line; a line that cannot be read is as old as can be."""
    try:
        return datetime.now(UTC) - datetime.fromisoformat(held.rpartition(" since ")[2])
    except (ValueError, TypeError):
        return timedelta.max


def _has_ended(held: str) -> bool:
    """Return whether a holder was a process of this machine that is no more."""
    found = _HOLDER.match(held)
    if found is None or found["host"] != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(int(found["process"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC).isoformat()}"


_HOLDER: Final = re.compile(r"process (?P<process>\d+) on (?P<host>.+) since ")


def _locked(store: object, holder: str) -> StoreIsLockedError:
    return StoreIsLockedError(
        f"The store {store} is being written by {holder.strip() or 'another process'}. Wait until it has "
        "ended; the store can be read meanwhile."
    )


def _not_writable(store: object, error: OSError) -> InputError:
    reason = (error.strerror or str(error)).lower()
    return InputError(f"The store {store} cannot be written ({reason}); name another --store.")


@contextmanager
def _local_lock(store: Path) -> Iterator[Renew]:
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
            yield _nothing_to_renew
        finally:
            file.truncate(0)
            _unlock(file)


def _nothing_to_renew() -> None:
    """The operating system sees for itself whether a process goes on."""


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
