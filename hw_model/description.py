"""How a model is assumed to be served, in words and figures: what a report says about a deployment."""

from __future__ import annotations

from dataclasses import dataclass

from tokenprof.hw_model.equations.assumption import Assumption

__all__ = ["SAMPLED", "Assumption", "DeploymentDescription", "Parallelism"]


@dataclass(frozen=True, slots=True)
class Parallelism:
    """How a replica is cut: tensor, data, expert and pipeline parallelism [ranks]."""

    tp: int
    dp: int
    ep: int
    pp: int


@dataclass(frozen=True, slots=True)
class DeploymentDescription:
    """What a cost was worked out for, with every assumption.

    `chips` is the number of accelerators in a replica. Of a sampled deployment, `chip` and `precision` are
    `SAMPLED`, `chips` is the median of the draws, and `parallelism` is None.
    """

    model: str
    chip: str
    chips: int
    precision: str
    parallelism: Parallelism | None
    assumptions: tuple[Assumption, ...]


SAMPLED = "sampled"
