"""The market test on measured services: hosts' prices over what published throughput costs at rented hours.

python benchmarks/economics/market_measured.py [--json FILE]

No equation of the hardware model is in it. For each open model that two companies sell and somebody has
measured, and for each chip, the service with most tokens per second and accelerator at `LEAST_TOKENS_PER_S`
to each user is paid at the contract rent, with the usual share of hours sold. What hosts charge for the
prompt and the answer of that measurement, all of it uncached, is divided by that.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from hw_fit import newest_services, published_points
from market_prices import AT, TokenPrice, prices_by_host
from market_reasons import HIGH, LOW, inside

from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.assumed import DEFAULT_UTILISATION
from tokenprof.hw_model.measured.service_rows import ServicePoint

LEAST_TOKENS_PER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """The best measured service of a model on a chip, what a million of its tokens costs, and its price."""

    model: str
    chip: str
    regime: str
    tokens_per_s: float
    tokens_per_s_per_gpu: float
    usd_per_hour: float
    cost_usd_per_m: float
    price_usd_per_m: float

    @property
    def ratio(self) -> float:
        """Price over cost, prompt and answer together."""
        return self.price_usd_per_m / self.cost_usd_per_m


def services() -> Iterator[ServicePoint]:
    """Yield the measured services that serve prompts and answers, without those of agents."""
    yield from newest_services()
    for point in published_points():
        if point.agentic is None and not point.prompts_only and not point.queues:
            yield point.service


def measured_rows() -> list[MeasuredRow]:
    """Return the best measured service of each model on each chip that is rented out."""
    market = {model: hosts for model, hosts in prices_by_host().items() if len(hosts) > 1}
    best: dict[tuple[str, str], MeasuredRow] = {}
    for point in services():
        shape, chip = point.base.shape.name, point.base.chip.name
        rents = Serving(hours="rent").of_model("hosts", shape, None, AT.date()).rents
        rent = None if rents is None else rents.by_chip.get(chip)
        fast = point.tpot_s is not None and 1.0 / point.tpot_s >= LEAST_TOKENS_PER_S
        if shape not in market or rent is None or not fast or not point.tokens_per_s_per_gpu:
            continue
        gained = point.tokens_per_s_per_gpu
        row = MeasuredRow(
            shape,
            chip,
            point.regime,
            1.0 / float(point.tpot_s or 1.0),
            gained,
            rent.mid_usd,
            rent.mid_usd / 3600.0 / gained / DEFAULT_UTILISATION * 1e6,
            _blend(list(market[shape].values()), point),
        )
        known = best.get((shape, chip))
        if known is None or row.ratio > known.ratio:
            best[shape, chip] = row
    return sorted(best.values(), key=lambda row: (row.model, row.ratio))


def _blend(prices: list[TokenPrice], point: ServicePoint) -> float:
    """Return what the median host charges for a million tokens in a measurement's mix [USD]."""
    prompt, answer = (
        float(np.asarray(tokens)) for tokens in (point.load.prompt_tokens, point.load.output_tokens)
    )
    usd_in, usd_out = (median(price[place] for price in prices) for place in (0, 1))
    return (prompt * usd_in + answer * usd_out) / (prompt + answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = measured_rows()
    heads = f"{'model':<22}{'chip':<13}{'tok/s':>6}{'tok/s/GPU':>11}{'$/h':>6}{'cost $/M':>10}{'price':>8}"
    print(f"{heads}{'ratio':>7}")
    for row in rows:
        print(
            f"{row.model:<22}{row.chip:<13}{row.tokens_per_s:>6.0f}{row.tokens_per_s_per_gpu:>11,.0f}"
            f"{row.usd_per_hour:>6.2f}{row.cost_usd_per_m:>10.3f}{row.price_usd_per_m:>8.2f}{row.ratio:>7.2f}"
            f"  {row.regime}"
        )
    ratios = [row.ratio for row in rows]
    low, mid, high = np.percentile(ratios, [10, 50, 90]).tolist()
    models = {row.model for row in rows}
    print(
        f"{len(rows)} pairs of model and chip, {len(models)} models: "
        f"{sum(map(inside, ratios)) / len(ratios):.0%} between {LOW} and {HIGH}; P10 {low:.2f}, "
        f"median {mid:.2f}, P90 {high:.2f}"
    )
    if options.json:
        found = [asdict(row) | {"ratio": row.ratio} for row in rows]
        options.json.write_text(json.dumps({"at": AT.date().isoformat(), "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
