"""Predictions against measured servers, calibration, and reading what was measured."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tokenprof.hw_model.cost import ServingSettings, TurnWork, scenario_for
from tokenprof.hw_model.equations.constants import NAMES, constant_rows, fitted
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.fleet.closed_model_classes import CLASSES, FLEETS, model_class
from tokenprof.hw_model.measured.calibration import fit, predict, priors
from tokenprof.hw_model.measured.error_figures import error_figures
from tokenprof.hw_model.measured.measurements import (
    MeasurementError,
    parse_rows,
    read_measurements,
    why_unclean,
)
from tokenprof.hw_model.measured.server_metrics import measurement_from_metrics
from tokenprof.hw_model.measured.traces import TraceError, read_trace
from tokenprof.hw_model.measured.validation import validate

CALIBRATION = Path(__file__).parents[2] / "benchmarks" / "data" / "e2e_silicon_calibration.csv"

ROW = {
    "model_path": "nvidia/Kimi-K2.5-NVFP4", "system": "b200_sxm", "backend": "vllm", "backend_version": "",
    "precision": "fp4", "isl": "1024", "osl": "1024", "concurrency": "64", "batch_size": "64", "tp_size": "8",
    "moe_tp_size": "8", "moe_ep_size": "1", "measured": "", "silicon_ttft_ms": "300", "silicon_tpot_ms": "20",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    with CALIBRATION.open() as file:
        return list(csv.DictReader(file))


def test_the_shipped_constants_explain_the_calibration_set(rows):
    report = validate(rows)
    assert report["tpot"]["n"] == 1359
    assert report["refused"] == []
    assert report["tpot"]["median_ape"] < 0.075
    assert report["tpot"]["within_25"] > 0.87
    assert report["interval"]["covered"] > 0.85
    assert set(report["by"]) == {"model", "system", "backend", "batch_regime"}


def test_a_cell_left_out_of_the_fit_is_still_predicted(rows):
    measured, _ = parse_rows(rows)
    clean = [m for m in measured if why_unclean(m) is None]
    assert len(clean) == 1227
    cell = "GLM-5 h200_sxm fp8"
    held_out = [m for m in clean if m.cell == cell]
    found = fit([m for m in clean if m.cell != cell], priors())
    ratio = predict(held_out, found.constants) / np.array([m.tpot_s for m in held_out])
    assert len(held_out) == 30
    assert np.median(np.abs(ratio - 1)) < 0.10


def test_constants_are_physical_and_carry_their_uncertainty():
    c = fitted()
    assert all(0 < getattr(c, n) < 1 for n in NAMES if n.endswith(("_bandwidth", "_arithmetic")))
    assert all(row["log_sd"] < 0.5 for row in constant_rows().values())


def test_an_unseen_model_gets_a_wider_interval_than_a_seen_one():
    seen = {**ROW, "model_path": "openai/gpt-oss-120b"}
    unseen, known = (validate([r])["predictions"][0] for r in (ROW, seen))
    assert unseen["low_ms"] < unseen["predicted_ms"] < unseen["high_ms"]
    assert unseen["low_ms"] / unseen["predicted_ms"] < known["low_ms"] / known["predicted_ms"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model_path": "acme/riddle-7b"}, "no shape is known"),
        ({"system": "gh200"}, "no chip"),
        ({"backend": "llama.cpp"}, "no constants for the engine"),
        ({"precision": "fp3"}, "no dtype"),
        ({"isl": ""}, "isl is not given"),
        ({"silicon_tpot_ms": "fast"}, "is not a number"),
        ({"batch_size": "", "concurrency": ""}, "neither batch_size nor concurrency"),
    ],
)
def test_a_row_that_cannot_be_predicted_is_refused_with_its_reason(change, reason):
    report = validate([ROW, {**ROW, **change}])
    assert report["tpot"]["n"] == report["tpot"]["refused"] == 1
    assert report["refused"][0]["line"] == 3
    assert reason in report["refused"][0]["reason"]


def test_every_precision_and_system_is_answered():
    systems = ["a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm", "b300_sxm", "gb200", "gb300"]
    rows = [
        {**ROW, "system": s, "precision": p} for s in systems for p in ("bf16", "fp8", "fp4", "int4", "int8")
    ]
    report = validate(rows)
    assert report["tpot"]["n"] == len(rows)
    by_precision = {p["line"]: p["predicted_ms"] for p in report["predictions"]}
    assert all(0 < ms < 1000 for ms in by_precision.values())


def test_measured_times_are_never_read_to_predict():
    slow = validate([{**ROW, "silicon_ttft_ms": "90000", "silicon_tpot_ms": "99"}])
    assert slow["predictions"][0]["predicted_ms"] == validate([ROW])["predictions"][0]["predicted_ms"]


def test_attention_data_parallelism_is_told_from_batch_and_concurrency():
    (m,), _ = parse_rows(
        [{**ROW, "concurrency": "64", "batch_size": "8", "moe_tp_size": "1", "moe_ep_size": "8"}]
    )
    assert (m.deployment.tp, m.deployment.dp, m.deployment.ep) == (1, 8, 8)
    assert m.load.clients == 64


def test_figures_by_hand():
    figures = error_figures(np.array([1.0, 1.1, 0.4, 2.2]), refused=3)
    assert figures == {
        "n": 4, "refused": 3, "bias": pytest.approx(0.05), "mape": pytest.approx((0.1 + 0.6 + 1.2) / 4),
        "median_ape": pytest.approx(0.35), "within_25": 0.5, "within_1_25x": 0.5, "within_1_5x": 0.5,
        "within_2x": 0.5,
    }  # fmt: skip
    assert error_figures(np.array([]))["mape"] is None


def test_a_file_of_another_kind_is_refused(tmp_path):
    other = tmp_path / "prices.csv"
    other.write_text("model,price\na,1\n")
    with pytest.raises(MeasurementError, match="no column model_path"):
        read_measurements(other)


METRICS = """# HELP vllm:num_requests_running Number of requests
vllm:num_requests_running{model_name="x"} 64.0
vllm:prompt_tokens_total{model_name="x"} 1.024e+06
vllm:generation_tokens_total{model_name="x"} 1.024e+06
vllm:request_success_total{finished_reason="stop"} 900
vllm:request_success_total{finished_reason="length"} 100
vllm:time_per_output_token_seconds_sum{model_name="x"} 25000
vllm:time_per_output_token_seconds_count{model_name="x"} 1e+06
"""


def test_a_running_servers_metrics_are_one_measured_point():
    deployment = parse_deployment("llama-3.1-70b@4xh100:weights=fp8,engine=vllm")
    m = measurement_from_metrics(METRICS, deployment)
    assert (m.load.clients, m.load.prompt_tokens, m.load.output_tokens) == (64, 1024, 1024)
    assert m.tpot_s == 0.025
    with pytest.raises(MeasurementError, match="num_requests_running"):
        measurement_from_metrics(METRICS.replace("running{", "walking{"), deployment)


def test_a_trace_gives_reuse_and_gaps(tmp_path):
    path = tmp_path / "trace.json"
    calls = [
        {"t": 0.0, "type": "n", "in": 200, "out": 10, "hash_ids": [1, 2, 3], "api_time": 2.0},
        {"t": 5.0, "type": "s", "in": 300, "out": 20, "hash_ids": [1, 2, 3, 4], "api_time": 3.0},
        {
            "t": 6.0,
            "type": "s",
            "requests": [{"t": 6.0, "in": 130, "out": 5, "hash_ids": [1, 9], "api_time": 1.0}],
        },
        {"t": 20.0, "type": "n", "in": 64, "out": 1, "hash_ids": [7]},
    ]
    path.write_text(json.dumps({"id": "a", "block_size": 64, "models": ["m"], "requests": calls}))
    trace = read_trace(path)
    assert [c.cached_tokens for c in trace.calls] == [0, 192, 64, 0]
    assert [c.gap_s for c in trace.calls] == [3.0, 12.0, None, None]
    assert trace.contexts == ("main", "main", "main/2", "main")
    assert trace.reused_share == 256 / (200 + 300 + 130 + 64)
    path.write_text("[]")
    with pytest.raises(TraceError, match="not a trace of KV blocks"):
        read_trace(path)


def test_names_of_closed_models_find_their_class():
    assert model_class("anthropic", "claude-opus-4-8") == "opus"
    assert model_class("anthropic", "claude-3-5-sonnet-20241022") == "sonnet"
    assert model_class("openai", "gpt-5-mini") == "mini"
    assert model_class("google", "gemini-3-pro") == "gpt"
    assert model_class("acme", "riddle") is None
    # Open weights, and a fleet of which nothing is known.
    assert model_class("aws.bedrock", "openai.gpt-oss-999b-1:0") is None
    assert model_class("aws.bedrock", "us.amazon.nova-lite-v1:0") is None
    assert all(c.evidence for c in CLASSES.values())
    closed = {name: weights for name, weights in FLEETS.items() if name != "hosts"}
    assert all(sum(weights.values()) == pytest.approx(10) for weights in closed.values())


def test_what_drives_the_interval_and_what_cancels():
    turns = [TurnWork(50_000, 1_000, 500, duration_s=12.0)]
    scenario = scenario_for("anthropic", "claude-opus-4-8", turns=turns)
    decode = scenario.features(turns[0], part="decode")
    drivers = scenario.sensitivity(decode)
    assert drivers[0][1] > 0.1
    assert drivers == sorted(drivers, key=lambda d: -d[1])
    # A late call against an early one is known far better than either in dollars.
    late = scenario.features(TurnWork(100_000, 1_000, 500), part="decode")
    dollars, times = scenario.usd(decode), scenario.ratio(late, decode)
    assert times.high / times.low < 0.5 * dollars.high / dollars.low
    margin = scenario.gross_margin(decode, billed_usd=500 * 25e-6)
    assert margin.low < margin.mid < margin.high < 1
    fixed = scenario_for(
        "x", "deepseek-v3", turns=turns, settings=ServingSettings(deployment="deepseek-v3@16xh200")
    )
    assert fixed.sensitivity(decode) == []
