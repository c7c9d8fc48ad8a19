"""Writes the columns of the store's tables into docs/store.md.

python docs/generate_store_columns.py
"""

from __future__ import annotations

from pathlib import Path

from tokenprof.store.schema.columns import ALL_TABLES

PAGE = Path(__file__).parent / "store.md"
BEGIN = "<!-- columns: written by `python docs/generate_store_columns.py` -->\n"
END = "<!-- end of columns -->\n"


def columns_page() -> str:
    """Return docs/store.md with the columns as the code has them."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(_table(table.name) for table in ALL_TABLES) + "\n" + END + after


def _table(name: str) -> str:
    (table,) = [each for each in ALL_TABLES if each.name == name]
    lines = [
        f"\n### `{name}`\n",
        f"{table.meaning}" + (f" Partition: {table.day_of}." if table.day_of else ""),
    ]
    lines += ["", "| column | type | unit | | from |", "|---|---|---|---|---|"]
    for column in table.columns:
        kind = f"{column.type} or null" if column.nullable else column.type
        cells = f"`{column.name}`", kind, column.unit, column.meaning, column.origin
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(columns_page(), "utf-8")
