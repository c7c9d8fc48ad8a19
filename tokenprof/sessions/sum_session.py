"""A session analysed and summed up, so that all else about it can be let go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Final

import numpy as np

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.findings.cache_use import cache_misses
from tokenprof.analysis.findings.evidence import Evidence
from tokenprof.analysis.findings.find import FINDINGS
from tokenprof.analysis.findings.loading_on_demand import late_skills, loads_on_demand
from tokenprof.analysis.findings.missing_figures import (
    cache_unlike_rules,
    incomplete_output,
    unmeasured_turns,
    unpriced_turns,
)
from tokenprof.analysis.findings.needless_blocks import (
    carried_blocks,
    duplicate_texts,
    skills_untouched,
    unused_skills_index,
    unused_tools,
)
from tokenprof.analysis.rows.row_types import RunRows
from tokenprof.analysis.rows.run_rows import incompleteness
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.uncounted_output import counts_of_outputs
from tokenprof.costing.work import Work
from tokenprof.facts.adding import all_added
from tokenprof.pricing.book import Price, Unpriced
from tokenprof.sessions.block_sums import group_sums, kept_blocks
from tokenprof.sessions.packed_findings import packed
from tokenprof.sessions.same_responses import calls_of, identities_of
from tokenprof.sessions.session_sums import MissingSums, SessionSums, SliceSum
from tokenprof.sessions.turn_sums import model_sums, slice_sums

OF_A_SESSION: Final = (
    unmeasured_turns,
    unpriced_turns,
    incomplete_output,
    cache_misses,
    unused_tools,
    unused_skills_index,
    skills_untouched,
    duplicate_texts,
    carried_blocks,
    late_skills,
    loads_on_demand,
    cache_unlike_rules,
)
"""Findings that are about sessions. The others compare sums, and are looked for in those of all sessions."""

assert set(OF_A_SESSION) < set(FINDINGS)

KEPT_WARNINGS: Final = 3
LEAST_DIFFERENCE: Final = Decimal("0.001")
"""Smaller differences between a seller's figure and list prices are rounding."""


class UncostedAnalysis(Analysis):
    """An analysis without compute: the work of many sessions is priced once, when it has been added up."""

    @cached_property
    def hardware(self) -> Hardware:
        """No deployments and no work."""
        turns = len(self.run.turns)
        return Hardware({}, (Work(),) * turns, {}, {}, Work(), (None,) * turns, {})


def sums_of(analysis: UncostedAnalysis, project: str, session: str) -> SessionSums:
    """Return the sums of a session. `project` is for turns without a tag that names one."""
    run, ledger = analysis.run, analysis.ledger
    rows = RunRows(
        analysis.totals, analysis.classes, analysis.turns, analysis.blocks, analysis.groups, None, ledger
    )
    evidence = Evidence(rows, analysis.disclosure)
    slices = slice_sums(ledger, project)
    models, kv = model_sums(ledger, analysis.assumptions.tool_latency)
    blocks, other_blocks, other_usd = kept_blocks(rows.blocks)
    billed = dict.fromkeys(("unattributed", ""), 0)
    for block in rows.blocks:
        billed["unattributed" if block.kind == "unattributed" else ""] += block.billed_tokens or 0
    starts = [turn.started_at for turn in run.turns]
    ends = [turn.started_at.timestamp() + (turn.duration_s or 0.0) for turn in run.turns]
    return SessionSums(
        session=session,
        sources=run.sources,
        first_at=min(starts, default=None),
        ends_at_s=max(ends, default=0.0),
        requests=_requests(rows),
        turns=all_added(slices.values(), SliceSum()),
        slices=slices,
        models=models,
        blocks=blocks,
        other_blocks=other_blocks,
        other_usd=other_usd,
        groups=group_sums(rows.groups, evidence.block_by_id),
        findings=tuple(packed(each) for look in OF_A_SESSION for each in look(evidence)),
        resent_tokens=evidence.entries.resent_tokens,
        reread_tokens=evidence.entries.reread_tokens,
        unplaced_tokens=billed["unattributed"],
        placed_tokens=billed[""],
        predicted_turns=sum(turn.cache_prediction is not None for turn in rows.turns),
        kv=kv,
        missing=_missing(ledger),
        identities=identities_of(run.turns),
        calls=calls_of(run.turns),
        starts=np.array([at.timestamp() for at in starts]),
    )


def _requests(rows: RunRows) -> int:
    """Return how many requests of the user there were, without those that agents made of agents."""
    delegated = {turn.context for turn in rows.turns if turn.parent is not None}
    return len(
        {
            block.born_turn
            for block in rows.blocks
            if block.kind == "user" and block.context not in delegated and block.born_turn is not None
        }
    )


def _missing(ledger: Ledger) -> MissingSums:
    run = ledger.run
    unpriced: Counter[str] = Counter()
    for price in ledger.prices:
        if isinstance(price, Unpriced):
            unpriced[str(price)] += 1
    counted, repeated, uncounted_usd = counts_of_outputs(ledger)
    stated = [turn.stated_usd for turn in run.turns if turn.stated_usd is not None]
    stated_turns, stated_otherwise_usd, stated_at_list_usd = _stated_otherwise(ledger)
    return MissingSums(
        reasons={each.reason: each.count for each in incompleteness(ledger)},
        partial_turns=sum(turn.status == "partial" for turn in run.turns),
        unpriced=dict(unpriced),
        unmeasured_without_notes=sum(turn.usage is None and not turn.notes for turn in run.turns),
        fees_without_price=dict(Counter(_fees_without_price(ledger))),
        incomplete_ok_turns=sum(
            turn.output_incomplete and turn.output_rest_in is None and turn.status == "ok"
            for turn in run.turns
        ),
        counted_tokens=(np.array(counted, np.int64),),
        repeated_tokens=(np.array(repeated, np.int64),),
        uncounted_usd=uncounted_usd,
        stated_usd=sum(stated, Decimal(0)) if stated else None,
        stated_turns=stated_turns,
        stated_otherwise_usd=stated_otherwise_usd,
        stated_at_list_usd=stated_at_list_usd,
        problems=run.problems,
        warnings=run.warnings[:KEPT_WARNINGS],
        notes=len(ledger.attribution.notes),
    )


def _fees_without_price(ledger: Ledger) -> Iterator[str]:
    for turn, price in zip(ledger.run.turns, ledger.prices, strict=True):
        if turn.usage is not None and isinstance(price, Price):
            yield from (name for name, _ in turn.usage.fees if name not in price.fee_rates)


def _stated_otherwise(ledger: Ledger) -> tuple[int, Decimal, Decimal]:
    pairs = [
        (turn.stated_usd, billed)
        for turn, billed in zip(ledger.run.turns, ledger.billed_usd, strict=True)
        if turn.stated_usd is not None and billed is not None
    ]
    differing = [pair for pair in pairs if abs(pair[0] - pair[1]) > LEAST_DIFFERENCE * max(pair)]
    return (
        len(differing),
        sum((stated for stated, _ in differing), Decimal(0)),
        sum((billed for _, billed in differing), Decimal(0)),
    )
