"""The blocks of a run as columns: what was carried, how large it was, what it was billed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tokenprof.analysis.rows.row_types import BlockRow
from tokenprof.attribute.model import Placed
from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.names import shown, source_of
from tokenprof.report.labels_in_words import kind_label


@frozen
class BlockColumns:
    """One value per block that is shown; `number` is its place in the report. None is unknown.

    `source` is the tool that a block belongs to, or else its kind, as the tree groups blocks.
    `left_out` counts the blocks that are not shown, those with the smallest bills.
    """

    number: tuple[int, ...]
    id: tuple[str, ...]
    kinds: tuple[str, ...]
    kind: tuple[int, ...]
    names: tuple[str, ...]
    name: tuple[int, ...]
    sources: tuple[str, ...]
    source: tuple[int, ...]
    born_turn: tuple[int | None, ...]
    last_turn: tuple[int | None, ...]
    size_tokens: tuple[int | None, ...]
    is_exact: tuple[bool, ...]
    turns_carried: tuple[int, ...]
    billed_tokens: tuple[int | None, ...]
    billed_usd: tuple[Decimal | None, ...]
    is_lower_bound: tuple[bool, ...]
    compute_usd: tuple[float | None, ...]
    left_out: int
    left_out_usd: Decimal


def block_columns(blocks: Sequence[BlockRow], placed: Mapping[str, Placed], most: int) -> BlockColumns:
    """Return the `most` blocks with the largest bills as columns, in the report's order."""
    ranked = sorted(range(len(blocks)), key=lambda at: (-(blocks[at].known_usd or Decimal(0)), at))
    numbers = sorted(ranked[:most])
    rows = [blocks[number] for number in numbers]
    kind_names = [kind_label(row.kind) for row in rows]
    block_names = [shown(row.name) for row in rows]
    source_names = [source_of(placed[row.id].block) for row in rows]
    kinds, kind = _numbered(kind_names)
    names, name = _numbered(block_names)
    sources, source = _numbered(source_names)
    return BlockColumns(
        number=tuple(numbers),
        id=tuple(shown(row.id) for row in rows),
        kinds=kinds,
        kind=kind,
        names=names,
        name=name,
        sources=sources,
        source=source,
        born_turn=tuple(row.born_turn for row in rows),
        last_turn=tuple(row.last_turn for row in rows),
        size_tokens=tuple(row.tokens for row in rows),
        is_exact=tuple(row.state == "exact" for row in rows),
        turns_carried=tuple(row.turns_carried for row in rows),
        billed_tokens=tuple(row.billed_tokens for row in rows),
        billed_usd=tuple(row.known_usd for row in rows),
        is_lower_bound=tuple(row.is_lower_bound for row in rows),
        compute_usd=tuple(None if row.hardware_usd is None else float(row.hardware_usd.mid) for row in rows),
        left_out=len(blocks) - len(rows),
        left_out_usd=sum((blocks[at].known_usd or Decimal(0) for at in ranked[most:]), Decimal(0)),
    )


def _numbered(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the distinct texts, and for each text its place among them."""
    distinct = tuple(dict.fromkeys(texts))
    place = {text: at for at, text in enumerate(distinct)}
    return distinct, tuple(place[text] for text in texts)
