"""Read the Prometheus page of a running vLLM or SGLang server (`/metrics`) as one measured point."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from tokenprof.hw_model.equations.deployment import Deployment
from tokenprof.hw_model.measured.measurements import Measurement
from tokenprof.hw_model.measured.row_values import MeasurementError
from tokenprof.hw_model.service.load import ClientLoad

_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+([-+0-9.eE]+|NaN|[+-]?Inf)(?:\s+\d+)?$")

# What is needed, and the names that engines and their versions have for it.
_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "tpot_sum_s": (
        "vllm:time_per_output_token_seconds_sum",
        "vllm:inter_token_latency_seconds_sum",
        "vllm:request_time_per_output_token_seconds_sum",
        "sglang:time_per_output_token_seconds_sum",
        "sglang:inter_token_latency_seconds_sum",
    ),
    "tpot_count": (
        "vllm:time_per_output_token_seconds_count",
        "vllm:inter_token_latency_seconds_count",
        "vllm:request_time_per_output_token_seconds_count",
        "sglang:time_per_output_token_seconds_count",
        "sglang:inter_token_latency_seconds_count",
    ),
    "prompt_tokens": ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total"),
    "output_tokens": ("vllm:generation_tokens_total", "sglang:generation_tokens_total"),
    "requests": (
        "vllm:request_success_total",
        "vllm:e2e_request_latency_seconds_count",
        "sglang:num_requests_total",
        "sglang:e2e_request_latency_seconds_count",
    ),
    "running": ("vllm:num_requests_running", "sglang:num_running_reqs"),
}


def parse_metrics(text: str) -> dict[str, float]:
    """Return the samples of a metrics page by name; samples that differ in labels only are added up."""
    samples: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        found = _SAMPLE.match(line.strip())
        if found is not None:
            samples[found[1]] += float(found[2])
    return dict(samples)


def measurement_from_metrics(text: str, deployment: Deployment) -> Measurement:
    """Return the means over a server's life so far: time per output token, lengths and concurrency.

    Concurrency is the number of requests that ran when the page was taken, so take it under the usual load.
    Raises MeasurementError naming what is missing.
    """
    samples = parse_metrics(text)
    values: dict[str, float] = {}
    for need, names in _NAMES.items():
        name = next((n for n in names if samples.get(n, 0.0) > 0.0), None)
        if name is None:
            raise MeasurementError(
                f"the metrics page has no {' or '.join(names[:2])} above 0; take it from a vLLM "
                "or SGLang server under load"
            )
        values[need] = samples[name]
    requests = values["requests"]
    return Measurement(
        line=1,
        deployment=deployment,
        load=ClientLoad(
            values["running"], values["prompt_tokens"] / requests, values["output_tokens"] / requests
        ),
        system=deployment.chip.name,
        precision=deployment.rest_dtype,
        backend_version="",
        measured="",
        tpot_s=values["tpot_sum_s"] / values["tpot_count"],
        ttft_s=None,
    )
