"""A sampled scenario as bytes and back, so that a process need not draw what an earlier one drew.

A header in JSON, then the arrays as they are in memory. Floats come back with every bit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tokenprof.hw_model.description import (
    Assumption,
    DeploymentDescription,
    HourBasis,
    Parallelism,
)
from tokenprof.hw_model.equations.features import Rates
from tokenprof.hw_model.equations.gpu_hour import OwnerHour
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.hour_draws import HourDraws
from tokenprof.hw_model.scenario import ServingScenario

Remember = Callable[[str, Callable[[], bytes]], bytes]
"""Takes a question and what answers it; returns the answer, from memory if the question was asked before."""

_LENGTH_BYTES: Final = 8
_RATES, _DRAWN, _HOURS = "rates.", "drawn.", "hours."


def scenario_bytes(scenario: ServingScenario) -> bytes:
    """Return a scenario as bytes."""
    hours, arrays = scenario.hours, dict[str, npt.NDArray[Any]]()
    arrays |= {_RATES + name: table for name, table in scenario.rates.by_basis.items()}
    arrays |= {_DRAWN + name: np.asarray(values) for name, values in scenario.drawn.items()}
    of_hours = {
        "chips_usd": hours.owner.chips_usd,
        "building_usd": hours.owner.building_usd,
        "power_usd": hours.owner.power_usd,
        "paid_usd": hours.paid_usd,
        "rent_usd": hours.rent_usd,
        "utilisation": hours.utilisation,
        "service_factor": hours.service_factor,
    }
    arrays |= {_HOURS + name: np.asarray(v) for name, v in of_hours.items() if v is not None}
    header = json.dumps(
        {
            "provider": scenario.provider,
            "model": scenario.model,
            "description": asdict(scenario.description),
            "basis": asdict(hours.basis),
            "replaced": sorted(scenario.replaced),
            "arrays": [[name, values.dtype.str, values.shape] for name, values in arrays.items()],
        }
    ).encode()
    parts = [len(header).to_bytes(_LENGTH_BYTES, "little"), header]
    return b"".join([*parts, *(np.ascontiguousarray(values).tobytes() for values in arrays.values())])


def scenario_of(kept: bytes) -> ServingScenario:
    """Return the scenario of some bytes. Raises ValueError, KeyError or TypeError if they hold none."""
    start = _LENGTH_BYTES + int.from_bytes(kept[:_LENGTH_BYTES], "little")
    header = json.loads(kept[_LENGTH_BYTES:start])
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, dtype, shape in header["arrays"]:
        kind = np.dtype(dtype)
        if kind.hasobject:
            raise ValueError(f"an array of {dtype} is not kept")
        count = int(np.prod(shape, dtype=int))
        # Copied, so that arrays are aligned as drawn ones are: sums of products round by it.
        arrays[name] = np.frombuffer(kept, kind, count, start).reshape(shape).copy()
        start += count * kind.itemsize
    hours = _named(arrays, _HOURS)
    owner = OwnerHour(hours["chips_usd"], hours["building_usd"], hours["power_usd"])
    return ServingScenario(
        header["provider"],
        header["model"],
        _description(header["description"]),
        sampled=True,
        rates=Rates(_named(arrays, _RATES)),
        hours=HourDraws(
            owner,
            hours["paid_usd"],
            hours.get("rent_usd"),
            hours["utilisation"],
            hours["service_factor"],
            _basis(header["basis"]),
        ),
        drawn=_named(arrays, _DRAWN),
        replaced=frozenset(header["replaced"]),
    )


def _named(arrays: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}


def _description(table: Mapping[str, Any]) -> DeploymentDescription:
    cut, hours = table["parallelism"], table["hours"]
    return DeploymentDescription(
        **{
            **table,
            "parallelism": None if cut is None else Parallelism(**cut),
            "assumptions": tuple(Assumption(**row) for row in table["assumptions"]),
            "hours": None if hours is None else _basis(hours),
        }
    )


def _basis(table: Mapping[str, Any]) -> HourBasis:
    return HourBasis(table["tenure"], Estimate(**table["paid"]), Estimate(**table["owner"]), table["source"])


@cache
def code_version() -> str | None:
    """Return what changes with the code, the data and the numerics of this room; None if unknown."""
    root = Path(__file__).parent
    found: list[str] = [np.__version__]
    try:
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                if name.endswith((".py", ".json")):
                    status = os.stat(os.path.join(folder, name))
                    found.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    except OSError:
        return None
    return "; ".join(found) if len(found) > 1 else None
