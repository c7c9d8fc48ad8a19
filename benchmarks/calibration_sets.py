"""The measurements that the hardware model is fitted on, and which of them are left out."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.measured.measurements import Measurement, read_measurements, why_unclean
from tokenprof.hw_model.measured.point_rows import PublishedPoint, parse_points
from tokenprof.hw_model.measured.service_rows import ServicePoint, newest, parse_services

DATA = Path(__file__).parent / "data"
DECODE_TIMES = DATA / "e2e_silicon_calibration.csv"
SERVICES = DATA / "deepseek_r1_serving_calibration.csv"
POINTS = DATA / "serving_points.csv"


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


@cache
def newest_services() -> tuple[ServicePoint, ...]:
    """Return the newest point of each configuration of DeepSeek-R1."""
    rows = rows_of(SERVICES)
    chosen = set(newest(rows))
    return tuple(p for p in parse_services(rows)[0] if p.row in chosen)


@cache
def published_points() -> tuple[PublishedPoint, ...]:
    """Return the published points of all models."""
    return tuple(parse_points(rows_of(POINTS), fitted())[0])


@cache
def training_set() -> tuple[list[Measurement], list[ServicePoint]]:
    """Return clean decode times, and the services that a fit may use.

    Services that contradict themselves or have no layout of their own are left out, and so are points of
    other models whose requests queue, that are agentic, or that measure a prompt pool alone.
    """
    measured = [m for m in read_measurements(DECODE_TIMES)[0] if why_unclean(m) is None]
    services = [p for p in newest_services() if not p.disagrees_with_itself and p.layout_known]
    points = [
        p.service
        for p in published_points()
        if p.agentic is None
        and not p.prompts_only
        and not p.queues
        and p.service.layout_known
        and p.service.tokens_per_s_per_gpu
    ]
    return measured, [*services, *points]
