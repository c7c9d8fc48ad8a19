"""Measured services, one per row: pools of replicas, clients, and what they got.

The columns are those of the InferenceX dashboard captures (`deepseek_r1_serving_calibration.csv`): hardware,
framework, model, precision, spec_method, disagg, the tensor and expert ranks, data-parallel attention and
workers of the prefill and decode pools, their accelerators, isl, osl, conc, date, and measured medians.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import numpy as np

from tokenprof.hw_model.catalogue.chips import Chip
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_chip, find_model
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.constants import Constants
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.drafts import usual_drafted_tokens
from tokenprof.hw_model.fleet.layouts import cheapest_service
from tokenprof.hw_model.measured.measurements import (
    INFERENCEX_MEAN_LENGTH,
    MeasurementError,
    Row,
    dtypes_of,
    number,
    wanted,
)
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import Pools

SOFTWARE_OF: Final = date(2026, 6, 1)
"""The date of the software that the constants describe."""

NEW_ABOVE: Final = 0.05
"""A model is new to a chip up to six weeks after its release: what is left of `immaturity` by then."""

DAYS_IN_YEAR: Final = 365.25

SERVICE_COLUMNS: Final = ("hardware", "framework", "decode_tp", "num_decode_gpu", "conc")

_ENGINES: Final = (("trt", "trtllm"), ("vllm", "vllm"), ("atom", "atom"), ("sglang", "sglang"))
_SHORT_NAMES: Final = {"dsr1": "deepseek-r1"}


@dataclass(frozen=True, slots=True)
class ServicePoint:
    """One measured service. `row` counts from 0; times are in seconds, None if they were not measured.

    `acceptance_stated` says that the tokens of a step are known, `layout_known` that the row has one, and
    `disagrees_with_itself` that its clients, times and throughput contradict one another, so that it is left
    out of fits.
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
        series[key].append((row.get("date", ""), -index))
    chosen = []
    for dated in series.values():
        latest = software_years(max(dated)[0])
        kept = [d for d in dated if (software_years(d[0]) - latest) * DAYS_IN_YEAR >= older_by_days]
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


def engine_of(framework: str) -> str:
    """Return the engine that a framework's name stands for. Raises MeasurementError for an unknown one."""
    text = framework.lower()
    for word, engine in _ENGINES:
        if word in text:
            return engine
    raise MeasurementError(
        f"no constants for the engine {framework!r}; known are TensorRT-LLM, vLLM, SGLang, ATOM"
    )


def software_years(day: str) -> float:
    """Return how many years before `SOFTWARE_OF` a day (YYYY-MM-DD or YYYY-MM) is; 0 if later or unknown."""
    parts = [int(part) for part in day.split("-") if part.isdigit()]
    if len(parts) < 2:
        return 0.0
    when = date(parts[0], parts[1], parts[2] if len(parts) > 2 else 15)
    return max((SOFTWARE_OF - when).days / DAYS_IN_YEAR, 0.0)


def days_since_release(released: str | None, day: str) -> float | None:
    """Return how many days after its release (YYYY-MM-DD) a model was measured; None if either is unknown."""
    parts = [int(part) for part in day.split("-") if part.isdigit()]
    if released is None or len(parts) < 2:
        return None
    when = date(parts[0], parts[1], parts[2] if len(parts) > 2 else 15)
    return max(float((when - date.fromisoformat(released)).days), 0.0)


def regime_of(
    base: Deployment, *, disaggregated: bool, drafts: bool, long_context: bool, agentic: bool = False
) -> str:
    """Return the regime that an error belongs to: agentic, else engine, precision, pools, drafts, context."""
    if agentic:
        return "agentic"
    width = "fp4" if base.experts_dtype in ("fp4", "mxfp4", "int4") else base.experts_dtype
    pools = "disaggregated" if disaggregated else "aggregated"
    words = (base.engine, width, pools, "drafts" if drafts else "no drafts")
    return " ".join((*words, *(("long context",) if long_context else ())))


def cut(base: Deployment, gpus: int, tp: int, ep: int, dp_attention: bool) -> Deployment:
    """Return one replica on `gpus` accelerators: data-parallel attention over all, or tensor-parallel.

    A row may name fewer tensor-parallel ranks than accelerators; attention is then data-parallel over the
    rest. Captures of 2025 call a tensor-parallel worker of one node `tp 1, ep 1` with data-parallel
    attention: their times are those of the same worker in later captures.
    """
    if dp_attention and not (tp == 1 and ep == 1 and gpus <= 8):
        return replace(base, tp=1, dp=gpus, ep=gpus)
    if dp_attention:
        return replace(base, tp=gpus, dp=1, ep=1)
    tp = gpus if tp > gpus else tp
    dp = max(gpus // max(tp, 1), 1)
    if dp > 1:
        return replace(base, tp=tp, dp=dp, ep=gpus)
    return replace(base, tp=gpus, dp=1, ep=min(max(ep, 1), gpus))


def _point(index: int, row: Row) -> ServicePoint:
    chip: Chip = find_chip(row["hardware"])
    name = row["model"].strip()
    shape: ModelShape = find_model(_SHORT_NAMES.get(name, name))
    engine = engine_of(row["framework"])
    clients, isl, osl = wanted(row, "conc"), wanted(row, "isl"), wanted(row, "osl")
    disaggregated, drafts = _true(row, "disagg"), row["spec_method"].strip().lower() not in ("", "none")
    experts, rest, _ = dtypes_of(shape, row["precision"].strip().lower(), engine, chip.name, own_run=False)
    base = Deployment(
        shape, chip, experts_dtype=experts, rest_dtype=rest, kv_dtype="fp8", engine=engine,
        software_years=software_years(row.get("date") or ""),
    )  # fmt: skip
    decode_gpus, prompt_gpus = int(wanted(row, "num_decode_gpu")), int(number(row, "num_prefill_gpu") or 0)
    decode_workers = max(int(number(row, "decode_num_workers") or 1), 1)
    prompt_workers = max(int(number(row, "prefill_num_workers") or 1), 1)
    if disaggregated and not number(row, "decode_num_workers"):
        # The capture names the accelerators of both pools together; one prompt worker of four is the usual.
        prompt_gpus, prompt_workers = 4, 1
        decode_workers = max((decode_gpus - 4) // 8, 1)
        decode_gpus = decode_gpus - 4
        decode = cut(base, max(decode_gpus // decode_workers, 1), 8, 8, False)
        prompt = cut(base, 4, 4, 4, False)
    else:
        decode = cut(
            base, decode_gpus // decode_workers, int(wanted(row, "decode_tp")),
            int(wanted(row, "decode_ep")), _true(row, "decode_dp_attention"),
        )  # fmt: skip
        prompt = decode
        if disaggregated:
            prompt = cut(
                base, prompt_gpus // prompt_workers, int(wanted(row, "prefill_tp")),
                int(wanted(row, "prefill_ep")), _true(row, "prefill_dp_attention"),
            )  # fmt: skip
    if drafts:
        per_group = clients / (decode_workers * decode.dp)
        decode = replace(decode, drafted_tokens=usual_drafted_tokens(per_group))
    pools = Pools(
        (prompt if disaggregated else decode).plan(),
        decode.plan(),
        float(prompt_workers if disaggregated else decode_workers),
        float(decode_workers),
        float(disaggregated),
    )
    scale = INFERENCEX_MEAN_LENGTH
    return ServicePoint(
        row=index,
        model=shape.name,
        base=base,
        pools=pools,
        load=ClientLoad(clients, scale * isl, scale * osl),
        cell=" ".join((row["hardware"], engine, row["precision"], "drafts" if drafts else "no drafts")),
        regime=regime_of(
            base, disaggregated=disaggregated, drafts=drafts, long_context=isl > 16_000
        ),
        tpot_s=number(row, "median_tpot_s"),
        ttft_s=number(row, "median_ttft_s"),
        tokens_per_s_per_gpu=number(row, "total_tokens_per_s_per_gpu"),
        layout_known=not disaggregated or bool(number(row, "decode_num_workers")),
        disagrees_with_itself=not 0.75 < _closure(row, float(np.asarray(pools.accelerators))) < 1.4,
    )  # fmt: skip


def _closure(row: Row, gpus: float) -> float:
    """Return the throughput that clients and times imply on `gpus` accelerators over the one stated.

    1 if a figure is unknown.
    """
    names = ("conc", "isl", "osl", "median_ttft_s", "median_tpot_s", "total_tokens_per_s_per_gpu")
    found = [number(row, name) for name in names]
    if any(value is None for value in found):
        return 1.0
    clients, isl, osl, ttft, tpot, total = (float(value or 0.0) for value in found)
    scale = INFERENCEX_MEAN_LENGTH
    return clients * scale * (isl + osl) / (ttft + scale * osl * tpot) / gpus / total


def split_pools(p: ServicePoint, c: Constants) -> ServicePoint:
    """Return a point whose row does not say how its accelerators are split, on the split that serves most.

    Prompt workers of four accelerators and decode workers of eight, or one wide decode worker, are tried.
    """
    if p.layout_known:
        return p
    gpus = int(float(np.asarray(p.pools.accelerators)))
    base = replace(p.base, drafted_tokens=0)
    found = []
    for prompts in range(1, max(gpus // 4, 2)):
        left = gpus - 4 * prompts
        for each in {8, left}:
            if left >= each and left % each == 0:
                decode = cut(p.base, each, each, 8, each > 8)
                prompt = cut(base, 4, 4, 4, False)
                found.append(Pools(prompt.plan(), decode.plan(), float(prompts), left / each, 1.0))
    chosen = cheapest_service(found, p.load, c, tokens_per_s=None)
    return p if chosen is None else replace(p, pools=chosen.pools)


def _true(row: Mapping[str, str], name: str) -> bool:
    return (row.get(name) or "").strip().lower() == "true"
