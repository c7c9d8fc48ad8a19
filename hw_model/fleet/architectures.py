"""Draws of what is served, as plans not yet cut: closed models by class, open ones by their shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from operator import attrgetter
from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.chips import FAMILIES, Chip
from tokenprof.hw_model.catalogue.kv_size import STATE_BYTES_PER_ELEMENT
from tokenprof.hw_model.catalogue.lookup import chips
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape
from tokenprof.hw_model.equations.deployment import Deployment, rest_dtype_for
from tokenprof.hw_model.equations.plan import ServingPlan, stack
from tokenprof.hw_model.fleet.closed_model_classes import ATTENTION, PRECISIONS, ModelClass, Triple
from tokenprof.hw_model.fleet.one_layout import Host
from tokenprof.hw_model.fleet.techniques import NOTHING_SAID, Techniques

OPEN_ENGINES: Final[Mapping[str, tuple[str, ...]]] = {
    "nvidia": ("trtllm", "vllm", "sglang"),
    "amd": ("sglang", "vllm"),
}
"""Engines that hosts use on a maker's chips, each equally often; vLLM on the chips of all others."""

FOUR_BIT_SHARE: Final = 0.5
"""Share of hosts that serve a 4-bit checkpoint where the chip multiplies 4-bit weights; judgement."""


def chip_table(index: Array, of: Callable[[Chip], Any]) -> Array:
    """Return a figure of each draw's chip; `index` counts in the order of the catalogue."""
    values = np.array([of(chip) for chip in chips().values()], dtype=object)
    return np.asarray(values[index.astype(int)], dtype=float)


def host_of(chip: Array) -> Host:
    """Return what the chips of draws offer beyond a plan."""
    return Host(
        chip_table(chip, lambda c: float(c.scaleup_world)), chip_table(chip, lambda c: c.host_memory_bytes)
    )


def draw_closed(
    believed: ModelClass,
    chip: Array,
    rng: np.random.Generator,
    precision_asked: str | None = None,
    techniques: Techniques = NOTHING_SAID,
) -> tuple[dict[str, Array], ServingPlan]:
    """Return the drawn quantities of ordinary transformers of a class, and their plans, one per draw.

    `precision_asked` is the dtype of the weights in every draw (None: drawn); `techniques` may say more.
    """
    draws = len(chip)
    active = log_triangular(rng, draws, believed.active_parameters_b) * 1e9
    total = np.maximum(log_triangular(rng, draws, believed.total_parameters_b) * 1e9, 3.0 * active)
    kind = weighted_choice(rng, draws, [weight for weight, _, _ in ATTENTION.values()])
    asked = techniques.attention_index()
    kind = kind if asked is None else np.full(draws, asked)
    precision = weighted_choice(rng, draws, list(PRECISIONS.values()))
    if precision_asked is not None:
        precision = np.full(draws, list(PRECISIONS).index(precision_asked))
    kv_scale = np.array([scale for _, scale, _ in ATTENTION.values()])[kind]
    # fp8 is the usual default for KV; one server in five keeps bf16.
    kv_fp8 = _kv_fp8(rng, draws, techniques)
    drawn = {
        "active": active,
        "total": total,
        "layers": 60.0 * (active / 30e9) ** 0.25 * np.exp(rng.uniform(-0.3, 0.3, draws)),
        "dense_share": rng.uniform(0.3, 0.6, draws),
        "attention": kind.astype(float),
        "precision": precision.astype(float),
        "kv_bytes": log_triangular(rng, draws, believed.kv_bytes_per_token_bf16) * kv_scale,
        "kv_fp8": kv_fp8.astype(float),
        "chip": chip,
    }
    return drawn, _closed_plan(drawn)


def _closed_plan(drawn: Mapping[str, Array]) -> ServingPlan:
    active, total, layers = drawn["active"], drawn["total"], np.round(drawn["layers"])
    hidden = np.sqrt(active / (12.0 * layers))
    dense = drawn["dense_share"] * active
    routed = total - dense
    top_k = 8.0
    experts = np.maximum(top_k * routed / (active - dense), top_k + 1.0)
    expert = routed / (layers * experts)
    names = list(PRECISIONS)
    precision = drawn["precision"].astype(int)
    width = np.array([BYTES_PER_ELEMENT[dtype] for dtype in names])[precision]
    bf16, fp4 = precision == names.index("bf16"), precision == names.index("fp4")
    dense_width = np.where(bf16, 2.0, 1.0)
    kind = drawn["attention"].astype(int)
    latent, hybrid = kind == 2, kind == 3
    pair = np.array([scale for _, _, scale in ATTENTION.values()])[kind] * 6.0 * hidden * layers
    kv = drawn["kv_bytes"] * np.where(drawn["kv_fp8"] > 0, 0.5, 1.0)
    flops = chip_table(drawn["chip"], lambda chip: tuple(chip.flops_per_s_at(dtype) for dtype in names))
    rate = flops[np.arange(len(active)), precision]
    has_fp4 = chip_table(drawn["chip"], lambda chip: float("fp4" in chip.flops_per_s))
    none = np.zeros_like(active)
    return ServingPlan(
        hidden=hidden, layers=layers, latent_layers=np.where(latent, layers, 0.0),
        linear_layers=np.where(hybrid, 0.75 * layers, 0.0), indexes=none,
        normed_layers=none, moe_layers=layers,
        dense_parameters=dense, dense_weight_bytes=dense * dense_width, head_parameters=none,
        expert_parameters=expert, expert_weight_bytes=expert * width, expert_width=expert / (3.0 * hidden),
        experts=experts, top_k=none + top_k,
        weight_bytes=routed * width + dense * dense_width,
        kv_bytes=kv, kv_limited_bytes=none, read_limit_tokens=none,
        kv_window_bytes=none, window_tokens=none, index_bytes=none,
        state_bytes=np.where(hybrid, 0.75 * layers * 64 * 128 * 128 * STATE_BYTES_PER_ELEMENT, 0.0),
        prefill_pair_flops=pair, decode_pair_flops=pair * np.where(latent, 3.4, 1.0),
        prefill_limited_pair_flops=none, decode_limited_pair_flops=none, window_pair_flops=none,
        index_pair_flops=none, state_flops=np.where(hybrid, 6.0 * layers * 64 * 128 * 128, 0.0),
        dense_flops_per_s=np.where(bf16, flops[:, names.index("bf16")], flops[:, names.index("fp8")]),
        expert_flops_per_s=rate, attention_flops_per_s=flops[:, names.index("bf16")],
        **_machine(drawn["chip"]),
        attention_tp=none + 1.0, attention_dp=none + 1.0, stages=none + 1.0, expert_parallel=none + 1.0,
        kv_shards=np.where(latent, 1.0, 8.0), crosses_scaleup=none,
        exchange_places=none + 1.0, node_limit=none + np.inf, overlaps=none,
        drafted_tokens=none, tokens_per_step=none + 1.0,
        trtllm=none + 1.0, vllm=none, sglang=none, atom=none, software_years=none, immaturity=none,
        fp4_dense=none, fp4_experts=fp4 * has_fp4, int4_experts=none, widened_experts=fp4 * (1.0 - has_fp4),
    )  # fmt: skip


def _machine(chip: Array) -> dict[str, Array]:
    rates = ("memory_bytes", "hbm_bytes_per_s", "link_bytes_per_s", "net_bytes_per_s", "collective_s")
    return {
        **{name: chip_table(chip, attrgetter(name)) for name in rates},
        **{family: chip_table(chip, partial(_in_family, family)) for family in FAMILIES},
    }


def _in_family(family: str, chip: Chip) -> float:
    return float(family in chip.families)


def _kv_fp8(rng: np.random.Generator, draws: int, techniques: Techniques) -> Array:
    drawn = rng.random(draws) < 0.8
    asked = techniques.kv_dtype
    return np.asarray(drawn if asked is None else np.full(draws, asked == "fp8"), dtype=float)


def draw_open(
    published: ModelShape,
    chip: Array,
    rng: np.random.Generator,
    precision_asked: str | None = None,
    techniques: Techniques = NOTHING_SAID,
) -> tuple[dict[str, Array], ServingPlan]:
    """Return the drawn choices of hosts of a known shape, and their plans, one per draw.

    Hosts serve the published checkpoint, or a 4-bit one on chips that multiply 4-bit weights. If a dtype is
    asked for, all serve the model in it, fp4 only where the chip multiplies it. `techniques` may say more.
    """
    shape, draws = techniques.shape(published), len(chip)
    catalogue = list(chips().values())
    four_bit = rng.random(draws) < FOUR_BIT_SHARE
    if precision_asked is not None:
        four_bit = np.full(draws, precision_asked == "fp4")
    engine_draw = rng.random(draws)
    kv_fp8 = _kv_fp8(rng, draws, techniques)
    known: dict[tuple[int, bool, str, bool], int] = {}
    plans: list[ServingPlan] = []
    index = np.zeros(draws, dtype=int)
    smaller = np.zeros(draws)
    for draw in range(draws):
        at = catalogue[int(chip[draw])]
        engines = OPEN_ENGINES.get(at.maker, ("vllm",))
        engine = engines[int(engine_draw[draw] * len(engines))]
        quantised = bool(four_bit[draw]) and "fp4" in at.flops_per_s and shape.experts is not None
        key = (int(chip[draw]), quantised, engine, bool(kv_fp8[draw]))
        if key not in known:
            known[key] = len(plans)
            plans.append(_whole(shape, at, quantised, engine, bool(kv_fp8[draw]), precision_asked))
        index[draw] = known[key]
        smaller[draw] = float(quantised)
    table = stack(plans)
    columns = {f.name: np.asarray(getattr(table, f.name))[index] for f in fields(ServingPlan)}
    return {"precision": smaller, "kv_fp8": kv_fp8.astype(float), "chip": chip}, ServingPlan(**columns)


def _whole(
    shape: ModelShape, chip: Chip, quantised: bool, engine: str, kv_fp8: bool, asked: str | None
) -> ServingPlan:
    experts, rest = shape.expert_dtype, shape.rest_dtype
    if asked is not None and asked != "fp4":
        experts, rest = asked, rest_dtype_for(shape, asked)
    if quantised and BYTES_PER_ELEMENT[experts] > BYTES_PER_ELEMENT["fp4"]:
        experts, rest = "fp4", rest_dtype_for(shape, "fp4")
    base = Deployment(
        shape,
        chip,
        experts_dtype=experts,
        rest_dtype=rest,
        kv_dtype="fp8" if kv_fp8 else "bf16",
        engine=engine,
    )
    growing = [a.kv_shards for _, a in shape.attention if a.elements or a.window_elements]
    return replace(
        base.plan(),
        kv_shards=float(max(growing, default=8)),
    )


def weighted_choice(rng: np.random.Generator, draws: int, weights: Sequence[float]) -> Any:
    """Return indices drawn with these weights."""
    share = np.array(weights) / sum(weights)
    return rng.choice(len(weights), draws, p=share)


def log_triangular(rng: np.random.Generator, draws: int, bounds: Triple) -> Array:
    """Return draws whose logarithm is triangular between low, mode and high."""
    low, mode, high = np.log(bounds).tolist()
    return np.asarray(np.exp(rng.triangular(low, mode, high, size=draws)))
