"""Values of columns as JSON and CSV write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from tokenprof.facts.inert_text import csv_cell


def csv_table(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV (RFC 4180, with plain line feeds) whose names no spreadsheet runs as formulas.

    An unknown value, None, is an empty cell; lists and mappings are JSON.
    """
    import csv
    import io

    page = io.StringIO()
    writer = csv.writer(page, lineterminator="\n")
    for row in (columns, *rows):
        writer.writerow([_cell(value) for value in row])
    return page.getvalue()


def _cell(value: Any) -> Any:
    value = plain_value(value)
    if isinstance(value, dict | list):
        import json

        value = json.dumps(value, ensure_ascii=False)
    return csv_cell(value) if isinstance(value, str) else value


def plain_value(value: Any) -> Any:
    """Return a value as JSON holds it: money as text, times in ISO 8601."""
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def plain_decimal(value: Decimal) -> str:
    """Return an amount without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
