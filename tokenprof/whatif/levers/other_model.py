"""`model=NAME` or `model=PROVIDER/NAME`: the same calls on another model or host."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from tokenprof.attribute.estimator.priors import TokenizerPrior, prior_for
from tokenprof.data_classes.frozen import replaced
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Turn
from tokenprof.whatif.geometry.block_rows import ChangedRow, SizedBlock, SizedRow, changed_row
from tokenprof.whatif.geometry.planned_calls import Geometry, PlannedCall
from tokenprof.whatif.levers.lever import End, Lever

NAME = "model"
HELP = "NAME or PROVIDER/NAME: the same calls on another model"

NORMAL_P90: Final = 1.2816
"""How many standard deviations above the mean the 90th percentile of a normal distribution lies."""


def lever(value: str) -> Lever:
    """Return the lever. Raises `InputError` for an empty name."""
    provider, slash, name = value.partition("/")
    if not value or not (name if slash else provider):
        raise InputError(f"{NAME}={value}: name a model, such as model=claude-sonnet-4-6.")
    host, model = (provider, name) if slash else ("", provider)

    moved: dict[int, tuple[Turn, Turn]] = {}

    def moved_turn(turn: Turn) -> Turn:
        found = moved.get(id(turn))
        if found is None or found[0] is not turn:
            provider = host or provider_of(model, turn.provider)
            found = moved[id(turn)] = turn, replaced(turn, provider=provider, model=model)
        return found[1]

    def change(geometry: Geometry, end: End) -> Geometry:
        scaled: dict[tuple[SizedRow, float], ChangedRow] = {}
        return geometry.each(lambda call: _served_by(call, moved_turn(call.turn), end, scaled))

    return Lever(
        NAME,
        value,
        change,
        (
            "The model takes the same turns and writes the same text.",
            "Its cache reads and writes what the recorded one does.",
            "Tokens of another tokenizer are an interval (P10–P90 of what is known about both).",
        ),
        is_exact=False,
        changes_model=True,
    )


def provider_of(model: str, recorded: str) -> str:
    """Return who sells a model by its name; the recorded provider if the name does not say."""
    for prefix, provider in (
        ("claude", "anthropic"),
        ("gpt-", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("gemini", "google"),
        ("deepseek", "deepseek"),
    ):
        if model.startswith(prefix):
            return provider
    return recorded


def _served_by(
    call: PlannedCall, moved: Turn, end: End, rows: dict[tuple[SizedRow, float], ChangedRow]
) -> PlannedCall:
    turn = call.turn
    factor = tokenizer_factor(
        prior_for(turn.provider, turn.model), prior_for(moved.provider, moved.model), end
    )
    if factor == 1:
        return replaced(call, turn=moved)

    def scaled(block: SizedBlock) -> SizedBlock:
        return replaced(block, tokens=round(block.tokens * factor))

    row = rows.get((call.row, factor))
    if row is None:
        row = rows[call.row, factor] = changed_row(call.row, scaled)

    usage = replace(
        call.usage,
        output_tokens=round(call.usage.output_tokens * factor),
        reasoning_tokens=round(call.usage.reasoning_tokens * factor),
    )
    return replaced(call.on(row), turn=moved, usage=usage, tail=tuple(map(scaled, call.tail)))


def tokenizer_factor(recorded: TokenizerPrior, planned: TokenizerPrior, end: End) -> float:
    """Return how many tokens the planned model has for one of the recorded model."""
    if recorded.name == planned.name and planned.name != "unknown":
        return 1.0
    mean = planned.mean["tokens"] / recorded.mean["tokens"]
    relative = [prior.sd["tokens"] / prior.mean["tokens"] for prior in (recorded, planned)]
    spread = NORMAL_P90 * mean * math.hypot(*relative)
    return max(0.1, mean + {"low": -spread, "mid": 0.0, "high": spread}[end])
