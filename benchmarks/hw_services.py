"""Cross-validate the model of services, and write how wide its errors are.

    python benchmarks/hw_services.py [--write] [--out benchmarks/results/hw_services.json] [--kept FILE.npz]

DeepSeek-R1 on eight chips: each chip x engine x precision x drafts is predicted by constants fitted without
it. Other models: each model is predicted by constants fitted without it. `--write` puts the 5th and 95th
percentiles of the errors, by regime, beside the constants; intervals are made of them.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from hw_fit import POINTS, TARGET, newest_services, published_points, rows_of, training_set, write
from hw_intervals import (
    PERCENTILES,
    all_regimes,
    covered,
    fit_intervals,
    weighted_percentiles,
)

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
Spreads = dict[str, list[float]]
MIDDLE = (PERCENTILES[0], 50.0, PERCENTILES[1])


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


def kept_or_held_out(path: Path | None) -> dict[str, ServicePrediction]:
    """Return held-out predictions of R1 by cell and by chip, and of other models by model.

    They take minutes, so `path` keeps them: it is read if it is there, else written.
    """
    if path is not None and path.exists():
        with np.load(path) as file:
            return {name: ServicePrediction(*file[name]) for name in file.files}
    services = [split_pools(p, fitted()) for p in newest_services()]
    found = {
        "cell": held_out(services, lambda p: p.cell),
        "chip": held_out(services, lambda p: p.base.chip.name),
        "model": held_out(other_models(), lambda p: p.model),
    }
    if path is not None:
        np.savez(
            path,
            **{name: np.array([x.tpot_s, x.ttft_s, x.tokens_per_s_per_gpu]) for name, x in found.items()},
        )
    return found


def other_models() -> list[ServicePoint]:
    """Return the single-turn points of other models whose requests do not queue."""
    return [
        p.service
        for p in published_points()
        if p.agentic is None and not p.prompts_only and not p.queues and p.service.tokens_per_s_per_gpu
    ]


def rounded(spreads: Spreads) -> Spreads:
    """Return spreads to three decimals."""
    return {name: [round(end, 3) for end in ends] for name, ends in spreads.items()}


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


LEAST_ROWS_OF_A_REGIME = 20
LEAST_COVERED, MOST_COVERED = 0.85, 0.95


def chance_to_be_within(rows: int, nominal: float = 0.9) -> float:
    """Return how likely 85 % to 95 % of independent rows lie in intervals that hold 90 % in truth."""
    return sum(
        comb(rows, inside) * nominal**inside * (1.0 - nominal) ** (rows - inside)
        for inside in range(rows + 1)
        if LEAST_COVERED <= inside / rows <= MOST_COVERED
    )


def drawn_spreads(logs: np.ndarray, regimes: Sequence[str], weights: np.ndarray) -> Spreads:
    """Return percentiles of measured over predicted for all rows, and for groups drawn towards all of them.

    A group is a regime without its engine and precision, such as `aggregated drafts`.
    """
    overall = weighted_percentiles(logs, weights, MIDDLE)
    found = {"all": overall}
    pools = np.array([" ".join(name.split()[2:]) for name in regimes])
    for group in sorted(set(pools.tolist())):
        own = pools == group
        share = own.sum() / (own.sum() + SHRUNK_BY_ROWS)
        found[group] = share * weighted_percentiles(logs[own], weights[own], MIDDLE) + (1.0 - share) * overall
    return {name: np.exp(ends).tolist() for name, ends in found.items()}


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
    parser.add_argument("--kept", type=Path, help="where held-out predictions are kept (default: nowhere)")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    services = [split_pools(p, fitted()) for p in newest_services()]
    kept = kept_or_held_out(arguments.kept)
    ours, by_chip, theirs = kept["cell"], kept["chip"], kept["model"]
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
    others = other_models()
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
    logs, new = -np.log(ratio), [p.new_on_amd for p in used]
    inside = covered(logs, regimes, new, cells, weights)
    intervals = fit_intervals(logs, regimes, new, weights)
    print(f"intervals of models new to AMD are {intervals.wider_if_new:.2f} times as wide in logarithms")
    print(f"90 % intervals of other cells hold {inside.mean():.1%} of all rows")
    for regime in sorted(set(regimes)):
        own = np.array(regimes) == regime
        row = show(f"  {regime}", ratio[own])
        row["covered"] = float(inside[own].mean())
        figures[f"throughput, {regime}"] = row
        print(f"{'':52s} 90 % interval of other cells holds {row['covered']:.0%}")
    large = {regime: rows for regime, rows in Counter(regimes).items() if rows >= LEAST_ROWS_OF_A_REGIME}
    shares = [figures[f"throughput, {regime}"]["covered"] for regime in large]
    within = sum(LEAST_COVERED <= share <= MOST_COVERED for share in shares)
    by_chance = sum(map(chance_to_be_within, large.values()))
    figures["regimes within 85-95 %"] = {"of": len(large), "within": within, "if exactly right": by_chance}
    print(
        f"{within} of {len(large)} regimes of {LEAST_ROWS_OF_A_REGIME} rows and more hold "
        f"{LEAST_COVERED:.0%}-{MOST_COVERED:.0%}; exactly right intervals would: {by_chance:.1f}"
    )
    times = (ours.tpot_s / tpot)[sound]
    first = np.array([p.regime for p in used[: len(times)]])
    for regime in sorted(set(first.tolist())):
        show(f"  TPOT, {regime}", times[first == regime])
    settled = ~np.array(new)
    drawn = drawn_spreads(logs[settled], np.array(regimes)[settled].tolist(), weights[settled])
    found = {regime: list(intervals.factors(regime, False)) for regime in all_regimes()}
    agents, groups, sold = agentic_errors()
    agent_weights = cell_weights(groups)
    for name, chosen in (("agentic", np.ones_like(sold)), ("agentic sold", sold)):
        ends = np.exp(weighted_percentiles(-np.log(agents[chosen]), agent_weights[chosen], MIDDLE)).tolist()
        found[name], drawn[name] = [ends[0], ends[2]], ends
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
            "wider_if_new_on_amd": round(intervals.wider_if_new, 3),
            "by_regime": rounded(found),
            "drawn": rounded(drawn),
        }
        write(document)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
