"""A run's price in a terminal: layer by layer, by three paths, over the anchor, and shaped by compute."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.chain_detail import ToolPayment
from tokenprof.chain.section import ChainSection, ShapedBill
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.chain_numbers import (
    between,
    counts,
    dollars,
    labelled,
    money_decimals,
    percents,
    plain,
    usd_interval,
    with_range,
)
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import MID, SOFT

SHOWN_TURNS: Final = 12


def layer_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return each layer's input cost against its price."""
    if not section.layers:
        return []
    lines = [Text("Layer by layer: its input cost against its price", "bold")]
    for layer in section.layers:
        if layer.kind == "internal" and layer.price_usd == layer.cost_usd:
            text = Text.assemble(
                f"{layer.supplier} has {layer.sells}: cost ",
                (usd_interval(layer.cost_usd), MID),
                ", handed on at cost",
            )
            lines += paragraph(text, console, lead=Text(f"{layer.layer:<4}", SOFT), indent=2)
            continue
        text = Text.assemble(
            f"{layer.supplier} sells {layer.sells}: cost ",
            (usd_interval(layer.cost_usd), MID),
            ", price ",
            (usd_interval(layer.price_usd), MID),
            f", margin {percents(layer.gross_margin)}",
            "" if layer.kind == "market" else ", internal and not paid",
        )
        lines += paragraph(text, console, lead=Text(f"{layer.layer:<4}", SOFT), indent=2)
    return lines


def path_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return what the run costs by an aggregator, directly and under a plan, and when each plan pays."""
    paths = section.paths
    by_plan = numbers.UNKNOWN if paths.plan_usd is None else dollars(paths.plan_usd)
    lines = [
        Text("The same run by three paths", "bold"),
        labelled(f"aggregator ({paths.aggregator})", dollars(paths.aggregator_usd)),
        labelled("direct", dollars(paths.direct_usd)),
        labelled(
            f"plan ({paths.plan})",
            "does not sell this model"
            if paths.plan_usd is None
            else f"{by_plan} at {paths.sessions_per_month} such runs a month",
        ),
    ]
    for plan in section.plans:
        text = (
            f"${plain(plan.usd_per_month)} a month breaks even with list price at "
            f"{numbers.count(plan.break_even_sessions, 'such run')}, and covers the compute of "
            f"{counts(plan.sessions_at_compute_cost)}"
        )
        if plan.sessions_at_limit is not None:
            text += f"; its limits allow about {counts(Interval.exactly(plan.sessions_at_limit))}"
        lines += paragraph(Text(text), console, lead=Text(f"{plan.plan:<14}", SOFT), indent=2)
    return lines


def application_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return what users of an application would pay for the run at each published gross margin."""
    if not section.applications:
        return []
    lines = [Text("Resold inside an application, at its published gross margin", "bold")]
    for each in section.applications:
        prices = Interval(
            *(section.billed_usd / (1 - end) for end in (each.value.low, each.value.mid, each.value.high))
        )
        text = (
            f"{each.name}: margin {percents(each.value)}, price over cost "
            f"{_times(1 / (1 - each.value.mid))}: "
            f"{with_range(prices)} for these tokens"
        )
        lines += paragraph(Text(text), console, indent=2)
        lines += paragraph(
            Text(f"{each.when}. {each.source}", SOFT), console, lead=Text("· ", SOFT), indent=4
        )
    return lines


def _times(factor: Decimal) -> str:
    return f"{float(factor):.2f}×"


def spread_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the run's price over each anchor's, and what lies between for the chosen one."""
    if not section.spreads:
        return []
    spread, *others = section.spreads
    lines = [
        Text(f"Over a price taken to break even ({spread.anchor})", "bold"),
        labelled("anchor for these tokens", dollars(spread.anchor_usd)),
        labelled("spread", dollars(spread.spread_usd)),
        labelled("  efficiency loss", with_range(spread.efficiency_loss_usd)),
        labelled("  training", with_range(spread.training_amortisation_usd)),
        labelled("  brand premium", with_range(spread.brand_premium_usd)),
        labelled("  not explained", with_range(spread.residual_usd)),
    ]
    for other in others:
        lines.append(labelled(f"anchor {other.anchor}", dollars(other.anchor_usd)))
    return lines


def tool_lines(payments: tuple[ToolPayment, ...], console: Console) -> list[Text]:
    """Return what the run's tool calls cost at the prices that the user gave, and what paying them costs."""
    if not payments:
        return []
    lines = [
        Text("Payments per tool call, beside the tokens", "bold"),
        *(
            labelled(printable(paid.tool), f"{numbers.count(paid.calls, 'call')}, {dollars(paid.usd)}")
            for paid in payments
        ),
    ]
    paid_usd = sum((paid.usd for paid in payments), Decimal(0))
    for protocol in payments[0].fees_usd:
        fee = sum((paid.fees_usd[protocol] for paid in payments), Decimal(0))
        share = f", {percents(Interval.exactly(fee / paid_usd))} of it" if paid_usd > 0 else ""
        text = f"paid by {protocol}: fees of {dollars(fee)}{share}"
        lines += paragraph(Text(text), console, indent=2)
    return lines


def shaped_lines(bill: ShapedBill | None, console: Console) -> list[Text]:
    """Return the first and last turns of a bill in proportion to compute, beside the real one."""
    if bill is None or not bill.turns:
        return []
    turns = bill.turns
    shown = turns if len(turns) <= SHOWN_TURNS else (*turns[: SHOWN_TURNS // 2], *turns[-SHOWN_TURNS // 2 :])
    decimals = money_decimals([turn.billed_usd for turn in turns])
    columns = [
        Column("turn", "right"),
        Column("billed", "right"),
        Column("shaped", "right"),
        Column("range", "left", drop=1),
    ]
    rows = [
        TableRow(
            [
                str(turn.index),
                dollars(turn.billed_usd, decimals),
                Text(dollars(turn.shaped_usd.mid, decimals), MID),
                Text(between(turn.shaped_usd, decimals), SOFT),
            ]
        )
        for turn in shown
    ]
    lines = [Text("The same total, billed in proportion to compute", "bold")]
    lines += table("", columns, rows, console)
    if len(shown) < len(turns):
        lines.append(Text(f"  … {len(turns) - len(shown)} turns between in --format json", SOFT))
    return lines
