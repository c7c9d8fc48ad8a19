"""Population check: a published export of agent traffic on the hardware model, class by class.

The export (`data/agent_traffic.json`) has 2.9 million requests of one company's agents, with tokens and
dollars by class, gaps and speeds. It is a test fixture of a public dashboard: its totals agree with each
other, and nobody has verified it. The ratio stands beside what hosts of open models charge over the measured
cost of agentic services.

python benchmarks/economics/population_check.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

from tokenprof.costing.served_hours import Serving
from tokenprof.hw_model.cost import OWNED, Estimate, TurnWork, scenario_for

TRAFFIC = Path(__file__).parents[1] / "data" / "agent_traffic.json"
MODEL = "claude-opus-5-5"
WHEN = date(2026, 9, 26)
MEASURED = (4.0, 9.0)
"""Price over measured cost of agentic services of open models: Kimi K3 4.3 at rented hours, 8.7 at owned."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    block = json.loads(TRAFFIC.read_text())["blocks"][0]
    tokens, billed, requests = block["tokens"], block["cost_usd"], block["requests"]
    turn = TurnWork(
        cached_tokens=round(tokens["cache_read"] / requests),
        new_tokens=round((tokens["cache_write"] + tokens["input_uncached"]) / requests),
        output_tokens=round(tokens["output"] / requests),
        gap_s=block["gap_s"]["p50"],
    )
    settings = Serving().of_model("anthropic", MODEL, None, WHEN)
    scenario = scenario_for("anthropic", MODEL, turns=[turn] * 50, settings=settings, when=WHEN)
    read, prefill, decode = (scenario.features(turn, part=part) for part in ("read", "prefill", "decode"))
    new_usd = billed["cache_write"] + billed["input"]
    rows = {
        "cache read": (billed["cache_read"], read),
        "fresh and written": (new_usd, prefill),
        "output": (billed["output"], decode),
        "all": (billed["sum_of_classes"], read + prefill + decode),
    }
    found = {"model": MODEL, "when": WHEN.isoformat(), "requests": requests, "rows": {}}
    print(f"{requests:,} requests; mean call {turn}; hours {scenario.hours.basis.tenure}")
    print(
        f"{'class':<20}{'billed $':>10}{'rented $':>11}{'ratio':>7}  {'P10-P90':<12}{'owned':>7}{'share':>7}"
    )
    for name, (usd, features) in rows.items():
        cost = _times(scenario.usd(features), requests)
        owned = _times(scenario.usd(features, OWNED), requests)
        ratio = usd / cost.mid
        share = usd / billed["sum_of_classes"]
        print(
            f"{name:<20}{usd:>10,.0f}{cost.mid:>11,.0f}{ratio:>7.1f}  "
            f"{f'{usd / cost.high:.1f}-{usd / cost.low:.1f}':<12}{usd / owned.mid:>7.1f}{share:>7.1%}"
        )
        found["rows"][name] = {
            "billed_usd": usd, "rented_usd": cost.mid, "low_usd": cost.low, "high_usd": cost.high,
            "ratio": ratio, "ratio_owned": usd / owned.mid,
        }  # fmt: skip
    print(f"price over measured cost of agentic services of open models: {MEASURED[0]:g} to {MEASURED[1]:g}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def _times(usd: Estimate, count: int) -> Estimate:
    return Estimate(usd.low * count, usd.mid * count, usd.high * count)


if __name__ == "__main__":
    main()
