"""Which file is which: told by device, inode, size and time, and by digests of its beginning and end."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal

from tokenprof.data_classes.frozen import frozen

HEAD_BYTES: Final = 4096
TAIL_BYTES: Final = 4096

Change = Literal["same", "grown", "cut_short", "rewritten", "replaced"]
"""What became of a file: `grown` has its old content in front, `cut_short` lost its end, `rewritten` is the
same file with another content, `replaced` is another file of that name."""


@frozen
class FileIdentity:
    """A file as it was when it was read. `head` and `tail` are digests of its first and last bytes."""

    file: str
    device: int
    inode: int
    bytes: int
    changed_ns: int
    head: str
    tail: str

    def looks_like(self, status: os.stat_result) -> bool:
        """Return whether a file was not touched since, by what the file system says without opening it."""
        seen = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
        return seen == (self.device, self.inode, self.bytes, self.changed_ns)

    def as_row(self) -> dict[str, object]:
        """Return the identity as the store writes it."""
        return asdict(self)


def identity_of_row(row: Mapping[str, Any]) -> FileIdentity:
    """Return the identity that a row of the store holds."""
    return FileIdentity(**row)


def identify(path: Path) -> FileIdentity:
    """Return the identity of a file. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        head = _digest(file.read(min(HEAD_BYTES, status.st_size)))
        file.seek(max(0, status.st_size - TAIL_BYTES))
        tail = _digest(file.read(TAIL_BYTES))
    return FileIdentity(
        str(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, head, tail
    )


def change_of(before: FileIdentity, path: Path, now: FileIdentity) -> Change:
    """Return what became of a file since it was read. Raises OSError if it cannot be read."""
    same_place = (before.device, before.inode) == (now.device, now.inode)
    if (now.bytes, now.head, now.tail) == (before.bytes, before.head, before.tail):
        return "same" if now.changed_ns == before.changed_ns else "rewritten"
    if now.bytes >= before.bytes and _tail_at(path, before.bytes) == before.tail and _head(path, before):
        return "grown"
    if now.bytes < before.bytes and _begins_alike(before, now):
        return "cut_short"
    return "rewritten" if same_place or now.head == before.head else "replaced"


def _tail_at(path: Path, size: int) -> str:
    """Return the digest of the last bytes that a file had when it was of this size."""
    with path.open("rb") as file:
        begin = max(0, size - TAIL_BYTES)
        file.seek(begin)
        return _digest(file.read(size - begin))


def _head(path: Path, before: FileIdentity) -> bool:
    with path.open("rb") as file:
        return _digest(file.read(min(HEAD_BYTES, before.bytes))) == before.head


def _begins_alike(before: FileIdentity, now: FileIdentity) -> bool:
    return now.bytes >= HEAD_BYTES and now.head == before.head


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def number_of(*parts: object) -> int:
    """Return a number of 63 bits that stands for some facts; the same facts have the same number."""
    data = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest()) >> 1
