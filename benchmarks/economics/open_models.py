"""What a recorded session would have cost to compute on open models: the same calls, each model in turn.

    python benchmarks/economics/open_models.py RUN.jsonl … [--out benchmarks/results/open_models.json]

Prints dollars at the hours that the server pays (P10, P50, P90), the median over that of the model as
recorded, and the share of draws whose replica holds fewer than eight sequences.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from sessions_costed import cost_sessions

from tokenprof.costing.compute import cost_to_compute
from tokenprof.costing.ledger import Ledger
from tokenprof.hw_model.fleet.operator_choice import FEW_SEQUENCES

MODELS = ("DeepSeek-V4-Pro", "GLM-5", "GLM-5.2", "Kimi-K2.6", "Kimi-K3", "MiniMax-M3", "Qwen3.5-397B-A17B")


def relabelled(ledger: Ledger, model: str) -> Ledger:
    """Return the ledger of the same calls, answered by another model."""
    turns = tuple(replace(turn, provider="openai", model=model) for turn in ledger.run.turns)
    return replace(ledger, run=replace(ledger.run, turns=turns))


def row_of(ledger: Ledger) -> dict[str, Any]:
    """Return what the calls of a ledger cost, and how small their replicas are."""
    hardware = cost_to_compute(ledger)
    usd = hardware.usd(hardware.total)
    if usd is None:
        raise SystemExit("the run has models whose shape nobody has described")
    (scenario, *_) = hardware.scenarios.values()
    batch = scenario.drawn.get("sequences per replica", np.array([np.inf]))
    return {
        "usd": [usd.low, usd.mid, usd.high],
        "few": float(np.mean(batch < FEW_SEQUENCES)),
    }


def rows_of_models(ledger: Ledger) -> dict[str, dict[str, Any]]:
    """Return a row for the model as recorded and for each open one, printed on the way."""
    rows: dict[str, dict[str, Any]] = {}
    for name in ("as recorded", *MODELS):
        rows[name] = row_of(ledger if name == "as recorded" else relabelled(ledger, name))
        low, mid, high = rows[name]["usd"]
        over_recorded = mid / rows["as recorded"]["usd"][1]
        print(
            f"  {name:20s} ${low:7.3f} - {mid:7.3f} - {high:7.3f}   {over_recorded:5.2f}"
            f"   below {FEW_SEQUENCES:g} sequences {rows[name]['few']:5.1%}"
        )
    return rows


if __name__ == "__main__":
    cost_sessions(__doc__, rows_of_models)
