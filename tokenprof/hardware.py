"""What each turn, class and block of a ledger cost to compute, with the joint uncertainty kept.

Costs are linear in a small feature vector of the work (`hw_model.cost`), so the work of any set of
entries is summed first and priced once per sampled deployment: a total's interval is that of the sum,
not a sum of intervals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.cost import BASES, Interval, Scenario, TurnWork, UnknownModelError, scenario_for
from tokenprof.ledger import Ledger
from tokenprof.types import Run

Vector = npt.NDArray[np.float64]
Model = tuple[str, str]

FULL_COST = BASES[0]


@dataclass(slots=True)
class Work:
    """Work summed per model; `missing` where part of it could not be modelled."""

    by_model: dict[Model, Vector] = field(default_factory=dict)
    missing: bool = False

    def add(self, model: Model, features: Vector) -> None:
        """Add the features of some work on a model."""
        known = self.by_model.get(model)
        self.by_model[model] = features if known is None else known + features


@dataclass(frozen=True, slots=True)
class Hardware:
    """The modelled work of a ledger, by turn, class, block and entry, and the deployments it ran on."""

    scenarios: Mapping[Model, Scenario]
    turns: tuple[Work, ...]
    classes: Mapping[str, Work]
    blocks: Mapping[str, Work]
    entries: Mapping[tuple[int, int], Work]
    total: Work

    def usd(self, work: Work, basis: str = FULL_COST) -> Interval | None:
        """Return the cost of some work [USD]; None where a model is unknown or there was no measured work."""
        if work.missing or not work.by_model:
            return None
        if len(work.by_model) == 1:
            ((model, features),) = work.by_model.items()
            return self.scenarios[model].usd(features, basis)
        draws = [np.atleast_1d(self.scenarios[m].draws_usd(f, basis)) for m, f in work.by_model.items()]
        size = max(len(d) for d in draws)
        total = np.sum([np.resize(d, size) if len(d) in (1, size) else d[:size] for d in draws], axis=0)
        low, mid, high = np.percentile(total, [10, 50, 90])
        return Interval(float(low), float(mid), float(high))

    def many(
        self, works: Iterable[tuple[Hashable, Work]], basis: str = FULL_COST
    ) -> dict[Any, Interval | None]:
        """Return the costs of many pieces of work, each on one model, in one pass per model."""
        found: dict[Any, Interval | None] = {}
        waiting: dict[Model, list[tuple[Hashable, Vector]]] = defaultdict(list)
        for key, work in works:
            if work.missing or len(work.by_model) != 1:
                found[key] = self.usd(work, basis)
            else:
                ((model, features),) = work.by_model.items()
                waiting[model].append((key, features))
        for model, items in waiting.items():
            intervals = self.scenarios[model].usd_many(np.array([f for _, f in items]), basis)
            found.update(zip((key for key, _ in items), intervals, strict=True))
        return found


def cost_to_compute(ledger: Ledger, *, deployment: str | None = None, draws: int = 2000) -> Hardware:
    """Model the work of a ledger. Turns without usage, and models nobody has described, are left unknown."""
    works = turn_works(ledger.run)
    scenarios = _scenarios(ledger.run, works, deployment, draws)
    turns, entries = [], {}
    classes: dict[str, Work] = defaultdict(Work)
    blocks: dict[str, Work] = defaultdict(Work)
    total = Work()
    for index, turn in enumerate(ledger.run.turns):
        model = (turn.provider, turn.model)
        scenario, work = scenarios.get(model), works[index]
        of_turn = Work(missing=scenario is None and work is not None)
        turns.append(of_turn)
        if work is None:
            continue
        if scenario is None:
            total.missing = True
            for entry in ledger.entries[index]:
                classes[entry.cls].missing = blocks[entry.block].missing = True
            continue
        hold = scenario.features(work, part="hold")
        of_turn.add(model, hold)
        total.add(model, hold)
        for position, (entry, features) in enumerate(_entry_features(ledger, index, scenario, work)):
            entries[index, position] = Work({model: features})
            for holder in (of_turn, total, classes[entry.cls], blocks[entry.block]):
                holder.add(model, features)
    return Hardware(scenarios, tuple(turns), classes, blocks, entries, total)


def _entry_features(
    ledger: Ledger, index: int, scenario: Scenario, work: TurnWork
) -> list[tuple[Any, Vector]]:
    """Share a turn's read, prefill and decode work out to its entries, by tokens and, in prefill, by place."""
    read = scenario.features(work, part="read")
    prefill = scenario.features(work, part="prefill")
    decode = scenario.features(work, part="decode")
    whole = scenario.prefill_weights(work.cached_tokens, work.cached_tokens + work.new_tokens)
    shared = []
    for entry in ledger.entries[index]:
        if entry.cls == "cache_read":
            features = read * (entry.tokens / work.cached_tokens)
        elif entry.cls in ("output", "reasoning"):
            features = decode * (entry.tokens / work.output_tokens)
        elif entry.cls == "fee":
            features = decode * 0.0
        else:
            weight = scenario.prefill_weights(entry.start, entry.start + entry.tokens)
            features = prefill * (weight / whole)
        shared.append((entry, features))
    return shared


def turn_works(run: Run) -> list[TurnWork | None]:
    """Return what each turn asked of the hardware; None for an unmeasured one.

    The gap is the idle time from the end of a turn to the start of the next one of its context.
    """
    gaps: dict[int, float] = {}
    newest: dict[str, int] = {}
    for index, turn in enumerate(run.turns):
        before = newest.get(turn.context)
        if before is not None:
            earlier = run.turns[before]
            idle = (turn.started_at - earlier.started_at).total_seconds() - (earlier.duration_s or 0.0)
            gaps[before] = max(idle, 0.0)
        newest[turn.context] = index
    return [
        None
        if turn.usage is None
        else TurnWork(
            cached_tokens=turn.usage.cache_read_tokens,
            new_tokens=turn.usage.input_tokens - turn.usage.cache_read_tokens,
            output_tokens=turn.usage.all_output_tokens,
            duration_s=turn.duration_s,
            gap_s=gaps.get(index),
        )
        for index, turn in enumerate(run.turns)
    ]


def _scenarios(
    run: Run, works: list[TurnWork | None], deployment: str | None, draws: int
) -> dict[Model, Scenario]:
    by_model: dict[Model, list[TurnWork]] = defaultdict(list)
    for turn, work in zip(run.turns, works, strict=True):
        if work is not None:
            by_model[turn.provider, turn.model].append(work)
    found = {}
    for (provider, model), done in by_model.items():
        try:
            found[provider, model] = scenario_for(
                provider, model, turns=done, deployment=deployment, draws=draws
            )
        except UnknownModelError:
            continue
    return found
