"""Files of one JSON object per line, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from tokenprof.facts.errors import InputError


def read_json_lines(path: Path, warnings: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line, counted from 1, and its object; blank lines are skipped.

    A killed process may leave a last line that is malformed and has no newline. It is left out, with an entry
    in `warnings`. Raises InputError for a file that cannot be opened and for any other line that is not a
    JSON object.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                try:
                    value = orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    if not line.endswith(b"\n"):
                        warnings.append(f"{path}:{number}: the last line is cut short and was left out.")
                        return
                    raise InputError.at(
                        path, number, f"this line is not JSON ({error}); repair or delete it."
                    ) from None
                if not isinstance(value, dict):
                    raise InputError.at(path, number, "this line is not a JSON object; repair or delete it.")
                yield number, value
    except OSError as error:
        raise InputError.unreadable(path, error) from None
