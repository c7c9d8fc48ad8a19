"""Refit the hardware model's constants to all calibration files and write them with their uncertainty.

    python benchmarks/hw_fit.py [--write]

Which rows a fit may use is defined here. Without --write it prints what it would write.
`benchmarks/hw_services.py` cross-validates the same fit.
"""

from __future__ import annotations

import argparse
import csv
import json
from functools import cache
from pathlib import Path

import numpy as np

from tokenprof.hw_model.equations.constants import NAMES, fitted
from tokenprof.hw_model.measured.calibration import priors
from tokenprof.hw_model.measured.measurements import Measurement, read_measurements, why_unclean
from tokenprof.hw_model.measured.point_rows import PublishedPoint, parse_points
from tokenprof.hw_model.measured.service_fit import fit_services
from tokenprof.hw_model.measured.service_rows import ServicePoint, newest, parse_services

HERE = Path(__file__).parent
TARGET = HERE.parent / "hw_model" / "data" / "constants.json"
DATA = HERE / "data"
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
def older_services() -> tuple[ServicePoint, ...]:
    """Return, of each configuration of DeepSeek-R1, the newest point two months older than its newest.

    Fits need it to tell the age of software from everything else; predictions are judged on the newest.
    """
    rows = rows_of(SERVICES)
    chosen = set(newest(rows, older_by_days=OLDER_DAYS))
    return tuple(p for p in parse_services(rows)[0] if p.row in chosen)


OLDER_DAYS = 60


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
    services = [
        p for p in (*newest_services(), *older_services()) if not p.disagrees_with_itself and p.layout_known
    ]
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    arguments = parser.parse_args()
    prior = priors()
    clean, services = training_set()
    found = fit_services(clean, services, prior)
    written = json.loads(TARGET.read_text("utf-8"))
    constants = {
        name: {
            "value": float(f"{getattr(found.constants, name):.4g}"),
            "log_sd": float(f"{found.log_sd.get(name, 0.0):.3g}"),
            "prior": prior[name].value,
            "prior_sd": prior[name].sd,
        }
        for name in NAMES
    }
    for name, row in constants.items():
        print(f"{name:32s} {row['value']:<12.4g} x/ {np.exp(row['log_sd']):.2f}   prior {row['prior']:.4g}")
    if arguments.write:
        write(
            {
                **written,
                "fitted_on": f"{len(clean)} clean rows of {DECODE_TIMES.name}, {len(services)} services",
                "constants": constants,
            }
        )


def write(document: dict[str, object]) -> None:
    """Write the constants' file, one constant a line."""
    rows = document["constants"]
    assert isinstance(rows, dict)
    text = json.dumps({**document, "constants": dict.fromkeys(rows)}, indent=1)
    for name, row in rows.items():
        text = text.replace(f'"{name}": null', f'"{name}": {json.dumps(row)}')
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"written to {TARGET}")


if __name__ == "__main__":
    main()
