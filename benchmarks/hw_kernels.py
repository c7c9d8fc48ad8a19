"""Compare each term of the time equations with measured kernels: GEMM, attention, experts, all-reduce.

    python benchmarks/hw_kernels.py [--plots benchmarks/results]     (plots need matplotlib)

The constants come from whole servers, not from these tables. A kernel measured alone also pays its launch,
which the model counts once per layer, so a launch of 6 us (TensorRT-LLM's median floor) is added to each.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tokenprof.hw_model.catalogue.huggingface import shape_from_config
from tokenprof.hw_model.catalogue.lookup import find_chip
from tokenprof.hw_model.catalogue.shapes import BYTES_PER_ELEMENT
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.timing import all_reduce_s, decode_attention_s, dense_s, experts_s

DATA = Path(__file__).parent / "data"
C = fitted()
LAUNCH_S = 6e-6
DTYPES = {
    "bfloat16": "bf16", "fp8": "fp8", "fp8_block": "fp8", "nvfp4": "fp4",
    "w4a16_mxfp4": "int4", "w4a8_mxfp4_mxfp8": "mxfp4",
}  # fmt: skip


@dataclass(frozen=True)
class Kernel:
    """One measured kernel: the line it belongs to, its size on that line, predicted and measured seconds."""

    family: str
    line: str
    size: float
    predicted_s: float
    measured_s: float


def table(name: str) -> Iterable[dict[str, str]]:
    with (DATA / name).open() as file:
        yield from csv.DictReader(file)


def seconds(row: dict[str, str]) -> float:
    return float(row["latency_ms"]) / 1e3


def one_layer(config: dict[str, int], chip: str, dtype: str, kv: str = "bf16", **cut: int) -> ServingPlan:
    base = {
        "num_hidden_layers": 1,
        "hidden_size": 128,
        "num_attention_heads": 1,
        "vocab_size": 1,
        "intermediate_size": 1,
    }
    shape = shape_from_config({**base, **config}, name="one layer")
    deployment = Deployment(shape, find_chip(chip), experts_dtype=dtype, rest_dtype=dtype, kv_dtype=kv, **cut)
    return replace(deployment.plan(), layers=0.0)


def gemms() -> Iterable[Kernel]:
    for row in table("gemm_latency.csv"):
        dtype = DTYPES.get(row["gemm_dtype"])
        if dtype is None or row["system"] == "a100_sxm":
            continue
        m, n, k = (int(row[x]) for x in ("m", "n", "k"))
        plan = one_layer({}, row["system"], dtype)
        matrix = replace(
            plan,
            dense_parameters=float(n * k),
            head_parameters=0.0,
            dense_weight_bytes=n * k * BYTES_PER_ELEMENT[dtype],
        )
        line = f"{row['system']} {row['gemm_dtype']} n {n} k {k}"
        yield Kernel("gemm", line, m, float(dense_s(matrix, float(m), C)) + LAUNCH_S, seconds(row))


def decode_attention() -> Iterable[Kernel]:
    for row in table("decode_attention_latency.csv"):
        if row["system"] == "a100_sxm":
            continue
        heads, kv_heads, dim = (int(row[x]) for x in ("num_heads", "num_key_value_heads", "head_dim"))
        kv = "fp8" if row["kv_cache_dtype"] == "fp8" else "bf16"
        plan = one_layer(
            {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": dim},
            row["system"],
            "bf16",
            kv,
        )
        batch, length = float(row["batch_size"]), float(row["kv_len"])
        line = f"{row['system']} {heads}/{kv_heads} {kv} batch {batch:.0f}"
        predicted = float(decode_attention_s(plan, batch, length, C)) + LAUNCH_S
        yield Kernel("decode attention", line, length, predicted, seconds(row))


def latent_attention() -> Iterable[Kernel]:
    """The growth with context only: the module's time at the shortest context is taken off."""
    lines: dict[tuple[str, ...], list[tuple[float, float, float]]] = defaultdict(list)
    for row in table("mla_module_latency.csv"):
        if row["phase"] != "generation" or row["system"] == "a100_sxm":
            continue
        heads = int(row["num_heads"])
        kv = "fp8" if row["kv_cache_dtype"] == "fp8" else "bf16"
        config = {
            "hidden_size": 7168,
            "num_attention_heads": heads,
            "kv_lora_rank": 512,
            "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128,
            "v_head_dim": 128,
            "q_lora_rank": 1536,
        }
        plan = one_layer(config, row["system"], "fp8", kv)
        batch, length = float(row["batch_size"]), float(row["step"])
        key = (row["system"], row["num_heads"], kv, row["gemm_type"], row["batch_size"])
        lines[key].append(
            (length, float(decode_attention_s(plan, batch, length, C)), float(row["latency_ms"]) / 1e3)
        )
    for key, points in lines.items():
        points.sort()
        (_, base_predicted, base_measured), *rest = points
        for length, predicted, measured in rest:
            if measured - base_measured > 2 * LAUNCH_S:
                yield Kernel(
                    "latent attention",
                    " ".join(key),
                    length,
                    predicted - base_predicted,
                    measured - base_measured,
                )


def expert_layers() -> Iterable[Kernel]:
    for row in table("moe_latency.csv"):
        dtype = DTYPES.get(row["moe_dtype"])
        if dtype is None or row["distribution"] == "balanced":
            continue
        tp, ep = int(row["moe_tp_size"]), int(row["moe_ep_size"])
        config = {
            "hidden_size": int(row["hidden_size"]),
            "num_experts": int(row["num_experts"]),
            "num_experts_per_tok": int(row["topk"]),
            "moe_intermediate_size": int(row["inter_size"]),
        }
        plan = one_layer(config, row["system"], dtype, tp=tp * ep, ep=ep)
        tokens = float(row["num_tokens"])
        large = tokens > 1024
        arithmetic = C.prompt_expert_arithmetic if large else C.expert_arithmetic
        tile_rows = C.prompt_tile_rows if large else C.tile_rows
        work_s = float(experts_s(plan, tokens, C, arithmetic=arithmetic, tile_rows=tile_rows))
        line = f"{row['system']} {row['moe_dtype']} {row['num_experts']}x{row['inter_size']} tp{tp} ep{ep}"
        # Routing, permutation and the sum over experts are kernels too: the constant for a layer of experts.
        yield Kernel("experts", line, tokens, work_s + C.moe_layer_s + LAUNCH_S, seconds(row))


def all_reduces() -> Iterable[Kernel]:
    for row in table("comm_latency.csv"):
        if row["op_name"] != "all_reduce" or row["kernel_source"] != "TRTLLM":
            continue
        plan = one_layer({}, row["system"], "bf16", tp=int(row["num_gpus"]))
        size = float(row["message_size"])
        line = f"{row['system']} {row['num_gpus']} GPUs"
        yield Kernel("all-reduce", line, size, float(all_reduce_s(plan, size, C)), seconds(row))


FAMILIES: dict[str, Callable[[], Iterable[Kernel]]] = {
    "gemm": gemms,
    "decode attention": decode_attention,
    "latent attention": latent_attention,
    "experts": expert_layers,
    "all-reduce": all_reduces,
}


def slope(points: list[Kernel], field: str) -> float:
    """Return how steeply time grows with size at the large end of a line: the exponent of a power law."""
    ordered = sorted(points, key=lambda p: p.size)[-3:]
    sizes = np.log([p.size for p in ordered])
    return float(np.polyfit(sizes, np.log([getattr(p, field) for p in ordered]), 1)[0])


def figures(points: list[Kernel]) -> dict[str, float]:
    ratio = np.array([p.predicted_s / p.measured_s for p in points])
    lines: dict[str, list[Kernel]] = defaultdict(list)
    for point in points:
        lines[point.line].append(point)
    long = [line for line in lines.values() if len({p.size for p in line}) >= 4]
    return {
        "n": len(points),
        "median_ratio": float(np.median(ratio)),
        "within_25": float((np.abs(ratio - 1) <= 0.25).mean()),
        "within_2x": float(((ratio >= 0.5) & (ratio <= 2)).mean()),
        "exponent_predicted": float(np.median([slope(line, "predicted_s") for line in long])),
        "exponent_measured": float(np.median([slope(line, "measured_s") for line in long])),
    }


def plot(family: str, points: list[Kernel], folder: Path) -> Path:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tokenprof"
    from matplotlib import pyplot

    lines: dict[str, list[Kernel]] = defaultdict(list)
    for point in points:
        lines[point.line].append(point)
    chosen = sorted(lines, key=lambda name: (-len(lines[name]), name))
    chosen = sorted(chosen[:: max(1, len(chosen) // 6)][:6])
    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for name in chosen:
        ordered = sorted(lines[name], key=lambda p: p.size)
        (drawn,) = axes.loglog(
            [p.size for p in ordered], [1e6 * p.measured_s for p in ordered], "o", ms=4, label=name
        )
        axes.loglog(
            [p.size for p in ordered], [1e6 * p.predicted_s for p in ordered], "-", color=drawn.get_color()
        )
    along = {"gemm": "rows", "experts": "tokens", "all-reduce": "bytes"}.get(family, "context, tokens")
    axes.set(title=f"{family}: measured (dots), predicted (lines)", xlabel=along, ylabel="microseconds")
    axes.legend(fontsize=6)
    figure.tight_layout()
    path = folder / f"hw_kernels_{family.replace(' ', '_').replace('-', '_')}.svg"
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plots", type=Path, help="write plots and figures into this folder")
    arguments = parser.parse_args()
    found = {}
    for family, read in FAMILIES.items():
        points = list(read())
        found[family] = figures(points)
        f = found[family]
        print(
            f"{family:18s} n {f['n']:5d}  median ratio {f['median_ratio']:.2f}  "
            f"within 25 % {f['within_25']:.0%}  within 2x {f['within_2x']:.0%}  "
            f"growth exponent {f['exponent_predicted']:.2f} predicted, "
            f"{f['exponent_measured']:.2f} measured"
        )
        if arguments.plots:
            print("  ", plot(family, points, arguments.plots))
    if arguments.plots:
        (arguments.plots / "hw_kernels.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
