"""Select and replace rows of draws: of tables, of plans and of operators' choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.equations.batching import Batch
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.fleet.operator_choice import Choice

Indices = npt.NDArray[np.intp]


def table_rows(table: Mapping[str, Array], index: Indices) -> dict[str, Array]:
    """Return the rows of a table at these indices."""
    return {name: values[index] for name, values in table.items()}


def plan_rows(plan: ServingPlan, index: Indices) -> ServingPlan:
    """Return the plans at these indices."""
    size = len(np.asarray(plan.hidden))
    return ServingPlan(
        **{f.name: np.broadcast_to(getattr(plan, f.name), (size,))[index] for f in fields(ServingPlan)}
    )


def choice_rows(choice: Choice, index: Indices) -> Choice:
    """Return the choices at these indices."""
    batch = choice.batch
    return Choice(
        plan_rows(choice.plan, index),
        Batch(np.asarray(batch.sequences)[index], batch.memory_binds[index], np.asarray(batch.step_s)[index]),
        choice.seconds_per_turn[index],
        choice.disaggregated[index],
        choice.drafted[index],
        choice.prompt_load[index],
        choice.fits[index],
        choice.reaches[index],
    )


def put_plan(plan: ServingPlan, at: Indices, other: ServingPlan, draws: int) -> ServingPlan:
    """Return plans of `draws` rows with others in the places `at`."""
    columns = {}
    for f in fields(ServingPlan):
        values = np.array(np.broadcast_to(getattr(plan, f.name), (draws,)), dtype=float)
        values[at] = getattr(other, f.name)
        columns[f.name] = values
    return ServingPlan(**columns)


def resampled(weight: Array, rng: np.random.Generator) -> Indices:
    """Return indices of draws, each about as often as its weight says (systematic resampling)."""
    draws = len(weight)
    if np.all(weight == weight[0]):
        return np.arange(draws)
    places = (rng.random() + np.arange(draws)) / draws
    kept = np.searchsorted(np.cumsum(weight) / weight.sum(), places)
    return np.asarray(rng.permutation(np.minimum(kept, draws - 1)), dtype=np.intp)
