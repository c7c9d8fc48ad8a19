"""The lines under the ratio: whose hours it is at, what its ends mean, and what published evidence says."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from tokenprof.analysis.rows.repricing import repricing
from tokenprof.hw_model.description import SAMPLED, DeploymentDescription
from tokenprof.hw_model.serving_settings import BY_THE_USER
from tokenprof.report import numbers
from tokenprof.report.labels_in_words import CLASS_LABELS
from tokenprof.report.terminal.chain_bridge import cents, evidence_ratio
from tokenprof.report.terminal.grid import paragraph
from tokenprof.report.terminal.wording import SOFT

if TYPE_CHECKING:
    from tokenprof.chain.section import ChainSection
    from tokenprof.hw_model.estimate import Estimate
    from tokenprof.report.document import Report

WHOSE: Final = {
    "owned": "at the owner's hours",
    "rented": "at rented hours",
    "given": "at the price of an hour that you gave",
}


def compute_lines(report: Report, console: Console) -> list[Text]:
    """Return what the ratio of the first line rests on, in two or three lines; nothing without one."""
    totals = report.rows.totals
    if totals.hardware_usd is None or not report.deployments or report.deployments[0].hours is None:
        return []
    first = report.deployments[0]
    said = Text(style=SOFT)
    if first.hours is not None:
        hour = first.hours.paid
        said.append(f"Compute is full cost {WHOSE[first.hours.tenure]} (${hour.mid:.2f} an hour")
        said.append(")" if hour.low == hour.high else f", {hour.low:.2f}–{hour.high:.2f})")
    if totals.hardware_owned_usd is not None and first.hours is not None:
        if first.hours.tenure != "owned":
            said.append(f"; at the owner's {numbers.usd_interval(totals.hardware_owned_usd)}")
        if totals.hardware_marginal_usd is not None:
            said.append(f"; marginal {numbers.usd_interval(totals.hardware_marginal_usd)}")
        said.append(". ")
    drawn = "the deployments that could serve this run"
    if first.chip != SAMPLED:
        drawn = f"this model's own error on {first.chips} × {first.chip}{_sold(first)}"
    said.append(f"The ends are P10 and P90 of {drawn}.")
    lines = paragraph(said, console)
    chain = report.chain
    if chain is None or chain.evidence is None or chain.bridge is None:
        return lines
    bridge = chain.bridge
    also = Text(style=SOFT)
    if chain.evidence.effective_draws > 1:
        also.append(f"With published prices and margins as evidence: {evidence_ratio(chain.evidence)}")
        prior = float(chain.billed_usd / chain.compute_usd.mid)
        leading = chain.evidence.leading(prior)
        if leading is not None:
            # It sets what is published beside what this run comes to, which the sentence below would repeat.
            return lines + paragraph(also.append(f", mainly because {leading.because}."), console)
        also.append(". ")
    low, high = cents(bridge.published.low), cents(bridge.published.high)
    also.append(
        f"By the margins that {_whose(chain)} publish, computing costs {low}–{high} per dollar of revenue; "
        f"here it is {cents(bridge.full_cost_per_list)} per list dollar."
    )
    return lines + paragraph(also, console)


def _sold(deployment: DeploymentDescription) -> str:
    """Return which share of its hours a described deployment is taken to sell, in words."""
    for row in deployment.assumptions:
        if row.name == "utilisation" and isinstance(row.value, float):
            said = "" if row.source == BY_THE_USER else " (assumed; say yours with --utilisation)"
            return f", with {100 * row.value:.3g}% of its hours sold{said}"
    return ""


def _whose(chain: ChainSection) -> str:
    return "labs" if all(server.trains for server in chain.servers) else "hosts of open weights"


def repricing_lines(report: Report, console: Console) -> list[Text]:
    """Return what the bill would be if cache reads, or output, were sold at what they cost to compute."""
    lines: list[Text] = []
    for each in repricing(report.rows):
        low, high = (f"{100 * end:+.0f}%".replace("-", "−") for end in (each.change.low, each.change.high))
        moved = low if low == high else f"{low} to {high}"
        text = (
            f"Repricing risk: if {CLASS_LABELS[each.cls]} ({100 * each.share:.0f}% of the bill) were sold at "
            f"what it costs to compute, the bill shown would be {_between(each.bill_usd)} ({moved})."
        )
        lines += paragraph(Text(text, SOFT), console, indent=2)
    return lines


def _between(bill_usd: Estimate) -> str:
    """Return both ends of a bill to the cents that a bill has; one figure if they read the same."""
    ends = (numbers.usd(Decimal(repr(end))) for end in (bill_usd.low, bill_usd.high))
    return " to ".join(dict.fromkeys(ends))


def cache_read_lines(report: Report, console: Console) -> list[Text]:
    """Return what the compute of cached input counts, and what holding its KV through gaps costs."""
    compute = report.rows.compute
    if compute is None or compute.kv.gaps_usd is None:
        return []
    if not any(row.cls == "cache_read" and row.tokens and row.hardware_usd for row in report.rows.classes):
        return []
    kept = []
    if compute.kv.gaps_host_memory_usd is not None:
        kept.append(f"{numbers.usd_interval(compute.kv.gaps_host_memory_usd)} in host memory")
    if compute.kv.gaps_usd.high:
        kept.append(f"{numbers.usd_interval(compute.kv.gaps_usd)} in the accelerators' (opportunity cost)")
    text = "Cache read counts attention to the cached prompt and loading its KV, not keeping it through gaps"
    text += f", which costs {', '.join(kept)}." if kept else "."
    return paragraph(Text(text, SOFT), console, indent=2)
