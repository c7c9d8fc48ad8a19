"""Rows about one task or session: margins, where its dollar goes, its shape, utilisation and hardware."""

from __future__ import annotations

from collections.abc import Iterator

from tokenprof.chain.chain import Chain, chain_of
from tokenprof.chain.claims.example_runs import TASK, growing_run, task_run
from tokenprof.chain.cost_shaped_price import cost_shaped
from tokenprof.chain.hardware_sweeps import at_utilisation, generations, on_chip
from tokenprof.chain.make_section import chain_section
from tokenprof.chain.section import ChainSection
from tokenprof.costing.compute import Hardware, cost_to_compute
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.hw_model.estimate import Estimate
from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import Interval, add_up
from tokenprof.pricing.chain.layers import OWNER_PARTS, WaterfallStepName
from tokenprof.pricing.chain.published_claims import Example, against_range, between, differs, plain


def task_rows(book: PriceBook, figures: ChainData) -> Iterator[Example]:
    """Yield rows shape-1, margin-1, margin-2, dollar-1, sub-1, util-1 and traj-1."""
    ledger = build_ledger(task_run(), book)
    hardware = cost_to_compute(ledger)
    chain = chain_of(ledger, hardware, figures)
    yield _shape(book)
    yield from _margins(chain, figures)
    section = chain_section(ledger, hardware, figures)
    if section is not None:
        yield from _dollar(chain, section, figures)
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
        _of_cost(published.value, chain.inference_margin),
    )
    yield Example(
        "margin-2",
        "the same after rented hours and training: the profit map beside the revenue map",
        None,
        between(chain.all_in_margin or Interval.exactly(0)),
        f"{TASK}; training by the accounts of the lab",
    )


def _of_cost(published: Interval, ours: Interval | None) -> str | None:
    """Return how the published cost per revenue lies to ours: margins near 1 all look alike, costs do not."""
    if ours is None or ours.high >= 1:
        return None
    cost = Interval(1 - ours.high, 1 - ours.mid, 1 - ours.low)
    return f"as cost per dollar: {against_range(cost, 1 - published.mid)}"


def _dollar(chain: Chain, section: ChainSection, figures: ChainData) -> Iterator[Example]:
    """Yield what flows upstream: by the accounts of the lab, and inference alone bottom up beside them.

    The first row is the published share times what the lab spends of its revenue, so it cannot fail; the
    second can, and each figure of ours is an independent one there.
    """
    shares, accounts = chain.fall.shares(), chain.by_accounts.shares()
    names = WaterfallStepName
    hours = (names.GPU_HOUR_MARGIN, *OWNER_PARTS)
    upstream = add_up(accounts[name] for name in (names.TRAINING, *hours))
    parts = ", ".join(f"{name} {plain(share.mid)}" for name, share in shares.items())
    yield Example(
        "dollar-1",
        "share of a billed dollar that flows upstream of the lab (training and inference), by its accounts",
        "0.70 of a lab's spend (training 0.42, inference 0.28)",
        between(upstream),
        f"{TASK}; published shares of spend times the lab's spend per dollar of revenue, so no test; bottom "
        f"up the steps are {parts}; {figures.share('training_of_spend').source}",
    )
    if section.bridge is None or section.posterior_bridge is None:
        return
    inference = add_up(accounts[name] for name in hours).mid
    for words, bridge in (
        ("hardware model alone", section.bridge),
        ("with evidence", section.posterior_bridge),
    ):
        level = bridge.steps[-1].level_after
        yield Example(
            "dollar-1",
            f"inference per dollar of revenue, bottom up ({words})",
            f"{plain(inference)} (28 % of the lab's spend)",
            plain(level),
            f"{TASK}; the bridge of `tokenprof chain`, from marginal cost to list-to-revenue",
            differs((inference, level)),
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
