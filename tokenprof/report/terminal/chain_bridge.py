"""The bridge to published margins in a terminal, whole and in short, and what evidence does to the cost."""

from __future__ import annotations

from decimal import Decimal
from itertools import zip_longest
from typing import Final

from rich.console import Console
from rich.text import Text

from tokenprof.chain.bridge import MARGINAL, Bridge
from tokenprof.chain.section import ChainSection, SectionEvidence
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.chain.interval import Interval
from tokenprof.report import numbers
from tokenprof.report.terminal.grid import Column, TableRow, paragraph, table
from tokenprof.report.terminal.wording import MID, SOFT

LEAST_FACTOR: Final = Decimal("0.005")


def bridge_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return the bridge, a row a step, for the draws alike and as the evidence counts them."""
    prior, posterior = section.bridge, section.posterior_bridge
    if prior is None:
        return []
    lines = paragraph(Text("From marginal cost to published margins: cost per list dollar", "bold"), console)
    columns = [
        Column("", "left"),
        Column("prior"),
        Column("range", "left", drop=1),
        Column("cost", style=MID),
        Column("evid.", drop=2),
        Column("cost", style=MID, drop=2),
    ]
    rows = [TableRow([MARGINAL, "", "", cents(prior.start), "", _start(posterior)])]
    for step, other in zip_longest(prior.steps, posterior.steps if posterior else ()):
        rows.append(
            TableRow(
                [
                    step.name,
                    times(step.factor.mid),
                    Text(between(step.factor), SOFT),
                    cents(step.level_after),
                    "" if other is None else times(other.factor.mid),
                    "" if other is None else cents(other.level_after),
                ]
            )
        )
    rows.append(
        TableRow(
            [
                "residual: not explained",
                times(prior.residual),
                "",
                "",
                "" if posterior is None else times(posterior.residual),
                "",
            ]
        )
    )
    rows.append(
        TableRow(
            [
                "published, per revenue $",
                "",
                Text(f"{cents(prior.published.low)} to {cents(prior.published.high)}", SOFT),
                cents(prior.published.mid),
                "",
                cents(prior.published.mid),
            ],
            style="bold",
        )
    )
    lines += table("", columns, rows, console)
    lines += paragraph(
        Text(
            "Each row multiplies the one above; in logarithms they add up exactly. A residual below 1 says "
            "that the steps explain more cost than is published; one above 1, less. Sources:",
            SOFT,
        ),
        console,
        indent=2,
    )
    for step in prior.steps:
        lines += paragraph(
            Text(f"{step.name}: {step.source}", SOFT), console, lead=Text("· ", SOFT), indent=2
        )
    lines += paragraph(
        Text(f"published: {prior.published_source}", SOFT), console, lead=Text("· ", SOFT), indent=2
    )
    return lines


def _start(bridge: Bridge | None) -> str:
    return "" if bridge is None else cents(bridge.start)


def evidence_lines(section: ChainSection, console: Console) -> list[Text]:
    """Return what each piece of published evidence makes of the ratio, alone and together."""
    evidence = section.evidence
    if evidence is None or section.bridge is None:
        return []
    compute = section.compute_usd
    if all(row.price_to_cost is None for row in evidence.effects):
        said = (
            "One deployment is given, so published prices and margins have nothing to choose between; "
            "compare the residual of the bridge."
        )
        head = Text("What published prices and margins say", "bold")
        return [head, *paragraph(Text(said), console, indent=2)]
    prior = Estimate(*(float(section.billed_usd / end) for end in (compute.high, compute.mid, compute.low)))
    rows = [TableRow(["prior: hardware model only", *_ratio(prior), ""])]
    for row in evidence.effects:
        name = f"with {row.name} alone" if row.in_use else f"{row.name}"
        state = "" if row.in_use else "switched off" if row.price_to_cost is not None else "does not apply"
        rows.append(TableRow([name, *_ratio(row.price_to_cost), state]))
    kept = f"worth {evidence.effective_draws:,.0f} draws"
    rows.append(TableRow(["posterior: all in use", *_ratio(evidence.price_to_cost), kept], style="bold"))
    columns = [Column("", "left"), Column("billed ÷ compute"), Column("", "left"), Column("", "left", drop=1)]
    lines = [Text("What published prices and margins say", "bold"), *table("", columns, rows, console)]
    for row in evidence.effects:
        text = f"{row.name}: {row.about} (--without-evidence {row.name}). "
        text += f"Here: {row.because}. " if row.because else ""
        text += f"Source: {row.source}"
        lines += paragraph(Text(text, SOFT), console, lead=Text("· ", SOFT), indent=2)
    return lines


def bridge_sentence(section: ChainSection, console: Console) -> list[Text]:
    """Return the bridge in short, for a report: the levels that a reader may stop at, and what is left."""
    prior, posterior = section.bridge, section.posterior_bridge
    if prior is None:
        return []
    said = Text("Bridge: ", "bold")
    said.append(
        f"per list dollar {cents(prior.start)} of power, {cents(prior.full_cost_per_list)} of compute at the "
        f"hours paid; {cents(prior.steps[-1].level_after)} per dollar of revenue, "
        f"{cents(prior.published.mid)} published: {times(prior.residual)} is not explained"
    )
    if posterior is not None:
        said.append(f" ({times(posterior.residual)} with evidence)")
    said.append(" (steps and sources: tokenprof chain).", SOFT)
    return paragraph(said, console)


def evidence_ratio(evidence: SectionEvidence) -> str:
    """Return the posterior ratio in words: `6.1× (3.0–12×)`."""
    ratio = evidence.price_to_cost
    between_ends = numbers.ratio_range(ratio)
    return numbers.mid_ratio(ratio) + (f" ({between_ends})" if between_ends else "")


def cents(level: Decimal) -> str:
    """Return a cost per dollar in cents: `7.4¢`, `0.031¢`."""
    return f"{float(100 * level):.3g}¢"


def times(factor: Decimal) -> str:
    """Return a factor: `×2.1`, `×0.34`."""
    return f"×{float(factor):.3g}"


def between(factor: Interval) -> str:
    """Return the ends of a factor; nothing if they are equal."""
    if factor.high - factor.low < LEAST_FACTOR:
        return ""
    return f"{float(factor.low):.3g} to {float(factor.high):.3g}"


def _ratio(ratio: Estimate | None) -> tuple[str | Text, str | Text]:
    if ratio is None:
        return "", ""
    return Text(numbers.mid_ratio(ratio), "bold"), Text(numbers.ratio_range(ratio), SOFT)
