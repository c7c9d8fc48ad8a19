"""Rows about one task or session: margins, where its dollar goes, its shape, utilisation and hardware."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tokenprof.chain.chain import Chain, chain_of
from tokenprof.chain.claims.example_runs import TASK, growing_run, task_run
from tokenprof.chain.cost_shaped_price import cost_shaped
from tokenprof.chain.hardware_sweeps import at_utilisation, generations, on_chip
from tokenprof.costing.compute import Hardware, cost_to_compute
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import Interval, add_up
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.pricing.chain.published_claims import Example, between, plain, within


def task_rows(book: PriceBook, figures: ChainData) -> Iterator[Example]:
    """Yield rows shape-1, margin-1, margin-2, dollar-1, sub-1, util-1 and traj-1."""
    ledger = build_ledger(task_run(), book)
    hardware = cost_to_compute(ledger)
    chain = chain_of(ledger, hardware, figures)
    yield _shape(book)
    yield from _margins(chain, figures)
    yield _dollar(chain, figures)
    yield _plan(chain)
    yield _overbuild(ledger, hardware)
    yield _trajectory(ledger, hardware)


def _shape(book: PriceBook) -> Example:
    ledger = build_ledger(growing_run(), book)
    turns = cost_shaped(ledger, cost_to_compute(ledger))
    first, last = turns[0], turns[-1]
    return Example(
        "shape-1",
        "a session growing from 20k to 200k tokens: its first and last turn as billed, and shaped by compute",
        None,
        f"first ${plain(first.billed_usd)} as ${between(first.shaped_usd)}; "
        f"last ${plain(last.billed_usd)} as ${between(last.shaped_usd)}",
        "ten turns on Claude Opus 4.8, 20k new tokens and 1k output each, the rest cached; same total",
    )


def _margins(chain: Chain, figures: ChainData) -> Iterator[Example]:
    published = figures.margins["Anthropic, inference gross margin, spring of 2026"]
    yield Example(
        "margin-1",
        "inference gross margin of a closed lab, as a share of the task's list price",
        "0.70 (0.38 to the mid-0.60s in a year)",
        between(chain.inference_margin or Interval.exactly(0)),
        f"{TASK}; the owner's cost of hours, 0.3 to 0.8 of them sold; published: {published.source}",
        f"published {_overlaps(published.value, chain.inference_margin or Interval.exactly(0))}",
    )
    yield Example(
        "margin-2",
        "the same after rented hours and training: the profit map beside the revenue map",
        None,
        between(chain.all_in_margin or Interval.exactly(0)),
        f"{TASK}; training by the accounts of the lab",
    )


def _overlaps(published: Interval, ours: Interval) -> str:
    if published.high < ours.low or ours.high < published.low:
        return "outside our range"
    inside = ours.low <= published.low and published.high <= ours.high
    return "within our range" if inside else "overlaps our range"


def _dollar(chain: Chain, figures: ChainData) -> Example:
    shares = chain.fall.shares()
    beyond_cost = (WaterfallStepName.APPLICATION, WaterfallStepName.UNEXPLAINED)
    upstream = add_up(share for name, share in shares.items() if name not in beyond_cost)
    parts = ", ".join(f"{name} {plain(share.mid)}" for name, share in shares.items())
    return Example(
        "dollar-1",
        "share of a billed dollar that flows upstream of the lab (training and inference)",
        "0.70 of a lab's spend (training 0.42, inference 0.28)",
        f"{between(upstream)}: {parts}",
        f"{TASK}; a share of the list price, while the published one is of what a lab spends; "
        f"{figures.share('training_of_spend').source}",
        within(upstream.low, upstream.high, Decimal("0.70")).replace("the range", "our range"),
    )


def _plan(chain: Chain) -> Example:
    claude_max = next(each for each in chain.plans if each.plan.name == "claude-max")
    return Example(
        "sub-1",
        "tasks like bill-6 a month whose compute a $100 plan covers",
        None,
        between(claude_max.sessions_at_compute_cost),
        f"{TASK}, its compute ${between(chain.compute_usd)}; {claude_max.plan.source}",
    )


def _overbuild(ledger: Ledger, hardware: Hardware) -> Example:
    found = []
    for utilisation in (0.1, 0.3, 0.5, 1.0):
        used = at_utilisation(ledger.run, hardware, utilisation)
        cost = used.usd(used.total)
        assert cost is not None, "the task's model is in the catalogue"
        found.append(f"{utilisation:.0%}: {_dollars(cost)}")
    return Example(
        "util-1",
        "compute of the task by the share of the fleet's hours that are sold (overbuild)",
        None,
        "; ".join(found),
        TASK,
    )


def _trajectory(ledger: Ledger, hardware: Hardware) -> Example:
    found = []
    for chip in generations(hardware):
        moved = on_chip(ledger.run, hardware, chip)
        cost = moved.usd(moved.total) if moved else None
        if cost is not None:
            found.append(f"{chip} {_dollars(cost)}")
    return Example(
        "traj-1",
        "compute of the task, generation by generation",
        None,
        "; ".join(found),
        f"{TASK}; the sampled deployments on each chip; Rubin is not in the catalogue yet",
    )


def _dollars(cost: Estimate) -> str:
    return f"${cost.mid:.2f} ({cost.low:.2f} to {cost.high:.2f})"
