"""The sums of a folder as a ledger with one turn for each model: rows and the chain are made as for a run.

Money and work are linear, so a turn that stands for all turns of a model has their bill and their work. What
is not linear (a trend over turns, the time that KV was held) is left out of it or summed apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from tokenprof.analysis.rows.row_types import KvHeld
from tokenprof.attribute.model import Attribution
from tokenprof.costing.compute import Hardware
from tokenprof.costing.ledger import Ledger
from tokenprof.costing.served_hours import Serving
from tokenprof.costing.work import Model, Work, sum_work
from tokenprof.facts.types import Run, Turn
from tokenprof.hw_model.cost import ServingScenario, UnknownModelError, scenario_for
from tokenprof.hw_model.equations.features import Feature
from tokenprof.hw_model.equations.turn_work import TurnWork
from tokenprof.hw_model.kv_tiers import host_memory_usd
from tokenprof.sessions.clock_sample import SAMPLED_TURNS, Floats, sample_of
from tokenprof.sessions.folder_sums import FolderSums
from tokenprof.sessions.session_sums import KvSums, ModelSum, SoldModel
from tokenprof.sessions.turn_sums import works_of

DRAWS = 2000


def condense(sums: FolderSums, serving: Serving) -> tuple[Ledger, Hardware]:
    """Return the sums of a folder as a ledger, and what it cost to compute.

    Raises what `cost_to_compute` raises.
    """
    models = sums.models
    scenarios = _scenarios(models, serving, sums.first_at)
    ledger = Ledger(
        run=Run(tuple(_turn_for(key, found, sums.first_at) for key, found in models.items())),
        attribution=Attribution({}, ()),
        prices=(),
        billed_usd=tuple(found.billed_usd if key.is_priced else None for key, found in models.items()),
        billed_classes=tuple(found.classes for found in models.values()),
    )
    turns: list[Work] = []
    classes: dict[str, Work] = defaultdict(Work)
    for key, found in models.items():
        is_modelled = key.modelled_as in scenarios
        work = Work(missing=bool(len(found.clock)) and not is_modelled)
        if is_modelled and len(found.clock):
            work.add(key.modelled_as, found.work)
        for cls, features in found.class_work.items():
            classes[cls].missing |= not is_modelled
            if is_modelled:
                classes[cls].add(key.modelled_as, features)
        turns.append(work)
    nothing: tuple[None, ...] = (None,) * len(turns)
    hardware = Hardware(scenarios, tuple(turns), dict(classes), {}, sum_work(turns), nothing, {}, serving)
    return ledger, hardware


def _turn_for(key: SoldModel, found: ModelSum, first_at: datetime | None) -> Turn:
    """Return a turn that stands for all turns of a model."""
    return Turn(
        id="",
        context=f"{key.provider} {key.model} {key.seller}",
        added=(),
        provider=key.provider,
        requested_model=key.model,
        model=key.model,
        seller=key.seller,
        started_at=first_at or datetime.now(UTC),
        status="partial" if found.is_lower_bound else "ok",
        usage=found.usage if len(found.clock) else None,
    )


def _scenarios(
    models: Mapping[SoldModel, ModelSum], serving: Serving, first_at: datetime | None
) -> dict[Model, ServingScenario]:
    clocks: dict[Model, list[Floats]] = defaultdict(list)
    sellers: dict[Model, str | None] = {}
    for key, found in models.items():
        if len(found.clock):
            clocks[key.modelled_as].append(found.clock)
            sellers.setdefault(key.modelled_as, key.seller)
    when = None if first_at is None else first_at.date()
    scenarios = {}
    for (provider, model), members in clocks.items():
        settings = serving.of_model(provider, model, sellers[provider, model], when)
        works = works_of(sample_of(np.concatenate(members), SAMPLED_TURNS))
        try:
            scenarios[provider, model] = scenario_for(
                provider, model, turns=works, settings=settings, when=when, draws=DRAWS
            )
        except UnknownModelError:
            continue
    return scenarios


def kv_held(kv: KvSums, hardware: Hardware, model: Model, hold: np.ndarray) -> KvHeld:
    """Return how long the KV of a model was held over all sessions; see `compute_summary`."""
    scenario = hardware.scenarios[model]
    longest = TurnWork(0, kv.longest.prompt_tokens, kv.longest.output_tokens, gap_s=1.0)
    gaps = np.zeros(len(Feature))
    gaps[[Feature.HOLD_SECONDS, Feature.HOLD_TOKEN_SECONDS]] = hold[
        [Feature.HOLD_SECONDS, Feature.HOLD_TOKEN_SECONDS]
    ]
    held = kv.active_token_seconds + kv.idle_token_seconds
    return KvHeld(
        active_token_seconds=kv.active_token_seconds,
        idle_token_seconds=kv.idle_token_seconds,
        idle_share=kv.idle_token_seconds / held if held else None,
        gap_usd_per_s_at_longest_context=scenario.usd(scenario.features(longest, part="hold"), "opportunity"),
        gaps_usd=scenario.usd(gaps, "opportunity") if gaps.any() else None,
        gaps_host_memory_usd=host_memory_usd(scenario.kv_bytes_per_token, kv.idle_token_seconds)
        if gaps.any()
        else None,
    )
