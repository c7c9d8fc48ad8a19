"""Time and memory of pricing a long run with many draws.

python benchmarks/hw_speed.py
"""

from __future__ import annotations

import resource
import time

import numpy as np

from tokenprof.hw_model.cost import BASES, TurnWork, scenario_for

TURNS = 1_000
DRAWS = 10_000


def main() -> None:
    turns = [TurnWork(20_000 + 150 * i, 800, 400, duration_s=9.0, gap_s=5.0) for i in range(TURNS)]
    started = time.process_time()
    scenario = scenario_for("anthropic", "claude-opus-4-8", turns=turns, draws=DRAWS)
    settled = time.process_time()
    parts = ("read", "prefill", "decode", "hold")
    work = np.array([sum(scenario.features(t, part=p) for p in parts) for t in turns])
    for basis in BASES:
        scenario.usd_many(work, basis)
    finished = time.process_time()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{DRAWS:,} draws, {TURNS:,} turns, {len(BASES)} bases: {settled - started:.2f} s to draw, "
        f"{finished - settled:.2f} s to price, CPU time; peak memory {peak_mb:.0f} MB"
    )


if __name__ == "__main__":
    main()
