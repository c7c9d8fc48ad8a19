"""Error of the token estimator on real Claude Code sessions, one step left out at a time.

    python benchmarks/attribution.py PATH... [--json]

A step is two consecutive main-loop calls of one context with growth > 0 and at least one tool result,
without a compaction between. The truth is the billed growth, which the bill gives exactly; the estimator is
fitted on all other steps, and the error of a step is |predicted − billed| / billed. Beside it, on the same
steps: a bare cl100k count of the same blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tokenprof.attribute.estimator.estimate import BlockFeatures, Observations, Vector, fit, unfitted
from tokenprof.attribute.paths import OUTPUT_HINT_RELATIVE_SD, OUTPUT_HINT_SD_TOKENS
from tokenprof.facts.types import Block, Run, Turn
from tokenprof.reading.files import read


@dataclass(frozen=True, slots=True)
class ContextStep:
    """What a call's prompt adds to that of the call before: the blocks, and the billed growth."""

    turn: int
    blocks: tuple[Block, ...]
    grown_tokens: int
    output_tokens: int | None
    """Billed output of the call before, which the first blocks repeat; None if it was not counted."""


def steps_of(run: Run, context: str) -> list[ContextStep]:
    """Return the steps of a context between measured calls that add at least one tool result."""
    prompts = run.prompts()
    steps = []
    before: tuple[Turn, Sequence[Block]] | None = None
    for index, turn in enumerate(run.turns):
        if turn.context != context or turn.usage is None:
            continue
        if before is not None and not turn.compacted:
            earlier, prompt = before
            step = _step(index, turn, prompts[index], earlier, prompt)
            if step is not None:
                steps.append(step)
        before = (turn, prompts[index])
    return steps


def _step(
    index: int, turn: Turn, prompt: Sequence[Block], earlier: Turn, before: Sequence[Block]
) -> ContextStep | None:
    if turn.usage is None or earlier.usage is None or earlier.model != turn.model:
        return None
    grown = turn.usage.input_tokens - earlier.usage.input_tokens
    added = tuple(prompt[len(before) :])
    answered = any(block.kind in ("tool_result", "skill") and block.link for block in added)
    if grown <= 0 or not answered or len(prompt) <= len(before):
        return None
    output = None if earlier.output_incomplete else earlier.usage.all_output_tokens
    return ContextStep(index, added, grown, output)


def leave_one_out(run: Run, context: str) -> list[tuple[ContextStep, float]]:
    """Return each step of a context with its growth as predicted by an estimator fitted on all others."""
    steps = steps_of(run, context)
    if not steps:
        return []
    turn = run.turns[steps[0].turn]
    observations = [_observations(step, turn) for step in steps]
    predicted = []
    for left_out, step in enumerate(steps):
        others = [o for i, found in enumerate(observations) if i != left_out for o in found]
        estimator = fit(turn.model, turn.provider, _as_columns(others))
        written, rest = _parts(step)
        told = float(step.output_tokens) if step.output_tokens is not None else 0.0
        blocks = rest if step.output_tokens is not None else (*written, *rest)
        predicted.append((step, told + float(estimator.expected(BlockFeatures.of(blocks)).sum())))
    return predicted


def _as_columns(observed: Sequence[_Observation]) -> Observations | None:
    if not observed:
        return None
    features, tokens, variance = (np.array(column) for column in zip(*observed, strict=True))
    return Observations(features, tokens, variance)


def _parts(step: ContextStep) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    written = tuple(block for block in step.blocks if block.role == "assistant")
    return written, tuple(block for block in step.blocks if block.role != "assistant")


class _Observation(NamedTuple):
    features: Vector
    tokens: float
    variance: float


def _observations(step: ContextStep, turn: Turn) -> list[_Observation]:
    written, rest = _parts(step)
    start = unfitted(turn.provider, turn.model)

    def observe(blocks: Sequence[Block], tokens: float, variance: float) -> _Observation:
        features = BlockFeatures.of(blocks)
        own = float(start.variance(features, start.expected(features)).sum())
        return _Observation(features.rows.sum(axis=0), tokens, own + variance)

    if step.output_tokens is None or not written:
        return [observe(step.blocks, step.grown_tokens, 0.0)]
    variance = (OUTPUT_HINT_SD_TOKENS + OUTPUT_HINT_RELATIVE_SD * step.output_tokens) ** 2
    found = [observe(written, step.output_tokens, variance)]
    if rest:
        found.append(observe(rest, step.grown_tokens - step.output_tokens, variance))
    return found


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
