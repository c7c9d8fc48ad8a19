"""Measured services, one per row: pools of replicas, clients, and what they got.

The columns are those of the InferenceX dashboard captures (`deepseek_r1_serving_calibration.csv`): hardware,
framework, model, precision, spec_method, disagg, the tensor and expert ranks, data-parallel attention and
workers of the prefill and decode pools, their accelerators, isl, osl, conc, date, and measured medians.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.drafts import usual_drafted_tokens
from tokenprof.hw_model.fleet.layouts import cheapest_service
from tokenprof.hw_model.fleet.own_error import LONG_CONTEXT_TOKENS
from tokenprof.hw_model.measured.capture_layouts import of_both_pools, replicas_of, splits
from tokenprof.hw_model.measured.measurements import INFERENCEX_MEAN_LENGTH
from tokenprof.hw_model.measured.row_names import chip_named, dtypes_of, engine_named, model_named
from tokenprof.hw_model.measured.row_values import (
    MeasurementError,
    Row,
    count,
    day,
    is_true,
    measured,
    wanted,
    words,
)
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import Pools

SOFTWARE_OF: Final = date(2026, 6, 1)
"""The date of the software that the constants describe."""

NEW_ABOVE: Final = 0.05
"""A model is new to a chip up to six weeks after its release: what is left of `immaturity` by then."""

DAYS_IN_YEAR: Final = 365.25

SERVICE_COLUMNS: Final = ("hardware", "framework", "conc")
"""The columns by which a file of whole services is known; a row says by itself which others it lacks."""


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """One measured service. `row` counts from 0; times are in seconds, None if they were not measured.

    `acceptance_stated` says that the tokens of a step are known, `layout_known` that the row has one, and
    `disagrees_with_itself` that its clients, times and throughput contradict one another, so that it is left
    out of fits. `assumed` has a sentence for everything that was taken for something else.
    """

    row: int
    model: str
    base: Deployment
    pools: Pools
    load: ClientLoad
    cell: str
    regime: str
    tpot_s: float | None
    ttft_s: float | None
    tokens_per_s_per_gpu: float | None
    acceptance_stated: bool = False
    layout_known: bool = True
    disagrees_with_itself: bool = False
    assumed: tuple[str, ...] = ()

    @property
    def new_on_amd(self) -> bool:
        """Whether the model was so new that engines on AMD's chips ran it on unfinished kernels (2.10)."""
        plan = self.pools.decode
        return bool(float(np.asarray(plan.amd)) * float(np.asarray(plan.immaturity)) > NEW_ABOVE)


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that cannot be predicted, and why."""

    row: int
    reason: str


def parse_services(rows: Iterable[Row]) -> tuple[list[ServicePoint], list[RefusedRow]]:
    """Return the usable rows and the refused ones."""
    usable: list[ServicePoint] = []
    refused: list[RefusedRow] = []
    for index, row in enumerate(rows):
        try:
            usable.append(_point(index, row))
        except (MeasurementError, UnknownModelError, UnknownChipError) as problem:
            refused.append(RefusedRow(index, str(problem)))
    return usable, refused


def newest(rows: Iterable[Row], *, older_by_days: int = 0) -> list[int]:
    """Return the indices of the newest row of each configuration, in order of first appearance.

    With `older_by_days` it is the newest row that is so much older than the newest of all; a configuration
    without one has none.
    """
    series: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for index, row in enumerate(rows):
        key = tuple(row[name] for name in row if name in _CONFIGURATION)
        series[key].append((words(row, "date"), -index))
    chosen = []
    for dated in series.values():
        latest = software_years(day({"date": max(dated)[0]}))
        kept = [
            d for d in dated if (software_years(day({"date": d[0]})) - latest) * DAYS_IN_YEAR >= older_by_days
        ]
        if kept:
            chosen.append(-max(kept)[1])
    return sorted(chosen)


_CONFIGURATION: Final = frozenset(
    (
        *("hardware", "framework", "model", "precision", "spec_method", "disagg", "is_multinode"),
        *("prefill_tp", "prefill_ep", "prefill_dp_attention", "prefill_num_workers", "num_prefill_gpu"),
        *("decode_tp", "decode_ep", "decode_dp_attention", "decode_num_workers", "num_decode_gpu"),
        *("isl", "osl", "conc"),
    )
)


def software_years(measured_on: date | None) -> float:
    """Return how many years before `SOFTWARE_OF` a day is; 0 if later or unknown."""
    return 0.0 if measured_on is None else max((SOFTWARE_OF - measured_on).days / DAYS_IN_YEAR, 0.0)


def days_since_release(released: str | None, measured_on: date | None) -> float | None:
    """Return how many days after its release (YYYY-MM-DD) a model was measured; None if either is unknown."""
    if released is None or measured_on is None:
        return None
    return max(float((measured_on - date.fromisoformat(released)).days), 0.0)


_WIDTHS: Final = {4.0: "bf16", 2.0: "bf16", 1.0: "fp8"}
"""The word for weights of so many bytes in the name of a regime; four bits and a scale are `fp4`."""


def regime_of(
    base: Deployment, *, disaggregated: bool, drafts: bool, long_context: bool, agentic: bool = False
) -> str:
    """Return the regime that an error belongs to: agentic, else engine, precision, pools, drafts, context."""
    if agentic:
        return "agentic"
    width = _WIDTHS.get(BYTES_PER_ELEMENT[base.experts_dtype], "fp4")
    pools = "disaggregated" if disaggregated else "aggregated"
    words = (base.engine, width, pools, "drafts" if drafts else "no drafts")
    return " ".join((*words, *(("long context",) if long_context else ())))


def _point(index: int, row: Row) -> ServicePoint:
    chip: Chip = chip_named(words(row, "hardware"))
    shape: ModelShape = model_named(words(row, "model"))
    engine = engine_named(words(row, "framework"), chip.maker)
    clients, isl, osl = wanted(row, "conc"), wanted(row, "isl"), wanted(row, "osl")
    drafts = words(row, "spec_method").lower() not in ("", "none", "false", "no")
    experts, rest = dtypes_of(shape, words(row, "precision"))
    base = Deployment(
        shape, chip, experts_dtype=experts, rest_dtype=rest, kv_dtype="fp8", engine=engine.value,
        software_years=software_years(day(row)),
    )  # fmt: skip
    disaggregated = is_true(row, "disagg")
    known = not disaggregated or count(row, "decode_num_workers") is not None
    prompt, decode = replicas_of(row, base) if known else of_both_pools(row, base)
    if drafts:
        per_group = clients / (decode.count * decode.replica.dp)
        decode = replace(
            decode, replica=replace(decode.replica, drafted_tokens=usual_drafted_tokens(per_group))
        )
    if not disaggregated:
        prompt = decode
    pools = Pools(
        prompt.replica.plan(),
        decode.replica.plan(),
        float(prompt.count),
        float(decode.count),
        float(disaggregated),
    )
    scale = INFERENCEX_MEAN_LENGTH
    return ServicePoint(
        row=index,
        model=shape.name,
        base=base,
        pools=pools,
        load=ClientLoad(clients, scale * isl, scale * osl),
        cell=" ".join(
            (
                words(row, "hardware"),
                engine.value,
                words(row, "precision"),
                "drafts" if drafts else "no drafts",
            )
        ),
        regime=regime_of(
            base, disaggregated=disaggregated, drafts=drafts, long_context=isl > LONG_CONTEXT_TOKENS
        ),
        tpot_s=measured(row, "median_tpot_s"),
        ttft_s=measured(row, "median_ttft_s"),
        tokens_per_s_per_gpu=measured(row, "total_tokens_per_s_per_gpu"),
        layout_known=known,
        disagrees_with_itself=not 0.75 < _closure(row, float(np.asarray(pools.accelerators))) < 1.4,
        assumed=(engine.assumed,) if engine.assumed else (),
    )


def _closure(row: Row, gpus: float) -> float:
    """Return the throughput that clients and times imply on `gpus` accelerators over the one stated.

    1 if a figure is unknown.
    """
    names = ("conc", "isl", "osl", "median_ttft_s", "median_tpot_s", "total_tokens_per_s_per_gpu")
    found = [measured(row, name) for name in names]
    if any(value is None for value in found):
        return 1.0
    clients, isl, osl, ttft, tpot, total = (float(value or 1.0) for value in found)
    scale = INFERENCEX_MEAN_LENGTH
    return clients * scale * (isl + osl) / (ttft + scale * osl * tpot) / gpus / total


def split_pools(p: ServicePoint, c: Constants) -> ServicePoint:
    """Return a point whose row does not say how its accelerators are split, on the split that serves most.

    Prompt workers of four accelerators and decode workers of eight, or one wide decode worker, are tried.
    """
    if p.layout_known:
        return p
    gpus = int(float(np.asarray(p.pools.accelerators)))
    chosen = cheapest_service(list(splits(p.base, gpus)), p.load, c, tokens_per_s=None)
    return p if chosen is None else replace(p, pools=chosen.pools)
