"""The deployments that a run was costed on, as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tokenprof.hw_model.description import Assumption, DeploymentDescription, HourBasis, Parallelism
from tokenprof.hw_model.estimate import Estimate
from tokenprof.report.money import estimate_json

Json = dict[str, Any]


def deployments_json(deployments: Sequence[DeploymentDescription]) -> Json | None:
    """Return the first deployment, with the others in it; None if there is none."""
    if not deployments:
        return None
    first, *others = map(_description, deployments)
    return first | ({"others": others} if others else {})


def _description(description: DeploymentDescription) -> Json:
    cut = description.parallelism
    return {
        "model": description.model,
        "chip": description.chip,
        "chips": description.chips,
        "precision": description.precision,
        **({} if cut is None else {"parallelism": asdict(cut)}),
        **({} if description.hours is None else {"hour_basis": _hours(description.hours)}),
        "assumptions": [_assumption(row) for row in description.assumptions],
    }


def _hours(hours: HourBasis) -> Json:
    return {
        "hours": hours.tenure,
        "usd_per_hour": estimate_json(hours.paid),
        "owner_usd_per_hour": estimate_json(hours.owner),
        "source": hours.source,
    }


def _read_hours(found: Mapping[str, Any] | None) -> HourBasis | None:
    if found is None:
        return None
    paid, owner = (
        Estimate(*(float(found[name][end]) for end in ("low", "mid", "high")))
        for name in ("usd_per_hour", "owner_usd_per_hour")
    )
    return HourBasis(found["hours"], paid, owner, found["source"])


def _assumption(row: Assumption) -> Json:
    found: Json = {"name": row.name, "value": row.value, "source": row.source}
    if row.low is not None:
        found |= {"low": row.low, "high": row.high}
    return found if row.unit is None else found | {"unit": row.unit}


def read_deployments(found: Mapping[str, Any] | None) -> tuple[DeploymentDescription, ...]:
    """Return the deployments of a report, the first one's model being the most expensive."""
    if found is None:
        return ()
    return tuple(_read(each) for each in (found, *found.get("others", ())))


def _read(found: Mapping[str, Any]) -> DeploymentDescription:
    cut = found.get("parallelism")
    return DeploymentDescription(
        model=found["model"],
        chip=found["chip"],
        chips=found["chips"],
        precision=found.get("precision", ""),
        parallelism=None if cut is None else Parallelism(**cut),
        assumptions=tuple(_read_assumption(row) for row in found["assumptions"]),
        hours=_read_hours(found.get("hour_basis")),
    )


def _read_assumption(row: Any) -> Assumption:
    if not isinstance(row, Mapping):
        return Assumption(str(row), "", "")
    return Assumption(
        name=row["name"],
        value=row["value"],
        source=row.get("source") or "",
        low=row.get("low"),
        high=row.get("high"),
        unit=row.get("unit"),
    )
