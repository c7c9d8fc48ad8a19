"""Market test: what competing hosts charge for open models, over what the hardware model says these cost.

For every open model whose shape is known and which at least two hosts sell, the median list price of a class
of tokens is divided by its cost at rented hours. No evidence from prices is used. Hosts on silicon of their
own are left out, since their hours are not in the catalogue.

python benchmarks/economics/market_test.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median

import numpy as np

from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.cost import DeploymentError, TurnWork, UnknownModelError, find_model, scenario_for
from tokenprof.pricing.book import Unpriced, default_book
from tokenprof.pricing.catalogue import GenaiPrices
from tokenprof.pricing.usage import Usage

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOSTS = ("fireworks", "together", "novita", "deepinfra", "nebius", "baseten", "hyperbolic", "aws", "google",
         "azure", "huggingface_together", "huggingface_fireworks-ai", "huggingface_novita",
         "huggingface_nebius", "huggingface_hyperbolic", "siliconflow", "ovhcloud", "avian")  # fmt: skip
"""Sellers of others' weights on rented accelerators of the catalogue."""

MIXES = {
    "agent": TurnWork(cached_tokens=6_000, new_tokens=6_000, output_tokens=600),
    "chat": TurnWork(cached_tokens=0, new_tokens=1_500, output_tokens=500),
}
"""The calls that costs are of. Hosts' traffic is not public: DeepSeek's published day has 56 % hits and 3.6
tokens in for one out, agents send ten times as many, and a chatbot's prompts are short."""

LOW, HIGH = 0.8, 5.0
DRAWS = 600


@dataclass(frozen=True)
class MarketRow:
    """A model, what hosts charge and what it costs us [USD per million tokens], and the ratios."""

    model: str
    hosts: int
    input_usd_per_m: float
    output_usd_per_m: float
    our_input_usd_per_m: float
    our_output_usd_per_m: float
    input_ratio: float
    output_ratio: float
    blend_ratio: float
    note: str = ""


def sold() -> dict[str, dict[str, tuple[float, float]]]:
    """Return the prices of open models by shape and host: USD per million tokens, in and out."""
    catalogue, book = GenaiPrices(), default_book()
    found: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for provider in catalogue.providers():
        if provider not in HOSTS:
            continue
        for model in catalogue.models(provider):
            try:
                shape = find_model(model)
            except UnknownModelError:
                continue
            price = book.price(provider, model, AT, Usage(uncached_input_tokens=12_000, output_tokens=600))
            if isinstance(price, Unpriced):
                continue
            fresh, out = (float(price.rates.get(cls, 0)) * 1e6 for cls in ("uncached_input", "output"))
            if fresh > 0 and out > 0:
                found[shape.name][provider] = min(found[shape.name].get(provider, (fresh, out)), (fresh, out))
    return found


def our_cost(model: str, turn: TurnWork) -> tuple[float, float]:
    """Return what a new prompt token and an output token cost at rented hours [USD per million]."""
    settings = Serving(hours="rent").of_model("hosts", model, None, AT.date())
    scenario = scenario_for(
        "hosts", model, turns=[turn] * 20, settings=settings, when=date(2026, 11, 22), draws=DRAWS
    )
    fresh = scenario.usd(scenario.features(turn, part="prefill")).mid / turn.new_tokens
    out = scenario.usd(scenario.features(turn, part="decode")).mid / turn.output_tokens
    return fresh * 1e6, out * 1e6


def why_outside(row: MarketRow) -> str:
    """Return why a row lies outside the band, as far as that can be said."""
    shape = find_model(row.model)
    reasons = []
    if row.output_ratio < LOW and shape.experts is None:
        reasons.append("out < 0.8: a dense model, sold at one rate for prompts of any length")
    elif row.output_ratio < LOW:
        reasons.append(
            "out < 0.8: hosts run slower and larger batches than are drawn, or sell output at a loss"
        )
    if row.output_ratio > HIGH:
        reasons.append("out > 5: a new model with few hosts, which keep the maker's list price")
    if row.input_ratio > HIGH:
        reasons.append(
            "in > 5: list prices keep a fixed ratio of input to output; compute of a prompt is cheaper"
        )
    if row.input_ratio < LOW:
        reasons.append("in < 0.8: prefill of this shape is predicted too slow")
    return "; ".join(reasons)


def rows_of(mix: str, market: dict[str, dict[str, tuple[float, float]]]) -> list[MarketRow]:
    """Return a row for each model that two hosts or more sell."""
    turn = MIXES[mix]
    rows = []
    for model, hosts in sorted(market.items()):
        if len(hosts) < 2:
            continue
        fresh, out = (median(price[place] for price in hosts.values()) for place in (0, 1))
        try:
            ours_in, ours_out = our_cost(model, turn)
        except (DeploymentError, UnknownModelError) as error:
            print(f"{model}: not costed: {error}")
            continue
        blend = (turn.new_tokens * fresh + turn.output_tokens * out) / (
            turn.new_tokens * ours_in + turn.output_tokens * ours_out
        )
        row = MarketRow(
            model, len(hosts), fresh, out, ours_in, ours_out, fresh / ours_in, out / ours_out, blend
        )
        rows.append(MarketRow(**{**asdict(row), "note": why_outside(row)}))
    return rows


def summary_of(rows: list[MarketRow]) -> dict[str, float]:
    """Return how many models lie in the band, and the spread, by class."""
    found: dict[str, float] = {"models": len(rows)}
    for name in ("input", "output", "blend"):
        ratios = [getattr(row, f"{name}_ratio") for row in rows]
        low, mid, high = np.percentile(ratios, [10, 50, 90]).tolist()
        found[f"{name}_inside"] = sum(LOW <= ratio <= HIGH for ratio in ratios) / len(ratios)
        found |= {f"{name}_p10": low, f"{name}_p50": mid, f"{name}_p90": high}
        print(
            f"{name}: {found[f'{name}_inside']:.0%} between {LOW} and {HIGH}; P10 {low:.2f}, "
            f"median {mid:.2f}, P90 {high:.2f}"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    market = sold()
    found: dict[str, object] = {"at": AT.date().isoformat(), "hours": "rented, contract"}
    for mix in MIXES:
        print(f"\n{mix}: {MIXES[mix]}")
        rows = rows_of(mix, market)
        print(
            f"{'model':<30}{'hosts':>6}{'in $':>7}{'out $':>7}{'ours in':>9}{'ours out':>9}"
            f"{'in':>7}{'out':>7}{'blend':>7}"
        )
        for row in rows:
            print(
                f"{row.model:<30}{row.hosts:>6}{row.input_usd_per_m:>7.2f}{row.output_usd_per_m:>7.2f}"
                f"{row.our_input_usd_per_m:>9.3f}{row.our_output_usd_per_m:>9.3f}{row.input_ratio:>7.2f}"
                f"{row.output_ratio:>7.2f}{row.blend_ratio:>7.2f}"
            )
            if row.note:
                print(f"      {row.note}")
        found[mix] = {"turn": asdict(MIXES[mix]), "summary": summary_of(rows),
                      "rows": [asdict(row) for row in rows]}  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
