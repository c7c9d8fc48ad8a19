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
from typing import Any

import numpy as np
from hw_fit import POINTS, TARGET, newest_services, published_points, rows_of, training_set, write

from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.measured.calibration import cell_weights, predict, priors
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.service_fit import (
    ServicePrediction,
    fit_services,
    predict_services,
)
from tokenprof.hw_model.measured.service_rows import ServicePoint, split_pools
from tokenprof.hw_model.measured.service_validation import validate_services

ITERATIONS = 3
SHRUNK_BY_ROWS = 30.0
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


def show(name: str, ratio: np.ndarray) -> dict[str, Any]:
    ratio = ratio[~np.isnan(ratio)]
    figures = error_figures(ratio)
    if ratio.size:
        print(
            f"{name:52s} n {ratio.size:4d}  median {np.median(ratio):5.2f}  MAPE {figures['mape']:6.1%}"
            f"  <1.25x {figures['within_1_25x']:5.0%}  <1.5x {figures['within_1_5x']:5.0%}"
            f"  <2x {figures['within_2x']:5.0%}"
        )
    return figures


def spreads(ratio: np.ndarray, regimes: Sequence[str], weights: np.ndarray) -> dict[str, tuple[float, float]]:
    """Return the percentiles of measured over predicted by regime, few rows drawn towards all of them.

    `sglang fp8 aggregated drafts` counts for itself and for `aggregated drafts`. Rows of one series are not
    independent: a cell of n rows counts as √n rows would (`weights`).
    """
    logs = -np.log(ratio)
    overall = percentiles(logs, weights)
    names = np.array(regimes)
    coarse = np.array([" ".join(name.split()[2:]) for name in regimes])
    found = {"all": overall}
    for labels in (coarse, names):
        for regime in sorted(set(labels.tolist())):
            own = labels == regime
            wider = found.get(" ".join(regime.split()[2:]), overall)
            share = own.sum() / (own.sum() + SHRUNK_BY_ROWS)
            found[regime] = share * percentiles(logs[own], weights[own]) + (1.0 - share) * wider
    return {name: (float(np.exp(low)), float(np.exp(high))) for name, (low, high) in found.items()}


def percentiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted percentiles, on straight lines between the middles of the weights."""
    order = np.argsort(values)
    share = (np.cumsum(weights[order]) - weights[order] / 2.0) / weights.sum()
    return np.interp(np.array(PERCENTILES) / 100.0, share, values[order])


def covered(
    ratio: np.ndarray, regimes: Sequence[str], cells: Sequence[str], weights: np.ndarray
) -> np.ndarray:
    """Return which rows lie in the interval made of the errors of all other cells."""
    inside = np.zeros(len(ratio), dtype=bool)
    names = np.array(cells)
    for cell in sorted(set(cells)):
        own = names == cell
        kept = [r for r, mine in zip(regimes, own, strict=True) if not mine]
        table = spreads(ratio[~own], kept, weights[~own])
        for i in np.flatnonzero(own):
            regime = regimes[i]
            low, high = table.get(regime) or table.get(" ".join(regime.split()[2:])) or table["all"]
            inside[i] = low <= 1.0 / ratio[i] <= high
    return inside


def agentic_errors() -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return predicted over measured on agentic rows, which no fit uses, their groups, and which are sold.

    An operator does not sell a service whose first token takes more than half a minute, or that streams fewer
    than ten tokens a second: those rows are scored, but say nothing of what an operator's error costs.
    """
    rows = rows_of(POINTS)
    points = {p.service.row: p for p in published_points() if p.agentic is not None}
    ratio, groups, sold = [], [], []
    for point in validate_services(rows)["points"]:
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
            groups.append(f"{p.service.model} {p.service.base.chip.name}")
            slow = p.service.tpot_s is not None and p.service.tpot_s > 1.0 / LEAST_SOLD_TOKENS_PER_S
            late = p.service.ttft_s is not None and p.service.ttft_s > LONGEST_SOLD_TTFT_S
            sold.append(not (slow or late))
    return np.array(ratio), groups, np.array(sold)


LEAST_SOLD_TOKENS_PER_S = 10.0
LONGEST_SOLD_TTFT_S = 30.0


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
    by_chip = held_out(services, lambda p: p.base.chip.name)
    gained = np.array([p.tokens_per_s_per_gpu for p in services], dtype=float)
    tpot = np.array([p.tpot_s for p in services], dtype=float)
    sound = np.array([not p.disagrees_with_itself for p in services])
    for name, chosen in (("all", np.ones_like(sound)), ("rows that agree with themselves", sound)):
        for what, found in (("a cell left out", ours), ("a chip left out", by_chip)):
            label = f"R1 {{}}, {what}, {name}"
            figures[label.format("throughput")] = show(
                label.format("throughput"), (found.tokens_per_s_per_gpu / gained)[chosen]
            )
            figures[label.format("TPOT")] = show(label.format("TPOT"), (found.tpot_s / tpot)[chosen])
    chips = np.array([p.base.chip.name for p in services])
    for chip in sorted(set(chips.tolist())):
        own = (chips == chip) & sound
        show(f"    {chip} left out, throughput", (by_chip.tokens_per_s_per_gpu / gained)[own])
        show(f"    {chip} left out, TPOT", (by_chip.tpot_s / tpot)[own])
    others = [
        p.service
        for p in published_points()
        if p.agentic is None and not p.prompts_only and not p.queues and p.service.tokens_per_s_per_gpu
    ]
    theirs = held_out(others, lambda p: p.model)
    other_gained = np.array([p.tokens_per_s_per_gpu for p in others], dtype=float)
    figures["other models, throughput, a model left out"] = show(
        "other models, throughput, a model left out", theirs.tokens_per_s_per_gpu / other_gained
    )
    models = np.array([p.model for p in others])
    for model in sorted(set(models.tolist())):
        show(f"    {model}", (theirs.tokens_per_s_per_gpu / other_gained)[models == model])
    ratio = np.concatenate(
        [(ours.tokens_per_s_per_gpu / gained)[sound], theirs.tokens_per_s_per_gpu / other_gained]
    )
    used = [*(p for p, good in zip(services, sound, strict=True) if good), *others]
    regimes, cells = [p.regime for p in used], [p.cell for p in used]
    weights = cell_weights([f"{p.cell} {p.regime}" for p in used])
    inside = covered(ratio, regimes, cells, weights)
    print(f"90 % intervals of other cells hold {inside.mean():.1%} of all rows")
    for regime in sorted(set(regimes)):
        own = np.array(regimes) == regime
        row = show(f"  {regime}", ratio[own])
        row["covered"] = float(inside[own].mean())
        figures[f"throughput, {regime}"] = row
        print(f"{'':52s} 90 % interval of other cells holds {row['covered']:.0%}")
    times = (ours.tpot_s / tpot)[sound]
    first = np.array([p.regime for p in used[: len(times)]])
    for regime in sorted(set(first.tolist())):
        show(f"  TPOT, {regime}", times[first == regime])
    found = spreads(ratio, regimes, weights)
    agents, groups, sold = agentic_errors()
    agent_weights = cell_weights(groups)
    for name, chosen in (("agentic", np.ones_like(sold)), ("agentic sold", sold)):
        logs = percentiles(-np.log(agents[chosen]), agent_weights[chosen])
        found[name] = (float(np.exp(logs[0])), float(np.exp(logs[1])))
        row = show(f"{name} services, not fitted", agents[chosen])
        row["within_3x"] = float(np.mean((agents[chosen] < 3) & (agents[chosen] > 1 / 3)))
        row["spread"] = list(found[name])
        figures[name] = row
        print(f"{'':52s} within 3x {row['within_3x']:.0%}, 4th to 96th percentile {found[name]}")
    middles = [float(np.median(agents[np.array(groups) == g])) for g in sorted(set(groups))]
    for group, middle in zip(sorted(set(groups)), middles, strict=True):
        print(f"    {group:48s} median {middle:.2f}")
    figures["agentic, median over groups"] = float(np.median(middles))
    print(f"agentic, median over groups {np.median(middles):.2f}")
    measured, _ = training_set()
    decode = predict(measured, fitted()) / np.array([m.tpot_s for m in measured])
    figures["decode times, in sample"] = show("decode times, clean, in sample", decode)
    if arguments.write:
        document = json.loads(TARGET.read_text("utf-8"))
        document["service_spread"] = {
            "about": "Measured over predicted throughput, 4th and 96th percentile, of cells and models "
            "left out of the fit.",
            "by_regime": {name: [round(v, 3) for v in pair] for name, pair in found.items()},
        }
        write(document)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
