"""Refit the hardware model's constants to all calibration files and write them with their uncertainty.

    python benchmarks/hw_fit.py [--write]

Without --write it prints what it would write. `benchmarks/hw_services.py` cross-validates the same fit.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from calibration_sets import DECODE_TIMES, training_set

from tokenprof.hw_model.equations.constants import NAMES
from tokenprof.hw_model.measured.calibration import priors
from tokenprof.hw_model.measured.service_fit import fit_services

HERE = Path(__file__).parent
TARGET = HERE.parent / "hw_model" / "data" / "constants.json"


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
