"""Compare the model's throughput with published measurements: DeepSeek's fleet, SGLang wide EP, MLPerf.

    python benchmarks/hw_throughput.py [--out benchmarks/results/hw_throughput.json]

None of these points was used in the fit. `note` holds what a publication leaves open and we assume.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tokenprof.hw_model.assumed import DEFAULT_UTILISATION, USUAL_UTILISATION
from tokenprof.hw_model.catalogue.lookup import find_chip, find_model
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.equations.features import CHUNK_TOKENS
from tokenprof.hw_model.equations.gpu_hour import Ownership
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.timing import decode_step, prefill
from tokenprof.hw_model.service.aggregated import output_tokens_per_s
from tokenprof.hw_model.service.load import ClientLoad

C = fitted()


@dataclass(frozen=True)
class Point:
    """One published throughput beside the prediction."""

    name: str
    predicted: float
    measured: float
    unit: str
    note: str

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted / self.measured


def deployment(model: str, chip: str, dtypes: tuple[str, str, str], **cut: object) -> Deployment:
    experts, rest, kv = dtypes
    return Deployment(
        find_model(model), find_chip(chip), experts_dtype=experts, rest_dtype=rest, kv_dtype=kv, **cut
    )


def decode_tokens_per_s(d: Deployment, per_accelerator: float, context_tokens: float) -> float:
    batch = per_accelerator * d.accelerators
    return batch / float(decode_step(d.plan(), batch, context_tokens, C).total_s)


def prompt_tokens_per_s(d: Deployment, prompt_tokens: float) -> float:
    """Prompts of one length, packed into a chunk on every attention rank."""
    tokens = CHUNK_TOKENS * d.dp
    return tokens / float(prefill(d.plan(), tokens, 0.0, C, prompts=tokens / prompt_tokens).total_s)


def offline_tokens_per_s(d: Deployment, isl: float, osl: float, replicas: int, largest: float = 1e9) -> float:
    """MLPerf Offline: all samples at once, the batch what fits."""
    plan = d.plan()
    batch = min(float(capacity_batch(plan, isl + osl / 2.0)), largest)
    return replicas * float(output_tokens_per_s(plan, ClientLoad(batch, isl, osl), C))


def drained_tokens_per_s(d: Deployment, isl: float, samples: int, mean: float, longest: float) -> float:
    """One wave of samples with exponential output lengths: the batch drains as the short ones finish."""
    steps = np.linspace(0.0, longest, 400)
    batch = np.maximum(samples * np.exp(-steps / mean), 1.0)
    plan = d.plan()
    seconds = [float(decode_step(plan, b, isl + s, C).total_s) for b, s in zip(batch, steps, strict=True)]
    prompts_s = samples * float(prefill(plan, isl, 0.0, C).work_s)
    return float(np.trapezoid(batch, steps)) / (float(np.trapezoid(seconds, steps)) + prompts_s)


def points() -> list[Point]:
    fp8, bf16_kv = ("fp8", "fp8", "fp8"), ("fp8", "fp8", "bf16")
    wide_decode = deployment("deepseek-v3", "h800", bf16_kv, dp=144, ep=144, overlap=True)
    wide_prefill = deployment("deepseek-v3", "h800", bf16_kv, dp=32, ep=32, overlap=True)
    h100_prefill = deployment("deepseek-v3", "h100", bf16_kv, dp=32, ep=32, engine="sglang")
    gb200_prefill = deployment("deepseek-v3", "gb200", bf16_kv, dp=8, ep=8, engine="sglang")
    gb200_decode = deployment("deepseek-v3", "gb200", bf16_kv, dp=48, ep=48, engine="sglang")
    rack_405b = deployment("llama-3.1-405b", "gb200", ("fp4", "fp4", "fp8"), tp=2, pp=2)
    r1 = deployment("deepseek-r1", "b200", ("fp4", "bf16", "fp8"), dp=8, ep=8)
    held = float(capacity_batch(gb200_decode.plan(), 3000.0)) / gb200_decode.accelerators
    return [
        Point("DeepSeek day 6, decode",
              8 * decode_tokens_per_s(wide_decode, 88, 4989) / 144,
              14_800, "tok/s/node", "88 sequences per GPU from 20-22 tok/s per user; a busy replica"),
        Point("DeepSeek day 6, prefill", 8 * prompt_tokens_per_s(wide_prefill, 4000) / 32,
              32_200, "fresh tok/s/node", "4,000-token prompts assumed; a busy replica"),
        Point("SGLang 32 H100, prefill",
              8 * prompt_tokens_per_s(h100_prefill, 2000) / 32,
              52_300, "tok/s/node", "EP32, 2,000-token prompts"),
        Point("SGLang GB200, prefill",
              prompt_tokens_per_s(gb200_prefill, 2000) / 8,
              18_471, "tok/s/GPU", "EP8 assumed"),
        Point("SGLang 48 GB200, decode", decode_tokens_per_s(gb200_decode, held, 3000) / 48,
              9_087, "tok/s/GPU", f"as many sequences as fit: {held:.0f} per GPU at 3,000 tokens"),
        Point("MLPerf Llama-2-70B, 8 H100",
              offline_tokens_per_s(deployment("llama-2-70b", "h100", fp8, tp=2), 294, 301, 4),
              31_219.8, "tok/s", "TP2, 4 replicas"),
        Point("MLPerf Llama-3.1-405B, 8 H200",
              offline_tokens_per_s(deployment("llama-3.1-405b", "h200", fp8, tp=4, pp=2), 9400, 685, 1),
              552.7, "tok/s", "TP4 PP2"),
        Point("MLPerf Llama-3.1-405B, 72 GB200",
              offline_tokens_per_s(rack_405b, 9400, 685, 18),
              14_774.3, "tok/s", "TP2 PP2, 18 replicas"),
        Point("MLPerf Llama-3.1-8B, 8 H200",
              offline_tokens_per_s(deployment("llama-3.1-8b", "h200", fp8), 778, 128, 8, 2048),
              66_036.8, "tok/s", "TP1, 8 replicas, at most 2,048 sequences"),
        Point("MLPerf DeepSeek-R1, 8 B200", drained_tokens_per_s(r1, 800, 4096, 3700, 20_000),
              33_379, "tok/s", "DP8 EP8: one wave of 512 per GPU, exponential lengths of mean 3,700, none "
              "over 20,000; were the batch never to drain it would be "
              f"{offline_tokens_per_s(r1, 800, 3700, 1, 4096) / 33_379:.1f}x the measured"),
    ]  # fmt: skip


def day_at_our_cost() -> dict[str, float]:
    """DeepSeek day 6 at our rates: busy node-hours, and dollars at our default share of hours that are sold.

    608 billion prompt tokens, 342 billion of them cached, and 168 billion output tokens, at the published
    $2 an H800-hour and at our owner's hour.
    """
    fp8 = ("fp8", "fp8", "bf16")
    decode = (
        8
        * decode_tokens_per_s(deployment("deepseek-v3", "h800", fp8, dp=144, ep=144, overlap=True), 88, 4989)
        / 144
    )
    prompts = (
        8 * prompt_tokens_per_s(deployment("deepseek-v3", "h800", fp8, dp=32, ep=32, overlap=True), 4000) / 32
    )
    busy = 168e9 / decode / 3600 + (608e9 - 342e9) / prompts / 3600
    gpu_hours = busy * 8 / DEFAULT_UTILISATION
    low, _, high = USUAL_UTILISATION
    return {
        "busy_node_hours": busy,
        "busy_share_of_what_was_paid": busy / (226.75 * 24),
        "usd_at_2_an_hour": gpu_hours * 2.0,
        "usd_at_2_an_hour_low": busy * 8 / high * 2.0,
        "usd_at_2_an_hour_high": busy * 8 / low * 2.0,
        "usd_at_the_owners_hour": gpu_hours * Ownership().usd_per_chip_hour(find_chip("h800")),
    }


def fleet_identity() -> dict[str, float]:
    """DeepSeek day 6: the quoted rates and token counts against the node-hours and dollars paid for."""
    needed = 608e9 / 73_700 / 3600 + 168e9 / 14_800 / 3600
    return {"node_hours_needed": needed, "node_hours_paid": 226.75 * 24, "usd_per_day": 226.75 * 24 * 8 * 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    found = points()
    for point in found:
        print(
            f"{point.name:34s} {point.predicted:10,.0f} / {point.measured:10,.1f} {point.unit:17s}"
            f"{point.ratio:5.2f}  {point.note}"
        )
    identity = fleet_identity()
    print(
        f"DeepSeek day 6: {identity['node_hours_needed']:,.0f} node-hours needed at the quoted rates, "
        f"{identity['node_hours_paid']:,.0f} paid, ${identity['usd_per_day']:,.0f} a day"
    )
    ours = day_at_our_cost()
    print(
        f"DeepSeek day 6, our full cost at a utilisation of {DEFAULT_UTILISATION:g}: "
        f"${ours['usd_at_2_an_hour']:,.0f} at $2 an hour "
        f"(${ours['usd_at_2_an_hour_low']:,.0f} to ${ours['usd_at_2_an_hour_high']:,.0f} at "
        f"{USUAL_UTILISATION[2]:g} to {USUAL_UTILISATION[0]:g}), "
        f"${ours['usd_at_the_owners_hour']:,.0f} at the owner's hour, published $87,072"
    )
    print(
        f"DeepSeek day 6, busy: {ours['busy_node_hours']:,.0f} node-hours by our rates, "
        f"{ours['busy_share_of_what_was_paid']:.0%} of those paid; at night nodes were given to training"
    )
    if arguments.out:
        rows = [{**asdict(p), "ratio": p.ratio} for p in found]
        arguments.out.write_text(
            json.dumps({"points": rows, "fleet": identity, "our_cost": ours}, indent=1) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
