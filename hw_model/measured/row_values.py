"""Cells of a measured row as numbers and words; what a file leaves out or leaves blank is None or empty."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

Row = Mapping[str, str]

NOT_GIVEN: Final = frozenset(("", "-", "--", "?", "n/a", "na", "nan", "none", "null", "unknown"))
"""Words that stand for a cell without a value."""

_AROUND: Final = re.compile(r"^[<>=≤≥~≈\s]+|\s+$")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")


class MeasurementError(ValueError):
    """A measurement file, or a row of one, cannot be used; the message says which and why."""


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names of their columns, which are read in any case.

    Raises MeasurementError for an empty file, OSError and UnicodeDecodeError if it cannot be read.
    """
    reader = csv.DictReader(io.StringIO(Path(path).read_text("utf-8-sig")), restval="")
    rows = [{str(name).strip().lower(): value or "" for name, value in row.items()} for row in reader]
    if not rows:
        raise MeasurementError(f"{path}: no rows; the first line names columns, each further one is a row")
    return rows


def words(row: Row, name: str) -> str:
    """Return the text of a cell without blanks around it; empty if the row does not say."""
    text = str(row.get(name) or "").strip()
    return "" if text.lower() in NOT_GIVEN else text


def number(row: Row, name: str) -> float | None:
    """Return a figure of a row (`1,024`, `>=150`, `~40`); None if it is not given.

    Raises MeasurementError for anything else that is not a finite number.
    """
    text = words(row, name)
    if not text:
        return None
    try:
        value = float(_THOUSANDS.sub("", _AROUND.sub("", text)))
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise MeasurementError(f"{name} is {text!r}, which is not a number")
    return value


def wanted(row: Row, name: str) -> float:
    """Return a figure of a row that has to be there and above 0. Raises MeasurementError otherwise."""
    value = number(row, name)
    if value is None or value <= 0:
        raise MeasurementError(
            f"{name} is not given" if value is None else f"{name} is {value:g}, not above 0"
        )
    return value


def count(row: Row, name: str) -> int | None:
    """Return how many a row says there are; None if it does not say, or says 0 or less.

    Raises MeasurementError if the cell is not a number.
    """
    value = number(row, name)
    return None if value is None or value < 1 else int(value)


def measured(row: Row, name: str) -> float | None:
    """Return a measured figure; None if the row has none above 0. Predictions do not depend on it."""
    try:
        value = number(row, name)
    except MeasurementError:
        return None
    return value if value is not None and value > 0 else None


def is_true(row: Row, name: str) -> bool:
    """Tell whether a cell says yes."""
    return words(row, name).lower() in ("true", "yes", "1", "t", "y")


def day(row: Row, name: str = "date") -> date | None:
    """Return the day that a cell names (YYYY-MM-DD, or YYYY-MM for its middle); None if it names none."""
    found = re.match(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?", words(row, name))
    if found is None:
        return None
    year, month, of_month = (int(part) if part else 15 for part in found.groups())
    try:
        return date(year, month, of_month)
    except ValueError:
        return None
