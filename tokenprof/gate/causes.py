"""Why a scenario costs more than its baseline: the causes of `tokenprof diff`, per run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tokenprof.costing.billed_sums import NOTHING
from tokenprof.data_classes.frozen import frozen
from tokenprof.difference.causes import CauseKind, CauseOfDifference, GroupUse, causes
from tokenprof.difference.cost_profile import CellKey, CostProfile
from tokenprof.difference.decompose import Step, decompose
from tokenprof.difference.profile_sums import added, matched, on_equal_terms
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.gate.bootstrap import LEAST_RUNS
from tokenprof.gate.replayed_bills import with_texts_billed
from tokenprof.gate.sample import RunSample, group_key
from tokenprof.report.next_steps.difference_wording import cause_in_words, signed_usd

CAUSES_NAMED: Final = 3

LEAST_PART: Final = Decimal("0.01")
"""A cause is not named if it costs less than this part of the most expensive one, unless it is certain."""

MEASURE_OF: Final[dict[CauseKind, str]] = {"calls": "turns", "agent": "turns", "cache": "cache_misses"}
"""The measure that shows beyond chance that a cause is at work."""


@frozen
class Cause:
    """Why a run costs more than in the baseline. `block` is the key of a block group, else None.

    A cause adds `billed_usd` to a run, or `billed_tokens` where a price is missing.
    """

    kind: CauseKind
    block: str | None
    text: str
    billed_usd: Decimal | None = None
    billed_tokens: Decimal | None = None


def causes_of(
    before: tuple[CostProfile, int], now: Sequence[RunSample], beyond_chance: Collection[str]
) -> list[Cause]:
    """Return what makes a run more expensive, the most expensive cause first.

    `before` is the profile of so many runs. Whatever is `beyond_chance` (keys of block groups, measures,
    `model` and `price`) is named even if others cost more; if there are enough runs to tell, before them.
    Prices are a cause only if they are among these: the gate compares at the baseline's.
    """
    then, later, equal_runs = _on_equal_terms(before, now)
    later, by_size = with_texts_billed(then, later)
    parts = decompose(then, later)
    can_tell = min(before[1], len(now)) >= LEAST_RUNS
    found = [
        _growth_alone(cause, parts) if can_tell and _key(cause) in beyond_chance else cause
        for cause in causes(parts, then, later)
        if cause.kind != "price" or "price" in beyond_chance
    ]
    found = sorted((cause for cause in found if cause.usd > 0), key=lambda cause: -cause.usd)
    certain = [cause for cause in found if _key(cause) in beyond_chance]
    if can_tell:
        # What did not grow beyond chance is noise, however much it came to.
        found.sort(key=lambda cause: cause not in certain)
    large = [cause for cause in found if cause in certain or cause.usd >= LEAST_PART * found[0].usd]
    shown = [*certain, *(cause for cause in large if cause not in certain)][:CAUSES_NAMED]
    return [
        _named(
            _of_one_run(cause, equal_runs),
            in_tokens=later.in_tokens,
            by_size=(cause.block_kind, cause.name) in by_size,
        )
        for cause in large
        if cause in shown
    ]


def model_usd(before: tuple[CostProfile, int], now: Sequence[RunSample]) -> Decimal | None:
    """Return what other models and tiers alone add to a run [USD]; None if a price is missing."""
    then, later, equal_runs = _on_equal_terms(before, now)
    if later.in_tokens:
        return None
    found = (cause.usd for cause in causes(decompose(then, later), then, later) if cause.kind == "model")
    return (exact_sum_usd(found) or NOTHING) / equal_runs


def _on_equal_terms(
    before: tuple[CostProfile, int], now: Sequence[RunSample]
) -> tuple[CostProfile, CostProfile, int]:
    profiles = before[0], added([each.profile for each in now])
    then, later, equal_runs = on_equal_terms(profiles, (before[1], len(now)))
    return *matched(then, later), equal_runs


def _key(cause: CauseOfDifference) -> str:
    """Return what shows that a cause is at work beyond chance."""
    if cause.kind == "blocks":
        return group_key(cause.block_kind, cause.name)
    return MEASURE_OF.get(cause.kind, cause.kind)


def _growth_alone(
    cause: CauseOfDifference, parts: Mapping[CellKey, Mapping[Step, Decimal]]
) -> CauseOfDifference:
    """Return what the growth of a text costs, without how often it came and how long it was carried.

    Those vary from run to run, and may hide a growth that is beyond chance.
    """
    before, now = cause.uses
    if cause.kind != "blocks" or not (before and before.blocks and now and now.blocks):
        return cause
    name = cause.block_kind, cause.name
    sizes = (own.get("size") for key, own in parts.items() if (key.kind, key.name) == name)
    alone = replace(now, blocks=before.blocks, carried=before.carried)
    return replace(cause, usd=exact_sum_usd(sizes) or NOTHING, uses=(before, alone))


def _of_one_run(cause: CauseOfDifference, runs: int) -> CauseOfDifference:
    """Return a cause that is of several runs as their mean."""
    if runs == 1:
        return cause
    missed = cause.missed
    if missed is not None:
        missed = replace(missed, calls=missed.calls / runs, lost_usd=missed.lost_usd / runs)
    return replace(
        cause,
        usd=cause.usd / runs,
        uses=(_use_of_one_run(cause.uses[0], runs), _use_of_one_run(cause.uses[1], runs)),
        calls=(cause.calls[0] / runs, cause.calls[1] / runs),
        bills_usd=(cause.bills_usd[0] / runs, cause.bills_usd[1] / runs),
        missed=missed,
    )


def _use_of_one_run(use: GroupUse | None, runs: int) -> GroupUse | None:
    return None if use is None else replace(use, blocks=use.blocks / runs)


def _named(cause: CauseOfDifference, *, in_tokens: bool, by_size: bool) -> Cause:
    amount = f"{cause.usd:+,.0f} billed tokens" if in_tokens else signed_usd(cause.usd)
    text = f"{amount} a run: {cause_in_words(cause)}"
    if by_size:
        text += "; judged by its size (the bills do not show it: replayed replies keep the recorded usage)"
    block = group_key(cause.block_kind, cause.name) if cause.kind == "blocks" else None
    return Cause(
        cause.kind,
        block,
        text,
        billed_usd=None if in_tokens else cause.usd,
        billed_tokens=cause.usd if in_tokens else None,
    )
