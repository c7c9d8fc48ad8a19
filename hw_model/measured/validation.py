"""How far predictions are from measurements, by model, system, engine and size of batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tokenprof.hw_model.catalogue.lookup import read_data
from tokenprof.hw_model.equations.constants import Constants, fitted
from tokenprof.hw_model.measured.calibration import predict
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.measurements import Measurement, Refused, parse_rows
from tokenprof.hw_model.measured.row_values import Row

REGIMES: Final = ((4.0, "1-4"), (16.0, "5-16"), (64.0, "17-64"), (float("inf"), "65 and more"))
NOMINAL_COVERAGE: Final = 0.9


@dataclass(frozen=True, slots=True)
class PredictedPoint:
    """One predicted time per output token, with its interval at the nominal coverage [ms]."""

    measurement: Measurement
    low_ms: float
    mid_ms: float
    high_ms: float

    @property
    def measured_ms(self) -> float:
        """What was measured."""
        return self.measurement.tpot_s * 1e3


def predictions(measured: Sequence[Measurement], constants: Constants | None = None) -> list[PredictedPoint]:
    """Return predictions with intervals.

    An interval is the spread of held-out errors in the public set: of cells left out, for a model that the
    constants were fitted on, and of whole models left out, for any other. `constants` default to those that
    ship.
    """
    if not measured:
        return []
    spread = read_data("constants.json")["held_out_spread"]
    known = set(spread["models"])
    found = []
    for m, tpot_s in zip(measured, predict(measured, constants or fitted()).tolist(), strict=True):
        low, high = spread["seen_model" if m.deployment.shape.name in known else "unseen_model"]
        found.append(PredictedPoint(m, 1e3 * tpot_s * low, 1e3 * tpot_s, 1e3 * tpot_s * high))
    return found


def batch_regime(sequences: float) -> str:
    """Return the size class of a batch."""
    return next(name for limit, name in REGIMES if sequences <= limit)


def validate(rows: Sequence[Row], constants: Constants | None = None) -> dict[str, Any]:
    """Return how well measured rows are predicted, overall and by kind, and which rows were refused and why.

    Rows have the columns of `hw_model.measured.measurements`. Times are in milliseconds, figures are
    fractions.
    """
    measured, refused = parse_rows(rows)
    return summary(predictions(measured, constants), refused)


def summary(predicted: Sequence[PredictedPoint], refused: Sequence[Refused]) -> dict[str, Any]:
    """Return the report of `validate` for predictions already made."""
    ratio = np.array([p.mid_ms / p.measured_ms for p in predicted])
    kinds = {
        "model": [p.measurement.deployment.shape.name for p in predicted],
        "system": [p.measurement.system for p in predicted],
        "backend": [p.measurement.deployment.engine for p in predicted],
        "batch_regime": [batch_regime(float(p.measurement.load.clients)) for p in predicted],
    }
    covered = [p.low_ms <= p.measured_ms <= p.high_ms for p in predicted]
    return {
        "tpot": error_figures(ratio, len(refused)),
        "interval": {"nominal": NOMINAL_COVERAGE, "covered": float(np.mean(covered)) if covered else None},
        "by": {
            kind: {
                name: error_figures(ratio[[n == name for n in names]])
                for name in dict.fromkeys(sorted(names))
            }
            for kind, names in kinds.items()
        },
        "refused": [{"line": r.line, "model_path": r.model, "reason": r.reason} for r in refused],
        "predictions": [
            {
                "line": p.measurement.line,
                "measured_ms": round(p.measured_ms, 4),
                "predicted_ms": round(p.mid_ms, 4),
                "low_ms": round(p.low_ms, 4),
                "high_ms": round(p.high_ms, 4),
            }
            for p in predicted
        ],
    }
