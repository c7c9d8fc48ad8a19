"""How a model is assumed to be served, in words and figures: what a report says about a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tokenprof.hw_model.equations.assumption import Assumption
from tokenprof.hw_model.estimate import Estimate

__all__ = ["SAMPLED", "Assumption", "DeploymentDescription", "HourBasis", "HourTenure", "Parallelism"]

HourTenure = Literal["owned", "rented", "given"]


@dataclass(frozen=True, slots=True)
class HourBasis:
    """Whose hours a cost is at, and what they cost [USD per accelerator-hour]: P10, P50 and P90 of the draws.

    `tenure` is `owned` (capital recovery, building and power of the owner), `rented` (what the server of the
    model pays for hours of others' racks) or `given` (a price that the user set). `owner` is what the same
    hours cost their owner.
    """

    tenure: HourTenure
    paid: Estimate
    owner: Estimate
    source: str


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
    `SAMPLED`, `chips` is the median of the draws, and `parallelism` is None. `hours` is None in a report of
    an earlier release.
    """

    model: str
    chip: str
    chips: int
    precision: str
    parallelism: Parallelism | None
    assumptions: tuple[Assumption, ...]
    hours: HourBasis | None = None


SAMPLED = "sampled"
