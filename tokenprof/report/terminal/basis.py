"""What the figures of a report rest on: files, prices, and the deployment with its assumptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.row_types import ComputeSummary
from tokenprof.facts.types import Source
from tokenprof.hw_model.description import SAMPLED, Assumption, DeploymentDescription
from tokenprof.pricing.price_source import PriceSource
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import printable
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import SOFT

if TYPE_CHECKING:
    from tokenprof.report.document import Report

_SHOWN_ASSUMPTIONS: Final = 6
_SHOWN_SOURCES: Final = 3
_SHOWN_DRIVERS: Final = 3


def basis(report: Report, console: Console, *, is_full: bool = False) -> list[Text]:
    """Return what the figures rest on, one labelled paragraph for each thing.

    `is_full` adds ratios, drivers and the assumptions with their sources.
    """
    lines = [Text("What this rests on", "bold")]
    if report.sources:
        lines += _labelled("source", _sources(report.sources), console)
    lines += _labelled("prices", _prices(report.prices), console)
    if not report.deployments:
        return lines + _labelled("compute", "no deployment: compute is not estimated", console)
    first, *others = report.deployments
    lines += _labelled("compute", _deployment(first), console)
    if report.rows.compute is not None:
        lines += _margin(report.rows.compute, console)
    if not is_full:
        return lines
    if report.rows.compute is not None:
        lines += _comparisons(report.rows.compute, console)
    lines += _assumptions(first.assumptions, console)
    if others:
        named = ", ".join(_where(other) for other in others)
        lines += _labelled("", f"the other models, each on its own deployment: {named}", console)
    return lines


def _sources(sources: Sequence[Source]) -> str:
    """Return the files that were read, the first of them by name."""
    names = [f"{source.file} ({source.format})" for source in sources[:_SHOWN_SOURCES]]
    if len(sources) > len(names):
        names.append(f"{len(sources) - len(names)} more")
    return ", ".join(names)


def _prices(prices: PriceSource) -> str:
    parts = [" ".join(part for part in (prices.book, prices.version) if part)]
    if prices.as_of:
        parts.append(f"as of {prices.as_of}")
    if prices.overlays:
        parts.append("overlaid with " + ", ".join(prices.overlays))
    return ", ".join(parts) + "; each turn at the list price when it ran"


def _margin(compute: ComputeSummary, console: Console) -> list[Text]:
    """Return the margin that the bill implies, if it is known."""
    lines: list[Text] = []
    margin = compute.implied_gross_margin
    if margin is not None:
        low, mid, high = (
            numbers.percent(numbers.share_of(end)) for end in (margin.low, margin.mid, margin.high)
        )
        text = mid if low == high else f"{mid} ({low} to {high})"
        text += " of the bill is left after compute, training not counted"
        lines += _labelled("margin", text, console)
    return lines


def _comparisons(compute: ComputeSummary, console: Console) -> list[Text]:
    """Return what is known of compute better than its dollars: ratios, the implied margin, the drivers."""
    lines: list[Text] = []
    for ratio in compute.ratios:
        between = numbers.ratio_range(ratio.compute)
        text = f"{ratio.name}: {numbers.mid_ratio(ratio.compute)}"
        text += f" ({between})" if between else ""
        text += f", billed {numbers.ratio(ratio.billed)}" if ratio.billed is not None else ""
        lines += _labelled("" if lines else "ratios", text, console)
    kv = compute.kv
    if kv.idle_share is not None:
        share = numbers.percent(numbers.share_of(kv.idle_share))
        text = f"KV sat idle between calls for {share} of the time it was held"
        gap_usd_per_s = kv.gap_usd_per_s_at_longest_context
        if gap_usd_per_s is not None and gap_usd_per_s.high:
            price = numbers.usd_interval(gap_usd_per_s)
            text += f"; a second of gap at the longest context costs {price}"
        lines += _labelled("kv", text, console)
    if compute.drivers:
        named = ", ".join(
            f"{driver.name} {numbers.percent(numbers.share_of(driver.share_of_variance))}"
            for driver in compute.drivers[:_SHOWN_DRIVERS]
        )
        lines += _labelled("drivers", f"of the estimate's spread: {named}", console)
    return lines


def _deployment(deployment: DeploymentDescription) -> str:
    """Return a deployment in a sentence: model, chips, precision and how many sources it rests on."""
    parts = [_where(deployment)]
    if deployment.precision and deployment.chip != SAMPLED:
        parts.append(f"precision {deployment.precision}")
    sources = {item.source for item in deployment.assumptions if item.source}
    if sources:
        parts.append(numbers.count(len(sources), "source"))
    return "; ".join(parts)


def _where(deployment: DeploymentDescription) -> str:
    """Return a deployment's model and chips: `DeepSeek-V3 on 32 × H200`."""
    if deployment.chip == SAMPLED:
        return (
            f"{deployment.model} on {deployment.chips} accelerators at the median, kind and precision drawn"
        )
    return f"{deployment.model} on {deployment.chips} × {deployment.chip}"


def _assumptions(assumptions: Sequence[Assumption], console: Console) -> list[Text]:
    """Return the first assumptions, a line each. A source is not repeated from the line above."""
    lines: list[Text] = []
    source_above: str | None = None
    for item in assumptions[:_SHOWN_ASSUMPTIONS]:
        source = f" ({item.source})" if item.source and item.source != source_above else ""
        lines += _labelled("", _assumption(item) + source, console, style=SOFT)
        source_above = item.source
    left_out = len(assumptions) - _SHOWN_ASSUMPTIONS
    if left_out > 0:
        more = f"… {left_out} more with their sources in --format json"
        lines += _labelled("", more, console, style=SOFT)
    return lines


def _assumption(item: Assumption) -> str:
    """Return an assumption without its source: `active parameters 45 billion (20 billion–110 billion)`."""
    parts = [item.name, _value(item.value)]
    if item.low is not None and item.high is not None:
        low, high = numbers.quantity(item.low), numbers.quantity(item.high)
        parts.append(f"({low})" if low == high else f"({low}–{high})")
    if item.unit:
        parts.append(item.unit)
    return " ".join(part for part in parts if part)


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else numbers.quantity(value)


def _labelled(label: str, text: str, console: Console, style: str = "") -> list[Text]:
    return paragraph(Text(printable(text), style), console, lead=Text(f"{label:<9}", SOFT), indent=2)
