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

from left_out_steps import ContextStep, leave_one_out

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


def tail(misplaced: list[tuple[int, int]]) -> dict[str, float | int]:
    """Where the error is: `misplaced` holds (predicted - billed, billed) of each step [tokens]."""
    if not misplaced:
        return {}
    worst = sorted(misplaced, key=lambda step: abs(step[0]) / step[1], reverse=True)[
        : len(misplaced) // 10 + 1
    ]
    off = sum(abs(error) for error, _ in misplaced)
    return {
        "steps": len(worst),
        "share_of_misplaced": sum(abs(error) for error, _ in worst) / off if off else 0.0,
        "too_low": sum(error < 0 for error, _ in worst),
        "token_weighted_error": off / sum(billed for _, billed in misplaced),
    }


def session(path: Path) -> dict[str, object]:
    run = read([path])
    # Subagents and compactions have the main loop's context as their parent.
    main_loop = Counter(turn.context for turn in run.turns if turn.parent is None)
    predicted = leave_one_out(run, main_loop.most_common(1)[0][0]) if main_loop else []
    ours = [abs(tokens - step.grown_tokens) / step.grown_tokens for step, tokens in predicted]
    bare = [abs(bare_count(step) - step.grown_tokens) / step.grown_tokens for step, _ in predicted]
    misplaced = [(round(tokens - step.grown_tokens), step.grown_tokens) for step, tokens in predicted]
    return {"session": path.name, **summary(ours), "bare_cl100k": summary(bare), "tail": tail(misplaced)}


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
