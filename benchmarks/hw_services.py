"""Cross-validate the model of services, and write how wide its errors are.

    python benchmarks/hw_services.py [--write] [--out benchmarks/results/hw_services.json]

DeepSeek-R1 on eight chips: each chip x engine x precision x drafts is predicted by constants fitted without
it. Other models: each model is predicted by constants fitted without it. `--write` puts the 5th and 95th
percentiles of the errors, by regime, beside the constants; intervals are made of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from calibration_sets import POINTS, newest_services, published_points, rows_of, training_set
from hw_fit import TARGET, write

from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.measured.calibration import predict, priors
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.service_fit import (
    ServicePrediction,
    fit_services,
    predict_services,
)
from tokenprof.hw_model.measured.service_rows import ServicePoint, split_pools
from tokenprof.hw_model.measured.service_validation import validate_services

ITERATIONS = 5
SHRUNK_BY_ROWS = 15.0
PERCENTILES = (4.0, 96.0)


def held_out(points: Sequence[ServicePoint], group_of: Callable[[ServicePoint], str]) -> ServicePrediction:
    """Return predictions of all points, each by constants fitted without its group."""
    measured, services = training_set()
    start = fitted()
    columns = np.zeros((3, len(points)))
    groups = np.array([group_of(p) for p in points])
    for group in sorted(set(groups.tolist())):
        inside = np.flatnonzero(groups == group)
        seen = [p for p in services if group_of(p) != group]
        c = fit_services(measured, seen, priors(), start=start, iterations=ITERATIONS).constants
        found = predict_services([points[i] for i in inside], c)
        columns[:, inside] = found.tpot_s, found.ttft_s, found.tokens_per_s_per_gpu
    return ServicePrediction(*columns)


def show(name: str, ratio: np.ndarray) -> dict[str, object]:
    ratio = ratio[~np.isnan(ratio)]
    figures = error_figures(ratio)
    if ratio.size:
        print(
            f"{name:52s} n {ratio.size:4d}  median {np.median(ratio):5.2f}  MAPE {figures['mape']:6.1%}"
            f"  <1.25x {figures['within_1_25x']:5.0%}  <1.5x {figures['within_1_5x']:5.0%}"
            f"  <2x {figures['within_2x']:5.0%}"
        )
    return figures


def spreads(ratio: np.ndarray, regimes: Sequence[str]) -> dict[str, list[float]]:
    """Return the percentiles of measured over predicted by regime, few rows drawn towards all of them.

    `sglang fp8 aggregated drafts` counts for itself and for `aggregated drafts`.
    """
    logs = -np.log(ratio)
    overall = np.percentile(logs, PERCENTILES)
    names = np.array(regimes)
    coarse = np.array([" ".join(name.split()[2:]) for name in regimes])
    found = {"all": overall}
    for labels in (coarse, names):
        for regime in sorted(set(labels.tolist())):
            own = logs[labels == regime]
            weight = own.size / (own.size + SHRUNK_BY_ROWS)
            found[regime] = weight * np.percentile(own, PERCENTILES) + (1.0 - weight) * overall
    return {name: [round(float(np.exp(v)), 3) for v in pair] for name, pair in found.items()}


def agentic_spread() -> tuple[list[float], np.ndarray]:
    """Return percentiles of measured over predicted on agentic rows (no fit uses them), and the ratios."""
    report = validate_services(rows_of(POINTS))
    points = {p.service.row: p for p in published_points() if p.agentic is not None}
    ratio = []
    for point in report["points"]:
        p = points.get(point["row"])
        if p is None:
            continue
        seen = p.service.tokens_per_s_per_gpu
        if seen is None and p.output_tokens_per_s_per_gpu:
            load = p.agentic.load
            tokens = load.cached_tokens + load.new_tokens + load.output_tokens
            seen = p.output_tokens_per_s_per_gpu * tokens / load.output_tokens
        if seen:
            ratio.append(point["total_tokens_per_s_per_gpu"] / seen)
    found = np.array(ratio)
    return [round(float(np.exp(v)), 3) for v in np.percentile(-np.log(found), PERCENTILES)], found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help=f"write the spreads to {TARGET.name}")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    services = [split_pools(p, fitted()) for p in newest_services()]
    ours = held_out(services, lambda p: p.cell)
    gained = np.array([p.tokens_per_s_per_gpu for p in services], dtype=float)
    tpot = np.array([p.tpot_s for p in services], dtype=float)
    sound = np.array([not p.disagrees_with_itself for p in services])
    for name, chosen in (("all", np.ones_like(sound)), ("rows that agree with themselves", sound)):
        figures[f"R1 throughput, {name}"] = show(
            f"DeepSeek-R1 throughput, {name}", (ours.tokens_per_s_per_gpu / gained)[chosen]
        )
        figures[f"R1 tpot, {name}"] = show(f"DeepSeek-R1 TPOT, {name}", (ours.tpot_s / tpot)[chosen])
    others = [
        p.service
        for p in published_points()
        if p.agentic is None and not p.prompts_only and not p.queues and p.service.tokens_per_s_per_gpu
    ]
    theirs = held_out(others, lambda p: p.model)
    other_gained = np.array([p.tokens_per_s_per_gpu for p in others], dtype=float)
    figures["other models, throughput"] = show(
        "other models, throughput", theirs.tokens_per_s_per_gpu / other_gained
    )
    models = np.array([p.model for p in others])
    for model in sorted(set(models.tolist())):
        show(f"    {model}", (theirs.tokens_per_s_per_gpu / other_gained)[models == model])
    ratio = np.concatenate(
        [(ours.tokens_per_s_per_gpu / gained)[sound], theirs.tokens_per_s_per_gpu / other_gained]
    )
    regimes = [p.regime for p, good in zip(services, sound, strict=True) if good] + [p.regime for p in others]
    for regime in sorted(set(regimes)):
        show(f"  throughput, {regime}", ratio[np.array(regimes) == regime])
    times = np.concatenate([(ours.tpot_s / tpot)[sound]])
    for regime in sorted({p.regime for p in services}):
        show(
            f"  TPOT, {regime}",
            times[np.array([p.regime for p, g in zip(services, sound, strict=True) if g]) == regime],
        )
    found = spreads(ratio, regimes)
    found["agentic"], agents = agentic_spread()
    figures["agentic"] = show("agentic services, not fitted", agents)
    print(f"{'':52s} within 3x {np.mean((agents < 3) & (agents > 1 / 3)):.0%}")
    measured, _ = training_set()
    decode = predict(measured, fitted()) / np.array([m.tpot_s for m in measured])
    figures["decode times, in sample"] = show("decode times, clean, in sample", decode)
    if arguments.write:
        document = json.loads(TARGET.read_text("utf-8"))
        document["service_spread"] = {
            "about": "Measured over predicted throughput, 4th and 96th percentile, of cells and models "
            "left out of the fit.",
            "by_regime": found,
        }
        write(document)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
