"""Measured serving points, one per row of a CSV file, and the deployment that each one measured.

The columns are those of NVIDIA aiconfigurator's `e2e_silicon_calibration.csv`: model_path, system, backend,
backend_version, precision, isl, osl, concurrency, batch_size, tp_size, moe_tp_size, moe_ep_size, measured,
silicon_ttft_ms, silicon_tpot_ms. Predictions use the inputs only; measured times are compared with them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError, find_chip, find_model
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT, ModelShape
from tokenprof.hw_model.equations.deployment import ENGINES, Deployment, rest_dtype_for
from tokenprof.hw_model.service.load import ClientLoad

Row = Mapping[str, str]

REQUIRED: Final = ("model_path", "system", "backend", "precision", "isl", "osl", "tp_size")

# InferenceX uses these nominal request lengths only, and draws each length evenly from 0.8 to 1.0 of one.
_INFERENCEX_LENGTHS: Final = (1024.0, 8192.0)
INFERENCEX_MEAN_LENGTH: Final = 0.9


class MeasurementError(ValueError):
    """A measurement file, or a row of one, cannot be used; the message says which and why."""


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
    text = Path(path).read_text("utf-8-sig")
    reader = csv.DictReader(io.StringIO(text), restval="")
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        raise MeasurementError(
            f"{path}: no column {', '.join(missing)}; the columns should be those of "
            "aiconfigurator's e2e_silicon_calibration.csv"
        )
    return parse_rows(reader)


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
    shape, chip = find_model(row["model_path"]), find_chip(row["system"])
    backend = row["backend"].strip().lower().replace("tensorrt-llm", "trtllm")
    if backend not in ENGINES:
        raise MeasurementError(
            f"no constants for the engine {row['backend']!r}; the engines are {', '.join(ENGINES)}"
        )
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
    experts, rest, kv = dtypes_of(shape, row["precision"].strip().lower(), backend, chip.name, own_run)
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
            kv_dtype=kv,
            engine=backend,
        ),
        load=ClientLoad(clients, scale * isl, scale * osl, float(backend == "vllm" and own_run)),
        system=row["system"],
        precision=row["precision"],
        backend_version=row.get("backend_version") or "",
        measured=row.get("measured") or "",
        tpot_s=tpot_ms / 1e3,
        ttft_s=None if (ttft := number(row, "silicon_ttft_ms")) is None else ttft / 1e3,
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


def dtypes_of(
    shape: ModelShape, precision: str, backend: str, chip: str, own_run: bool
) -> tuple[str, str, str]:
    """Return the dtypes of experts, rest and KV that one word for the precision stands for.

    Models published with 4-bit experts keep them whatever the word is, except that an fp4 checkpoint of int4
    experts has been quantised again. KV is fp8 if the checkpoint or the published recipe says so.
    """
    if precision not in BYTES_PER_ELEMENT:
        raise MeasurementError(f"no dtype {precision!r}; the dtypes are {', '.join(BYTES_PER_ELEMENT)}")
    native = shape.expert_dtype
    if native == "mxfp4" or (native == "int4" and precision != "fp4"):
        experts, rest = native, shape.rest_dtype
    else:
        experts, rest = precision, rest_dtype_for(shape, precision)
    quantised_dense = shape.experts is None and precision in ("fp8", "fp4")
    recipe = backend == "trtllm" or (backend == "vllm" and not own_run)
    blackwell = chip.startswith(("B2", "B3", "GB"))
    fp8_kv = (quantised_dense and recipe) or (shape.name.startswith("gpt-oss") and blackwell)
    return experts, rest, "fp8" if fp8_kv else "bf16"


def number(row: Row, name: str) -> float | None:
    """Return a figure of a row; None if it is empty. Raises MeasurementError if it is not a number."""
    text = (row.get(name) or "").strip()
    if not text or text.lower() == "nan":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise MeasurementError(f"{name} is {text!r}, which is not a number")
    return value


def wanted(row: Row, name: str) -> float:
    """Return a figure of a row that has to be there and above 0. Raises MeasurementError otherwise."""
    value = number(row, name)
    if value is None or value <= 0:
        raise MeasurementError(f"{name} is not given")
    return value


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
