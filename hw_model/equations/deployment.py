"""A model on hardware: on how many accelerators, how cut, in which precision, served by which engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import FAMILIES, Chip
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape
from tokenprof.hw_model.equations import memory
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment_error import DeploymentError
from tokenprof.hw_model.equations.drafts import tokens_per_step
from tokenprof.hw_model.equations.plan import ServingPlan, model_numbers

ENGINES: Final = ("trtllm", "vllm", "sglang", "atom")

OVERLAPPING: Final = ("sglang", "vllm")
"""Engines whose releases let two micro-batches overlap: SGLang (`enable-two-batch-overlap`), vLLM
(`enable-dbo`). TensorRT-LLM's one-sided exchange over NVLink is not overlapped."""

MATURING_DAYS: Final = 14.0
"""Days in which an engine closes all but a third of a new model's gap on a chip that is not its first."""

USUAL_CONTEXT_TOKENS: Final = 32_768.0
"""Context that a deployment is sized for if nothing else is said."""

FP4: Final = ("fp4", "mxfp4")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One replica of tp * dp * pp accelerators.

    Attention is cut over `tp` ranks and copied to `dp` groups, layers are cut into `pp` stages, and experts
    are cut over `ep` ranks. `acceptance` is the chance that the first drafted token is accepted (None: as
    fitted), `step_tokens` the tokens that a step yields if they are known (2.7). `software_years` is how much
    older the software is than that of the constants [years], `model_days` how long the model had been out
    (None: long ago). `overlap` says whether two micro-batches hide the exchange with experts (None: as the
    engine does).
    """

    shape: ModelShape
    chip: Chip
    tp: int = 1
    dp: int = 1
    pp: int = 1
    ep: int = 1
    experts_dtype: str = "bf16"
    rest_dtype: str = "bf16"
    kv_dtype: str = "bf16"
    engine: str = "trtllm"
    drafted_tokens: int = 0
    acceptance: float | None = None
    step_tokens: float | None = None
    software_years: float = 0.0
    model_days: float | None = None
    overlap: bool | None = None

    @property
    def accelerators(self) -> int:
        """Accelerators of the replica."""
        return self.tp * self.dp * self.pp

    @property
    def attention_data_parallel(self) -> bool:
        """Whether attention ranks each serve sequences of their own."""
        return self.dp > 1

    @property
    def kv_shards(self) -> int:
        """Ranks over which the KV of one sequence is cut; further tensor-parallel ranks hold copies (2.1)."""
        growing = [a.kv_shards for _, a in self.shape.attention if a.elements or a.window_elements]
        return min(self.tp, max(growing, default=self.tp))

    @property
    def precision(self) -> str:
        """The dtypes in words: experts, rest, KV."""
        if self.shape.experts is None:
            return f"{self.rest_dtype} weights, {self.kv_dtype} KV"
        return f"{self.experts_dtype} experts, {self.rest_dtype} rest, {self.kv_dtype} KV"

    @property
    def crosses_scaleup(self) -> bool:
        """Whether expert ranks also talk over the network, beyond the links of one scale-up domain."""
        return self.tp * self.dp > self.chip.scaleup_world

    @property
    def exchange_places(self) -> float:
        """Places that experts are on (2.5): domains if the replica crosses them, else accelerators."""
        ranks = self.tp * self.dp
        return ranks / self.chip.scaleup_world if self.crosses_scaleup else float(ranks)

    @property
    def overlaps(self) -> bool:
        """Whether two micro-batches take turns at computing and exchanging (2.5).

        Engines with kernels for it do so where the exchange goes over the network.
        """
        if self.overlap is not None:
            return self.overlap and self.attention_data_parallel
        return self.engine in OVERLAPPING and self.crosses_scaleup and self.attention_data_parallel

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a step yields: those stated, else by acceptance (2.7)."""
        if self.step_tokens is not None:
            return self.step_tokens
        acceptance = fitted().draft_acceptance if self.acceptance is None else self.acceptance
        return float(tokens_per_step(float(self.drafted_tokens), acceptance))

    def plan(self) -> ServingPlan:
        """Return the deployment as the numbers that the equations take."""
        chip = self.chip
        numbers = model_numbers(
            self.shape, experts=self.experts_dtype, rest=self.rest_dtype, kv=self.kv_dtype
        )
        # The states of linear attention are cut over all tensor-parallel ranks, KV only over `kv_shards`.
        numbers["state_bytes"] *= self.kv_shards / self.tp
        limit = self.shape.experts.node_limit if self.shape.experts else None
        return ServingPlan(
            **numbers,
            dense_flops_per_s=chip.flops_per_s_at(self.rest_dtype),
            expert_flops_per_s=chip.flops_per_s_at(self.experts_dtype),
            attention_flops_per_s=chip.flops_per_s_at("bf16"),
            memory_bytes=chip.memory_bytes,
            hbm_bytes_per_s=chip.hbm_bytes_per_s,
            link_bytes_per_s=chip.link_bytes_per_s,
            net_bytes_per_s=chip.net_bytes_per_s,
            collective_s=chip.collective_s,
            attention_tp=float(self.tp),
            attention_dp=float(self.dp),
            stages=float(self.pp),
            expert_parallel=float(self.ep),
            kv_shards=float(self.kv_shards),
            crosses_scaleup=float(self.crosses_scaleup),
            exchange_places=self.exchange_places,
            node_limit=float(limit or np.inf),
            overlaps=float(self.overlaps),
            drafted_tokens=float(self.drafted_tokens),
            tokens_per_step=self.tokens_per_step,
            **{engine: float(engine == self.engine) for engine in ENGINES},
            software_years=self.software_years,
            immaturity=0.0 if self.model_days is None else float(np.exp(-self.model_days / MATURING_DAYS)),
            **{family: float(family in chip.families) for family in FAMILIES},
            fp4_dense=float(self.rest_dtype in FP4),
            fp4_experts=float(
                self.experts_dtype in FP4 and self.shape.experts is not None and "fp4" in chip.flops_per_s
            ),
            int4_experts=float(self.experts_dtype == "int4"),
            widened_experts=float(self.experts_dtype in FP4 and "fp4" not in chip.flops_per_s),
        )

    def weight_bytes_per_accelerator(self) -> float:
        """Return the weights that one accelerator holds (2.6) [bytes]."""
        return float(memory.weight_bytes_per_accelerator(self.plan()))

    def kv_budget_bytes(self) -> float:
        """Return the replica's memory left for distinct KV (2.6) [bytes]; negative if nothing is left."""
        return float(memory.kv_budget_bytes(self.plan()))

    def kv_bytes(self, context_tokens: float) -> float:
        """Return what one sequence of this length holds, in the deployment's own KV dtype (2.1) [bytes]."""
        return self.shape.kv_bytes(context_tokens, self.kv_dtype)


def fits(deployment: Deployment, *, context_tokens: float = 0.0) -> bool:
    """Tell whether the weights and one sequence of this length fit in the replica's memory (2.6)."""
    return bool(memory.fits_context(deployment.plan(), context_tokens))


def smallest_that_fits(
    shape: ModelShape,
    chip: Chip,
    *,
    experts: str | None = None,
    rest: str | None = None,
    context_tokens: float = 0.0,
) -> Deployment:
    """Return the deployment on the fewest accelerators, a power of two, that hold weights and one sequence.

    `experts` and `rest` are dtypes (default: as published), `context_tokens` is the length of the sequence.
    Raises DeploymentError if 4,096 accelerators are too few.
    """
    base = Deployment(
        shape,
        chip,
        experts_dtype=experts or shape.expert_dtype,
        rest_dtype=rest or shape.rest_dtype,
        kv_dtype=shape.kv_dtype,
    )
    for doubling in range(13):
        for candidate in usual_cuts(base, 2**doubling):
            if fits(candidate, context_tokens=context_tokens):
                return candidate
    raise DeploymentError(
        f"{shape.name} with {context_tokens:,.0f} tokens of context does not fit on 4,096 {chip.name}; "
        "shorten the context"
    )


def usual_cuts(base: Deployment, accelerators: int) -> Iterator[Deployment]:
    """Yield the usual ways to cut a model, best first: experts or stages beyond a node, else tensor-parallel.

    Latent attention runs data-parallel on many accelerators, since each tensor-parallel rank holds a copy of
    its KV. If the copies of its weights do not fit, it is cut like any other.
    """
    domain = min(accelerators, 8, base.chip.scaleup_world)
    beyond = accelerators // domain
    latent = any("latent" in a.kind for _, a in base.shape.attention)
    if base.shape.experts is not None:
        if latent and accelerators >= 8:
            yield replace(base, tp=1, dp=accelerators, ep=accelerators, pp=1)
        yield replace(base, tp=domain, dp=beyond, ep=accelerators if beyond > 1 else 1, pp=1)
    yield replace(base, tp=domain, dp=1, ep=1, pp=beyond)


# What one word for the dtype of the weights means for a mixture of experts. nvfp4 and mxfp4 checkpoints keep
# attention in bf16, and int4 ones keep everything but the routed experts in it.
_REST_OF: Final[Mapping[str, str]] = {"fp4": "bf16", "mxfp4": "bf16", "int4": "bf16"}


def rest_dtype_for(shape: ModelShape, weights: str) -> str:
    """Return the dtype of everything but the routed experts, in a checkpoint said to be in `weights`."""
    return _REST_OF.get(weights, weights) if shape.experts is not None else weights


def too_large(deployment: Deployment) -> str:
    """Return why a deployment does not hold its weights, and what would."""
    shape, chip = deployment.shape, deployment.chip
    needed_gb = deployment.weight_bytes_per_accelerator() / 1e9
    ways = []
    for cut in usual_cuts(deployment, deployment.accelerators):
        if fits(cut):
            ways.append(f"`tp={cut.tp},dp={cut.dp},pp={cut.pp}`")
            break
    for weights in ("fp8", "fp4"):
        rest = rest_dtype_for(shape, weights)
        smaller = [
            replace(c, experts_dtype=weights, rest_dtype=rest)
            for c in usual_cuts(deployment, deployment.accelerators)
        ]
        if BYTES_PER_ELEMENT[weights] < BYTES_PER_ELEMENT[deployment.experts_dtype] and any(
            map(fits, smaller)
        ):
            ways.append(f"`weights={weights}`")
            break
    smallest = smallest_that_fits(
        shape,
        chip,
        experts=deployment.experts_dtype,
        rest=deployment.rest_dtype,
        context_tokens=USUAL_CONTEXT_TOKENS,
    )
    ways.append(f"take {smallest.accelerators} of them")
    return (
        f"{shape.name} needs {needed_gb:,.0f} GB of weights on each {chip.name}, "
        f"which has {chip.hbm_bytes / 1e9:,.0f}; {' or '.join(ways)}"
    )


def require_capacity(deployment: Deployment, context_tokens: float) -> None:
    """Raise DeploymentError, with the way out, if not even one sequence of this length fits (2.6)."""
    fit = float(memory.capacity_batch(deployment.plan(), context_tokens))
    if fit >= 1.0:
        return
    largest = max(deployment.kv_budget_bytes(), 0.0)
    smallest = smallest_that_fits(
        deployment.shape, deployment.chip, experts=deployment.experts_dtype, rest=deployment.rest_dtype,
        context_tokens=context_tokens,
    )  # fmt: skip
    raise DeploymentError(
        f"{deployment.shape.name} on {deployment.accelerators} {deployment.chip.name} has "
        f"{largest / 1e9:,.1f} GB for KV, and a context of {context_tokens:,.0f} tokens takes "
        f"{deployment.kv_bytes(context_tokens) / 1e9:,.1f}; "
        f"take {smallest.accelerators} of them, or shorten it"
    )
