"""How a model is assumed to be served, in words and figures: what a report says about a deployment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Assumption:
    """One figure or choice that an estimate rests on, with its source.

    `low` and `high` are P10 and P90 of a sampled quantity, or a published range; None if there is one value.
    `unit` is the unit of all three, None for names and plain numbers.
    """

    name: str
    value: float | str
    source: str
    low: float | None = None
    high: float | None = None
    unit: str | None = None


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
