"""Everything that a page draws, taken from an analysis: columns, not rows, so that it stays small."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.pictures.views.answer import Answer, answer_of
from tokenprof.pictures.views.basis import BasisLine, DollarMap, basis_lines, dollar_map
from tokenprof.pictures.views.block_columns import BlockColumns, block_columns
from tokenprof.pictures.views.cache_events import CacheEvents, cache_events
from tokenprof.pictures.views.context_bands import ContextOverTurns, context_over_turns
from tokenprof.pictures.views.names import shown
from tokenprof.pictures.views.prompt_rows import PromptRow, PromptRows, prompt_rows
from tokenprof.pictures.views.spending_tree import TreeColumns, spending_tree
from tokenprof.pictures.views.turn_columns import CACHE_STATES, TurnColumns, turn_columns
from tokenprof.pictures.views.what_if_cube import WhatIfCube, what_if_cube
from tokenprof.report.document import report_of

SCHEMA: Final = "tokenprof.page/1"
MOST_BLOCKS: Final = 4000
"""Blocks that a page lists; the tree and the bands hold all of them in their sums."""


@dataclass(frozen=True, slots=True)
class GroupLine:
    """What a tool, a skill, an MCP server or an agent cost in all."""

    kind: str
    name: str
    blocks: int
    billed_tokens: int
    billed_usd: Decimal | None
    compute_usd: float | None


@dataclass(frozen=True, slots=True)
class PageData:
    """What a page draws. Nothing in it is text of a prompt or an answer."""

    schema: str
    title: str
    answer: Answer
    cache_states: tuple[str, ...]
    turns: TurnColumns
    context: ContextOverTurns
    prompts: PromptRows
    blocks: BlockColumns
    tree: TreeColumns
    cache: CacheEvents
    groups: tuple[GroupLine, ...]
    dollar: DollarMap | None
    what_if: WhatIfCube
    basis: tuple[BasisLine, ...]


def page_data(analysis: Analysis) -> PageData:
    """Return what a page about a run draws.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
    report = report_of(analysis)
    blocks = block_columns(analysis.blocks, analysis.ledger.attribution.blocks, MOST_BLOCKS)
    return PageData(
        schema=SCHEMA,
        title=title_of(analysis),
        answer=answer_of(report),
        cache_states=CACHE_STATES,
        turns=turn_columns(analysis.turns),
        context=context_over_turns(analysis.ledger),
        prompts=_numbered_as_listed(prompt_rows(analysis.ledger), blocks),
        blocks=blocks,
        tree=spending_tree(analysis),
        cache=cache_events(analysis),
        groups=group_lines(analysis),
        dollar=dollar_map(analysis.chain),
        what_if=what_if_cube(analysis),
        basis=basis_lines(report),
    )


def group_lines(analysis: Analysis) -> tuple[GroupLine, ...]:
    """Return what each tool, skill, MCP server and agent of a run cost."""
    return tuple(
        GroupLine(
            kind=row.kind.replace("_", " "),
            name=shown(row.name),
            blocks=len(row.blocks),
            billed_tokens=row.billed_tokens,
            billed_usd=row.billed_usd,
            compute_usd=None if row.hardware_usd is None else float(row.hardware_usd.mid),
        )
        for row in analysis.groups
    )


def title_of(analysis: Analysis) -> str:
    """Return what a run is called: the names of its files, the first of several."""
    names = [shown(source.file.rsplit("/", 1)[-1]) for source in analysis.run.sources]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (names[0] if names else "a run in memory") + more


def _numbered_as_listed(rows: PromptRows, blocks: BlockColumns) -> PromptRows:
    """Return rows whose blocks are numbered as the page lists them; -1 is one that it does not list."""
    place = {block_id: at for at, block_id in enumerate(blocks.id)}
    numbers = [place.get(shown(block_id), -1) for block_id in rows.block_ids]

    def renumbered(row: PromptRow) -> PromptRow:
        return PromptRow(tuple(numbers[block] for block in row.block), row.tokens)

    return PromptRows(
        block_ids=(),
        rows=tuple(map(renumbered, rows.rows)),
        row=rows.row,
        length=rows.length,
        beside={turn: renumbered(row) for turn, row in rows.beside.items()},
        fullest_turn=rows.fullest_turn,
    )
