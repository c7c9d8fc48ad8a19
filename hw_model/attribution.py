"""One decode step of a batch of unlike sequences, shared out among them on every principle.

A step is joint time T_F (weights, launches, latency: any batch needs them) and each sequence's own v_i (its
KV, its attention). Time is in seconds of the replica; multiply by the replica's dollars per second (section 3
of docs/hardware.md). `cost.Scenario` uses the same shares in linear form.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.plan import ServingPlan
from tokenprof.hw_model.timing import decode_attention_s, decode_step

PRINCIPLES: Final = ("equal", "resource_share", "opportunity", "marginal")


def joint_s(plan: ServingPlan, sequences: int, c: Constants) -> float:
    """Return the part of a step that does not depend on whose contexts are in it; 0 for no sequences."""
    if sequences == 0:
        return 0.0
    step = decode_step(plan, float(sequences), 1.0, c)
    return float(step.total_s - step.attention_s)


def own_s(plan: ServingPlan, contexts: Array, c: Constants) -> Array:
    """Return each sequence's own time in a step: reading its KV and attending to it."""
    return np.asarray(decode_attention_s(plan, 1.0 / (plan.attention_dp * plan.stages), contexts, c))


def step_s(plan: ServingPlan, contexts: Array, c: Constants) -> float:
    """Return the time of a step over these contexts."""
    return joint_s(plan, len(contexts), c) + float(own_s(plan, contexts, c).sum())


def shares_s(
    plan: ServingPlan,
    contexts: Array,
    c: Constants,
    principle: str = "resource_share",
    *,
    idle: Array | None = None,
) -> tuple[Array, Array]:
    """Return the step's time charged to each active sequence, and to each idle one whose KV is held.

    `equal`, `resource_share` and `opportunity` add up to the step; `marginal` does not (joint time goes
    unpaid). `opportunity` is for a replica full of KV: there a byte held keeps another sequence out, so the
    joint time is shared by bytes, idle ones included. Raises ValueError for another principle.
    """
    active = np.asarray(contexts, dtype=float)
    waiting = np.asarray([] if idle is None else idle, dtype=float)
    count = len(active)
    joint, own = joint_s(plan, count, c), own_s(plan, active, c)
    nothing = np.zeros(len(waiting))
    if principle == "equal":
        return np.full(count, (joint + own.sum()) / count), nothing
    if principle == "resource_share":
        return joint / count + own, nothing
    if principle == "opportunity":
        held = np.asarray(stored_bytes(plan, active))
        held_idle = np.asarray(stored_bytes(plan, waiting))
        per_byte = joint / (held.sum() + held_idle.sum())
        return per_byte * held + own, per_byte * held_idle
    if principle == "marginal":
        return joint - joint_s(plan, count - 1, c) + own, nothing
    raise ValueError(f"no principle {principle!r} of sharing a step; there are {', '.join(PRINCIPLES)}")


def shapley_shares_s(
    plan: ServingPlan, contexts: Array, c: Constants, *, orders: int = 200, seed: int = 0
) -> Array:
    """Return the Shapley shares by sampling orders of arrival: what each adds to those before it, on average.

    Shapley 1953. It tends to `resource_share`, because the joint time is symmetric and the rest is additive.
    """
    rng = np.random.default_rng(seed)
    count = len(contexts)
    joint = np.array([joint_s(plan, size, c) for size in range(count + 1)])
    total = np.zeros(count)
    for _ in range(orders):
        total[rng.permutation(count)] += np.diff(joint)
    return np.asarray(total / orders + own_s(plan, np.asarray(contexts, dtype=float), c))
