"""Refit the hardware model's constants to the calibration file and write them with their uncertainty.

    python benchmarks/hw_fit.py [--write]

Without --write it prints what it would write.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from tokenprof.hw_model.constants import NAMES
from tokenprof.hw_model.measured.calibration import fit, held_out_predictions, priors
from tokenprof.hw_model.measured.measurements import read_measurements, why_unclean

HERE = Path(__file__).parent
DATA = HERE / "data" / "e2e_silicon_calibration.csv"
TARGET = HERE.parent / "hw_model" / "data" / "constants.json"


def spread_of(predicted: np.ndarray, measured: np.ndarray) -> list[float]:
    """Return the 5th and 95th percentile of measured over predicted."""
    low, high = np.percentile(measured / predicted, [5, 95])
    return [round(float(low), 3), round(float(high), 3)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name}")
    arguments = parser.parse_args()
    rows, _ = read_measurements(DATA)
    training = [why_unclean(m) is None for m in rows]
    clean = [m for m, train in zip(rows, training, strict=True) if train]
    prior = priors()
    found = fit(clean, prior)
    tpot_s = np.array([m.tpot_s for m in rows])
    models = [m.deployment.shape.name for m in rows]
    by_cell = held_out_predictions(rows, [m.cell for m in rows], training, prior)
    by_model = held_out_predictions(rows, models, training, prior)
    constants = {
        name: {
            "value": float(f"{getattr(found.constants, name):.4g}"),
            "log_sd": float(f"{found.log_sd.get(name, 0.0):.3g}"),
            "prior": prior[name].value,
            "prior_sd": prior[name].sd,
        }
        for name in NAMES
    }
    text = json.dumps(
        {
            "about": "Constants of the time equations, by benchmarks/hw_fit.py. log_sd is the standard "
            "deviation of a constant's logarithm, 0 if it is fixed. Priors are from measured kernels and "
            "published studies.",
            "fitted_on": f"{len(clean)} clean rows of {len(rows)} in benchmarks/data/{DATA.name}",
            "constants": dict.fromkeys(constants),
            "held_out_spread": {
                "about": "5th and 95th percentile of measured over predicted: cells and models held out, "
                "all rows.",
                "seen_model": spread_of(by_cell, tpot_s),
                "unseen_model": spread_of(by_model, tpot_s),
                "models": sorted(set(models)),
            },
        },
        indent=1,
    )
    for name, row in constants.items():
        text = text.replace(f'"{name}": null', f'"{name}": {json.dumps(row)}')
        print(f"{name:32s} {row['value']:<12.4g} x/ {np.exp(row['log_sd']):.2f}   prior {row['prior']:.4g}")
    if arguments.write:
        TARGET.write_text(text + "\n", encoding="utf-8")
        print(f"written to {TARGET}")


if __name__ == "__main__":
    main()
