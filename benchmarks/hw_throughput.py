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
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import decode_step
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


def prompt_tokens_per_s(d: Deployment, prompt_tokens: float, cached_tokens: float = 0.0) -> float:
    """Prompts of one length, packed into a chunk on every attention rank."""
    tokens = CHUNK_TOKENS * d.dp
    return tokens / float(prefill(d.plan(), tokens, cached_tokens, C, prompts=tokens / prompt_tokens).total_s)


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


DAY_NODES = 226.75
DAY_PEAK_NODES = 278.0
DAY_CACHED_TOKENS = 342e9
DAY_FRESH_TOKENS = 608e9 - DAY_CACHED_TOKENS
DAY_OUTPUT_TOKENS = 168e9
DAY_SOFTWARE_YEARS = 1.25
"""From February 2025 to the software that the constants describe."""


def busy_node_hours(
    prompt_tokens: float = 4000.0,
    software_years: float = 0.0,
    decode_ranks: int = 144,
    cached_share: float = DAY_CACHED_TOKENS / (DAY_CACHED_TOKENS + DAY_FRESH_TOKENS),
) -> float:
    """DeepSeek's day 6 by our rates: node-hours in which replicas that are always busy would serve it.

    Each prompt has `prompt_tokens` fresh tokens, which attend to one another and to the cached share before.
    """
    cached_tokens = prompt_tokens * cached_share / (1.0 - cached_share)
    kinds = {"overlap": True, "software_years": software_years}
    fp8 = ("fp8", "fp8", "bf16")
    decode = deployment("deepseek-v3", "h800", fp8, dp=decode_ranks, ep=decode_ranks, **kinds)
    prompts = deployment("deepseek-v3", "h800", fp8, dp=32, ep=32, **kinds)
    decoded = 8 * decode_tokens_per_s(decode, 88, 4989) / decode_ranks
    computed = 8 * prompt_tokens_per_s(prompts, prompt_tokens, cached_tokens) / 32
    return DAY_OUTPUT_TOKENS / decoded / 3600 + DAY_FRESH_TOKENS / computed / 3600


def day_in_steps() -> dict[str, float]:
    """From our busy replicas to our default full cost of DeepSeek's day 6, through what was published [USD].

    At the published $2 an H800-hour, eight to a node. No step is fitted: nodes are the published mean and
    peak, the rest is the default share of hours that are sold.
    """
    usd = 8 * 2.0
    busy = busy_node_hours()
    low, _, high = USUAL_UTILISATION
    owner = Ownership().usd_per_chip_hour(find_chip("h800"))
    return {
        "busy replicas, at our rates": usd * busy,
        "the same on public engines of its day": usd * busy_node_hours(software_years=DAY_SOFTWARE_YEARS),
        "prompts of 2,000 fresh tokens instead of 4,000": usd * busy_node_hours(2000.0),
        "prompts of 8,000 fresh tokens": usd * busy_node_hours(8000.0),
        "prompts without their 56 % of cached prefix": usd * busy_node_hours(cached_share=0.0),
        "decode replicas of 9 nodes instead of 18": usd * busy_node_hours(decode_ranks=72),
        "published: 226.75 nodes at the mean, idle ones given to training": usd * DAY_NODES * 24,
        "the peak of 278 nodes kept all day": usd * DAY_PEAK_NODES * 24,
        f"our default, {DEFAULT_UTILISATION:g} of the hours sold": usd * busy / DEFAULT_UTILISATION,
        f"{high:g} of the hours sold": usd * busy / high,
        f"{low:g} of the hours sold": usd * busy / low,
        f"our default at the owner's ${owner:.2f} an hour": 8 * owner * busy / DEFAULT_UTILISATION,
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
    steps = day_in_steps()
    print("DeepSeek day 6, from busy replicas to our default full cost, at $2 an H800-hour:")
    published = 8 * 2.0 * DAY_NODES * 24
    for name, usd in steps.items():
        print(f"  {name:68s} ${usd:9,.0f}  {usd / published:5.2f} of the published")
    if arguments.out:
        rows = [{**asdict(p), "ratio": p.ratio} for p in found]
        arguments.out.write_text(
            json.dumps({"points": rows, "fleet": identity, "day_in_steps": steps}, indent=1) + "\n",
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
