"""The run on other hardware and its waiting KV cache, in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.hardware_sweeps import Sweeps, SweptCost
from tokenprof.chain.kv_between_turns import KvWaiting
from tokenprof.chain.techniques import TechniqueCost
from tokenprof.chain.tool_latency import ToolLatency
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.terminal.chain_numbers import (
    bar_cells,
    between,
    dollars,
    estimate_decimals,
    labelled,
    money_decimals,
    with_range,
)
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import MID, MONEY, SOFT


def utilisation_lines(sweeps: Sweeps, console: Console) -> list[Text]:
    """Return what the run costs to compute if other shares of the fleet's hours were sold."""
    rows = [(f"{100 * step.utilisation:.0f}%", step.cost) for step in sweeps.utilisation]
    return _sweep("If another share of the fleet's hours were sold", rows, console)


def generation_lines(sweeps: Sweeps, console: Console) -> list[Text]:
    """Return what the run costs to compute on each generation of hardware."""
    rows = [(step.chip, step.cost) for step in sweeps.generations]
    return _sweep("The same run on other hardware", rows, console)


def technique_lines(techniques: Sequence[TechniqueCost], console: Console) -> list[Text]:
    """Return what the run costs to compute with and without each technique of serving."""
    if not techniques:
        return []
    known = [usd for row in techniques for usd in (row.without_usd, row.with_usd) if usd is not None]
    decimals = estimate_decimals([_interval(usd) for usd in known])
    columns = [
        Column("", "left"),
        Column("without"),
        Column("with", style=MID),
        Column("range with", "left", drop=1),
        Column("factor"),
        Column("in use", drop=2),
    ]
    rows = []
    for row in techniques:
        with_usd = None if row.with_usd is None else _interval(row.with_usd)
        rows.append(
            TableRow(
                [
                    row.name,
                    _mid(row.without_usd, decimals),
                    _mid(row.with_usd, decimals),
                    Text("" if with_usd is None else between(with_usd, decimals).replace(" to ", "–"), SOFT),
                    "" if row.factor is None else _factor(row.factor),
                    "" if row.in_use is None else f"{row.in_use:.0%}",
                ]
            )
        )
    given = all(usd.low == usd.high for usd in known)
    rest = "is as in the deployment given" if given else "is drawn or chosen as in the report"
    said = f"Each row forces one technique off, then on; the rest {rest}."
    said += "" if given else " Factors within 5 % of 1 are noise."
    if any(row.factor is None for row in techniques):
        said += " A dash: nothing can serve the run that way."
    if any(row.conditional for row in techniques):
        said += (
            " How a closed model is served is not published: every row is conditional. “In use” is the share "
            "of the draws of the report that have the technique."
        )
    lines = [Text("The same run with and without each technique", "bold"), *table("", columns, rows, console)]
    lines += paragraph(Text(said, SOFT), console, indent=2)
    for row in techniques:
        lines += paragraph(Text(f"{row.name}: {row.about}", SOFT), console, lead=Text("· ", SOFT), indent=2)
    return lines


def _factor(factor: float) -> str:
    """Return a factor in two digits: `×0.050`, `×1.0`, `×12`."""
    return f"×{factor:.0f}" if factor >= 10 else f"×{factor:#.2g}"


def _mid(usd: Estimate | None, decimals: int) -> str:
    return numbers.UNKNOWN if usd is None else dollars(_interval(usd).mid, decimals)


IN_WORDS: Final = {"hbm": "HBM", "host": "host memory", "ssd": "SSD", "drop": "recomputed"}
"""The places for waiting KV as people call them."""


def waiting_lines(waiting: KvWaiting, console: Console) -> list[Text]:
    """Return in a few lines where the KV cache is cheapest to keep across gaps, and what is billed for it."""
    gaps = waiting.gaps
    if not gaps:
        return []
    places = Counter(gap.cheapest for gap in gaps)
    count = numbers.count(len(gaps), "gap")
    found = ", ".join(f"{IN_WORDS[place]} {times}×" for place, times in places.most_common())
    lines = [
        *paragraph(
            Text(f"Keeping the KV cache through {count}, as on {waiting.deployment}", "bold"), console
        ),
        labelled("cheapest place", found),
        labelled("cost there", dollars(_sum(gap.usd for gap in gaps))),
        labelled("  for answers that wait", dollars(_sum(gap.waiting_usd for gap in gaps))),
    ]
    for ttl in gaps[0].kept_usd:
        lines.append(labelled(f"cost if kept {ttl}", dollars(_sum(gap.kept_usd[ttl] for gap in gaps))))
    lines.append(labelled("billed for keeping it", _billed(gap.billed_keeping_usd for gap in gaps)))
    said = (
        "Billed for keeping: cache writes beyond the price of fresh input. Reads are billed too, and pay for "
        "attention to the cached prompt (price classes in tokenprof report). A tier is left out where the "
        "sessions that wait as long would not fit in it."
    )
    return lines + paragraph(Text(said, SOFT), console, indent=2)


def latency_lines(latency: ToolLatency | None, console: Console) -> list[Text]:
    """Return what the run costs with slower and faster tools, and with tools beside the accelerators."""
    if latency is None:
        return []
    costs = [_interval(step.hardware_usd) for step in latency.steps if step.hardware_usd is not None]
    decimals = estimate_decimals(costs) if costs else 2
    kept_decimals = money_decimals([step.kept_usd.mid for step in latency.steps if step.kept_usd.mid > 0])
    columns = [
        Column("each tool takes", "left"),
        Column("compute", style=MID),
        Column("range", "left", drop=1),
        Column("keeping KV"),
        Column("mostly in", "left", drop=2),
    ]
    rows = []
    for step in latency.steps:
        cost = None if step.hardware_usd is None else _interval(step.hardware_usd)
        rows.append(
            TableRow(
                [
                    f"{step.latency_s:g} s",
                    _mid(step.hardware_usd, decimals),
                    Text("" if cost is None else between(cost, decimals), SOFT),
                    dollars(step.kept_usd.mid, kept_decimals),
                    IN_WORDS[step.place],
                ]
            )
        )
    lines = [Text("The same run with slower and faster tools", "bold"), *table("", columns, rows, console)]
    chosen = (
        "Compute is what an operator pays who chooses the service for sessions that wait so long: they hold "
        "KV, which leaves less room."
    )
    if all(cost.is_exact for cost in costs):
        chosen = "The deployment is given, so its batch stays and compute does not change."
    said = (
        f"{chosen} Keeping KV is the cheapest place for this run's own, once for each of "
        f"{numbers.count(latency.gaps, 'gap')}; the recorded gaps last {latency.gaps_s:,.0f} s together."
    )
    trip = latency.round_trip_s
    beside = (
        f"Tools on a CPU beside the GPU save a round trip of {trip.mid} s ({trip.low} to {trip.high}) in "
        f"each gap. Keeping KV through them costs {with_range(latency.round_trip_usd)} in this run; a CPU "
        f"core for all of its gaps costs {with_range(latency.core_usd)}."
    )
    lines += paragraph(Text(said, SOFT), console, indent=2)
    lines += paragraph(Text(beside), console, indent=2)
    for source in (f"round trip: {latency.round_trip_source}", f"core: {latency.core_source}"):
        lines += paragraph(Text(source, SOFT), console, lead=Text("· ", SOFT), indent=2)
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
        Column("range", "left", drop=1),
        Column("billed/compute", "right"),
        Column("", "left", drop=2),
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
