"""Everything that a page draws, taken from an analysis: columns, not rows, so that it stays small."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tokenprof.analysis.analysis import Analysis
from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.answer import Answer, answer_of
from tokenprof.pictures.views.basis import BasisLine, DollarMap, basis_lines, dollar_map
from tokenprof.pictures.views.block_columns import BlockColumns, block_columns
from tokenprof.pictures.views.cache_events import NO_TEXTS, CacheEvents, cache_events
from tokenprof.pictures.views.compared_tree import ComparedTree, compared_tree
from tokenprof.pictures.views.context_bands import ContextOverTurns, context_over_turns
from tokenprof.pictures.views.names import file_name, shown
from tokenprof.pictures.views.prompt_rows import PromptRows, listed_rows, prompt_rows
from tokenprof.pictures.views.spending_tree import TreeColumns, spending_tree
from tokenprof.pictures.views.turn_columns import CACHE_STATES, TurnColumns, turn_columns
from tokenprof.pictures.views.what_if_cube import WhatIfCube, what_if_cube
from tokenprof.report.document import report_of

SCHEMA: Final = "tokenprof.page/1"
MOST_BLOCKS: Final = 4000
"""Blocks that a page lists, those with the largest bills; the tree and the bands hold all in their sums."""

MOST_GROUPS: Final = 1000
"""Tools, skills, MCP servers and agents that a page lists."""


@frozen
class GroupLine:
    """What a tool, a skill, an MCP server or an agent cost in all."""

    kind: str
    name: str
    blocks: int
    billed_tokens: int
    billed_usd: Decimal | None
    compute_usd: float | None


@frozen
class AgainstRun:
    """Another run, and the tree of both."""

    title: str
    tree: ComparedTree


@frozen
class PageData:
    """What a page draws. It holds text of prompts only if `has_texts`, and then only what broke the cache."""

    schema: str
    title: str
    answer: Answer
    cache_states: tuple[str, ...]
    turns: TurnColumns
    context: ContextOverTurns
    prompts: PromptRows
    blocks: BlockColumns
    tree: TreeColumns
    against: AgainstRun | None
    cache: CacheEvents
    groups: tuple[GroupLine, ...]
    dollar: DollarMap | None
    what_if: WhatIfCube
    basis: tuple[BasisLine, ...]
    has_texts: bool


def page_data(
    analysis: Analysis, before: Analysis | None = None, texts: Mapping[str, str] | None = None
) -> PageData:
    """Return what a page about a run draws.

    `before` is another run that its tree is compared with. `texts` are those of blocks by digest, and show
    what changed in a block that broke the cache; None leaves all text out.

    Raises `InputError` for prices or a deployment that cannot be used.
    """
    report = report_of(analysis)
    tree = spending_tree(analysis)
    blocks = block_columns(analysis.blocks, analysis.ledger.attribution.blocks, MOST_BLOCKS)
    return PageData(
        schema=SCHEMA,
        title=title_of(analysis),
        answer=answer_of(report),
        cache_states=CACHE_STATES,
        turns=turn_columns(analysis.turns),
        context=context_over_turns(analysis.ledger),
        prompts=_listed_prompts(analysis, blocks),
        blocks=blocks,
        tree=tree,
        against=None
        if before is None
        else AgainstRun(title_of(before), compared_tree(spending_tree(before), tree)),
        cache=cache_events(analysis, texts or NO_TEXTS),
        groups=group_lines(analysis),
        dollar=dollar_map(analysis.chain),
        what_if=what_if_cube(analysis),
        basis=basis_lines(report),
        has_texts=texts is not None,
    )


def group_lines(analysis: Analysis) -> tuple[GroupLine, ...]:
    """Return what each tool, skill, MCP server and agent of a run cost, the `MOST_GROUPS` largest bills."""
    ranked = sorted(analysis.groups, key=lambda row: -(row.billed_usd or Decimal(0)))
    kept = {id(row) for row in ranked[:MOST_GROUPS]}
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
        if id(row) in kept
    )


def title_of(analysis: Analysis) -> str:
    """Return what a run is called: the names of its files, the first of several."""
    names = [shown(file_name(source.file)) for source in analysis.run.sources]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return (names[0] if names else "a run in memory") + more


def _listed_prompts(analysis: Analysis, blocks: BlockColumns) -> PromptRows:
    """Return what prompts were made of, with blocks numbered as the page lists them."""
    ranked = sorted(range(len(blocks.id)), key=lambda at: -(blocks.billed_usd[at] or Decimal(0)))
    number_of = {analysis.blocks[blocks.number[at]].id: at for at in ranked}
    return listed_rows(prompt_rows(analysis.ledger), number_of)
