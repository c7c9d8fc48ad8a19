"""Cross-validate the hardware model on the calibration file: every figure quoted in docs/hardware.md.

    python benchmarks/hw_validate.py [--out benchmarks/results/hw_validate.json]

Constants are fitted without the group that is predicted: a cell (model x system x precision) or a whole
model. Fits use clean rows; `why_unclean` in hw_model/measured/measurements.py has the rules. Scores are given
on clean rows and on all rows. DeepSeek R1 and V3 are one model, and so are the two Llama-3.1-8B paths.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.measured.calibration import held_out_predictions, predict, priors
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.measurements import read_measurements, why_unclean
from tokenprof.hw_model.measured.validation import batch_regime

DATA = Path(__file__).parent / "data" / "e2e_silicon_calibration.csv"


def show(name: str, ratio: np.ndarray) -> dict[str, object]:
    figures = error_figures(ratio)
    print(
        f"{name:44s} n {figures['n']:5d}  bias {figures['bias']:+6.1%}  MAPE {figures['mape']:6.1%}"
        f"  median {figures['median_ape']:6.1%}  <25 % {figures['within_25']:6.1%}"
        f"  <2x {figures['within_2x']:6.1%}"
    )
    return figures


def coverage(predicted: np.ndarray, measured: np.ndarray, groups: list[str], train: np.ndarray) -> float:
    """Return how many rows of each group fall in an interval taken from the other groups' errors."""
    ratio, inside = measured / predicted, np.zeros(len(measured), dtype=bool)
    names = np.array(groups)
    for group in set(groups):
        low, high = np.percentile(ratio[names != group], [5, 95])
        inside |= (names == group) & (ratio >= low) & (ratio <= high)
    return float(inside.mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    rows, refused = read_measurements(DATA)
    reasons = [why_unclean(m) for m in rows]
    clean = np.array([reason is None for reason in reasons])
    measured = np.array([m.tpot_s for m in rows])
    print(f"{len(rows)} rows, {len(refused)} refused, {clean.sum()} clean; left out of fits:")
    for reason, count in Counter(r for r in reasons if r).most_common():
        print(f"  {count:4d}  {reason}")
    models = [m.deployment.shape.name for m in rows]
    splits = {
        "leave one cell out": [m.cell for m in rows],
        "leave one model out": models,
        "leave one system out": [m.system for m in rows],
        "leave one engine out": [m.deployment.engine for m in rows],
    }
    figures: dict[str, object] = {}
    in_sample = predict(rows, fitted())
    figures["in sample, clean"] = show("in sample, clean", (in_sample / measured)[clean])
    figures["in sample, all"] = show("in sample, all rows", in_sample / measured)
    for name, groups in splits.items():
        predicted = held_out_predictions(rows, groups, clean.tolist(), priors())
        ratio = predicted / measured
        figures[f"{name}, clean"] = show(f"{name}, clean", ratio[clean])
        figures[f"{name}, all"] = show(f"{name}, all rows", ratio)
        if name in ("leave one cell out", "leave one model out"):
            covered = coverage(predicted, measured, groups, clean)
            figures[f"{name}, coverage at 90 %"] = covered
            print(f"{'':44s} interval at nominal 90 % covers {covered:.1%} of all rows")
            kinds = {"model": models, "batch": [batch_regime(float(m.load.clients)) for m in rows]}
            for kind, names in kinds.items():
                for value in sorted(set(names)):
                    chosen = clean & (np.array(names) == value)
                    if chosen.any():
                        show(f"    {kind} {value}", ratio[chosen])
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
