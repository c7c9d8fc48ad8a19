"""Tables as lines of text that fit a terminal: columns that give way, and notes under rows.

rich's own tables cannot hang a note under a row, drop a column if there is no room, or let a heading
stand over two columns. A profile needs all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from tokenprof.data_classes.frozen import frozen
from tokenprof.report.numbers import UNKNOWN

INDENT: Final = "  "
_GAP: Final = 2
_WIDEST_PARAGRAPH: Final = 110
_NARROWEST_FLEX: Final = 6


@frozen
class Column:
    """A column: its heading and how it gives way on a narrow terminal.

    A column without a heading continues the one before it: that heading may stand over both. Columns with
    `drop` 0 always stay; of the others, the highest rank goes first and all of one rank go together. `flex`
    columns are shortened in the middle: to `comfort` cells before a column is dropped, to fewer only when
    none is left to drop.
    """

    heading: str
    align: Literal["left", "right"] = "right"
    style: str = ""
    drop: int = 0
    flex: bool = False
    comfort: int = 20
    gap: int = _GAP


@frozen
class TableRow:
    """A row of cells, one for each column, with notes that hang under it."""

    cells: Sequence[str | Text]
    notes: Sequence[Text] = ()
    style: str = ""


@frozen
class Aside:
    """A line between rows: what was left out, or a rule before a sum."""

    text: str


RULE: Final = Aside("")
"""A thin rule across the table."""


def table(
    title: str, columns: Sequence[Column], rows: Sequence[TableRow | Aside], console: Console
) -> list[Text]:
    """Lay a table out in the console's width, its title in the heading line, as lines of text.

    The title stands over the columns without a heading at the left, so it takes no line of its own if there
    is room for it. A column in which nothing is known is left out.
    """
    cells = {id(row): [_as_text(cell) for cell in row.cells] for row in rows if isinstance(row, TableRow)}
    columns_of_cells = list(zip(*cells.values(), strict=True))
    natural = [max(cell.cell_len for cell in column) for column in columns_of_cells]
    kept = [i for i, column in enumerate(columns_of_cells) if not all(map(_is_blank, column))]
    widths = _fit(columns, natural, kept, console.width)
    kept = sorted(widths)
    lines = _headings(title, columns, widths, kept)
    whole = sum(widths[i] for i in kept) + sum(_gap(columns, i, kept) for i in kept)
    for row in rows:
        if isinstance(row, Aside):
            body = INDENT + "─" * (whole - len(INDENT)) if row is RULE else f"{INDENT}{row.text}"
            lines.append(Text(body, style="dim"))
            continue
        line = Text(style=row.style)
        for i in kept:
            line.append(" " * _gap(columns, i, kept))
            line.append_text(_aligned(cells[id(row)][i], widths[i], columns[i]))
        line.rstrip()
        lines.append(line)
        for note in row.notes:
            lead = Text("└ ", style=note.style)
            lines += paragraph(note, console, lead=lead, indent=_note_indent(columns, widths, kept))
    return lines


def paragraph(text: Text, console: Console, *, lead: Text | None = None, indent: int = 0) -> list[Text]:
    """Wrap a text to the console's width, `indent` cells in; later lines hang under the end of `lead`."""
    lead = lead or Text()
    width = min(console.width, _WIDEST_PARAGRAPH) - indent - lead.cell_len
    lines: list[Text] = []
    for line in text.wrap(console, max(20, width)):
        line.rstrip()
        start = Text(" " * lead.cell_len) if lines else lead
        lines.append(Text.assemble(" " * indent, start, line))
    return lines


def shortened(text: str, width: int) -> str:
    """Return a text cut in its middle to a number of cells: `services/…/module.py`."""
    if cell_len(text) <= width:
        return text
    tail = max(1, (width - 1) * 3 // 5)
    end = text[-tail:]
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, width - 1 - cell_len(end)).rstrip() + "…" + end


def _is_blank(text: Text) -> bool:
    return text.plain in ("", UNKNOWN)


def _fit(
    columns: Sequence[Column], natural: Sequence[int], kept: Sequence[int], available: int
) -> dict[int, int]:
    """Return the width of each column that stays.

    Flexible columns give way first, but only as far as they stay readable. Then columns are dropped by rank.
    When none is left to drop, the flexible ones are cut to the minimum.
    """
    kept = list(kept)
    while True:
        widths = _with_headings(columns, natural, kept)
        over = sum(widths.values()) + sum(_gap(columns, i, kept) for i in kept) - available
        ranks = [columns[i].drop for i in kept if columns[i].drop]
        for i in kept:
            if over > 0 and columns[i].flex:
                floor = columns[i].comfort if ranks else _NARROWEST_FLEX
                cut = min(over, max(0, widths[i] - floor))
                widths[i] -= cut
                over -= cut
        if over <= 0 or not ranks:
            return widths
        kept = [i for i in kept if columns[i].drop != max(ranks)]


def _with_headings(columns: Sequence[Column], natural: Sequence[int], kept: Sequence[int]) -> dict[int, int]:
    """Return natural widths, widened if a heading is longer than all that it stands over."""
    widths = {i: natural[i] for i in kept}
    for i in kept:
        room = widths[i] + sum(widths[j] + columns[j].gap for j in _continued(columns, i, kept))
        widths[i] += max(0, cell_len(columns[i].heading) - room)
    return widths


def _continued(columns: Sequence[Column], start: int, kept: Sequence[int]) -> list[int]:
    """Return the columns without a heading that follow `start` directly and share its heading."""
    follows: list[int] = []
    if columns[start].heading:
        for i in range(start + 1, len(columns)):
            if columns[i].heading:
                break
            if i in kept:
                follows.append(i)
    return follows


def _headings(
    title: str, columns: Sequence[Column], widths: dict[int, int], kept: Sequence[int]
) -> list[Text]:
    line = Text(style="dim")
    for i in kept:
        if columns[i].heading:
            line.append(" " * max(0, _start(columns, widths, kept, i) - line.cell_len))
            room = widths[i] + sum(widths[j] + columns[j].gap for j in _continued(columns, i, kept))
            alone = room == widths[i] and columns[i].align == "right"
            text = columns[i].heading
            line.append(" " * (room - cell_len(text)) + text if alone else text)
    line.rstrip()
    blank = len(line.plain) - len(line.plain.lstrip())
    if blank > cell_len(title):
        return [Text.assemble((title, "bold"), line[cell_len(title) :])]
    return [Text(title, style="bold"), line]


def _start(columns: Sequence[Column], widths: dict[int, int], kept: Sequence[int], column: int) -> int:
    return sum(widths[i] for i in kept if i < column) + sum(
        _gap(columns, i, kept) for i in kept if i <= column
    )


def _gap(columns: Sequence[Column], column: int, kept: Sequence[int]) -> int:
    return len(INDENT) if column == min(kept) else columns[column].gap


def _note_indent(columns: Sequence[Column], widths: dict[int, int], kept: Sequence[int]) -> int:
    return _start(columns, widths, kept, kept[1]) if len(kept) > 1 else len(INDENT)


def _aligned(cell: Text, width: int, column: Column) -> Text:
    if cell.cell_len > width:
        cell = Text(shortened(cell.plain, width), style=cell.style)
    if column.style:
        cell = cell.copy()
        cell.stylize_before(column.style)
    padding = " " * (width - cell.cell_len)
    return Text.assemble(padding, cell) if column.align == "right" else Text.assemble(cell, padding)


def _as_text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(cell)
