"""The bytes of a log as UTF-8, whatever it was compressed with or encoded in.

Compression is recognised by the first bytes, not by the name: gzip, Zstandard, bzip2 and xz. UTF-16 and
UTF-32, which Windows shells write, are recognised by their byte order mark or by their zero bytes.

Few logs are compressed, so what decompresses them is imported where one is.
"""

from __future__ import annotations

import codecs
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Protocol, cast

from tokenprof.facts.errors import InputError

COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")

LARGEST_RATIO = 1000
"""Logs shrink by a factor of 10 to 100; a file that expands by more than this was made to fill a memory."""

ALWAYS_ALLOWED_BYTES = 64 * 2**20
LARGEST_DOCUMENT_BYTES = 2**30
"""A compressed file that is one JSON value has to fit in memory."""

HEAD_BYTES = 4096
CHUNK_BYTES = 256 * 1024


DAMAGED_FILE = "the compressed file is damaged or cut short"


class DamagedFileError(Exception):
    """A compressed file ends early or is damaged; what was read before is sound."""


class _Readable(Protocol):
    """What all decompressors have in common."""

    def read1(self, size: int = -1, /) -> bytes: ...


def _gzip(file: IO[bytes]) -> _Readable:
    import gzip

    return gzip.GzipFile(fileobj=file)


def _zstd(file: IO[bytes]) -> _Readable:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)


def _bzip2(file: IO[bytes]) -> _Readable:
    import bz2

    return bz2.BZ2File(file)


def _xz(file: IO[bytes]) -> _Readable:
    import lzma

    return lzma.LZMAFile(file)


def _damage() -> tuple[type[Exception], ...]:
    """Return what the decompressors raise for a file that is damaged or cut short."""
    import gzip
    import lzma
    import zlib

    import zstandard

    return EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError, UnicodeError


_MAGIC: tuple[tuple[bytes, Callable[[IO[bytes]], _Readable]], ...] = (
    (b"\x1f\x8b", _gzip),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\x00", _xz),
)

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_plain_file(path: Path) -> None:
    """Raise InputError if a path is a pipe, a socket or a device: opening it may wait, or never end.

    A path that does not exist, or may not be looked at, is left to whoever opens it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), None)
    if kind is not None and path != Path(os.devnull):
        raise InputError(f"{path} is {kind}, and not a file. Save what it gives to a file, and name that.")


@contextmanager
def open_log(path: Path) -> Iterator[BinaryIO]:
    """Open a log for reading, as UTF-8 bytes without a byte order mark; what is appended later is not read.

    Raises InputError if it is not a file, cannot be opened, or expands far beyond what a log does. Reading
    raises `DamagedFileError` at the place where a compressed file is damaged or ends early.
    """
    require_plain_file(path)
    try:
        with path.open("rb", buffering=0) as raw:
            file = io.BufferedReader(cast(io.RawIOBase, _WhatIsThere(raw)), CHUNK_BYTES)
            yield _as_utf8(_decompressed(file, path))
    except OSError as error:
        raise InputError.unreadable(path, error) from None


def head_of(path: Path) -> bytes:
    """Return the first bytes of a log, as `open_log` reads them.

    Raises InputError if the file cannot be opened.
    """
    with open_log(path) as file:
        try:
            return file.read(HEAD_BYTES)
        except DamagedFileError:
            return b""


def read_whole(path: Path) -> bytes:
    """Return all bytes of a log that is one JSON value.

    Raises InputError if the file cannot be opened, is damaged, or is compressed and larger than
    `LARGEST_DOCUMENT_BYTES`.
    """
    with open_log(path) as file:
        try:
            if not is_compressed(path):
                return file.read()
            data = file.read(LARGEST_DOCUMENT_BYTES + 1)
        except DamagedFileError as error:
            raise InputError(f"{path}: {error}. Decompress it, or copy it again.") from None
    if len(data) > LARGEST_DOCUMENT_BYTES:
        raise InputError(
            f"{path}: this expands to more than {LARGEST_DOCUMENT_BYTES // 2**20} MiB. Decompress it first."
        )
    return data


def is_compressed(path: Path) -> bool:
    """Return whether a file begins like a compressed one. Raises OSError if it cannot be opened."""
    with path.open("rb") as file:
        head = file.read(8)
    return any(head.startswith(magic) for magic, _ in _MAGIC)


def log_name(path: Path) -> str:
    """Return the name of a log without the ending of its compression."""
    return path.name.removesuffix(path.suffix) if path.suffix in COMPRESSED_ENDINGS else path.name


def log_stem(path: Path) -> str:
    """Return the name of a log without its endings: `run` of `run.jsonl.gz`."""
    return Path(log_name(path)).stem


def _decompressed(file: IO[bytes], path: Path) -> BinaryIO:
    head = file.read(8)
    file.seek(0)
    for magic, opened in _MAGIC:
        if head.startswith(magic):
            size = path.stat().st_size
            limited = _Limited(opened(file), max(ALWAYS_ALLOWED_BYTES, LARGEST_RATIO * size), path)
            return io.BufferedReader(cast(io.RawIOBase, limited), CHUNK_BYTES)
    return cast(BinaryIO, file)


class _WhatIsThere(io.RawIOBase):
    """What a file held when it was opened.

    A line that is being written would otherwise end in its middle, and its rest come as the next one; and a
    file that grows as fast as it is read would never end.
    """

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        found = os.fstat(file.fileno())
        # Only for plain files is the size that of what can be read.
        self._end = found.st_size if stat.S_ISREG(found.st_mode) and found.st_size else sys.maxsize

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._file.readinto(memoryview(buffer)[: self._left()])

    def readall(self) -> bytes:
        # One call of the system reads no more than 2 GiB.
        return b"".join(iter(lambda: self._file.read(min(self._left(), LARGEST_DOCUMENT_BYTES)), b""))

    def _left(self) -> int:
        return max(self._end - self._file.tell(), 0)


class _Limited(io.RawIOBase):
    """The output of a decompressor, up to a limit."""

    def __init__(self, source: _Readable, limit: int, path: Path) -> None:
        self._source = source
        self._limit = limit
        self._read = 0
        self._path = path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        try:
            data = self._source.read1(len(buffer))
        except _damage() as error:
            raise DamagedFileError(f"{DAMAGED_FILE} ({error})") from None
        self._read += len(data)
        if self._read > self._limit:
            raise InputError(
                f"{self._path}: this expands to more than {LARGEST_RATIO} times its size, which no log does. "
                "If it is sound, decompress it first."
            )
        buffer[: len(data)] = data
        return len(data)


def _as_utf8(file: BinaryIO) -> BinaryIO:
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, file))
    try:
        head = buffered.peek(HEAD_BYTES)[:HEAD_BYTES]
    except DamagedFileError:
        # Reading meets the damage again, where it can be named.
        return buffered
    encoding = _encoding_of(head)
    if encoding is None:
        return buffered
    if encoding == "utf-8-sig":
        buffered.read(len(codecs.BOM_UTF8))
        return buffered
    text = io.TextIOWrapper(buffered, encoding, errors="replace", newline="")
    return io.BufferedReader(cast(io.RawIOBase, _Recoded(text)), CHUNK_BYTES)


def _encoding_of(head: bytes) -> str | None:
    """Return the encoding of a file that begins with these bytes; None for UTF-8 without a mark."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    # Without a mark, every other byte of JSON in UTF-16 is zero, and the others are not.
    pairs = head[: len(head) // 2 * 2]
    if len(pairs) >= 4 and pairs[:1] in (b"{", b"[") and pairs[1:2] == b"\0":
        return "utf-16-le"
    if len(pairs) >= 4 and pairs[:1] == b"\0" and pairs[1:2] in (b"{", b"["):
        return "utf-16-be" if pairs[2:3] == b"\0" else None
    return None


class _Recoded(io.RawIOBase):
    """A text as UTF-8 bytes."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if not self._left:
            self._left = self._text.read(max(1, len(buffer) // 4)).encode("utf-8", "replace")
        data, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
"""Endings of archives of several files, which are not opened."""


def holds_logs(path: Path, endings: tuple[str, ...]) -> bool:
    """Whether an archive holds a file with one of these endings, or cannot be looked into."""
    import tarfile
    import zipfile

    try:
        if path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        else:
            with tarfile.open(path) as tar:
                names = tar.getnames()
    except (OSError, ValueError, zipfile.BadZipFile, tarfile.TarError, EOFError):
        return True
    return any(name.endswith(endings) for name in names)
