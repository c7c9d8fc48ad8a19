"""Files that are one JSON value: exports and logs, as opposed to one object per line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tokenprof.facts.errors import InputError


def read_json_document(path: Path) -> Any:
    """Return a file's value. Raises InputError for a file that cannot be opened or is not JSON."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    except orjson.JSONDecodeError as error:
        line = path.read_bytes()[: error.pos].count(b"\n") + 1
        raise InputError.at(path, line, f"this is not JSON ({error.msg}); was the file cut short?") from None


def json_objects(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file that is one list, one object, or one object per line.

    Raises InputError as `read_json_document` does.
    """
    try:
        value = read_json_document(path)
    except InputError:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()] if path.exists() else []
        try:
            value = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError:
            value = None
        if not value:
            raise
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, dict)]
