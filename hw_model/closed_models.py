"""Stand-ins for models whose makers publish no architecture: joint draws of everything that is not known.

A draw is an architecture, a precision, hardware, a speed and an owner's finances. The run's own clock is
evidence: draws that cannot generate as fast as the recorded run did are drawn again. Ranges and weights are
assumptions, and `closed_model_classes` holds them. The result is always an interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.assumed import USUAL_UTILISATION
from tokenprof.hw_model.batching import Batch, choose_batch
from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.kv_size import STATE_BYTES_PER_ELEMENT
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT
from tokenprof.hw_model.closed_model_classes import ATTENTION, CLASSES, FLEETS, PRECISIONS, ModelClass, Triple
from tokenprof.hw_model.constants import Constants
from tokenprof.hw_model.gpu_hour import (
    COLO_USD_PER_KW_MONTH,
    COST_OF_CAPITAL,
    LIFE_YEARS,
    USD_PER_KWH,
    Ownership,
)
from tokenprof.hw_model.memory import fits_context
from tokenprof.hw_model.plan import ServingPlan
from tokenprof.hw_model.timing import decode_step

BEHIND_THE_HOUR: Final = frozenset({"capital per accelerator", "cost of capital", "life, years"})
"""Names of the draws that only decide what an accelerator-hour costs."""

UNITS: Final[Mapping[str, str]] = {
    "KV bytes per token": "bytes/token",
    "capital per accelerator": "USD",
    "tokens per second to each user": "tokens/s",
}
"""Units of the named draws that are not plain numbers."""


@dataclass(frozen=True, slots=True)
class ClosedModelDraws:
    """Draws of plans, batches, hourly prices [USD] and utilisation, aligned by index.

    `named` holds the quantities that a report lists, `choices` further draws; both are arrays of shape
    (draws,) by name. `accepted` is the share of tried draws that reach the observed speed.
    """

    plan: ServingPlan
    batch: Batch
    usd_per_accelerator_hour: Array
    utilisation: Array
    named: Mapping[str, Array]
    choices: Mapping[str, Array]
    accepted: float


def sample(
    kind: str, fleet: str, *, context_tokens: float, observed_tokens_per_s: float | None,
    utilisation: float | None, draws: int, seed: int, c: Constants,
) -> ClosedModelDraws:  # fmt: skip
    """Return joint draws for a class of model; with one seed, all classes have the same finances and load.

    `kind` is a key of `CLASSES`, `fleet` one of `FLEETS`; `context_tokens` is the run's mean context and
    `observed_tokens_per_s` the speed that it saw, None if unknown. `utilisation` replaces the drawn one. Only
    what concerns the model and its hardware is drawn again if a draw cannot reach the observed speed; after
    40 rounds, draws that still cannot are kept. Raises KeyError for an unknown class or fleet.
    """
    believed = CLASSES[kind]
    shared = np.random.default_rng([seed, 0])
    load = (
        _triangular(shared, draws, USUAL_UTILISATION) if utilisation is None else np.full(draws, utilisation)
    )
    owner = Ownership(
        cost_of_capital=shared.uniform(COST_OF_CAPITAL[0], COST_OF_CAPITAL[2], draws),
        life_years=shared.uniform(LIFE_YEARS[0], LIFE_YEARS[2], draws),
        colo_usd_per_kw_month=shared.uniform(COLO_USD_PER_KW_MONTH[0], COLO_USD_PER_KW_MONTH[2], draws),
        usd_per_kwh=shared.uniform(USD_PER_KWH[0], USD_PER_KWH[2], draws),
    )
    capex_quantile = shared.random(draws)

    private = np.random.default_rng([seed, 1])
    drawn = _draw(believed, fleet, draws, private)
    waiting = np.flatnonzero(~_reaches(drawn, context_tokens, observed_tokens_per_s, c))
    tried = draws
    for _ in range(40):
        if not waiting.size:
            break
        again = _draw(believed, fleet, waiting.size, private)
        tried += waiting.size
        good = _reaches(again, context_tokens, observed_tokens_per_s, c)
        for name, values in drawn.items():
            values[waiting[good]] = again[name][good]
        waiting = waiting[~good]
    plan = _plan(drawn)
    target_s = plan.tokens_per_step / _speed(drawn, observed_tokens_per_s)
    prices = _chip_table(drawn["chip"], lambda chip: chip.capex_usd)
    capex = _quantile_of_log_triangle(prices, capex_quantile)
    kw = _chip_table(drawn["chip"], lambda chip: (chip.all_in_kw,))[:, 0]
    return ClosedModelDraws(
        plan=plan,
        batch=choose_batch(plan, context_tokens, c, target_s=target_s),
        usd_per_accelerator_hour=np.asarray(owner.usd_per_hour(capex, kw)),
        utilisation=load,
        named={
            "active parameters": drawn["active"],
            "total parameters": drawn["total"],
            "KV bytes per token": drawn["kv_bytes"],
            "capital per accelerator": capex,
            "utilisation": load,
            "tokens per second to each user": _speed(drawn, observed_tokens_per_s),
            "accelerators per replica": np.asarray(plan.accelerators),
        },
        choices={
            "kind of attention": drawn["attention"],
            "weight precision": drawn["precision"],
            "chip": drawn["chip"],
            "speculative decoding": drawn["mtp"],
            "KV precision": drawn["kv_fp8"],
            "spare accelerators": drawn["spare"],
            "cost of capital": np.asarray(owner.cost_of_capital),
            "life, years": np.asarray(owner.life_years),
        },
        accepted=(draws - waiting.size) / tried,
    )


def _draw(believed: ModelClass, fleet: str, draws: int, rng: np.random.Generator) -> dict[str, Array]:
    active = _log_triangular(rng, draws, believed.active_parameters_b) * 1e9
    total = np.maximum(_log_triangular(rng, draws, believed.total_parameters_b) * 1e9, 3.0 * active)
    kind = _choice(rng, draws, [weight for weight, _, _ in ATTENTION.values()])
    precision = _choice(rng, draws, list(PRECISIONS.values()))
    weights = FLEETS[fleet]
    chip = _choice(rng, draws, list(weights.values()))
    names = list(chips())
    kv_scale = np.array([scale for _, scale, _ in ATTENTION.values()])[kind]
    return {
        "active": active,
        "total": total,
        "layers": 60.0 * (active / 30e9) ** 0.25 * np.exp(rng.uniform(-0.3, 0.3, draws)),
        "dense_share": rng.uniform(0.3, 0.6, draws),
        "attention": kind.astype(float),
        "precision": precision.astype(float),
        "kv_bytes": _log_triangular(rng, draws, believed.kv_bytes_per_token_bf16) * kv_scale,
        "kv_fp8": (rng.random(draws) < 0.5).astype(float),
        "chip": np.array([names.index(name) for name in weights], dtype=float)[chip],
        "spare": rng.choice([1.0, 2.0, 4.0], draws),
        "mtp": (rng.random(draws) < 0.5).astype(float),
        "acceptance": rng.uniform(0.6, 0.9, draws),
        "tokens_per_s": _log_triangular(rng, draws, believed.tokens_per_s),
        "head_room": rng.uniform(1.0, 1.25, draws),
    }


def _plan(drawn: Mapping[str, Array]) -> ServingPlan:
    """Return the plans of drawn architectures: ordinary transformers of that size, cut the usual way."""
    active, total, layers = drawn["active"], drawn["total"], np.round(drawn["layers"])
    hidden = np.sqrt(active / (12.0 * layers))
    dense = drawn["dense_share"] * active
    routed = total - dense
    top_k = 8.0
    experts = np.maximum(top_k * routed / (active - dense), top_k + 1.0)
    expert = routed / (layers * experts)
    width = np.array([BYTES_PER_ELEMENT[dtype] for dtype in PRECISIONS])[drawn["precision"].astype(int)]
    dense_width = np.where(drawn["precision"] == 2, 2.0, 1.0)
    kind = drawn["attention"].astype(int)
    latent, hybrid = kind == 2, kind == 3
    pair = np.array([scale for _, _, scale in ATTENTION.values()])[kind] * 6.0 * hidden * layers
    kv = drawn["kv_bytes"] * np.where(drawn["kv_fp8"] > 0, 0.5, 1.0)

    column = {
        name: _chip_table(drawn["chip"], lambda chip, name=name: (getattr(chip, name),))[:, 0]
        for name in (
            "memory_bytes",
            "hbm_bytes_per_s",
            "link_bytes_per_s",
            "net_bytes_per_s",
            "collective_s",
            "scaleup_world",
        )
    }
    flops = _chip_table(drawn["chip"], lambda chip: tuple(chip.flops_per_s_at(dtype) for dtype in PRECISIONS))
    rate = flops[np.arange(len(active)), drawn["precision"].astype(int)]
    dense_rate = np.where(drawn["precision"] == 2, flops[:, 2], flops[:, 0])
    weight_bytes = routed * width + dense * dense_width
    needed = weight_bytes / (0.6 * column["memory_bytes"])
    accelerators = np.maximum(2.0 ** np.ceil(np.log2(needed)), 1.0) * drawn["spare"]
    attention_tp = np.minimum(accelerators, np.where(latent, 4.0, 8.0))
    none = np.zeros_like(active)
    return ServingPlan(
        hidden=hidden, layers=layers, latent_layers=np.where(latent, layers, 0.0),
        linear_layers=np.where(hybrid, 0.75 * layers, 0.0), sparse_layers=none,
        normed_layers=none, moe_layers=layers,
        dense_parameters=dense, dense_weight_bytes=dense * dense_width, head_parameters=none,
        expert_parameters=expert, expert_weight_bytes=expert * width, expert_width=expert / (3.0 * hidden),
        experts=experts, top_k=none + top_k,
        weight_bytes=weight_bytes, kv_bytes=kv, kv_limited_bytes=none, read_limit_tokens=none,
        kv_window_bytes=none, window_tokens=none, index_bytes=none,
        state_bytes=np.where(hybrid, 0.75 * layers * 64 * 128 * 128 * STATE_BYTES_PER_ELEMENT, 0.0),
        prefill_pair_flops=pair, decode_pair_flops=pair * np.where(latent, 3.4, 1.0),
        prefill_limited_pair_flops=none, decode_limited_pair_flops=none, window_pair_flops=none,
        index_pair_flops=none, state_flops=np.where(hybrid, 6.0 * layers * 64 * 128 * 128, 0.0),
        dense_flops_per_s=dense_rate, expert_flops_per_s=rate, attention_flops_per_s=flops[:, 2],
        memory_bytes=column["memory_bytes"], hbm_bytes_per_s=column["hbm_bytes_per_s"],
        link_bytes_per_s=column["link_bytes_per_s"], net_bytes_per_s=column["net_bytes_per_s"],
        collective_s=column["collective_s"],
        attention_tp=attention_tp, attention_dp=accelerators / attention_tp, stages=none + 1.0,
        expert_parallel=np.where(accelerators > attention_tp, accelerators, 1.0),
        kv_shards=np.where(latent, 1.0, attention_tp),
        crosses_scaleup=(accelerators > column["scaleup_world"]).astype(float),
        sent_copies=np.where(accelerators > attention_tp, 0.6 * top_k, 0.0),
        drafted_tokens=drawn["mtp"], tokens_per_step=1.0 + drawn["mtp"] * drawn["acceptance"],
        trtllm=none + 1.0, vllm=none, sglang=none,
    )  # fmt: skip


def _speed(drawn: Mapping[str, Array], observed_tokens_per_s: float | None) -> Array:
    """Return the tokens per second to each user: the observed speed and a little more, or a usual one."""
    if observed_tokens_per_s is None:
        return drawn["tokens_per_s"]
    return observed_tokens_per_s * drawn["head_room"]


def _reaches(
    drawn: Mapping[str, Array], context_tokens: float, observed_tokens_per_s: float | None, c: Constants
) -> npt.NDArray[np.bool_]:
    """Tell which draws hold the context and reach the observed speed with one sequence on the replica."""
    plan = _plan(drawn)
    alone = decode_step(plan, 1.0, context_tokens, c).total_s / plan.tokens_per_step
    fits = fits_context(plan, context_tokens)
    return np.asarray(fits & (alone <= 1.0 / _speed(drawn, observed_tokens_per_s)))


def _chip_table(index: Array, of: Any) -> Array:
    values = np.array([of(chip) for chip in chips().values()], dtype=object)
    return np.asarray(values[index.astype(int)], dtype=float)


def _choice(rng: np.random.Generator, draws: int, weights: list[float]) -> Any:
    share = np.array(weights) / sum(weights)
    return rng.choice(len(weights), draws, p=share)


def _triangular(rng: np.random.Generator, draws: int, bounds: Triple) -> Array:
    return np.asarray(rng.triangular(*bounds, size=draws))


def _log_triangular(rng: np.random.Generator, draws: int, bounds: Triple) -> Array:
    low, mode, high = np.log(bounds).tolist()
    return np.asarray(np.exp(rng.triangular(low, mode, high, size=draws)))


def _quantile_of_log_triangle(bounds: Array, quantile: Array) -> Array:
    """Return the value at a quantile of each row's log-triangular distribution.

    `bounds` has the shape (rows, 3): low, mode and high. One quantile per row makes rows move together.
    """
    low, mode, high = np.log(bounds).T
    cut = (mode - low) / (high - low)
    rising = low + np.sqrt(quantile * (high - low) * (mode - low))
    falling = high - np.sqrt((1.0 - quantile) * (high - low) * (high - mode))
    return np.asarray(np.exp(np.where(quantile < cut, rising, falling)))
