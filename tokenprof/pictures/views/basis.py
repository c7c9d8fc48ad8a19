"""What the figures of a page rest on: files, prices, deployment, and every assumption with its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tokenprof.chain.bridge import MARGINAL, Bridge
from tokenprof.chain.section import ChainSection, SectionStep
from tokenprof.data_classes.frozen import frozen
from tokenprof.pictures.views.names import file_name, shown
from tokenprof.pricing.chain.figures import Figure
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.document import Report


@frozen
class BasisLine:
    """An assumption or a source: what it is about, its value in words, and where it comes from."""

    about: str
    name: str
    value: str
    source: str


@frozen
class DollarStep:
    """A step of where the dollar goes: who gets it [USD], its share of what was paid, and why."""

    name: str
    low_usd: float
    mid_usd: float
    high_usd: float
    mid_share: float
    source: str


@frozen
class MarginRange:
    """A margin as a share of revenue: implied by this run, or published."""

    name: str
    low: float
    mid: float | None
    high: float
    source: str
    is_published: bool


@frozen
class BridgeLine:
    """A step from marginal cost to published margins; levels are cost per dollar of list price."""

    name: str
    from_level: float
    to_level: float
    factor: str
    source: str


@frozen
class DollarMap:
    """Where the billed dollar goes: from the chips upwards, from accounts, and how far the two lie apart."""

    paid: str
    steps: tuple[DollarStep, ...]
    by_accounts: tuple[DollarStep, ...]
    bridge: tuple[BridgeLine, ...]
    margins: tuple[MarginRange, ...]


def basis_lines(report: Report) -> tuple[BasisLine, ...]:
    """Return what a report rests on, a line each."""
    return tuple(_lines(report))


def _lines(report: Report) -> Iterator[BasisLine]:
    for source in report.sources:
        yield BasisLine("recording", shown(file_name(source.file)), shown(source.format), "the file itself")
    prices = report.prices
    value = " ".join(
        part for part in (prices.version, f"as of {prices.as_of}" if prices.as_of else "") if part
    )
    origin = ", ".join([prices.book, *prices.overlays])
    yield BasisLine("prices", "list prices", value, f"{origin}; each turn at the price when it ran")
    for deployment in report.deployments:
        of_chips = "accelerators, of kinds drawn" if deployment.chip == SAMPLED else f"× {deployment.chip}"
        where = f"{deployment.model} on {deployment.chips} {of_chips}"
        yield BasisLine("compute", "deployment", where, "docs/hardware.md")
        for item in deployment.assumptions:
            value = item.value if isinstance(item.value, str) else numbers.quantity(item.value)
            if item.low is not None and item.high is not None and item.low != item.high:
                value += f" ({numbers.quantity(item.low)} to {numbers.quantity(item.high)})"
            yield BasisLine("compute", item.name, f"{value} {item.unit or ''}".strip(), item.source or "")
    if report.chain is not None:
        for row in report.chain.assumptions:
            value = _share_range(row) if isinstance(row, Figure) else ""
            yield BasisLine("where the dollar goes", row.name, value, row.source)


SAMPLED: Final = "sampled"
"""What a deployment names as its chip if it is one of many that were drawn."""


def _share_range(row: Figure) -> str:
    low, mid, high = (numbers.percent(share) for share in (row.value.low, row.value.mid, row.value.high))
    return mid if low == high else f"{mid} ({low} to {high})"


def dollar_map(chain: ChainSection | None) -> DollarMap | None:
    """Return where the billed dollar goes; None if nothing can be followed."""
    if chain is None:
        return None
    implied = chain.inference_margin
    return DollarMap(
        paid=numbers.usd(chain.paid_usd),
        steps=_dollar_steps(chain.waterfall),
        by_accounts=_dollar_steps(chain.by_accounts),
        bridge=() if chain.bridge is None else tuple(_bridge_lines(chain.bridge)),
        margins=(
            *(
                [MarginRange("this run, bottom-up", *_ends(implied), "bill less rented GPU-hours", False)]
                if implied is not None
                else []
            ),
            *(
                MarginRange(each.name, float(each.value.low), None, float(each.value.high), each.source, True)
                for each in chain.published_margins
            ),
        ),
    )


def _dollar_steps(steps: Sequence[SectionStep]) -> tuple[DollarStep, ...]:
    return tuple(
        DollarStep(step.name, *_ends(step.usd), mid_share=float(step.share.mid), source=step.source)
        for step in steps
        if step.usd.high or step.usd.low
    )


def _bridge_lines(bridge: Bridge) -> Iterator[BridgeLine]:
    """Yield where the bridge starts, each step, what no step explains, and what is published."""
    level = float(bridge.start)
    yield BridgeLine(MARGINAL, level, level, "", "the hardware model")
    for step in bridge.steps:
        after = float(step.level_after)
        yield BridgeLine(step.name, level, after, numbers.ratio(step.factor.mid), step.source)
        level = after
    published = float(bridge.published.mid)
    yield BridgeLine(
        "not explained", level, published, numbers.ratio(bridge.residual), "what the steps leave"
    )
    yield BridgeLine("published cost of inference", published, published, "", bridge.published_source)


def _ends(interval: Interval) -> tuple[float, float, float]:
    return float(interval.low), float(interval.mid), float(interval.high)
