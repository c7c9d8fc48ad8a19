"""The tables of an analysis as data frames of pandas, polars or pyarrow."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, Final

from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.rows import row_types as rows
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.usage import Usage

LIBRARIES: Final = ("pandas", "polars", "pyarrow")
ENDS: Final = ("low", "mid", "high")

TABLES: Final[Mapping[str, type]] = {
    "turns": rows.TurnRow,
    "blocks": rows.BlockRow,
    "classes": rows.ClassRow,
    "groups": rows.GroupRow,
    "entries": rows.EntryRow,
    "findings": Finding,
}
"""The tables by the property of `Analysis` that holds them, and the type of their rows."""

LEFT_OUT: Final = frozenset({"entries", "children", "figures"})
"""Fields that are tables of their own or have another shape in every row."""

ESTIMATES: Final = frozenset(
    {"hardware_usd", "hardware_opportunity_usd", "hardware_marginal_usd", "price_to_cost"}
)

NESTED: Final = {
    "cache_miss": ("cause", "block", "field", "tokens", "usd", "evidence"),
    "cache_prediction": ("cache_read_tokens", "uncached_input_tokens", "miss", "agrees"),
    "exact_group": ("number", "blocks", "tokens"),
}
"""Facts within a row whose own fields become columns, with the name of the row's field before theirs."""


def frame_of(analysis: object, table: str, library: str | None = None) -> Any:
    """Return a table of an analysis as a data frame.

    Parameters: `table`, a key of `TABLES`; `library`, one of `LIBRARIES`, by default the first installed.
    Returns a `pandas.DataFrame`, `polars.DataFrame` or `pyarrow.Table`: money as float USD, an estimate as
    three columns, counts of a usage as a column a class; an empty table has its columns too.

    Raises `ValueError` for an unknown table or library, `ImportError` if none is installed.
    """
    if table not in TABLES:
        raise ValueError(f"There is no table named {table!r}; the tables are {', '.join(TABLES)}.")
    columns = columns_of(analysis, table)
    name = _library(library)
    module = importlib.import_module(name)
    return module.table(columns) if name == "pyarrow" else module.DataFrame(columns)


def columns_of(analysis: object, table: str) -> dict[str, list[Any]]:
    """Return a table as columns of plain values, the same columns whatever the run."""
    kind = TABLES[table]
    columns: dict[str, list[Any]] = {name: [] for name in _column_names(kind)}
    for row in getattr(analysis, table):
        cells = _cells(row)
        for name, values in columns.items():
            values.append(cells.get(name))
    return columns


def _library(wanted: str | None) -> str:
    if wanted is not None and wanted not in LIBRARIES:
        raise ValueError(f"to_frame knows {', '.join(LIBRARIES)}, not {wanted!r}.")
    for name in (wanted,) if wanted else LIBRARIES:
        if find_spec(name) is not None:
            return name
    raise ImportError(
        f"to_frame needs one of {', '.join(LIBRARIES)}; install one, e.g. `pip install pandas`."
    )


def _column_names(kind: type) -> Iterable[str]:
    for field in fields(kind):
        if field.name in LEFT_OUT:
            continue
        if field.name in ESTIMATES:
            yield from (f"{field.name}_{end}" for end in ENDS)
        elif field.name == "usage":
            yield from (name.name for name in fields(Usage) if name.name != "fees")
        elif field.name in NESTED:
            yield from (f"{field.name}_{part}" for part in NESTED[field.name])
        else:
            yield field.name


def _cells(row: Any) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in LEFT_OUT:
            continue
        if isinstance(value, Estimate):
            cells |= {f"{field.name}_{end}": getattr(value, end) for end in ENDS}
        elif isinstance(value, Usage):
            cells |= {name.name: getattr(value, name.name) for name in fields(Usage) if name.name != "fees"}
        elif is_dataclass(value) and not isinstance(value, type):
            cells |= {f"{field.name}_{part}": _cell(getattr(value, part)) for part in NESTED[field.name]}
        else:
            cells[field.name] = _cell(value)
    return cells


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in sorted(value.items()))
    return value
