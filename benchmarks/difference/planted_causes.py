"""Whether differences add up and name their cause: random pairs of runs, and causes planted on purpose.

    python benchmarks/difference/planted_causes.py [--pairs 200] [--seed 1000]

The runs and the changes are those of `tests/difference`, with other seeds. A pair adds up if the parts, the
steps, the causes and every table come to the difference of the two bills to the last decimal.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "difference"))

from made_runs import OPUS, SONNET, RunPlan, jittered, plan, run_of  # type: ignore[import-not-found]
from test_parts_add_up import CHANGES, assert_adds_up  # type: ignore[import-not-found]

from tokenprof.analysis.analysis import Analysis
from tokenprof.difference.cost_difference import diff


def drawn(rng: random.Random) -> list[RunPlan]:
    """Return the agents of a run: other tools, sizes, models, gaps and tiers each time."""
    plans = []
    for agent in (None, *rng.sample(["reader", "writer", "critic"], rng.randint(0, 2))):
        own = plan(rng.randrange(10**6), calls=rng.randint(1, 5))
        steps = tuple(replace(step, gap_s=rng.choice((5, 20, 400))) for step in own.steps)
        of_agent = {"agent": agent, "model": rng.choice((OPUS, SONNET)), "batch": rng.random() < 0.2}
        plans.append(replace(own, steps=steps, changing_system=rng.random() < 0.2, **of_agent))
    return plans


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how many pairs add up, and by change how often the planted cause comes first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args(arguments)
    exact = 0
    for seed in range(options.seed, options.seed + options.pairs):
        rng = random.Random(seed)
        try:
            assert_adds_up(diff(Analysis(run_of(*drawn(rng))), Analysis(run_of(*drawn(rng)))))
        except AssertionError:
            print(f"pair {seed} does not add up")
            continue
        exact += 1
    print(f"add up to the last decimal: {exact} of {options.pairs}")
    each = max(1, options.pairs // len(CHANGES))
    first = tried = 0
    for change in CHANGES:
        right = 0
        for seed in range(options.seed, options.seed + each):
            own = plan(seed)
            now, is_planted = change(random.Random(seed), jittered(own, seed))
            found = diff(Analysis(run_of(own)), Analysis(run_of(*now)))
            right += is_planted(found.causes[0])
        print(f"{change.__name__:26}{right:>5} of {each}")
        first, tried = first + right, tried + each
    print(f"planted cause first: {first} of {tried}, {first / tried:.1%}")


if __name__ == "__main__":
    main()
