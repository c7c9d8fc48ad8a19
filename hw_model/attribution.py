"""One decode step of a batch of unequal sequences, shared out among them on every principle.

A step is joint time (weights, launches, latency: any batch needs them) and each sequence's own time (its KV,
its attention). Times are seconds of the replica; multiply by what a replica-second costs (section 3 of
docs/hardware.md). `rates` uses the same shares in linear form.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.kv_size import stored_bytes
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.timing import decode_attention_s, decode_step

PRINCIPLES: Final = ("equal", "resource_share", "opportunity", "marginal")


def joint_s(plan: ServingPlan, sequences: int, c: Constants) -> float:
    """Return the part of a step that does not depend on whose contexts are in it [s]; 0 for no sequences."""
    if sequences == 0:
        return 0.0
    step = decode_step(plan, float(sequences), 1.0, c)
    return float(step.total_s - step.attention_s)


def own_s(plan: ServingPlan, contexts: Array, c: Constants) -> Array:
    """Return each sequence's own time in a step [s]: reading its KV and attending to it.

    `contexts` and the result are arrays of shape (sequences,), contexts in tokens.
    """
    return np.asarray(decode_attention_s(plan, 1.0 / (plan.attention_dp * plan.stages), contexts, c))


def step_s(plan: ServingPlan, contexts: Array, c: Constants) -> float:
    """Return the time of a step over these contexts [s]."""
    return joint_s(plan, len(contexts), c) + float(own_s(plan, contexts, c).sum())


def shares_s(
    plan: ServingPlan,
    contexts: Array,
    c: Constants,
    principle: str = "resource_share",
    *,
    idle: Array | None = None,
) -> tuple[Array, Array]:
    """Return the time of a step charged to each active sequence, and to each idle one whose KV is held [s].

    `contexts` and `idle` are the contexts of the two [tokens]; the results have the same shapes. `equal`,
    `resource_share` and `opportunity` add up to the step; `marginal` does not, since nobody pays for the
    joint time. `opportunity` is for a replica full of KV: there a byte held keeps another sequence out, so
    joint time is shared by bytes, those of idle sequences included. Raises ValueError for any other
    principle.
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
    raise ValueError(f"{principle!r} is not a way to share a step; use one of {', '.join(PRINCIPLES)}")


def shapley_shares_s(
    plan: ServingPlan, contexts: Array, c: Constants, *, orders: int = 200, seed: int = 0
) -> Array:
    """Return the Shapley shares of a step [s]: what each sequence adds to those before it, on average.

    `orders` random orders of arrival are sampled (Shapley 1953). The shares approach `resource_share`, since
    joint time is the same for everybody and the rest is additive.
    """
    rng = np.random.default_rng(seed)
    count = len(contexts)
    joint = np.array([joint_s(plan, size, c) for size in range(count + 1)])
    total = np.zeros(count)
    for _ in range(orders):
        total[rng.permutation(count)] += np.diff(joint)
    return np.asarray(total / orders + own_s(plan, np.asarray(contexts, dtype=float), c))
