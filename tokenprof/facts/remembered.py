"""Results that are the same for the same question, kept in the user's cache folder only to be faster.

A result is bytes under a name and a digest of everything that it follows from. What is damaged, or is not
this user's alone, is worked out again. The folder is bounded: the results written longest ago are dropped.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from tokenprof.facts.switches import is_switched_on

SWITCH: Final = "TOKENPROF_CACHE"
"""Set to `off`, nothing is kept or used."""

MOST_BYTES: Final = 64 * 2**20
"""What all results together may take [bytes]."""

_CHECK_BYTES: Final = 16
SUFFIX: Final = ".result"
"""How the names of results end."""


def cache_folder() -> Path | None:
    """Return where things are kept: `$XDG_CACHE_HOME/tokenprof`, or `~/.cache/tokenprof`; None if nowhere."""
    if not is_switched_on(os.environ.get(SWITCH) or "on") or os.name != "posix":
        return None
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    except (RuntimeError, KeyError):
        return None
    return root / "tokenprof"


def is_ours_alone(handle: int) -> bool:
    """Tell whether an open file belongs to this user and nobody else may write to it."""
    status = os.fstat(handle)
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def remembered(name: str, question: str, make: Callable[[], bytes]) -> bytes:
    """Return `make()`, or what it returned to an earlier process for the same question.

    `name` is part of a file's name; `question` has to contain everything that the result follows from, the
    version of the code included. Only errors of `make` are raised.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    digest = blake2b(question.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    path = folder / f"{name}-{digest}{SUFFIX}"
    known = recall(path)
    if known is not None:
        return known
    made = make()
    keep(path, made)
    return made


def keep(path: Path, result: bytes) -> None:
    """Put a result in its place, if it can be written; the oldest beside it make room."""
    with suppress(OSError):
        _write(path, result)


def _check(data: bytes, path: Path) -> bytes:
    """Return a digest of a result and of its place, so that no result is taken for another one."""
    return blake2b(data, digest_size=_CHECK_BYTES, key=os.fsencode(path.name)[:64]).digest()


def recall(path: Path) -> bytes | None:
    """Return the result that a file holds; None if it is missing, damaged, or not this user's alone."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with os.fdopen(handle, "rb") as file:
            if not is_ours_alone(handle):
                return None
            data = file.read(MOST_BYTES + 1)
    except OSError:
        return None
    check, result = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    return result if check == _check(result, path) else None


def _write(path: Path, result: bytes) -> None:
    """Put a result in its place in one step, so that no process sees half of it."""
    if len(result) > MOST_BYTES // 4:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _drop_the_oldest(path.parent, len(result))
    part = path.with_name(f"{path.name}.{os.urandom(8).hex()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_check(result, path))
            file.write(result)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _drop_the_oldest(folder: Path, added_bytes: int) -> None:
    """Make room for a result. Parts that a killed process left behind count, and go in their turn."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((SUFFIX, ".part")):
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    found.append((status.st_mtime, status.st_size, entry.path))
    taken = added_bytes + sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if taken <= MOST_BYTES:
            return
        with suppress(OSError):
            os.unlink(path)
        taken -= size
