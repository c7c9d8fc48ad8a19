"""What findings look at: the rows of a run, its disclosure, and sums over its entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import cached_property

from tokenprof.analysis.findings.entry_sums import EntrySums, entry_sums
from tokenprof.analysis.findings.finding import Finding
from tokenprof.analysis.findings.finding_figures import BilledName, FindingFigures, NamedBlock
from tokenprof.analysis.findings.ledger_sums import ledger_sums
from tokenprof.analysis.findings.noted_blocks import (
    most_billed_blocks,
    tools_never_called,
    untouched_skills,
    unused_skills_indexes,
)
from tokenprof.analysis.findings.repeats import RepeatedWork, calls_alike, repeated_work
from tokenprof.analysis.findings.severity import severity_of
from tokenprof.analysis.rows.row_types import BlockRow, RunRows
from tokenprof.costing.disclosure import Disclosure
from tokenprof.facts.adding import exact_sum_usd


class Evidence:
    """A run as findings see it. Nothing is computed before a finding asks for it, and nothing twice."""

    def __init__(self, rows: RunRows, disclosure: Disclosure | None) -> None:
        self.rows = rows
        self.disclosure = disclosure

    @property
    def billed_usd(self) -> Decimal | None:
        """The bill of the run."""
        return self.rows.totals.billed_usd

    @cached_property
    def block_by_id(self) -> Mapping[str, BlockRow]:
        """The blocks by their ids."""
        return self.rows.block_by_id()

    @cached_property
    def never_called(self) -> tuple[BlockRow, ...]:
        """Tool schemas that were billed and not called."""
        return tools_never_called(self.rows)

    @cached_property
    def unused_indexes(self) -> tuple[BlockRow, ...]:
        """Skills indexes that were billed and from which no skill was loaded."""
        return unused_skills_indexes(self.rows)

    @cached_property
    def untouched(self) -> tuple[BlockRow, ...]:
        """Skills that were loaded and that no later call touched."""
        return untouched_skills(self.rows)

    @cached_property
    def most_billed(self) -> tuple[BlockRow, ...]:
        """The few blocks with the largest bill, the largest first."""
        return tuple(most_billed_blocks(self.rows))

    @cached_property
    def repeated(self) -> tuple[RepeatedWork, ...]:
        """Tool calls that were made again while their earlier result was in the context."""
        return repeated_work(self.rows)

    @cached_property
    def calls_alike(self) -> Mapping[tuple[str, str], int]:
        """How often each tool was asked for the same."""
        return calls_alike(self.rows)

    @cached_property
    def entries(self) -> EntrySums:
        """What findings need of the entries of the run."""
        blocks = [*self.never_called, *self.unused_indexes, *self.untouched, *self.most_billed]
        blocks += [work.result for work in self.repeated]
        watched = {block.id for block in blocks}
        if self.rows.ledger is None:
            return entry_sums(self.rows, watched)
        return ledger_sums(self.rows.ledger, self.rows.blocks, watched)

    def turns_of(self, blocks: Collection[BlockRow]) -> tuple[int, ...]:
        """Return the turns that were billed for one of the watched blocks."""
        return tuple(sorted({turn for block in blocks for turn in self.entries.turns_of[block.id]}))

    def needless(
        self,
        code: str,
        figures: FindingFigures,
        blocks: Collection[BlockRow],
        turns: tuple[int, ...],
        saves_usd: Decimal | None,
    ) -> Finding:
        """Return a finding about blocks that did not have to be in the prompt."""
        is_exact = all(block.state == "exact" for block in blocks)
        return Finding(
            code=code,
            severity=severity_of(saves_usd, self.billed_usd),
            figures=figures,
            blocks=tuple(block.id for block in blocks),
            turns=turns,
            saves_usd=saves_usd,
            state=None if saves_usd is None else "exact" if is_exact else "estimated",
        )


def named(block: BlockRow) -> NamedBlock:
    """Return a block by kind and name."""
    return NamedBlock(block.kind, block.name, block.label)


def billed_together(blocks: Collection[BlockRow]) -> Decimal | None:
    """Return what blocks were billed, as far as it is known."""
    return exact_sum_usd(block.billed_usd for block in blocks)


def billed_by_name(blocks: Collection[BlockRow]) -> tuple[BilledName, ...]:
    """Return what blocks of one name were billed together, the most expensive name first."""
    amounts: dict[str, list[Decimal | None]] = {}
    for block in blocks:
        amounts.setdefault(block.name, []).append(block.billed_usd)
    sums = [BilledName(name, exact_sum_usd(own)) for name, own in amounts.items()]
    return tuple(sorted(sums, key=lambda each: each.billed_usd or Decimal(0), reverse=True))
