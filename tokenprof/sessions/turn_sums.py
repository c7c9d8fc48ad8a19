"""The turns of a session summed by slice and by model, with the work that they asked of the hardware.

Work is linear in features that do not depend on where it was done (`hw_model.scenario`), so it is summed here
and priced once, when all sessions are known. A class has the part of a prompt's prefill that its own tokens
cost: its tokens, and the pairs that they form with the new tokens before them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal

import numpy as np

from tokenprof.attribute.classes import PROMPT_ORDER
from tokenprof.costing.compute import turn_works
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.work import Model
from tokenprof.facts.adding import exact_sum_usd
from tokenprof.facts.types import Turn
from tokenprof.hw_model.equations.features import CHUNK_TOKENS, Feature
from tokenprof.hw_model.equations.turn_work import TurnWork
from tokenprof.pricing.usage import OUTPUT_CLASSES, TOKEN_CLASSES, Usage, sum_of_usages
from tokenprof.sessions.clock_sample import Floats
from tokenprof.sessions.session_sums import (
    KvSums,
    LongestCall,
    ModelSum,
    SliceKey,
    SliceSum,
    SoldModel,
    classes_summed,
)

PREFILLED = PROMPT_ORDER[1:]
"""The classes of tokens that are computed, in the order in which they stand in a prompt."""


def slice_sums(ledger: Ledger, project: str) -> dict[SliceKey, SliceSum]:
    """Return the turns of a ledger by tags, project, agent, model and day."""
    members: dict[SliceKey, list[int]] = defaultdict(list)
    for index, turn in enumerate(ledger.run.turns):
        tags = " ".join(f"{key}={value}" for key, value in sorted(turn.tags.items()))
        day = turn.started_at.astimezone(UTC).date().isoformat()
        key = SliceKey(tags, turn.tags.get("project") or project, turn.agent or "", turn.model, day)
        members[key].append(index)
    return {key: _slice_sum(ledger, indices) for key, indices in members.items()}


def _slice_sum(ledger: Ledger, indices: Sequence[int]) -> SliceSum:
    usages = [usage for index in indices if (usage := ledger.run.turns[index].usage) is not None]
    bills = [billed_usd for index in indices if (billed_usd := ledger.billed_usd[index]) is not None]
    return SliceSum(
        turns=len(indices),
        billed_turns=len(bills),
        measured_turns=len(usages),
        prompt_tokens=sum(usage.input_tokens for usage in usages),
        read_tokens=sum(usage.cache_read_tokens for usage in usages),
        output_tokens=sum(usage.all_output_tokens for usage in usages),
        known_usd=exact_sum_usd(bills) or Decimal(0),
    )


def model_sums(
    ledger: Ledger, tool_latency_s: float | None
) -> tuple[dict[SoldModel, ModelSum], dict[Model, KvSums]]:
    """Return the turns of each model, and how long their KV was held."""
    works = turn_works(ledger.run, tool_latency_s)
    members: dict[SoldModel, list[int]] = defaultdict(list)
    for index, turn in enumerate(ledger.run.turns):
        is_priced = ledger.billed_usd[index] is not None
        members[SoldModel(turn.provider, turn.model, turn.seller, is_priced)].append(index)
    found = {model: _model_sum(ledger, works, indices) for model, indices in members.items()}
    return found, _kv_sums(ledger.run.turns, works)


def _model_sum(ledger: Ledger, works: Sequence[TurnWork | None], indices: Sequence[int]) -> ModelSum:
    turns = [ledger.run.turns[index] for index in indices]
    measured = [(turn, work) for turn, work in zip(turns, (works[i] for i in indices), strict=True) if work]
    work, class_work = features_of([turn.usage for turn, _ in measured if turn.usage is not None])
    gaps = np.array([[each.gap_s or 0.0, _held_tokens(each)] for _, each in measured]).reshape(-1, 2)
    work[Feature.HOLD_SECONDS] = gaps[:, 0].sum()
    work[Feature.HOLD_TOKEN_SECONDS] = (gaps[:, 0] * gaps[:, 1]).sum()
    return ModelSum(
        turns=len(turns),
        usage=sum_of_usages(turn.usage for turn in turns if turn.usage is not None),
        billed_usd=exact_sum_usd(ledger.billed_usd[index] for index in indices) or Decimal(0),
        classes=classes_summed(each for index in indices for each in ledger.classes_of(index)),
        work=work,
        class_work=class_work,
        clock=_clock(measured),
        is_lower_bound=any(
            turn.status == "partial" or (turn.output_incomplete and turn.output_rest_in is None)
            for turn in turns
        ),
    )


def features_of(usages: Sequence[Usage]) -> tuple[Floats, dict[str, Floats]]:
    """Return the features of calls in all, and by class; see `ServingScenario.features`."""
    count = len(usages)
    counts = np.array([usage.token_counts() for usage in usages], float).reshape(count, len(TOKEN_CLASSES))
    tokens = {cls.value: counts[:, at].copy() for at, cls in enumerate(TOKEN_CLASSES)}
    cached = tokens[PROMPT_ORDER[0]]
    output = sum(tokens[cls] for cls in OUTPUT_CLASSES)
    by_class: dict[str, Floats] = {}
    start = np.zeros(count)
    for cls in PREFILLED:
        end = start + tokens[cls]
        if tokens[cls].any():
            by_class[cls] = _row(
                {
                    Feature.PREFILL_TOKENS: tokens[cls].sum(),
                    Feature.PREFILL_PAIRS: ((end * end - start * start) / 2.0).sum(),
                }
            )
        start = end
    new = start
    if cached.any():
        chunks = np.maximum(1.0, np.ceil(new / CHUNK_TOKENS))
        by_class["cache_read"] = _row(
            {Feature.READ_PAIRS: (new * cached).sum(), Feature.READ_TOKENS: (cached * chunks).sum()}
        )
    context = output * (cached + new) + output * output / 2.0
    for written in OUTPUT_CLASSES:
        if tokens[written].any():
            share = np.divide(tokens[written], output, out=np.zeros(count), where=output > 0)
            by_class[written.value] = _row(
                {
                    Feature.DECODE_TOKENS: tokens[written].sum(),
                    Feature.DECODE_CONTEXT: (context * share).sum(),
                }
            )
    return np.sum([np.zeros(len(Feature)), *by_class.values()], axis=0), by_class


def _row(values: dict[Feature, float]) -> Floats:
    row = np.zeros(len(Feature))
    for feature, value in values.items():
        row[feature] = value
    return row


def _clock(measured: Sequence[tuple[Turn, TurnWork]]) -> Floats:
    """Return a row for each turn: when it began, what it asked for, and how long it took; NaN is unknown."""
    return np.array(
        [
            (
                turn.started_at.timestamp(),
                work.cached_tokens,
                work.new_tokens,
                work.output_tokens,
                _or_nan(work.duration_s),
                _or_nan(work.gap_s),
                _or_nan(work.ttft_s),
            )
            for turn, work in measured
        ],
        np.float64,
    ).reshape(-1, 7)


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def works_of(clock: Floats) -> list[TurnWork]:
    """Return the work of turns again from their rows, in time order."""
    ordered = clock[np.argsort(clock[:, 0], kind="stable"), 1:]
    return [
        TurnWork(int(cached), int(new), int(output), *(None if each != each else each for each in times))
        for cached, new, output, *times in ordered.tolist()
    ]


def _held_tokens(work: TurnWork) -> int:
    return work.cached_tokens + work.new_tokens + work.output_tokens


def _kv_sums(turns: Sequence[Turn], works: Sequence[TurnWork | None]) -> dict[Model, KvSums]:
    members: dict[Model, list[TurnWork]] = defaultdict(list)
    for turn, work in zip(turns, works, strict=True):
        if work is not None:
            members[turn.provider, turn.model].append(work)
    return {model: _kv_sum(own) for model, own in members.items()}


def _kv_sum(works: Sequence[TurnWork]) -> KvSums:
    return KvSums(
        active_token_seconds=sum(_held_tokens(work) * (work.duration_s or 0.0) for work in works),
        idle_token_seconds=sum(_held_tokens(work) * (work.gap_s or 0.0) for work in works),
        longest=max(LongestCall(work.cached_tokens + work.new_tokens, work.output_tokens) for work in works),
    )
