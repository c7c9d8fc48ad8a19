"""How well the estimator predicts what a step adds to a context, fitted without that step.

The bill gives the truth for each step: between two consecutive calls of one context, the prompt grows by
exactly the tokens that were appended. Predicting each step from all others shows the error to expect when
a group of that kind is split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tokenprof.attribute.estimate import Observation, block_variance, features_of, fit, unfitted
from tokenprof.attribute.paths import OUTPUT_HINT_RELATIVE_SD, OUTPUT_HINT_SD_TOKENS
from tokenprof.facts.types import Block, Run, Turn


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
        estimator = fit(turn.model, turn.provider, others)
        written, rest = _parts(step)
        told = float(step.output_tokens) if step.output_tokens is not None else 0.0
        blocks = rest if step.output_tokens is not None else (*written, *rest)
        predicted.append((step, told + sum(estimator.expected(features_of(b)) for b in blocks)))
    return predicted


def _parts(step: ContextStep) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    written = tuple(block for block in step.blocks if block.role == "assistant")
    return written, tuple(block for block in step.blocks if block.role != "assistant")


def _observations(step: ContextStep, turn: Turn) -> list[Observation]:
    written, rest = _parts(step)
    start = unfitted(turn.provider, turn.model)

    def observe(blocks: Sequence[Block], tokens: float, variance: float) -> Observation:
        rows = [features_of(block) for block in blocks]
        own = sum(
            block_variance(start.prior, start.expected(row), block)
            for row, block in zip(rows, blocks, strict=True)
        )
        return Observation(np.sum(rows, axis=0), tokens, own + variance)

    if step.output_tokens is None or not written:
        return [observe(step.blocks, step.grown_tokens, 0.0)]
    variance = (OUTPUT_HINT_SD_TOKENS + OUTPUT_HINT_RELATIVE_SD * step.output_tokens) ** 2
    found = [observe(written, step.output_tokens, variance)]
    if rest:
        found.append(observe(rest, step.grown_tokens - step.output_tokens, variance))
    return found
