"""The one writer of plain tables: a heading, then rows of aligned cells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tokenprof.facts.inert_text import inert

Cell = str | int | float | bool | None

GAP = "  "


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, left: Collection[int] = (0,)) -> str:
    """Return a table with a line for each row, each ended by a newline.

    Columns are aligned to the right, except those in `left`. A heading without any word is left out. None is
    shown as `-`, whole numbers have thousands separated, other numbers have four significant digits.
    """
    lines = [[cell_text(value) for value in row] for row in rows]
    if any(heads):
        lines.insert(0, list(heads))
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))] if lines else []
    return "".join(f"{_line(line, widths, left)}\n" for line in lines)


def facts_table(facts: Mapping[str, object]) -> str:
    """Return figures by name, one a line; what is neither text nor a number is shown as Python writes it."""
    rows = [
        (name, value if value is None or isinstance(value, str | int | float) else str(value))
        for name, value in facts.items()
    ]
    return table(("", ""), rows, left=(0, 1))


def _line(cells: Sequence[str], widths: Sequence[int], left: Collection[int]) -> str:
    aligned = (
        cell.ljust(width) if place in left else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return GAP.join(aligned).rstrip()


def cell_text(value: Cell) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return inert(str(value))


def percent(value: float | None) -> str:
    """Return a fraction in percent, with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"
