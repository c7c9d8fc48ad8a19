"""The run on other hardware and its waiting KV cache, in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.console import Console
from rich.text import Text

from tokenprof.chain.hardware_sweeps import Sweeps, SweptCost
from tokenprof.chain.kv_between_turns import KvWaiting
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.terminal.chain_numbers import (
    bar_cells,
    between,
    dollars,
    estimate_decimals,
    labelled,
)
from tokenprof.report.terminal.grid import Column, TableRow, table
from tokenprof.report.terminal.wording import MID, MONEY, SOFT


def utilisation_lines(sweeps: Sweeps, console: Console) -> list[Text]:
    """Return what the run costs to compute if other shares of the fleet's hours were sold."""
    rows = [(f"{100 * step.utilisation:.0f}%", step.cost) for step in sweeps.utilisation]
    return _sweep("If another share of the fleet's hours were sold", rows, console)


def generation_lines(sweeps: Sweeps, console: Console) -> list[Text]:
    """Return what the run costs to compute on each generation of hardware."""
    rows = [(step.chip, step.cost) for step in sweeps.generations]
    return _sweep("The same run on other hardware", rows, console)


def waiting_lines(waiting: KvWaiting) -> list[Text]:
    """Return in a few lines where the KV cache is cheapest to keep across gaps, and what the bill charged."""
    gaps = waiting.gaps
    if not gaps:
        return []
    places = Counter(gap.cheapest for gap in gaps)
    count = numbers.count(len(gaps), "gap")
    lines = [
        Text(f"The KV cache across {count}, on {waiting.deployment}", "bold"),
        labelled("cheapest place", ", ".join(f"{place} {times}×" for place, times in places.most_common())),
        labelled("cost there", dollars(_sum(gap.usd for gap in gaps))),
    ]
    for ttl in gaps[0].kept_usd:
        lines.append(labelled(f"cost if kept {ttl}", dollars(_sum(gap.kept_usd[ttl] for gap in gaps))))
    lines.append(labelled("billed for cache after it", _billed(gap.billed_cache_usd for gap in gaps)))
    return lines


def _billed(amounts: Iterable[Decimal | None]) -> str:
    """Return what several turns were billed; `≥` before it if some have no price, `—` if none has one."""
    every = list(amounts)
    known = [amount for amount in every if amount is not None]
    if not known:
        return numbers.UNKNOWN
    return ("≥" if len(known) < len(every) else "") + dollars(sum(known, Decimal(0)))


def _sweep(title: str, rows: Sequence[tuple[str, SweptCost]], console: Console) -> list[Text]:
    known = [
        (name, _interval(cost.hardware_usd), _interval(cost.price_to_cost))
        for name, cost in rows
        if cost.hardware_usd is not None and cost.price_to_cost is not None
    ]
    if not known:
        return []
    decimals = estimate_decimals([usd for _, usd, _ in known])
    highest = max(usd.mid for _, usd, _ in known)
    columns = [
        Column("", "left"),
        Column("compute", "right"),
        Column("range", "left"),
        Column("billed/compute", "right"),
        Column("", "left"),
    ]
    figures: list[list[str | Text]] = [
        [
            name,
            Text(dollars(usd.mid, decimals), MID),
            Text(between(usd, decimals), SOFT),
            numbers.ratio(ratio.mid),
        ]
        for name, usd, ratio in known
    ]
    cells = bar_cells([[column.heading for column in columns[:-1]], *figures], console)
    bars = [numbers.bar(usd.mid, highest, cells) for _, usd, _ in known]
    drawn = [TableRow([*row, Text(bar, MONEY)]) for row, bar in zip(figures, bars, strict=True)]
    return [Text(title, "bold"), *table("", columns, drawn, console)]


def _interval(estimate: Estimate) -> Interval:
    return Interval(*(Decimal(f"{end:.10g}") for end in (estimate.low, estimate.mid, estimate.high)))


def _sum(costs: Iterable[Interval]) -> Decimal:
    return sum((cost.mid for cost in costs), Decimal(0))
