"""How the replicas of a captured service are cut, from the columns of its pools, and what they leave open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from tokenprof.hw_model.equations.deployment import Deployment, too_large
from tokenprof.hw_model.measured.row_values import MeasurementError, Row, count, is_true
from tokenprof.hw_model.service.pools import Pools

PROMPT_WORKER: Final = 4
"""Accelerators of a prompt worker if a row does not say."""


def cut(base: Deployment, gpus: int, tp: int, ep: int, dp_attention: bool) -> Deployment:
    """Return one replica on `gpus` accelerators: data-parallel attention over all, or tensor-parallel.

    A row may name fewer tensor-parallel ranks than accelerators; attention is then data-parallel over the
    rest. Captures of 2025 call a tensor-parallel worker of one node `tp 1, ep 1` with data-parallel
    attention: their times are those of the same worker in later captures.
    """
    if dp_attention and not (tp == 1 and ep == 1 and gpus <= 8):
        return replace(base, tp=1, dp=gpus, ep=gpus)
    if dp_attention:
        return replace(base, tp=gpus, dp=1, ep=1)
    tp = gpus if tp > gpus else tp
    dp = max(gpus // max(tp, 1), 1)
    if dp > 1:
        return replace(base, tp=tp, dp=dp, ep=gpus)
    return replace(base, tp=gpus, dp=1, ep=min(max(ep, 1), gpus))


@dataclass(frozen=True, slots=True)
class Replicas:
    """Replicas of one kind, and how many of them there are."""

    replica: Deployment
    count: int


def replicas_of(row: Row, base: Deployment) -> tuple[Replicas, Replicas]:
    """Return the replicas for prompts and for decoding that a row names; the same ones if it has one pool."""
    decode = _pool(row, base, "decode")
    return _pool(row, base, "prefill") if is_true(row, "disagg") else decode, decode


def _pool(row: Row, base: Deployment, kind: str) -> Replicas:
    """Return the replicas of one pool, from the columns of its `kind`: `prefill` or `decode`."""
    workers, ranks = count(row, f"{kind}_num_workers") or 1, count(row, f"{kind}_tp")
    gpus = count(row, f"num_{kind}_gpu") or (ranks or 0) * workers
    if gpus < 1:
        raise MeasurementError(f"neither num_{kind}_gpu nor {kind}_tp is given")
    each = max(gpus // workers, 1)
    ep, wide = count(row, f"{kind}_ep") or 1, is_true(row, f"{kind}_dp_attention")
    return Replicas(holding(cut(base, each, ranks or each, ep, wide)), workers)


def holding(replica: Deployment) -> Deployment:
    """Return a replica. Raises MeasurementError, with the way out, if its memory is less than its weights."""
    if replica.weight_bytes_per_accelerator() > replica.chip.memory_bytes:
        raise MeasurementError(too_large(replica))
    return replica


def of_both_pools(row: Row, base: Deployment) -> tuple[Replicas, Replicas]:
    """Return the replicas of a capture that names the accelerators of both pools together.

    One prompt worker of four is the usual; `split_pools` finds the split that serves most.
    """
    together = count(row, "num_decode_gpu") or count(row, "decode_tp")
    if together is None:
        raise MeasurementError("num_decode_gpu is not given")
    left = max(together - PROMPT_WORKER, 1)
    workers = max(left // 8, 1)
    prompt = Replicas(cut(base, PROMPT_WORKER, PROMPT_WORKER, PROMPT_WORKER, False), 1)
    return prompt, Replicas(cut(base, max(left // workers, 1), 8, 8, False), workers)


def splits(base: Deployment, gpus: int) -> Iterator[Pools]:
    """Yield the ways to split accelerators between prompts and decoding.

    Prompt workers of four accelerators, and decode workers of eight or one wide one.
    """
    prompt = cut(replace(base, drafted_tokens=0), PROMPT_WORKER, PROMPT_WORKER, PROMPT_WORKER, False)
    for prompts in range(1, max(gpus // PROMPT_WORKER, 2)):
        left = gpus - PROMPT_WORKER * prompts
        for each in {8, left}:
            if left >= each and left % each == 0:
                decode = cut(base, each, each, 8, each > 8)
                yield Pools(prompt.plan(), decode.plan(), float(prompts), left / each, 1.0)
