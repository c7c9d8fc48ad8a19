"""JSON that an editor has spread over many lines, in a file that should have one value a line."""

from __future__ import annotations

import re
from typing import BinaryIO

from tokenprof.reading.log_bytes import DamagedFileError

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
"""A text, whose end may be missing: so no text is searched for its end from more than one place."""

_OPENED = re.compile(rb"^[\[{](?:.*[\[{,:])?$", re.DOTALL)


def opens_spread_record(line: bytes) -> bool:
    """Whether a line that is not a JSON value may be the first of one: it opens more than it closes."""
    bare = _without_texts(line).strip()
    return b'"' not in bare and bool(_OPENED.match(bare)) and _depth_of(bare) > 0


def rest_of_spread_record(first: bytes, file: BinaryIO, most_bytes: int) -> tuple[list[bytes], bool]:
    """Return the lines that follow until everything that `first` opens is closed, and whether it was.

    Reading stops at `most_bytes`, at the end of the file, and where a compressed file is damaged.
    """
    depth, size = _depth_of(first), len(first)
    lines: list[bytes] = []
    while depth > 0 and size < most_bytes:
        try:
            line = file.readline(most_bytes)
        except DamagedFileError:
            break
        if not line:
            break
        lines.append(line)
        size += len(line)
        depth += _depth_of(line)
    return lines, depth == 0


def _depth_of(line: bytes) -> int:
    """Return how many brackets a line opens beyond those that it closes, outside texts."""
    bare = _without_texts(line)
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")


def _without_texts(line: bytes) -> bytes:
    """Return a line without its texts; the quotation mark of one that does not end stays."""
    return _STRING.sub(lambda text: b"" if text[1] else b'"', line)
