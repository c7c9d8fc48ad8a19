"""What each turn, class and block of a ledger cost to compute, with the joint uncertainty kept.

Costs are linear in a small feature vector of the work (`hw_model.cost`), so the work of any set of
entries is summed first and priced once per sampled deployment: the interval of a total is that of the sum,
not a sum of intervals. An entry is a fraction of one part of one call, so its interval is the same
fraction of the interval of that part. Blocks and classes are summed without their entries (`block_work`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import date
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from tokenprof.costing.block_work import DECODE, READ, model_work
from tokenprof.costing.ledger import Ledger, LedgerEntry
from tokenprof.costing.served_hours import Serving
from tokenprof.costing.work import Model, Work, WorkByBlock, sum_work
from tokenprof.data_classes.frozen import frozen
from tokenprof.facts.remembered import remembered
from tokenprof.facts.times import gaps_after
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.cost import (
    BASES,
    Estimate,
    ServingScenario,
    TurnWork,
    UnknownModelError,
    scenario_for,
)
from tokenprof.hw_model.equations.features import features_of_parts
from tokenprof.hw_model.equations.quantiles import percentiles

ClassSoldAtCost = Literal["cache_read", "output"]

FULL_COST = BASES[0]


@frozen
class Hardware:
    """The modelled work of a ledger, by turn, class and block, and the deployments it ran on.

    `works` is what each turn asked of the hardware, `part_usd` what each of its `PARTS` costs. Neither has
    turns that are unmeasured or whose model is not described. `serving` is what was said about the service.
    """

    scenarios: Mapping[Model, ServingScenario]
    turns: tuple[Work, ...]
    classes: Mapping[str, Work]
    blocks: Mapping[str, Work]
    total: Work
    works: Sequence[TurnWork | None]
    part_usd: Mapping[int, Sequence[Estimate]]
    serving: Serving = field(default_factory=Serving)

    def of_entries(self, ledger: Ledger, turn: int) -> Iterator[tuple[LedgerEntry, Estimate | None]]:
        """Yield the entries of a turn, each with what it costs to compute [USD]; None if unknown."""
        model = ledger.run.turns[turn].provider, ledger.run.turns[turn].model
        work, scenario, parts = self.works[turn], self.scenarios.get(model), self.part_usd.get(turn)
        for entry in ledger.entries[turn]:
            if work is None or scenario is None or parts is None:
                yield entry, None
                continue
            part, fraction = _fraction(scenario, work, entry)
            of_part = parts[part]
            yield entry, Estimate(of_part.low * fraction, of_part.mid * fraction, of_part.high * fraction)

    def usd(self, work: Work, basis: str = FULL_COST) -> Estimate | None:
        """Return the cost of some work [USD]; None if a model is unknown or nothing was measured."""
        return self.many([work], basis)[0]

    def many(self, works: Sequence[Work], basis: str = FULL_COST) -> list[Estimate | None]:
        """Return the costs of many pieces of work, priced in one pass per model."""
        found: list[Estimate | None] = [None] * len(works)
        waiting: dict[Model, list[int]] = defaultdict(list)
        for index, work in enumerate(works):
            if work.missing or not work.by_model:
                continue
            if len(work.by_model) == 1:
                waiting[next(iter(work.by_model))].append(index)
            else:
                found[index] = self._joint(work, basis)
        for model, indices in waiting.items():
            features = np.array([works[i].by_model[model] for i in indices])
            for index, interval in zip(indices, self.scenarios[model].usd_many(features, basis), strict=True):
                found[index] = interval
        return found

    def _joint(self, work: Work, basis: str) -> Estimate:
        """Return the cost of work on several models, added draw by draw (the same seed, the same world)."""
        draws = [self.scenarios[model].draws_usd(f, basis) for model, f in work.by_model.items()]
        return Estimate(*percentiles(np.sum(np.broadcast_arrays(*draws), axis=0), [10, 50, 90]).tolist())


def cost_to_compute(
    ledger: Ledger,
    serving: Serving | None = None,
    draws: int = 2000,
    scenarios: Mapping[Model, ServingScenario] | None = None,
) -> Hardware:
    """Model the work of a ledger. Turns without usage, and models nobody has described, are left unknown.

    `serving` is what is said about the deployment and its hours; the rest is assumed or drawn. `scenarios`
    are deployments that are known already, for all models that are described. Raises
    `hw_model.cost.DeploymentError` for a deployment that is not possible, and
    `pricing.chain.figures.ChainDataError` for a supplier or a contract without a row.
    """
    said = serving or Serving()
    works = turn_works(ledger.run, said.settings.tool_latency_s)
    if scenarios is None:
        scenarios = _scenarios(ledger.run, works, said, draws)
    parts = _parts(ledger.run, works, scenarios)
    turns: list[Work] = []
    for index, turn in enumerate(ledger.run.turns):
        model = turn.provider, turn.model
        turns.append(Work(missing=works[index] is not None and model not in scenarios))
        if index in parts:
            turns[index].add(model, parts[index].sum(axis=0))
    classes, blocks = _classes_and_blocks(ledger, works, scenarios, parts)
    part_usd = PartCosts(ledger.run, parts, scenarios)
    return Hardware(scenarios, tuple(turns), classes, blocks, sum_work(turns), works, part_usd, said)


def _classes_and_blocks(
    ledger: Ledger,
    works: Sequence[TurnWork | None],
    scenarios: Mapping[Model, ServingScenario],
    parts: Mapping[int, npt.NDArray[np.float64]],
) -> tuple[Mapping[str, Work], Mapping[str, Work]]:
    """Return the work of each class and of each block over the run."""
    by_model: dict[Model, dict[int, npt.NDArray[np.float64]]] = defaultdict(dict)
    for index, of_turn in parts.items():
        by_model[ledger.run.turns[index].provider, ledger.run.turns[index].model][index] = of_turn
    shares, numbers = ledger.spans.shares, ledger.spans.numbers
    done = {
        model: model_work(shares, numbers, scenarios[model], works, of_model)
        for model, of_model in by_model.items()
    }
    classes: dict[str, Work] = defaultdict(Work)
    for model, work in done.items():
        for cls, features in work.classes.items():
            classes[cls].add(model, features)
    unknown = np.array([work is not None and at not in parts for at, work in enumerate(works)], bool)
    for index in np.flatnonzero(unknown).tolist():
        for each in ledger.classes_of(index):
            classes[each.cls].missing = True
    missing = np.flatnonzero(shares.are_in(unknown)).tolist()
    return dict(classes), WorkByBlock(done, frozenset(shares.block_ids[number] for number in missing))


class PartCosts(Mapping[int, Sequence[Estimate]]):
    """What each of the `PARTS` of a turn costs [USD], worked out when it is asked for."""

    def __init__(
        self,
        run: Run,
        parts: Mapping[int, npt.NDArray[np.float64]],
        scenarios: Mapping[Model, ServingScenario],
    ) -> None:
        self._run, self._parts, self._scenarios = run, parts, scenarios

    def __getitem__(self, turn: int) -> Sequence[Estimate]:
        facts = self._run.turns[turn]
        return self._scenarios[facts.provider, facts.model].usd_many(self._parts[turn])

    def __iter__(self) -> Iterator[int]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def cost_of_turns(
    run: Run,
    known: Hardware,
    serving: Serving | None = None,
    draws: int = 2000,
    cls: ClassSoldAtCost | None = None,
) -> Estimate | None:
    """Return what other turns than those of a ledger cost to compute [USD]; None if a model is not described.

    Models that `known` has a deployment for are costed on that one, so that the same run costs the same;
    `serving`, if it is given, replaces every deployment. With `cls` it is what tokens of that class cost.
    """
    said = serving or known.serving
    works = turn_works(run, said.settings.tool_latency_s)
    if serving is None:
        scenarios = deployed_for(run, known, draws).scenarios
    else:
        scenarios = _scenarios(run, works, said, draws)
    unknown = (
        work is not None and (turn.provider, turn.model) not in scenarios
        for turn, work in zip(run.turns, works, strict=True)
    )
    total = Work(missing=any(unknown))
    for model, (indices, features) in _parts_by_model(run, works, scenarios).items():
        if cls is None:
            done = features.sum(axis=1)
        else:
            done = np.array(
                [
                    _of_class(cls, *each)
                    for each in zip(features, map(run.turns.__getitem__, indices), strict=True)
                ]
            )
        total.add(model, done.sum(axis=0))
    return Hardware(scenarios, (), {}, {}, total, works, {}, said).usd(total)


def _of_class(cls: ClassSoldAtCost, features: npt.NDArray[np.float64], turn: Turn) -> npt.NDArray[np.float64]:
    """Return the features of a turn's cached tokens, or of its output that is not reasoning."""
    if cls == "cache_read":
        return np.asarray(features[READ])
    written = turn.usage.all_output_tokens if turn.usage else 0
    share = turn.usage.output_tokens / written if turn.usage and written else 0.0
    return np.asarray(features[DECODE] * share)


def deployed_for(run: Run, known: Hardware, draws: int = 2000) -> Hardware:
    """Return `known` with a deployment for each other model of some turns that is described."""
    works = turn_works(run, known.serving.settings.tool_latency_s)
    missing = {
        (turn.provider, turn.model)
        for turn, work in zip(run.turns, works, strict=True)
        if work is not None and (turn.provider, turn.model) not in known.scenarios
    }
    if not missing:
        return known
    made = _scenarios(run, works, known.serving, draws)
    new = {model: made[model] for model in missing if model in made}
    return replace(known, scenarios={**known.scenarios, **new})


def _parts(
    run: Run, works: Sequence[TurnWork | None], scenarios: Mapping[Model, ServingScenario]
) -> dict[int, npt.NDArray[np.float64]]:
    """Return the features of each turn's parts, one row per part."""
    found: dict[int, npt.NDArray[np.float64]] = {}
    for indices, features in _parts_by_model(run, works, scenarios).values():
        found |= zip(indices, features, strict=True)
    return dict(sorted(found.items()))


def _parts_by_model(
    run: Run, works: Sequence[TurnWork | None], scenarios: Mapping[Model, ServingScenario]
) -> dict[Model, tuple[list[int], npt.NDArray[np.float64]]]:
    """Return for each model that is described its turns, and the features of their parts."""
    asked: dict[Model, tuple[list[int], list[TurnWork]]] = {model: ([], []) for model in scenarios}
    for index, (turn, work) in enumerate(zip(run.turns, works, strict=True)):
        if work is not None and (turn.provider, turn.model) in asked:
            indices, of_model = asked[turn.provider, turn.model]
            indices.append(index)
            of_model.append(work)
    return {
        model: (indices, features_of_parts(of_model))
        for model, (indices, of_model) in asked.items()
        if indices
    }


def _fraction(scenario: ServingScenario, work: TurnWork, entry: LedgerEntry) -> tuple[int, float]:
    """Return which part of a call an entry belongs to (an index of `PARTS`), and what fraction of it.

    The fraction is by tokens; in prefill it also depends on the place, since attention to what comes before
    grows along the prompt.
    """
    if entry.cls == "cache_read":
        return 0, entry.tokens / work.cached_tokens
    if entry.cls in ("output", "reasoning"):
        return 2, entry.tokens / work.output_tokens
    if entry.cls == "fee":
        return 2, 0.0
    cached = work.cached_tokens
    whole = scenario.prefill_weights(cached, cached + work.new_tokens, cached_tokens=cached)
    start = max(entry.start, cached)
    return 1, scenario.prefill_weights(start, start + entry.tokens, cached_tokens=cached) / whole


def turn_works(run: Run, tool_latency_s: float | None = None) -> list[TurnWork | None]:
    """Return what each turn asked of the hardware; None for an unmeasured one.

    The gap is the idle time from the end of a turn to the start of the next one of its context, or
    `tool_latency_s` in place of each of them.
    """
    gaps = gaps_after(run.turns)
    if tool_latency_s is not None:
        gaps = [None if gap is None else tool_latency_s for gap in gaps]
    return [
        None
        if turn.usage is None
        else TurnWork(
            cached_tokens=turn.usage.cache_read_tokens,
            new_tokens=turn.usage.input_tokens - turn.usage.cache_read_tokens,
            output_tokens=turn.usage.all_output_tokens,
            duration_s=turn.duration_s,
            ttft_s=turn.ttft_s,
            gap_s=gap_s,
        )
        for turn, gap_s in zip(run.turns, gaps, strict=True)
    ]


def _scenarios(
    run: Run, works: Sequence[TurnWork | None], serving: Serving, draws: int
) -> dict[Model, ServingScenario]:
    by_model: dict[Model, list[TurnWork]] = defaultdict(list)
    sellers: dict[Model, str | None] = {}
    for turn, work in zip(run.turns, works, strict=True):
        if work is not None:
            by_model[turn.provider, turn.model].append(work)
            sellers.setdefault((turn.provider, turn.model), turn.seller)
    when = run.turns[0].started_at.date() if run.turns else None
    drawn = {
        model: described_scenario(model, done, sellers[model], when, serving, draws)
        for model, done in by_model.items()
    }
    return {model: scenario for model, scenario in drawn.items() if scenario is not None}


def described_scenario(
    model: Model,
    works: Sequence[TurnWork],
    seller: str | None,
    when: date | None,
    serving: Serving,
    draws: int = 2000,
) -> ServingScenario | None:
    """Return how a model is served for some calls; None for a model that nobody has described.

    `seller` sold the calls, `when` is the day of the first one. Raises what `cost_to_compute` raises.
    """
    provider, name = model
    try:
        return scenario_for(
            provider,
            name,
            turns=works,
            settings=serving.of_model(provider, name, seller, when),
            when=when,
            draws=draws,
            remember=partial(remembered, "deployments"),
        )
    except UnknownModelError:
        return None
