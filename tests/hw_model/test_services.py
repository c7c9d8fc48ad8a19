"""Services as clients meet them: closed loops, agents' sessions, and what operators choose."""

import csv
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tokenprof.commands.main import main
from tokenprof.hw_model.catalogue.lookup import read_data
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.drafts import accepted_tokens, tokens_per_step
from tokenprof.hw_model.equations.features import BASES, Feature, Rates
from tokenprof.hw_model.equations.memory import capacity_batch
from tokenprof.hw_model.equations.rates import in_service
from tokenprof.hw_model.equations.turn_work import TurnWork
from tokenprof.hw_model.fleet.clock import observed_speed
from tokenprof.hw_model.fleet.one_layout import prompt_load
from tokenprof.hw_model.fleet.own_error import own_error
from tokenprof.hw_model.measured.layout_text import Cut, ServiceLayout, read_layout
from tokenprof.hw_model.measured.point_rows import parse_points
from tokenprof.hw_model.measured.service_rows import newest, parse_services, software_years
from tokenprof.hw_model.measured.service_validation import spread_of
from tokenprof.hw_model.service.aggregated import engine_limit
from tokenprof.hw_model.service.load import ClientLoad
from tokenprof.hw_model.service.pools import Pools, closed_loop, tokens_per_s_per_accelerator
from tokenprof.hw_model.service.prefix_cache import ParkingSpace
from tokenprof.hw_model.service.sessions import AgentLoad, agent_service, agents_at_speed

C = fitted()
PLAN = parse_deployment("deepseek-v3@8xh200:tp=8").plan()
ONE_POOL = Pools(PLAN, PLAN)
DATA = Path(__file__).parents[2] / "benchmarks" / "data"


def test_2_7_drafts_yield_the_sum_of_their_chances():
    # 1 + 0.5 + 0.5 * 0.25 with each later token accepted half as often.
    assert tokens_per_step(2.0, 0.5, later=0.5) == pytest.approx(1.625)
    assert tokens_per_step(0.0, 0.5) == 1.0
    assert accepted_tokens("GLM-5.2", 3) == 2.99
    assert accepted_tokens("DeepSeek-V3", 3) is None


@pytest.mark.parametrize("clients", [1.0, 16.0, 256.0, 4_096.0])
def test_2_11_a_closed_loop_keeps_littles_law(clients):
    load = ClientLoad(clients, 7_000.0, 900.0)
    served = closed_loop(ONE_POOL, load, C)
    cycle_s = float(np.asarray(served.ttft_s + 900.0 * served.tpot_s))
    assert float(np.asarray(served.requests_per_s)) * cycle_s == pytest.approx(clients, rel=0.03)


def test_2_11_a_prompt_pool_that_is_too_small_makes_clients_wait_for_their_first_token():
    wide = parse_deployment("deepseek-v3@32xh200:dp=32,ep=32").plan()

    def served(prompts):
        return closed_loop(Pools(PLAN, wide, prompts, 1.0, 1.0), ClientLoad(1_024.0, 7_000.0, 900.0), C)

    few, many = served(1.0), served(8.0)
    assert float(np.asarray(few.ttft_s)) > 5 * float(np.asarray(many.ttft_s))
    assert float(np.asarray(few.tpot_s)) < float(np.asarray(many.tpot_s))


def test_2_11_cached_prompts_serve_more_requests():
    fresh = closed_loop(ONE_POOL, ClientLoad(64.0, 7_000.0, 300.0), C)
    cached = closed_loop(ONE_POOL, ClientLoad(64.0, 7_000.0, 300.0, 0.0, 6_500.0), C)
    assert float(np.asarray(cached.requests_per_s)) > 2 * float(np.asarray(fresh.requests_per_s))


def test_2_6_each_data_parallel_rank_of_vllm_has_a_limit_of_its_own():
    wide = "deepseek-v3@16xh200:dp=16,ep=16"
    assert float(engine_limit(parse_deployment(f"{wide},engine=vllm").plan())) == 16 * 256.0
    assert float(engine_limit(parse_deployment(wide).plan())) == np.inf


AGENTS = AgentLoad(np.array([1.0, 4.0, 8.0, 64.0]), 100_000.0, 2_000.0, 500.0, 10.0)


def test_2_12_hits_fall_off_a_cliff_when_live_sessions_outgrow_the_memory():
    alone = agent_service(ONE_POOL, AGENTS, C, ParkingSpace())
    assert alone.hit_rate[0] == pytest.approx(1.0, abs=0.01)
    assert alone.hit_rate[3] < 0.1
    # Host memory keeps what the accelerators drop.
    host = agent_service(ONE_POOL, AGENTS, C, ParkingSpace(2e12, 50e9))
    assert host.hit_rate[3] > 0.9
    assert host.turns_per_s[3] > 2 * alone.turns_per_s[3]
    assert host.ttft_s[3] < alone.ttft_s[3] / 3


def test_2_12_a_service_that_holds_no_session_serves_none():
    tight = parse_deployment("deepseek-v3@8xh200:tp=8,kv=bf16").plan()
    found = agent_service(Pools(tight, tight), replace(AGENTS, cached_tokens=3e6), C, ParkingSpace())
    assert np.all(found.turns_per_s == 0.0)


def test_2_13_a_pool_of_prompts_is_larger_than_its_work():
    # Half a second each: 6.5 * 0.5 s * rho / (1 - rho) = 3.4 s at rho = 3.4 / 6.65.
    assert float(prompt_load(0.5)) == pytest.approx(3.4 / 6.65)
    assert float(prompt_load(0.0)) == 1.0


def test_2_13_the_idle_time_of_a_pool_of_prompts_is_paid_by_prompts():
    ones = np.ones((2, len(Feature)))
    found = in_service(Rates(dict.fromkeys(BASES, ones)), np.array([1.0, 3.0]), np.array([1.0, 0.5])).by_basis
    assert found["resource_share"][0].tolist() == [1.0] * 8
    assert found["resource_share"][1].tolist() == [6.0] * 4 + [3.0] * 4
    assert found["marginal"][1].tolist() == [3.0] * 8


def test_2_13_agents_are_served_where_each_accelerator_does_most_at_their_speed():
    one = (ONE_POOL, ParkingSpace())
    host = (ONE_POOL, ParkingSpace(2e12, 50e9))
    load = replace(AGENTS, sessions=0.0)
    found = agents_at_speed([one, host], load, C, 30.0)
    assert found.parking == host[1]
    served = agent_service(found.pools, replace(load, sessions=found.sessions), C, found.parking)
    assert float(np.asarray(served.tpot_s)) <= 1.0 / 30.0
    # More sessions at half of the speed.
    assert agents_at_speed([one, host], load, C, 15.0).sessions > found.sessions


def test_2_14_logs_written_before_an_answer_was_complete_do_not_slow_the_clock():
    turns = [TurnWork(1, 1, n, duration_s=4.0 + n / 80.0) for n in range(60, 900, 20)]
    cut_short = [TurnWork(1, 1, 1, duration_s=4.0 + n / 80.0) for n in range(60, 900, 60)]
    seen = observed_speed([*turns, *cut_short])
    assert seen is not None
    assert seen.tokens_per_s == pytest.approx(80.0)
    assert seen.calls == len(turns)


def test_2_14_the_clock_of_streamed_calls_starts_at_the_first_token():
    turns = [TurnWork(1, 1, n, duration_s=3.0 + n / 80.0, ttft_s=3.0) for n in range(60, 600, 30)]
    seen = observed_speed(turns)
    assert seen is not None
    assert seen.tokens_per_s == pytest.approx(80.0)
    assert "first token" in seen.method


def test_2_14_without_first_tokens_the_slope_of_duration_on_output_counts():
    # Four seconds before the first token, 50 tokens/s after it; one call in ten hangs for a minute.
    turns = [
        TurnWork(1, 1, n, duration_s=4.0 + n / 50.0 + (60.0 if n % 10 == 0 else 0.0))
        for n in range(51, 700, 13)
    ]
    seen = observed_speed(turns)
    assert seen is not None
    assert seen.tokens_per_s == pytest.approx(50.0, rel=0.02)
    assert 0 <= seen.log_sd < 0.2
    # Output over duration would say 27 at the median.
    assert observed_speed(turns[:3]) is None
    assert observed_speed([replace(t, duration_s=0.001 * t.output_tokens / 50) for t in turns]) is None


# A text that names accelerators only leaves open how attention is cut.
OPEN = Cut(8, 1, ep=8, attention_open=True)


@pytest.mark.parametrize(
    ("text", "gpus", "layout"),
    [
        ("TP8", 8, ServiceLayout(Cut(8, 1))),
        ("DEP8", 8, ServiceLayout(Cut(1, 8, ep=8))),
        ("TP4 EP4", 4, ServiceLayout(Cut(4, 1, ep=4))),
        ("TP8 PP2", 16, ServiceLayout(Cut(8, 1, 2))),
        ("TP8 over 8 cores", 4, ServiceLayout(Cut(4, 1))),
        ("8P+8D", 16, ServiceLayout(OPEN, OPEN)),
        (
            "prefill 4 GPU, TP=4 | decode 40 GPU, EP=8",
            44,
            ServiceLayout(
                Cut(8, 1, ep=8, replicas=5, attention_open=True), Cut(4, 1, ep=4, attention_open=True)
            ),
        ),
    ],
)
def test_layouts_are_read_as_published_points_write_them(text, gpus, layout):
    assert read_layout(text, gpus, "+" in text or "|" in text) == layout


def test_captures_are_read_with_their_pools_and_dates():
    with (DATA / "deepseek_r1_serving_calibration.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(newest(rows)) == 472
    dated = [
        {"hardware": "b200", "conc": "4", "date": day} for day in ("2026-01-01", "2026-03-01", "2026-05-01")
    ]
    assert newest(dated) == [2]
    assert newest(dated, older_by_days=60) == [1]
    assert newest(dated, older_by_days=150) == []
    points, refused = parse_services(rows)
    assert not refused
    apart = next(p for p in points if rows[p.row]["prefill_num_workers"] == "2" and p.pools.disaggregated)
    assert float(np.asarray(apart.pools.prompt_replicas)) == 2.0
    assert software_years(date(2025, 6, 1)) == pytest.approx(1.0, abs=0.01)
    assert software_years(date(2027, 1, 1)) == 0.0


@pytest.mark.parametrize("name", ["deepseek_r1_serving_calibration.csv", "serving_points.csv"])
def test_validate_reads_services_and_prints_one_point_a_row(name, tmp_path, capsys):
    lines = (DATA / name).read_text("utf-8").splitlines()[:25]
    file = tmp_path / name
    file.write_text("\n".join(lines) + "\n", "utf-8")
    assert main(["hw", "validate", str(file), "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [point["row"] for point in report["points"]] == list(range(24))
    assert report["refused"] == 0
    for point in report["points"]:
        assert point["low"] < point["total_tokens_per_s_per_gpu"] < point["high"]
    assert report["throughput"]["n"] == 24
    assert set(report["by_regime"]) >= {next(iter(report["by_regime"]))}


def test_idle_kv_of_agents_leaves_the_accelerators_only_where_a_row_says_so():
    with (DATA / "serving_points.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["engine"].startswith("vLLM (")]
    points = parse_points(rows, C)[0]
    rooms = {
        row["engine"]: float(np.asarray(p.agentic.parking.capacity_bytes))
        for row, p in zip(rows, points, strict=True)
    }
    assert rooms["vLLM (GPU-resident KV)"] == 0.0
    assert rooms["vLLM (host DRAM KV 1.89 TB)"] == 8 * 250e9
    # The row states a pool of 3,249,215 tokens of KV.
    context = 207_082.0 + 207_082.0 / 121.0 / 2.0
    held = float(capacity_batch(points[0].agentic.pools.decode, context))
    assert held * context == pytest.approx(3_249_215, rel=1e-6)


def test_measured_columns_are_never_read_to_predict_a_service():
    with (DATA / "deepseek_r1_serving_calibration.csv").open(encoding="utf-8") as file:
        row = next(iter(csv.DictReader(file)))
    changed = {**row, "median_tpot_s": "9", "median_ttft_s": "9", "total_tokens_per_s_per_gpu": "9"}
    (one,), (other,) = parse_services([row])[0], parse_services([changed])[0]

    def gained(p):
        return float(tokens_per_s_per_accelerator(p.pools, p.load, closed_loop(p.pools, p.load, C)))

    assert gained(one) == gained(other)


def test_an_interval_is_wider_for_a_model_that_is_new_to_amd():
    usual, new = (spread_of("sglang fp8 aggregated no drafts", new_on_amd=flag) for flag in (False, True))
    assert new[0] < usual[0] < usual[1] < new[1]
    assert new[0] * new[1] == pytest.approx(usual[0] * usual[1])


def test_the_models_own_error_is_drawn_around_its_median_with_a_width_on_each_side():
    table = read_data("constants.json")["service_spread"]["drawn"]
    low, middle, high = table["aggregated no drafts"]
    choice = SimpleNamespace(disaggregated=np.zeros(20_001), drafted=np.zeros(20_001))
    factors = 1.0 / own_error(1_000.0, choice, np.random.default_rng(7))
    assert np.median(factors) == pytest.approx(middle, rel=0.02)
    assert np.percentile(factors, [4.0, 96.0]) == pytest.approx([low, high], rel=0.04)
