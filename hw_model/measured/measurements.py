"""Measured serving points, one per row of a CSV file, and the deployment that each one measured.

The columns are those of NVIDIA aiconfigurator's `e2e_silicon_calibration.csv`: model_path, system, backend,
backend_version, precision, isl, osl, concurrency, batch_size, tp_size, moe_tp_size, moe_ep_size, measured,
silicon_ttft_ms, silicon_tpot_ms. Predictions use the inputs only; measured times are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError
from tokenprof.hw_model.catalogue.shapes import ModelShape
from tokenprof.hw_model.equations.deployment import ENGINES, Deployment
from tokenprof.hw_model.measured.row_names import chip_named, dtypes_of, engine_named, model_named
from tokenprof.hw_model.measured.row_values import (
    MeasurementError,
    Row,
    measured,
    number,
    read_rows,
    wanted,
    words,
)
from tokenprof.hw_model.service.load import ClientLoad

REQUIRED: Final = ("model_path", "system", "backend", "precision", "isl", "osl", "tp_size")

# InferenceX uses these nominal request lengths only, and draws each length evenly from 0.8 to 1.0 of one.
_INFERENCEX_LENGTHS: Final = (1024.0, 8192.0)
INFERENCEX_MEAN_LENGTH: Final = 0.9


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured point: the deployment, the load, and the time between output tokens [s].

    `line` is its line in the file, `measured` the day of the measurement as the file has it. `ttft_s` is the
    time to the first token, None if it was not measured.
    """

    line: int
    deployment: Deployment
    load: ClientLoad
    system: str
    precision: str
    backend_version: str
    measured: str
    tpot_s: float
    ttft_s: float | None

    @property
    def cell(self) -> str:
        """Model, system and precision; rows of one cell are held out together when the fit is tested."""
        return f"{self.deployment.shape.name} {self.system} {self.precision}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be predicted, and why."""

    line: int
    model: str
    reason: str


def read_measurements(path: str | Path) -> tuple[list[Measurement], list[Refused]]:
    """Return the usable rows of a CSV file and the refused ones.

    Raises MeasurementError if the file lacks a needed column, and OSError if it cannot be read.
    """
    rows = read_rows(path)
    missing = [name for name in REQUIRED if name not in rows[0]]
    if missing:
        raise MeasurementError(
            f"{path}: no column {', '.join(missing)}; the columns should be those of "
            "aiconfigurator's e2e_silicon_calibration.csv, of captured services, or of published points "
            "(docs/hardware.md, section 5)"
        )
    return parse_rows(rows)


def parse_rows(rows: Iterable[Row]) -> tuple[list[Measurement], list[Refused]]:
    """Return the usable rows and the refused ones; lines count from 2, after the header."""
    usable: list[Measurement] = []
    refused: list[Refused] = []
    for line, row in enumerate(rows, start=2):
        try:
            usable.append(_measurement(line, row))
        except (MeasurementError, UnknownModelError, UnknownChipError) as problem:
            refused.append(Refused(line, str(row.get("model_path", "")), str(problem)))
    return usable, refused


def _measurement(line: int, row: Row) -> Measurement:
    shape, chip = model_named(words(row, "model_path")), chip_named(words(row, "system"))
    engine = engine_named(words(row, "backend"), chip.maker)
    if engine.assumed:
        raise MeasurementError(
            f"no constants for the engine {words(row, 'backend')!r}; the engines are {', '.join(ENGINES)}"
        )
    backend = engine.value
    precision = words(row, "precision")
    tpot_ms = number(row, "silicon_tpot_ms")
    isl, osl, tp = (wanted(row, name) for name in ("isl", "osl", "tp_size"))
    batch = number(row, "batch_size") or number(row, "concurrency")
    if batch is None or tpot_ms is None:
        raise MeasurementError(
            "neither batch_size nor concurrency is given" if batch is None else "silicon_tpot_ms is not given"
        )
    if tpot_ms <= 0 or batch <= 0:
        raise MeasurementError("silicon_tpot_ms, batch_size and concurrency must be above 0")
    clients, tp, dp, ep = _layout(shape, row, batch, tp)
    inferencex = isl in _INFERENCEX_LENGTHS and osl in _INFERENCEX_LENGTHS
    # NVIDIA's own runs on vLLM have lengths of round thousands, repeat prompts and hit the prefix cache.
    own_run = isl % 1000 == 0
    scale = INFERENCEX_MEAN_LENGTH if inferencex else 1.0
    experts, rest = dtypes_of(shape, precision)
    return Measurement(
        line=line,
        deployment=Deployment(
            shape,
            chip,
            tp=tp,
            dp=dp,
            ep=ep,
            experts_dtype=experts,
            rest_dtype=rest,
            kv_dtype=_kv_dtype(shape, rest, backend, chip.name, own_run),
            engine=backend,
        ),
        load=ClientLoad(clients, scale * isl, scale * osl, float(backend == "vllm" and own_run)),
        system=words(row, "system"),
        precision=precision,
        backend_version=words(row, "backend_version"),
        measured=words(row, "measured"),
        tpot_s=tpot_ms / 1e3,
        ttft_s=None if (ttft := measured(row, "silicon_ttft_ms")) is None else ttft / 1e3,
    )


def _layout(shape: ModelShape, row: Row, batch: float, tp: float) -> tuple[float, int, int, int]:
    """Return clients, attention tp, attention dp and expert parallelism.

    Attention data parallelism has no column of its own. It shows as a batch that is the concurrency divided
    by the ranks, or as more expert ranks than tensor-parallel ones.
    """
    concurrency = number(row, "concurrency") or batch
    expert_tp = max(number(row, "moe_tp_size") or 1.0, 1.0)
    ep = max(number(row, "moe_ep_size") or 1.0, 1.0)
    if tp > 1 and batch * tp == concurrency:
        return concurrency, 1, int(tp), int(ep)
    if shape.experts is None:
        return batch, int(tp), 1, 1
    return batch, int(tp), max(1, int(expert_tp * ep / tp)), int(ep)


def _kv_dtype(shape: ModelShape, weights: str, backend: str, chip: str, own_run: bool) -> str:
    """Return the dtype of KV, which no column says: fp8 if the checkpoint or the published recipe does so."""
    quantised_dense = shape.experts is None and weights in ("fp8", "fp4")
    recipe = backend == "trtllm" or (backend == "vllm" and not own_run)
    blackwell = chip.startswith(("B2", "B3", "GB"))
    fp8_kv = (quantised_dense and recipe) or (shape.name.startswith("gpt-oss") and blackwell)
    return "fp8" if fp8_kv else "bf16"


def why_unclean(m: Measurement) -> str | None:
    """Return why a row of the public calibration set is left out of fits; None for a clean one.

    The rules come from a study of that set (section 5 of docs/hardware.md). Unlike predictions, they use
    measured columns.
    """
    shape, engine = m.deployment.shape.name, m.deployment.engine
    prompt_tokens = float(m.load.prompt_tokens)
    if m.ttft_s is not None and m.ttft_s > 5 and m.ttft_s > _nominal(m.load.output_tokens) * m.tpot_s:
        return "saturated: requests waited longer than they ran, so the batch is not the concurrency"
    if engine == "trtllm" and shape == "DeepSeek-V3":
        version, new_year = m.backend_version, m.measured >= "2026"
        if version == "1.2.0rc6.post3" or (version == "1.1.0rc2.post2" and new_year):
            return "as fast as with speculative decoding, which the row does not say"
    if engine == "vllm" and shape == "Qwen3-235B-A22B" and m.backend_version == "0.12.0":
        return "34-58 ms whatever the batch: no CUDA graphs, it seems"
    if shape == "Qwen3-32B" and m.backend_version in ("1.2.0rc6.post1", "0.12.0"):
        return "no concurrency given, and the batch does not explain the time"
    if shape == "gpt-oss-120b" and engine == "trtllm" and m.precision == "fp8":
        return "the batch is not the concurrency"
    if m.deployment.attention_data_parallel:
        return "a mapping of batch and ranks that does not describe the measured system"
    if shape == "DeepSeek-V3" and m.system == "b300_sxm" and m.deployment.tp == 4 and prompt_tokens > 5000:
        return "prompts ten times slower than elsewhere"
    return None


def _nominal(tokens: object) -> float:
    """Return the nominal length of a mean length that InferenceX drew."""
    value = float(tokens)  # type: ignore[arg-type]
    nominal = value / INFERENCEX_MEAN_LENGTH
    return nominal if any(abs(nominal - n) < 1e-6 for n in _INFERENCEX_LENGTHS) else value
