"""Published claims about the bill and the chain, recomputed: rows that need the hardware model, then all.

Rows that need only prices and the chain's data file are in `pricing.chain.published_claims`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Final

from tokenprof.chain.chain import Chain, chain_of
from tokenprof.chain.cost_shaped_price import cost_shaped
from tokenprof.chain.kv_between_turns import STAND_IN, waiting_session
from tokenprof.chain.owner_cost import at_utilisation, exact, generations, on_chip
from tokenprof.costing.compute import Hardware, cost_to_compute
from tokenprof.costing.ledger import Ledger, build_ledger
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.deployment import parse_deployment
from tokenprof.hw_model.gpu_hour import Ownership, Site, SiteCost, site_cost
from tokenprof.hw_model.kv_tiers import break_even_hold_s, gap_costs, tiers_of
from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import Interval, gross_margin
from tokenprof.pricing.chain.layers import WaterfallStepName
from tokenprof.pricing.chain.published_claims import AT, Example, between, differs, examples, plain, within
from tokenprof.pricing.usage import Usage

ORDER: Final = (
    "bill-1", "bill-2", "bill-3", "bill-4", "bill-5", "bill-6", "hold-1", "shape-1", "ttl-1", "margin-1",
    "margin-2", "open-1", "sub-1", "l1-1", "l1-2", "l1-3", "l1-4", "l1-5", "l1-6", "l2-1", "l3-1", "l3-2",
    "l3-3", "l4-1", "l4-2", "vert-1", "dollar-1", "util-1", "traj-1",
)  # fmt: skip
"""Every row of the bill and of the chain, in the order of the published analyses."""

TASK: Final = "the task of bill-6 on Claude Opus 4.8 (50 calls at 200k cached tokens, 100k out)"


def all_examples(book: PriceBook, data: ChainData) -> tuple[Example, ...]:
    """Return every row, in order, with published figure, ours, difference and assumptions."""
    rows = [*examples(book, data), *_sites(data), *_task(book, data), *_anchor_case(book, data)]
    rows += [_spread(book, data), *_gaps()]
    return tuple(sorted(rows, key=lambda row: ORDER.index(row.id)))


def site_of(data: ChainData, building_usd_per_mw: Decimal | None = None) -> Site:
    """Return the published megawatt of AI capacity, the building at another price if given."""
    figure = {name: row.value.mid for name, row in data.site.items()}
    return Site(
        building_usd=float(building_usd_per_mw or figure["building_usd_per_mw"]),
        building_life_years=float(figure["building_life_years"]),
        accelerators=int(figure["chips_per_mw"]),
        usd_per_accelerator=float(figure["chip_usd"]),
        accelerator_life_years=float(figure["chip_life_years"]),
        power_kw=1000.0,
        usd_per_kwh=float(figure["usd_per_kwh"]),
    )


def _sites(data: ChainData) -> Iterator[Example]:
    cost = site_cost(site_of(data))
    source = data.site["building_usd_per_mw"].source
    for row_id, what, published, ours in (
        ("l1-1", "the building of 1 MW, $ M a year", "0.6", cost.building_usd_per_year / 1e6),
        ("l1-2", "its 750 H100, $ M a year", "5.25", cost.chips_usd_per_year / 1e6),
        ("l1-3", "its power, $ M a year", "0.7", cost.power_usd_per_year / 1e6),
        ("l1-4", "all of it, $ M a year", "6.55", cost.total_usd_per_year / 1e6),
        ("l1-4", "invested, $ M", "41", cost.invested_usd / 1e6),
        ("l1-5", "floor of an H100-hour, USD", "1.0", cost.usd_per_accelerator_hour),
        ("l1-5", "the chips' share of it", "0.80", cost.chips_share),
    ):
        figure = Decimal(f"{ours:.6g}")
        yield Example(row_id, what, published, plain(figure), source, differs((published, figure)))
    yield _floors(data)
    yield _building_spread(data)


def _floors(data: ChainData) -> Example:
    """The same floor bottom up, with a cost of capital, per chip and price of power (row l1-5)."""
    found = []
    for name in ("H100", "B200", "GB200"):
        hours = [
            Ownership(usd_per_kwh=float(region.usd_per_kwh.mid)).usd_per_chip_hour(find_chip(name))
            for region in data.regions.values()
        ]
        found.append(f"{name} {min(hours):.2f} to {max(hours):.2f}")
    regions = "; ".join(f"{name} ${region.usd_per_kwh.mid}/kWh" for name, region in data.regions.items())
    return Example(
        "l1-5",
        "the hour's floor with a cost of capital of 10 % a year, by chip and price of power, USD",
        None,
        "; ".join(found),
        f"capital recovery over 4 years, 2 % maintenance, colocation; {regions}",
    )


def _building_spread(data: ChainData) -> Example:
    prices = (Decimal(15_000_000), Decimal(20_000_000), Decimal(30_000_000))
    costs: list[SiteCost] = [site_cost(site_of(data, usd)) for usd in prices]
    floors = "; ".join(
        f"${price / 1_000_000:.0f} M: {cost.usd_per_accelerator_hour:.3f}, chips {cost.chips_share:.0%}"
        for price, cost in zip(prices, costs, strict=True)
    )
    return Example(
        "l1-6",
        "the same floor by what the building costs per MW ($15 M in the synthesis, $20-30 M in the baseline)",
        None,
        floors,
        data.site["building_usd_per_mw"].source,
    )


def task_run(calls: int = 50, model: str = "claude-opus-4-8", provider: str = "anthropic") -> Run:
    """Return the published task as a run: calls that re-send 200k cached tokens, 100k out in all."""
    usage = Usage(cache_read_tokens=200_000, output_tokens=100_000 // calls)
    return _run(provider, model, [usage] * calls)


def growing_run() -> Run:
    """Return a session whose context grows from 20k to 200k tokens, ten turns, each writing what is new."""
    usages = [
        Usage(
            cache_read_tokens=20_000 * turn,
            cache_write_5m_tokens=20_000,
            output_tokens=1_000,
        )
        for turn in range(10)
    ]
    return _run("anthropic", "claude-opus-4-8", usages)


def _run(provider: str, model: str, usages: list[Usage]) -> Run:
    return Run(
        tuple(
            Turn(
                id=f"example-{index}",
                context="example",
                provider=provider,
                requested_model=model,
                model=model,
                started_at=AT + timedelta(seconds=30 * index),
                duration_s=None,
                status="ok",
                usage=usage,
                added=(),
            )
            for index, usage in enumerate(usages)
        )
    )


def _task(book: PriceBook, data: ChainData) -> Iterator[Example]:
    ledger = build_ledger(task_run(), book)
    hardware = cost_to_compute(ledger)
    chain = chain_of(ledger, hardware, data)
    yield _shape(book)
    yield from _margins(chain, data)
    yield _dollar(chain, data)
    maximum = next(item for item in chain.plans if item.plan.name == "claude-max")
    yield Example(
        "sub-1",
        "tasks like bill-6 a month that a $100 plan pays for at what they cost to compute",
        None,
        between(maximum.sessions_at_compute_cost),
        f"{TASK}, its compute ${between(chain.compute_usd)}; {maximum.plan.source}",
    )
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


def _margins(chain: Chain, data: ChainData) -> Iterator[Example]:
    published = data.margins["inference gross margin of a closed lab"]
    yield Example(
        "margin-1",
        "inference gross margin of a closed lab, of the task's list price",
        "0.70 (0.38 to the mid-0.60s in a year)",
        between(chain.inference_margin),
        f"{TASK}; the owner's cost of hours, 0.3 to 0.8 of them sold; published: {published.source}",
        f"published {_overlaps(published.value, chain.inference_margin)}",
    )
    yield Example(
        "margin-2",
        "the same with rented hours and training counted in: the profit map beside the revenue map",
        None,
        between(chain.all_in_margin),
        f"{TASK}; training 1 to 2 dollars per dollar of inference",
    )


def _overlaps(published: Interval, ours: Interval) -> str:
    if published.high < ours.low or ours.high < published.low:
        return "outside our range"
    inside = ours.low <= published.low and published.high <= ours.high
    return "within our range" if inside else "overlaps our range"


def _dollar(chain: Chain, data: ChainData) -> Example:
    shares = chain.fall.shares()
    upstream = [
        shares[name]
        for name in shares
        if name not in (WaterfallStepName.LAB_MARGIN, WaterfallStepName.APPLICATION)
    ]
    share = sum((part.mid for part in upstream), Decimal(0))
    reach = Interval(
        sum((part.low for part in upstream), Decimal(0)),
        share,
        sum((part.high for part in upstream), Decimal(0)),
    )
    parts = ", ".join(f"{name} {plain(part.mid)}" for name, part in shares.items())
    return Example(
        "dollar-1",
        "share of a billed dollar that flows upstream of the lab (training and inference)",
        "0.70 of a lab's spend (training 0.42, inference 0.28)",
        f"{between(reach)}: {parts}",
        f"{TASK}; a share of the list price, where the published one is of what a lab spends; "
        f"{data.share('training_per_inference').source}",
        within(reach.low, reach.high, Decimal("0.70")).replace("the range", "our range"),
    )


def _overbuild(ledger: Ledger, hardware: Hardware) -> Example:
    found = []
    for utilisation in (0.1, 0.3, 0.5, 1.0):
        used = at_utilisation(ledger.run, hardware, utilisation)
        cost = used.usd(used.total)
        assert cost is not None, "the task's model is in the catalogue"
        found.append(f"{utilisation:.0%}: ${cost.mid:.2f} ({cost.low:.2f} to {cost.high:.2f})")
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
            found.append(f"{chip} ${cost.mid:.2f} ({cost.low:.2f} to {cost.high:.2f})")
    return Example(
        "traj-1",
        "compute of the task on one generation after another",
        None,
        "; ".join(found),
        f"{TASK}; the sampled deployments on each chip; Rubin is in no catalogue yet",
    )


def _anchor_case(book: PriceBook, data: ChainData) -> Iterator[Example]:
    """Kimi K2.5, 1 M input tokens and 100 output tokens on H100 hours, as few or many requests (row l3-3)."""
    for requests in (4, 25):
        usage = Usage(uncached_input_tokens=1_000_000 // requests, output_tokens=100 // requests)
        ledger = build_ledger(_run("moonshotai", "kimi-k2.5", [usage] * requests), book)
        hardware = cost_to_compute(ledger, deployment="kimi-k2.5@h100")
        chain = chain_of(ledger, hardware, data)
        over = chain.rental_per_owner_cost
        cost, rented = chain.compute_usd, chain.compute_usd * over
        scenario = next(iter(hardware.scenarios.values())).description
        rent = gross_margin(over, Interval.exactly(1))
        tokens = gross_margin(Interval.exactly(chain.billed_usd), rented)
        yield Example(
            "l3-3",
            f"Kimi K2.5, 1 M input tokens and 100 output tokens in {requests} requests, layer by layer, USD",
            None,
            f"L1 sells hours that cost {between(cost)}; L2 for {between(rented)}, gross margin "
            f"{between(rent)}; L3 bills {plain(chain.billed_usd)}, gross margin {between(tokens)}",
            f"{scenario.chips} H100, {scenario.precision}, half of the hours sold; no training: 3P; "
            f"rental: {chain.rental.source}; list price of {AT:%Y-%m-%d}",
        )


def _spread(book: PriceBook, data: ChainData) -> Example:
    """Claude Opus 4.8 over the break-even anchor, the modelled compute in between (row l3-2)."""
    usage = Usage(uncached_input_tokens=200_000, output_tokens=20_000)
    ledger = build_ledger(_run("anthropic", "claude-opus-4-8", [usage] * 5), book)
    chain = chain_of(ledger, cost_to_compute(ledger), data)
    spread = chain.spread
    anchor = data.anchors[chain.choices.anchor]
    return Example(
        "l3-2",
        f"Opus 4.8 over DeepSeek's break-even price, 1M tokens in and 100k out: ${plain(spread.price_usd)} "
        f"over ${plain(spread.anchor_usd)}, the spread taken apart",
        "anchor 0.14/0.28; no split published",
        f"spread {plain(spread.spread_usd)}: efficiency {between(spread.efficiency_loss)}, training "
        f"{between(spread.training_amortisation)}, brand {between(spread.brand_premium)}, residual "
        f"{between(spread.residual)}",
        f"five calls; compute modelled at ${between(chain.compute_usd)}; {anchor.source}; "
        f"{data.share('brand_premium').source}",
    )


def _gaps() -> Iterator[Example]:
    served = parse_deployment(STAND_IN)
    waiting, tiers = waiting_session(served, 200_000.0), tiers_of(served.chip)
    places = []
    for gap_s in (2.0, 60.0, 300.0, 3600.0):
        best = gap_costs(waiting, gap_s, tiers)[0]
        places.append(f"{gap_s:g} s: {best.policy} ${best.usd:.6f}")
    yield Example(
        "ttl-1",
        "cheapest place for the KV of 200k tokens across a gap, and its cost",
        None,
        f"{'; '.join(places)}; HBM pays for {break_even_hold_s(waiting) / 60:.1f} minutes",
        f"{STAND_IN}, half of the hours sold; host memory and SSD at assumed prices; "
        "the bill charges $0.10 for the next read on Claude Opus 4.8, however long the gap within its TTL",
    )
    hold = exact(*(waiting.kv_bytes * waiting.hbm_usd_per_byte_s * gap_s for gap_s in (1.0, 1.5, 2.0)))
    yield Example(
        "hold-1",
        "holding 200k tokens of KV in HBM for the 1 to 2 s that a $0.10 cache hit bridges, USD",
        None,
        f"{hold.low:.6f} to {hold.high:.6f}",
        f"{STAND_IN}: the shadow price of memory, where memory limits the batch",
    )
