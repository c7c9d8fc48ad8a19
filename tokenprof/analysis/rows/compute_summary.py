"""What can be said of compute beyond dollars: the margin a bill implies, what drives the estimate, ratios.

Dollars of a closed model are uncertain by several times. Most of that is common to all of its calls (its
size, its chips), so how many times more one token costs than another is known far better; a ratio is
formed draw by draw before its interval is taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from tokenprof.analysis.rows.row_types import ComputeSummary, CostRatio, Driver, KvHeld
from tokenprof.costing.billed_sums import NOTHING
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.served_hours import shipped_chain_data
from tokenprof.costing.work import Model, Vector, Work
from tokenprof.hw_model.equations.features import PARTS, features_of_parts
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.kv_tiers import host_memory_usd
from tokenprof.hw_model.scenario import ServingScenario, TurnWork

LEAST_TURNS_OF_A_TREND = 6
DRIVERS_NAMED = 5

PLAUSIBLE_COST_SHARE = (0.15, 0.60)
"""Cost over list price that published margins of closed labs suggest, averaged over all that they serve.
A judgement: an estimate outside it is reported as such and is not adjusted (docs/hardware.md)."""


def compute_summary(ledger: Ledger, hardware: Hardware) -> ComputeSummary | None:
    """Return margin, drivers and ratios of the run's most expensive model; None if none is modelled."""
    model = _main_model(ledger, hardware)
    if model is None:
        return None
    scenario = hardware.scenarios[model]
    total = _sum(ledger, hardware, model)
    billed = _billed(ledger, model)
    margin = None
    if total is not None and billed:
        margin = scenario.gross_margin(total, float(billed))
    return ComputeSummary(
        model=model[1],
        implied_gross_margin=margin,
        published_gross_margins=tuple(shipped_chain_data().margins.values()),
        within_published_range=None if margin is None or not scenario.sampled else _is_plausible(margin),
        drivers=tuple(
            Driver(name, share)
            for name, share in (scenario.sensitivity(total)[:DRIVERS_NAMED] if total is not None else ())
        ),
        ratios=tuple(_ratios(ledger, hardware, model, scenario)),
        kv=_kv_held(ledger, hardware, model, scenario),
    )


def _kv_held(ledger: Ledger, hardware: Hardware, model: Model, scenario: ServingScenario) -> KvHeld:
    """Return how long the run's KV was held, in use and in gaps, and what a second of gap costs.

    Token-seconds follow from the run's own clock: a context times the duration of its call, or of the gap
    after it. Only their price rests on hardware: the shadow price of memory, on the opportunity basis.
    """
    active = idle = 0.0
    longest: TurnWork | None = None
    held: list[TurnWork] = []
    for turn, work in zip(ledger.run.turns, hardware.works, strict=True):
        if work is None or (turn.provider, turn.model) != model:
            continue
        context = _prompt_tokens(work) + work.output_tokens
        active += context * (work.duration_s or 0.0)
        idle += context * (work.gap_s or 0.0)
        if work.gap_s:
            held.append(work)
        if longest is None or _prompt_tokens(work) > _prompt_tokens(longest):
            longest = work
    held_features = features_of_parts(held)[:, PARTS.index("hold")].sum(axis=0)
    gap_usd_per_s = None
    if longest is not None:
        second = scenario.features(replace(longest, gap_s=1.0), part="hold")
        gap_usd_per_s = scenario.usd(second, "opportunity")
    return KvHeld(
        active_token_seconds=active,
        idle_token_seconds=idle,
        idle_share=idle / (active + idle) if active + idle else None,
        gap_usd_per_s_at_longest_context=gap_usd_per_s,
        gaps_usd=scenario.usd(held_features, "opportunity") if held else None,
        gaps_host_memory_usd=host_memory_usd(scenario.kv_bytes_per_token, idle) if held else None,
    )


def _prompt_tokens(work: TurnWork) -> int:
    return work.cached_tokens + work.new_tokens


def _main_model(ledger: Ledger, hardware: Hardware) -> Model | None:
    totals = {model: _billed(ledger, model) for model in hardware.scenarios}
    return max(totals, key=lambda model: totals[model], default=None)


def _billed(ledger: Ledger, model: Model) -> Decimal:
    return sum(
        (
            usd
            for turn, usd in zip(ledger.run.turns, ledger.billed_usd, strict=True)
            if usd is not None and (turn.provider, turn.model) == model
        ),
        NOTHING,
    )


def _sum(ledger: Ledger, hardware: Hardware, model: Model) -> Vector | None:
    """Return the work of the turns that have a price, so that cost and bill are of the same calls."""
    rows = [
        hardware.turns[index].by_model[model]
        for index, usd in enumerate(ledger.billed_usd)
        if usd is not None and model in hardware.turns[index].by_model
    ]
    return np.sum(rows, axis=0) if rows else None


def _is_plausible(margin: Estimate) -> bool:
    low, high = PLAUSIBLE_COST_SHARE
    return 1 - margin.high <= high and 1 - margin.low >= low


def _ratios(
    ledger: Ledger, hardware: Hardware, model: Model, scenario: ServingScenario
) -> Iterator[CostRatio]:
    tokens, billed = _per_class(ledger, model)
    written = [cls for cls in tokens if cls.startswith("cache_write") or cls == "uncached_input"]
    new = _work_of(hardware, model, written)
    read = _work_of(hardware, model, ["cache_read"])
    output = _work_of(hardware, model, ["output", "reasoning"])
    new_tokens = sum(tokens[cls] for cls in written)
    output_tokens = tokens["output"] + tokens["reasoning"]
    new_usd = sum((billed[cls] for cls in written), NOTHING)
    output_usd = billed["output"] + billed["reasoning"]
    parts = {
        "a cached prompt token, against one computed": (
            (read, tokens["cache_read"], billed["cache_read"]),
            (new, new_tokens, new_usd),
        ),
        "an output token, against a prompt token computed": (
            (output, output_tokens, output_usd),
            (new, new_tokens, new_usd),
        ),
    }
    for name, ((work, of, usd), (other, other_of, other_usd)) in parts.items():
        if work is None or other is None or not of or not other_of:
            continue
        yield CostRatio(
            name=name,
            compute=scenario.ratio(work / of, other / other_of),
            billed=_price_ratio(usd / of, other_usd / other_of),
        )
    yield from _trend(ledger, hardware, model, scenario)


def _trend(
    ledger: Ledger, hardware: Hardware, model: Model, scenario: ServingScenario
) -> Iterator[CostRatio]:
    """Yield the last third of the main context's turns against its first third, per turn."""
    turns: dict[str, list[int]] = defaultdict(list)
    for index, turn in enumerate(ledger.run.turns):
        if model in hardware.turns[index].by_model and ledger.billed_usd[index] is not None:
            turns[turn.context].append(index)
    main = max(turns.values(), key=len, default=[])
    if len(main) < LEAST_TURNS_OF_A_TREND:
        return
    third = len(main) // 3
    early, late = main[:third], main[-third:]
    work = [np.sum([hardware.turns[i].by_model[model] for i in part], axis=0) for part in (late, early)]
    usd = [sum((ledger.billed_usd[i] or NOTHING for i in part), NOTHING) for part in (late, early)]
    yield CostRatio(
        name="a turn of the run's last third, against one of its first",
        compute=scenario.ratio(*work),
        billed=_price_ratio(*usd),
    )


def _per_class(ledger: Ledger, model: Model) -> tuple[dict[str, int], dict[str, Decimal]]:
    tokens: dict[str, int] = defaultdict(int)
    billed: dict[str, Decimal] = defaultdict(lambda: NOTHING)
    for index, turn in enumerate(ledger.run.turns):
        if (turn.provider, turn.model) != model:
            continue
        for each in ledger.classes_of(index):
            tokens[each.cls] += each.tokens
            billed[each.cls] += each.billed_usd or NOTHING
    return tokens, billed


def _work_of(hardware: Hardware, model: Model, classes: list[str]) -> Vector | None:
    rows = [
        work.by_model[model]
        for cls in classes
        if model in (work := hardware.classes.get(cls, Work())).by_model
    ]
    return np.sum(rows, axis=0) if rows else None


def _price_ratio(usd: Decimal, other: Decimal) -> Decimal | None:
    return (usd / other).quantize(Decimal("0.0001")).normalize() if other else None
