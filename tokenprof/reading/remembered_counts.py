"""Token counts of texts that were counted before, kept in the user's cache folder. Never needed, only faster.

The file holds a keyed digest and the counts of each text: with the key of this user's logs, so that nobody
can test whether a text was counted. It is bounded; when it is full, the older half is dropped. Several
processes may use it at once. Whatever is wrong with it, the texts are counted again.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tokenprof.facts.remembered import cache_folder, is_ours_alone
from tokenprof.record.background.counting import VOCABULARIES
from tokenprof.record.digest import key_of_logs

try:
    import fcntl
except ImportError:  # Windows has no such locks; nothing is kept there.
    fcntl = None  # type: ignore[assignment]

SHORTEST_CHARS = 200
"""Shorter texts are counted again as fast as they are found."""

MOST_RECORDS = 1_000_000
"""About 28 MB."""

MOST_ADDED = 50_000
"""How many counts of its own a process holds."""

_DIGEST_BYTES = 16
_RECORD = np.dtype([("digest", "<u8", 2), ("counts", "<u4", len(VOCABULARIES)), ("check", "<u4")])
_NAMES = frozenset(VOCABULARIES)
_MIX = np.uint32(2_654_435_761)

Records = npt.NDArray[np.void]


def cache_file() -> Path | None:
    """Return where counts are kept; None if nowhere."""
    folder = None if fcntl is None else cache_folder()
    return None if folder is None else folder / f"token-counts-{'-'.join(VOCABULARIES)}-1"


class RememberedCounts:
    """The counts in a file, as they were when it was opened, and those that this process adds."""

    def __init__(self, path: Path | None, key: bytes) -> None:
        self._path = path
        self._key = key
        self._records = _sorted(_read(path) if path is not None else _none())
        self._added: dict[bytes, Sequence[int]] = {}

    def counted(
        self, texts: Sequence[str], count: Callable[[Sequence[str]], Sequence[Mapping[str, int]]]
    ) -> list[Mapping[str, int]]:
        """Return the counts of each text, and keep those that were not known, which `count` returns.

        What cannot be written is not kept.
        """
        digests = [self._digest(text) if len(text) >= SHORTEST_CHARS else None for text in texts]
        found = self._find(digests)
        unknown = [at for at, tokens in enumerate(found) if tokens is None]
        counts = count([texts[at] for at in unknown])
        self._add([digests[at] for at in unknown], counts)
        known = dict(zip(unknown, counts, strict=True))
        return [known[at] if tokens is None else tokens for at, tokens in enumerate(found)]

    def _find(self, digests: Sequence[bytes | None]) -> list[Mapping[str, int] | None]:
        found: list[Mapping[str, int] | None] = [None] * len(digests)
        if not self._added and not len(self._records):
            return found
        places = [at for at, digest in enumerate(digests) if digest is not None]
        long = [digest for digest in digests if digest is not None]
        for at, digest, stored in zip(places, long, self._on_disk(long), strict=True):
            counts = self._added.get(digest, stored)
            if counts is not None:
                found[at] = dict(zip(VOCABULARIES, counts, strict=True))
        return found

    def _on_disk(self, digests: Sequence[bytes]) -> list[Sequence[int] | None]:
        if not len(self._records) or not digests:
            return [None] * len(digests)
        wanted = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
        first = self._records["digest"][:, 0]
        nearest = np.minimum(np.searchsorted(first, wanted[:, 0]), len(first) - 1)
        same = (self._records["digest"][nearest] == wanted).all(axis=1).tolist()
        counts = self._records["counts"][nearest].tolist()
        return [each if is_same else None for each, is_same in zip(counts, same, strict=True)]

    def _add(self, digests: Sequence[bytes | None], counted: Sequence[Mapping[str, int]]) -> None:
        new = {
            digest: [tokens[name] for name in VOCABULARIES]
            for digest, tokens in zip(digests, counted, strict=True)
            if digest is not None and tokens.keys() >= _NAMES
        }
        if not new:
            return
        if len(self._added) > MOST_ADDED:
            self._added.clear()
        self._added |= new
        if self._path is None:
            return
        records = np.zeros(len(new), _RECORD)
        records["digest"] = np.frombuffer(b"".join(new), "<u8").reshape(-1, 2)
        records["counts"] = list(new.values())
        records["check"] = _check(records)
        with suppress(OSError):
            _append(self._path, records)

    def _digest(self, text: str) -> bytes:
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(data, digest_size=_DIGEST_BYTES, key=self._key).digest()


def remembered_counts() -> RememberedCounts:
    """Return the counts that are kept for this user; the same object at each call."""
    return _opened(cache_file(), key_of_logs())


@functools.lru_cache(maxsize=4)
def _opened(path: Path | None, key: bytes) -> RememberedCounts:
    return RememberedCounts(path, key)


def _none() -> Records:
    return np.zeros(0, _RECORD)


def _read(path: Path) -> Records:
    """Return the sound records of a file; none if it is not this user's alone."""
    try:
        with path.open("rb") as file:
            if not is_ours_alone(file.fileno()):
                return _none()
            data = file.read(MOST_RECORDS * _RECORD.itemsize)
    except OSError:
        return _none()
    records: Records = np.frombuffer(data[: len(data) // _RECORD.itemsize * _RECORD.itemsize], _RECORD)
    sound: Records = records[records["check"] == _check(records)]
    return sound


def _sorted(records: Records) -> Records:
    return records[np.argsort(records["digest"][:, 0], kind="stable")]


def _check(records: Records) -> npt.NDArray[np.uint32]:
    """Return a sum over each record that damage changes."""
    sums = (records["digest"][:, 0] & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    for column in range(len(VOCABULARIES)):
        sums = (sums ^ records["counts"][:, column]) * _MIX
    return sums


def _append(path: Path, records: Records) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "r+b") as file:
        if not is_ours_alone(handle):
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        # A process that was killed may have left a part of a record.
        whole = os.fstat(handle).st_size // _RECORD.itemsize
        if whole + len(records) > MOST_RECORDS:
            file.seek(whole // 2 * _RECORD.itemsize)
            kept = file.read((whole - whole // 2) * _RECORD.itemsize)
            file.seek(0)
            file.write(kept)
            file.truncate()
        else:
            file.truncate(whole * _RECORD.itemsize)
            file.seek(0, os.SEEK_END)
        file.write(records.tobytes())
