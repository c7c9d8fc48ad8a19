"""Reads members of a zip archive, including those compressed with zstandard, which `zipfile` refuses."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from tokenprof.facts.errors import InputError

ZSTANDARD = 93
"""The method's number in the zip specification (APPNOTE 4.4.5)."""

_LOCAL_HEADER_BYTES = 30
_LENGTHS_AT = 26


def members_of(path: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the members whose names begin with `prefix`, in the archive's order.

    Raises InputError if the file is damaged or is not a zip archive.
    """
    try:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for member in archive.infolist():
                if not member.filename.startswith(prefix) or member.is_dir():
                    continue
                if member.compress_type != ZSTANDARD:
                    yield member.filename, archive.read(member)
                    continue
                file.seek(member.header_offset + _LENGTHS_AT)
                name_bytes, extra_bytes = struct.unpack("<HH", file.read(4))
                file.seek(member.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes)
                packed = file.read(member.compress_size)
                yield member.filename, zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    except (zipfile.BadZipFile, zstandard.ZstdError, struct.error, NotImplementedError) as error:
        raise InputError(f"{path}: this archive cannot be read ({error}); was it copied whole?") from None
