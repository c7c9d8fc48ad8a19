"""Files that are one JSON value: exports and logs, as opposed to one object per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tokenprof.facts.errors import InputError
from tokenprof.reading.json_lines import read_json_lines
from tokenprof.reading.lenient_json import parse_json
from tokenprof.reading.log_bytes import read_whole

BROKEN_TEXT = "control character"
"""How the parser names a line break within a text. Other things that it refuses are written on purpose."""


def read_json_document(path: Path, warnings: list[str]) -> Any:
    """Return a file's value; zero bytes inside it, and texts that break off, are an entry in `warnings`.

    Raises InputError for a file that cannot be opened or is not JSON.
    """
    data = read_whole(path)
    zeros = data.strip(b"\0 \t\r\n").count(0)
    if zeros:
        # Two values around what was never written to the disk may look like one.
        line = data[: data.index(0)].count(b"\n") + 1
        warnings.append(f"{path}:{line}: {zeros:,} zero bytes stand within it, so parts of it are missing.")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if BROKEN_TEXT in error.msg:
            line = data[: error.pos].count(b"\n") + 1
            warnings.append(
                f"{path}:{line}: a text in it breaks off or holds a control character, as when a file is cut "
                "and goes on with another; if it was, calls are missing."
            )
    try:
        return parse_json(data)
    except orjson.JSONDecodeError as error:
        line, message = data[: error.pos].count(b"\n") + 1, error.msg
    except ValueError as error:
        line, message = 1, str(error)
    raise InputError.at(path, line, f"this is not JSON ({message}); was the file cut short?") from None


def json_objects(path: Path, warnings: list[str]) -> list[dict[str, Any]]:
    """Return the objects of a file that is one list, one object, or one object per line.

    A line that cannot be read is left out, with an entry in `warnings`. Raises InputError as
    `read_json_document` does, and for a file without any object.
    """
    try:
        value = read_json_document(path, warnings)
    except InputError:
        found: list[str] = []
        lines = [line for _, line in read_json_lines(path, found)]
        if not lines:
            raise
        warnings += found
        return lines
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, dict)]
