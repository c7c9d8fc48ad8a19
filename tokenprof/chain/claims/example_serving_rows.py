"""Rows about serving: Kimi K2.5 layer by layer, the spread over an anchor, a KV cache that waits."""

from __future__ import annotations

from collections.abc import Iterator

from tokenprof.chain.chain import chain_of
from tokenprof.chain.claims.example_runs import example_run
from tokenprof.chain.kv_between_turns import STAND_IN, waiting_session
from tokenprof.chain.owner_cost import as_interval
from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import build_ledger
from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.cost import ServingSettings
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.kv_tiers import break_even_hold_s, gap_costs, tiers_of
from tokenprof.pricing.book import PriceBook
from tokenprof.pricing.chain.figures import ChainData
from tokenprof.pricing.chain.interval import ONE, Interval, gross_margin
from tokenprof.pricing.chain.published_claims import AT, Example, between, plain
from tokenprof.pricing.usage import Usage


def serving_rows(book: PriceBook, figures: ChainData) -> Iterator[Example]:
    """Yield rows l3-3, l3-2, ttl-1 and hold-1."""
    for requests in (4, 25):
        yield _layer_by_layer(book, figures, requests)
    yield _spread(book, figures)
    yield from _waiting()


def _layer_by_layer(book: PriceBook, figures: ChainData, requests: int) -> Example:
    """Return the anchor case: 1 M input tokens and 100 output tokens in a number of requests."""
    usage = Usage(uncached_input_tokens=1_000_000 // requests, output_tokens=100 // requests)
    ledger = build_ledger(example_run("moonshotai", "kimi-k2.5", [usage] * requests), book)
    serving = Serving(ServingSettings("kimi-k2.5@h100"))
    hardware = cost_to_compute(ledger, serving=serving)
    chain = chain_of(ledger, hardware, figures)
    over_cost = chain.rental_per_owner_cost or Interval.exactly(ONE)
    cost, rented = chain.compute_usd, chain.compute_usd * over_cost
    scenario = next(iter(hardware.scenarios.values())).description
    rents = figures.rental("H100", "contract", AT.date()).source
    rent_margin = gross_margin(over_cost, Interval.exactly(ONE))
    token_margin = gross_margin(Interval.exactly(chain.billed_usd), rented)
    return Example(
        "l3-3",
        f"Kimi K2.5, 1 M input tokens and 100 output tokens in {requests} requests, layer by layer, USD",
        None,
        f"L1 sells hours that cost {between(cost)}; L2 for {between(rented)}, gross margin "
        f"{between(rent_margin)}; L3 bills {plain(chain.billed_usd)}, gross margin {between(token_margin)}",
        f"{scenario.chips} H100, {scenario.precision}, half of the hours sold; a host (3P) pays for no "
        f"training; rents: {rents}; list price of {AT:%Y-%m-%d}",
    )


def _spread(book: PriceBook, figures: ChainData) -> Example:
    """Return Claude Opus 4.8 over the break-even anchor, with the modelled compute in between."""
    usage = Usage(uncached_input_tokens=200_000, output_tokens=20_000)
    ledger = build_ledger(example_run("anthropic", "claude-opus-4-8", [usage] * 5), book)
    chain = chain_of(ledger, cost_to_compute(ledger), figures)
    spread = chain.spreads[chain.choices.anchor]
    anchor = figures.anchors[chain.choices.anchor]
    return Example(
        "l3-2",
        f"Opus 4.8 over DeepSeek's break-even price, 1M tokens in and 100k out: ${plain(spread.price_usd)} "
        f"over ${plain(spread.anchor_usd)}, the spread taken apart",
        "anchor 0.14/0.28; no split published",
        f"spread {plain(spread.spread_usd)}: efficiency {between(spread.efficiency_loss)}, training "
        f"{between(spread.training_amortisation)}, brand {between(spread.brand_premium)}, residual "
        f"{between(spread.residual)}",
        f"five calls; compute modelled at ${between(chain.compute_usd)}; {anchor.source}; "
        f"{figures.share('brand_premium').source}",
    )


def _waiting() -> Iterator[Example]:
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
        f"{'; '.join(places)}; HBM breaks even with prefilling again at "
        f"{break_even_hold_s(waiting) / 60:.1f} minutes",
        f"{STAND_IN}, half of the hours sold; host memory and SSD at assumed prices; "
        "the bill charges $0.10 for the next read on Claude Opus 4.8, however long the gap within its TTL",
    )
    hold = as_interval(*(waiting.kv_bytes * waiting.hbm_usd_per_byte_s * gap_s for gap_s in (1.0, 1.5, 2.0)))
    yield Example(
        "hold-1",
        "holding 200k tokens of KV in HBM for the 1 to 2 s that a $0.10 cache hit bridges, USD",
        None,
        f"{hold.low:.6f} to {hold.high:.6f}",
        f"{STAND_IN}: the shadow price of memory, if memory limits the batch",
    )
