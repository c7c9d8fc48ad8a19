"""How well outputs without a final count are estimated from the prompts that send them back, out-of-sample.

    PYTHONPATH=benchmarks python benchmarks/other_tokenizers/incomplete_outputs.py [--seeds N] [SESSION...]

The final counts of every third output are hidden, as in logs of old Claude Code versions: what is left is a
placeholder. Each row says how far the estimates are from the hidden counts, how often the bounds of one
output hold, and whether the bounds of the run's sum do. The bounds were chosen on the two public sessions of
`benchmarks/data`; the loops of a loopback provider, with other tokenizers, were not looked at for them.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attribution_loopback import LAYOUTS, TOKENIZERS, recorded_loop

from tokenprof.attribute.engine import attribute
from tokenprof.attribute.repeated_outputs import uncounted_tokens
from tokenprof.facts.types import Run
from tokenprof.reading.files import read

PLACEHOLDER_TOKENS = 3


@dataclass(frozen=True, slots=True)
class Estimated:
    """Hidden counts of one run, their estimates, and how many bounds held."""

    true_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    held: int
    sum_holds: bool


def hidden(run: Run, rng: random.Random) -> tuple[Run, dict[int, int]]:
    """Return a run in which a third of the final outputs have placeholders, and their counts by turn."""
    counts = {
        index: turn.usage.all_output_tokens
        for index, turn in enumerate(run.turns)
        if turn.usage is not None
        and not turn.output_incomplete
        and not turn.usage.reasoning_tokens
        and turn.usage.all_output_tokens > PLACEHOLDER_TOKENS
        and rng.random() < 1 / 3
    }
    turns = tuple(
        replace(
            turn,
            usage=replace(turn.usage, output_tokens=PLACEHOLDER_TOKENS),
            output_incomplete=True,
        )
        if index in counts and turn.usage is not None
        else turn
        for index, turn in enumerate(run.turns)
    )
    return replace(run, turns=turns), counts


def estimated(run: Run, seed: int) -> Estimated:
    """Hide outputs of a run and estimate them."""
    part, counts = hidden(run, random.Random(seed))
    sizes = {i: size for i, size in attribute(part).output_estimates.items() if i in counts}
    truth = [counts[index] for index in sizes]
    found = [size.tokens for size in sizes.values()]
    held = sum(size.low <= count <= size.high for size, count in zip(sizes.values(), truth, strict=True))
    total = uncounted_tokens([PLACEHOLDER_TOKENS] * len(found), found)
    missing = sum(truth) - PLACEHOLDER_TOKENS * len(truth)
    return Estimated(tuple(truth), tuple(found), held, total.low <= missing <= total.high)


def line(name: str, runs: Sequence[Estimated]) -> str:
    """Return a row of the table."""
    pairs = [pair for run in runs for pair in zip(run.true_tokens, run.tokens, strict=True)]
    if not pairs:
        return f"{name:56} nothing to estimate"
    errors = [abs(found - true) / true for true, found in pairs]
    weighted = sum(abs(found - true) for true, found in pairs) / sum(true for true, _ in pairs)
    return (
        f"{name:56} n {len(pairs):4}  median {statistics.median(errors):6.1%}  weighted {weighted:6.1%}  "
        f"bounds {sum(run.held for run in runs) / len(pairs):6.1%}  sums {sum(run.sum_holds for run in runs)}"
        f" of {len(runs)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sessions", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    for path in options.sessions:
        print(
            line(
                f"in-sample: {path.stem[:8]}", [estimated(read(path), seed) for seed in range(options.seeds)]
            )
        )
    everything: list[Estimated] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in TOKENIZERS.items():
            runs = []
            for layout in LAYOUTS:
                for seed in range(options.seeds):
                    run, _ = recorded_loop(layout, make(), seed, Path(folder))
                    runs.append(estimated(run, seed))
            print(line(name, runs), flush=True)
            everything += runs
    print(line("all loops", everything))


if __name__ == "__main__":
    main()
