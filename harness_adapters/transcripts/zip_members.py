"""Reads members of a zip archive, including those compressed with zstandard, which `zipfile` refuses."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard

from tokenprof.facts.errors import InputError
from tokenprof.record.content_coding import decoded_bytes_allowed

ZSTANDARD = 93
"""The method's number in the zip specification (APPNOTE 4.4.5)."""

MOST_MEMBER_BYTES = 2**30

_LOCAL_HEADER_BYTES = 30
_LENGTHS_AT = 26
_PIECE_BYTES = 65536

_DAMAGE = (
    zipfile.BadZipFile,
    zstandard.ZstdError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    # Members with a password, and offsets that lie outside the file.
    RuntimeError,
    ValueError,
    OverflowError,
)


def members_of(path: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the members whose names begin with `prefix`, in the archive's order.

    Raises InputError if the file is damaged, is not a zip archive, or holds a member that unpacks to more
    than any log (a few kilobytes can unpack to gigabytes): 1 GiB, or 16 MiB and 200 times its packed size.
    The same goes for all members together, measured by the size of the archive.
    """
    total = 0
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            total_allowed = decoded_bytes_allowed(path.stat().st_size, 64 * MOST_MEMBER_BYTES)
            for member in archive.infolist():
                if not member.filename.startswith(prefix) or member.is_dir():
                    continue
                allowed = decoded_bytes_allowed(member.compress_size, MOST_MEMBER_BYTES)
                content = _content(archive, file, member, min(allowed, total_allowed - total))
                if content is None:
                    raise InputError(
                        f"{path}: the member {member.filename!r} is packed in {member.compress_size:,} bytes "
                        f"and unpacks to more than {min(allowed, total_allowed - total):,}, which no log "
                        "does. Convert the file to JSON (`inspect log convert --to json`) and read that."
                    )
                total += len(content)
                yield member.filename, content
    except _DAMAGE as error:
        raise InputError(f"{path}: this archive cannot be read ({error}); was it copied whole?") from None


def _content(
    archive: zipfile.ZipFile, file: IO[bytes], member: zipfile.ZipInfo, allowed: int
) -> bytes | None:
    """Return a member's content; None if it is longer than allowed."""
    if member.compress_type != ZSTANDARD:
        with archive.open(member) as stream:
            return _read_up_to(stream, allowed)
    file.seek(member.header_offset + _LENGTHS_AT)
    name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
    file.seek(member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes)
    packed = file.read(min(member.compress_size, MOST_MEMBER_BYTES))
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        return _read_up_to(reader, allowed)


def _read_up_to(stream: IO[bytes], allowed: int) -> bytes | None:
    found = bytearray()
    while piece := stream.read(_PIECE_BYTES):
        found += piece
        if len(found) > allowed:
            return None
    return bytes(found)
