"""Error of the token estimator on real Claude Code sessions, one step left out at a time.

    python benchmarks/attribution.py PATH... [--json]

A step is two consecutive main-loop calls of one context with growth > 0 and at least one tool result,
without a compaction between. The truth is the billed growth; the error of a step is |predicted −
billed| / billed. Beside it, on the same steps: a bare cl100k count of the same blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from pathlib import Path

from tokenprof.attribute.validate import ContextStep, leave_one_out
from tokenprof.reading.files import read


def summary(errors: list[float]) -> dict[str, float | int | None]:
    if not errors:
        return {"n": 0, "median": None, "mean": None, "p90": None}
    ordered = sorted(errors)
    return {
        "n": len(errors),
        "median": statistics.median(ordered),
        "mean": statistics.fmean(ordered),
        "p90": ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))],
    }


def bare_count(step: ContextStep) -> int:
    return sum(block.features.tokens.get("cl100k_base", 0) for block in step.blocks)


def session(path: Path) -> dict[str, object]:
    run = read([path])
    # Subagents and compactions have the main loop's context as their parent.
    main_loop = Counter(turn.context for turn in run.turns if turn.parent is None)
    predicted = leave_one_out(run, main_loop.most_common(1)[0][0]) if main_loop else []
    ours = [abs(tokens - step.grown_tokens) / step.grown_tokens for step, tokens in predicted]
    bare = [abs(bare_count(step) - step.grown_tokens) / step.grown_tokens for step, _ in predicted]
    return {"session": path.name, **summary(ours), "bare_cl100k": summary(bare)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sessions = [session(path) for path in options.paths]
    if options.json:
        print(json.dumps(sessions, indent=2))
        return
    for row in sessions:
        bare = row["bare_cl100k"]
        if not row["n"]:
            print(f"{row['session']:44} no step with a tool result")
            continue
        print(
            f"{row['session']:44} n {row['n']:4}  median {row['median']:.1%}  mean {row['mean']:.1%}  "
            f"p90 {row['p90']:.1%}   (bare cl100k: median {bare['median']:.1%})"  # type: ignore[index]
        )


if __name__ == "__main__":
    main()
