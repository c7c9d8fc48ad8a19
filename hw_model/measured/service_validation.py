"""How far predictions of whole services are from measured rows, point by point and by regime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.arrays import Array
from tokenprof.hw_model.catalogue.lookup import read_data
from tokenprof.hw_model.equations.constants import Constants, fitted
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.point_rows import POINT_COLUMNS, PublishedPoint, parse_points
from tokenprof.hw_model.measured.row_values import Row
from tokenprof.hw_model.measured.service_fit import STEADY_SHARE, predict_services
from tokenprof.hw_model.measured.service_rows import (
    SERVICE_COLUMNS,
    RefusedRow,
    ServicePoint,
    parse_services,
    split_pools,
)
from tokenprof.hw_model.service.pools import prompt_s
from tokenprof.hw_model.service.sessions import (
    agent_service,
    agent_tokens_per_s_per_accelerator,
)

NOMINAL_COVERAGE: Final = 0.9
TWIN_OUTPUT: Final = "total_tokens_per_s_per_gpu"


@dataclass(frozen=True, slots=True)
class ServiceEstimate:
    """The prediction of one row: times [s], tokens per second and accelerator, and their 90 % interval.

    A pool that only computes prompts has no time per output token: None.
    """

    row: int
    regime: str
    tpot_s: float | None
    ttft_s: float
    tokens_per_s_per_gpu: float
    low: float
    high: float
    measured_tokens_per_s_per_gpu: float | None
    measured_tpot_s: float | None
    assumed: tuple[str, ...] = ()

    @property
    def finite(self) -> bool:
        """Whether the equations gave figures; a service that holds no sequence at all has none."""
        times = (self.ttft_s,) if self.tpot_s is None else (self.ttft_s, self.tpot_s)
        return bool(np.isfinite([*times, self.tokens_per_s_per_gpu]).all())


def reads_services(columns: Sequence[str]) -> bool:
    """Tell whether columns are those of whole services: captures of a dashboard, or published points."""
    return set(SERVICE_COLUMNS) <= set(columns) or set(POINT_COLUMNS) <= set(columns)


def spread_of(regime: str, *, new_on_amd: bool = False) -> tuple[float, float]:
    """Return the factors from a predicted throughput to the ends of its 90 % interval.

    The interval is wider for a model that is new to engines on AMD's chips.
    """
    spread = read_data("constants.json")["service_spread"]
    low, high = (float(end) for end in spread["by_regime"][regime.removesuffix(" long context")])
    if not new_on_amd:
        return low, high
    middle, wider = float(np.sqrt(low * high)), float(spread["wider_if_new_on_amd"])
    return middle * (low / middle) ** wider, middle * (high / middle) ** wider


def validate_services(rows: Sequence[Row], c: Constants | None = None) -> dict[str, Any]:
    """Return how well the rows of a file are predicted (columns: see `service_rows` and `point_rows`)."""
    c = c or fitted()
    columns = list(rows[0]) if rows else []
    if set(SERVICE_COLUMNS) <= set(columns):
        services, refused = parse_services(rows)
        estimates = _estimates([split_pools(p, c) for p in services], c)
    else:
        points, refused = parse_points(rows, c)
        estimates = _estimates_of_points(points, c)
    refused += [RefusedRow(e.row, NOT_FINITE) for e in estimates if not e.finite]
    return _report([e for e in estimates if e.finite], refused, len(rows))


NOT_FINITE: Final = "no finite time follows from this row; its lengths, clients or layout cannot be served"


def _estimates(services: Sequence[ServicePoint], c: Constants) -> list[ServiceEstimate]:
    if not services:
        return []
    found = predict_services(services, c)
    return [
        _estimate(p, *times)
        for p, *times in zip(
            services,
            found.tpot_s.tolist(),
            found.ttft_s.tolist(),
            found.tokens_per_s_per_gpu.tolist(),
            strict=True,
        )
    ]


def _estimate(p: ServicePoint, tpot_s: float | None, ttft_s: float, gained: float) -> ServiceEstimate:
    low, high = spread_of(p.regime, new_on_amd=p.new_on_amd)
    ends = (low * gained, high * gained)
    return ServiceEstimate(
        p.row, p.regime, tpot_s, ttft_s, gained, *ends, p.tokens_per_s_per_gpu, p.tpot_s, p.assumed
    )


def _estimates_of_points(points: Sequence[PublishedPoint], c: Constants) -> list[ServiceEstimate]:
    """Return the predictions of published points, agentic ones and prompt pools by their own equations."""
    plain = [p.service for p in points if p.agentic is None and not p.prompts_only]
    found = {e.row: e for e in _estimates(plain, c)}
    for p in points:
        service = p.service
        if p.agentic is not None:
            load = p.agentic.load
            served = agent_service(service.pools, load, c, p.agentic.parking)
            gained = agent_tokens_per_s_per_accelerator(service.pools, load, served)
            values = (_one(served.tpot_s), _one(served.ttft_s), _one(gained))
            found[service.row] = _estimate(service, *values)
        elif p.prompts_only:
            _, busy = prompt_s(service.pools, service.load, 1.0, c)
            prompts = service.load.prompt_tokens / busy / service.pools.prompt.accelerators
            alone, _ = prompt_s(service.pools, service.load, 1.0, c)
            found[service.row] = _estimate(service, None, _one(alone), STEADY_SHARE * _one(prompts))
    return [found[p.service.row] for p in points]


def _one(value: object) -> float:
    return float(np.asarray(value).reshape(-1)[0])


def _report(estimates: Sequence[ServiceEstimate], refused: Sequence[RefusedRow], rows: int) -> dict[str, Any]:
    by_row: dict[int, dict[str, Any]] = {
        r.row: {"row": r.row, "refused": r.reason, "assumed": [], **dict.fromkeys(_PREDICTED)}
        for r in refused
    }
    for e in estimates:
        values = (e.tpot_s, e.tokens_per_s_per_gpu, e.ttft_s, e.low, e.high)
        by_row[e.row] = {
            "row": e.row,
            "refused": None,
            "assumed": list(e.assumed),
            **{
                name: None if value is None else float(f"{value:.6g}")
                for name, value in zip(_PREDICTED, values, strict=True)
            },
        }
    regimes = list(dict.fromkeys(sorted(e.regime for e in estimates)))
    return {
        "points": [by_row[row] for row in sorted(by_row)],
        "rows": rows,
        "refused": len(refused),
        "throughput": _throughput(estimates, len(refused)),
        "tpot": error_figures(_ratio([(e.tpot_s, e.measured_tpot_s) for e in estimates]), len(refused)),
        "by_regime": {
            regime: {
                "throughput": _throughput(chosen, 0),
                "tpot": error_figures(_ratio([(e.tpot_s, e.measured_tpot_s) for e in chosen])),
            }
            for regime in regimes
            for chosen in [[e for e in estimates if e.regime == regime]]
        },
    }


_PREDICTED: Final = ("tpot_s", TWIN_OUTPUT, "ttft_s", "low", "high")


def _throughput(estimates: Sequence[ServiceEstimate], refused: int) -> Mapping[str, Any]:
    pairs = [(e.tokens_per_s_per_gpu, e.measured_tokens_per_s_per_gpu) for e in estimates]
    inside = [
        e.low <= e.measured_tokens_per_s_per_gpu <= e.high
        for e in estimates
        if e.measured_tokens_per_s_per_gpu
    ]
    ratio = _ratio(pairs)
    return {
        **error_figures(ratio, refused),
        "median": float(np.median(ratio)) if ratio.size else None,
        "nominal_coverage": NOMINAL_COVERAGE,
        "coverage": float(np.mean(inside)) if inside else None,
    }


def _ratio(pairs: Sequence[tuple[float | None, float | None]]) -> Array:
    known = [(predicted, seen) for predicted, seen in pairs if predicted is not None and seen]
    return np.array([predicted / seen for predicted, seen in known], dtype=float)
