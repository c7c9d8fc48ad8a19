"""Market test: what competing hosts charge for open models, over what the hardware model says these cost.

For every open model whose shape is known and which at least two companies sell, the median list price of a
class of tokens is divided by its cost at rented hours. No evidence from prices is used. Each model is costed
at the speed at which hosts are known to serve it, if somebody has measured that, and else at a drawn one.

python benchmarks/economics/market_test.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from market_prices import (
    AT,
    SERIOUS_HOSTS,
    TokenPrice,
    prices_by_host,
    prices_of_makers,
    speeds_by_model,
)
from market_reasons import HIGH, LOW, NOT_EXPLAINED, ClassFacts, inside, price_of, reasons

from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.catalogue.lookup import models
from tokenprof.hw_model.cost import DeploymentError, TurnWork, UnknownModelError, find_model, scenario_for

MIXES: Final[Mapping[str, tuple[TurnWork, str]]] = {
    "requests": (
        TurnWork(cached_tokens=3_380, new_tokens=2_620, output_tokens=400),
        "6,000 prompt and 400 output tokens: the mean request at a marketplace of hosts, end of 2025 "
        "(arXiv 2601.10088); the cached share is that of the next mix",
    ),
    "a maker's day": (
        TurnWork(cached_tokens=2_470, new_tokens=1_910, output_tokens=1_210),
        "56 % hits, 3.62 in for one out, 4,989 tokens of context at each output token: DeepSeek's online "
        "service of 2025-02-28 (open-infra-index, day 6)",
    ),
    "agent": (
        TurnWork(cached_tokens=6_000, new_tokens=6_000, output_tokens=600),
        "longer than usual: 12,000 prompt tokens, half of them cached, 600 out",
    ),
    "chat": (TurnWork(cached_tokens=0, new_tokens=1_500, output_tokens=500), "shorter than usual"),
}  # fmt: skip
"""The calls that costs are of. The first two are published means; the others bound them."""

DRAWS: Final = 600
BASES: Final = ("resource_share", "opportunity")


@dataclass(frozen=True, slots=True)
class OurCost:
    """What a token of a class costs at rented hours [USD per million], draw by draw, on a basis."""

    input_usd_per_m: np.ndarray
    output_usd_per_m: np.ndarray
    utilisation: float

    def of(self, *, output: bool) -> np.ndarray:
        """Return the draws of one class."""
        return self.output_usd_per_m if output else self.input_usd_per_m


@dataclass(frozen=True, slots=True)
class MarketRow:
    """What hosts charge for a model and what it costs us [USD per million tokens]; ratios and reasons."""

    model: str
    hosts: int
    tokens_per_s: float | None
    input_usd_per_m: float
    output_usd_per_m: float
    our_input_usd_per_m: float
    our_output_usd_per_m: float
    input_ratio: float
    output_ratio: float
    blend_ratio: float
    output_ratio_opportunity: float
    input_ratio_cheapest: float
    output_ratio_cheapest: float
    why_input: tuple[str, ...] = ()
    why_output: tuple[str, ...] = ()


def our_cost(model: str, turn: TurnWork, speed: float | None, basis: str) -> OurCost:
    """Return what a new prompt token and an output token cost at rented hours."""
    settings = replace(Serving(hours="rent").of_model("hosts", model, None, AT.date()), tokens_per_s=speed)
    scenario = scenario_for("hosts", model, turns=[turn] * 20, settings=settings, when=AT.date(), draws=DRAWS)
    fresh = scenario.draws_usd(scenario.features(turn, part="prefill"), basis) / turn.new_tokens
    out = scenario.draws_usd(scenario.features(turn, part="decode"), basis) / turn.output_tokens
    return OurCost(fresh * 1e6, out * 1e6, float(np.median(scenario.hours.utilisation)))


def market_row(
    model: str, hosts: Mapping[str, TokenPrice], maker: TokenPrice | None, turn: TurnWork, speed: float | None
) -> MarketRow:
    """Return the row of one model. Raises DeploymentError if no usual layout serves it."""
    cost = our_cost(model, turn, speed, BASES[0])
    held = our_cost(model, turn, speed, BASES[1])
    usual = cost if speed is None else our_cost(model, turn, None, BASES[0])
    price_in, price_out = (median(price[place] for price in hosts.values()) for place in (0, 1))
    ours_in, ours_out = float(np.median(cost.input_usd_per_m)), float(np.median(cost.output_usd_per_m))
    blend = (turn.new_tokens * price_in + turn.output_tokens * price_out) / (
        turn.new_tokens * ours_in + turn.output_tokens * ours_out
    )
    why: dict[bool, tuple[str, ...]] = {}
    for output, price in ((False, price_in), (True, price_out)):
        low, mid, high = np.percentile(cost.of(output=output), [10, 50, 90]).tolist()
        shape = find_model(model)
        why[output] = reasons(
            ClassFacts(
                output=output,
                host_usd=tuple(price_of(each, output=output) for each in hosts.values()),
                maker_usd=None if maker is None else price_of(maker, output=output),
                list_output_over_input=price_out / price_in,
                cost_output_over_input=ours_out / ours_in,
                ratio=price / mid,
                ratio_low=price / high,
                ratio_high=price / low,
                other_ratio=price_in / ours_in if output else price_out / ours_out,
                blend_ratio=blend,
                breaks_even_at=cost.utilisation / blend,
                tokens_per_s=speed,
                ratio_at_drawn_speed=price / float(np.median(usual.of(output=output))),
                weight_bytes=shape.weight_bytes(),
                released=_day(shape.released),
                replaced_by=_newer(model),
                at=AT.date(),
            )
        )
    return MarketRow(
        model, len(hosts), speed, price_in, price_out, ours_in, ours_out,
        price_in / ours_in, price_out / ours_out, blend,
        price_out / float(np.median(held.output_usd_per_m)),
        min(price[0] for price in hosts.values()) / ours_in,
        min(price[1] for price in hosts.values()) / ours_out,
        why[False], why[True],
    )  # fmt: skip


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text if len(text) > 7 else f"{text}-01")


def _newer(model: str) -> tuple[str, date] | None:
    """Return the next version of a model's family that came out before the prices were read."""
    family, since = _family(model), _day(find_model(model).released)
    if since is None:
        return None
    later = [
        (day, other.name)
        for other in models().values()
        if _family(other.name) == family
        and (day := _day(other.released)) is not None
        and since < day <= AT.date()
    ]
    return None if not later else (min(later)[1], min(later)[0])


def _family(model: str) -> str:
    return model.split("-")[0].rstrip("0123456789.")


def rows_of(turn: TurnWork, market: Mapping[str, Mapping[str, TokenPrice]]) -> list[MarketRow]:
    """Return a row for each model that two companies or more sell."""
    makers, speeds = prices_of_makers(), speeds_by_model()
    rows = []
    for model, hosts in sorted(market.items()):
        if len(hosts) < 2:
            continue
        try:
            rows.append(market_row(model, hosts, makers.get(model), turn, speeds.get(model)))
        except (DeploymentError, UnknownModelError) as error:
            print(f"{model}: not costed: {error}")
    return rows


RATIOS: Final = (
    "input_ratio", "output_ratio", "blend_ratio", "output_ratio_opportunity", "input_ratio_cheapest",
    "output_ratio_cheapest",
)  # fmt: skip


def summary_of(rows: Sequence[MarketRow]) -> dict[str, float]:
    """Return how many models lie in the band, the spread by class, and how many rows nothing explains."""
    found: dict[str, float] = {"models": len(rows)}
    for name in RATIOS:
        ratios = [getattr(row, name) for row in rows]
        low, mid, high = np.percentile(ratios, [10, 50, 90]).tolist()
        found[f"{name}_inside"] = sum(inside(ratio) for ratio in ratios) / len(ratios)
        found |= {f"{name}_p10": low, f"{name}_p50": mid, f"{name}_p90": high}
        print(
            f"{name}: {found[f'{name}_inside']:.0%} between {LOW} and {HIGH}; P10 {low:.2f}, "
            f"median {mid:.2f}, P90 {high:.2f}"
        )
    outside = [why for row in rows for why in (row.why_input, row.why_output) if why]
    found["classes_outside"] = len(outside)
    found["not_explained"] = sum(NOT_EXPLAINED in why for why in outside)
    found["output_below_cost"] = sum(row.output_ratio < 1.0 for row in rows) / len(rows)
    print(
        f"{len(outside)} classes outside, {found['not_explained']:.0f} of them not explained; output below "
        f"our cost: {found['output_below_cost']:.0%} of models"
    )
    return found


def print_rows(rows: Sequence[MarketRow]) -> None:
    """Print the table, the reasons under each row that needs them."""
    print(
        f"{'model':<31}{'hosts':>5}{'tok/s':>6}{'in $':>7}{'out $':>7}{'ours in':>9}{'ours out':>9}"
        f"{'in':>7}{'out':>7}{'blend':>7}"
    )
    for row in rows:
        speed = "drawn" if row.tokens_per_s is None else f"{row.tokens_per_s:.0f}"
        print(
            f"{row.model:<31}{row.hosts:>5}{speed:>6}{row.input_usd_per_m:>7.2f}{row.output_usd_per_m:>7.2f}"
            f"{row.our_input_usd_per_m:>9.3f}{row.our_output_usd_per_m:>9.3f}{row.input_ratio:>7.2f}"
            f"{row.output_ratio:>7.2f}{row.blend_ratio:>7.2f}"
        )
        for name, why in (("in", row.why_input), ("out", row.why_output)):
            if why:
                text = f"{name}: {'; '.join(why)}"
                print(textwrap.fill(text, 100, initial_indent="      ", subsequent_indent="        "))


PUBLISHED: Final = (
    "An estimate by others of the same kind: DeepSeek-R1 at Crusoe on H200, list $1.35/$5.40 against a cost "
    "of at most $0.226/$2.955: 6.0 on input, 1.8 on output (InferenceX v2, 2026-02)."
)
"""What a published estimate finds for DeepSeek's shape: above the band on input too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    market = prices_by_host()
    hosts = sorted(set(SERIOUS_HOSTS.values()))
    print(f"prices of {AT.date()}; hosts: {', '.join(hosts)}")
    found: dict[str, object] = {"at": AT.date().isoformat(), "hours": "rented, contract", "hosts": hosts}
    for name, (turn, about) in MIXES.items():
        print(f"\n{name}: {about}")
        rows = rows_of(turn, market)
        print_rows(rows)
        found[name] = {"turn": asdict(turn), "about": about, "summary": summary_of(rows),
                       "rows": [asdict(row) for row in rows]}  # fmt: skip
    print(f"\n{textwrap.fill(PUBLISHED, 100)}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
