"""Where the KV of recorded agent sessions would have waited most cheaply, against a provider's time to live.

    python benchmarks/hw_gaps.py TRACE.json … [--deployment kimi-k2.5@8xh200]

Traces are those of callanjfox/kv-cache-tester; the model they ran on is closed, so an open one stands in.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from tokenprof.chain.kv_between_turns import waiting_session
from tokenprof.hw_model.assumed import DEFAULT_UTILISATION
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.kv_tiers import break_even_hold_s, gap_costs, tiers_of, ttl_cost
from tokenprof.hw_model.measured.traces import read_trace
from tokenprof.pricing.cache.cache_rules import TTL_S


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("traces", nargs="+", type=Path)
    parser.add_argument("--deployment", default="kimi-k2.5@8xh200")
    arguments = parser.parse_args()
    deployment = parse_deployment(arguments.deployment)
    tiers = tiers_of(deployment.chip)
    places: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    break_evens: list[float] = []
    for trace in (read_trace(path) for path in arguments.traces):
        print(
            f"{trace.name}: {trace.model}, {len(trace.calls)} calls, "
            f"{trace.reused_share:.0%} of the prompt reused"
        )
        for call in trace.calls:
            if call.gap_s is None:
                continue
            context = float(call.cached_tokens + call.new_tokens + call.output_tokens)
            waiting = waiting_session(deployment, context, DEFAULT_UTILISATION)
            best = gap_costs(waiting, call.gap_s, tiers)[0]
            places[best.policy] += 1
            totals["cheapest"] += best.usd
            totals["always in HBM"] += waiting.kv_bytes * waiting.hbm_usd_per_byte_s * call.gap_s
            totals["always dropped"] += waiting.recompute_usd
            for ttl_s in (TTL_S["5m"], TTL_S["1h"]):
                totals[f"kept for {ttl_s:g} s"] += ttl_cost(waiting, call.gap_s, ttl_s, tiers).usd
            break_evens.append(break_even_hold_s(waiting))
    print("cheapest place of each gap:", dict(places))
    print(f"break-even hold in HBM: median {sorted(break_evens)[len(break_evens) // 2] / 60:.1f} minutes")
    for policy, usd in totals.items():
        print(f"  {policy:18s} ${usd:.4f}")


if __name__ == "__main__":
    main()
