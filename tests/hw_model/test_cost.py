"""The front door: what calls cost, on three bases, for known and for closed models."""

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from tokenprof.hw_model.catalogue.lookup import find_chip, find_model
from tokenprof.hw_model.cost import (
    BASES,
    DeploymentError,
    ServingSettings,
    TurnWork,
    UnknownModelError,
    scenario_for,
)
from tokenprof.hw_model.equations.batching import choose_batch
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import fits, smallest_that_fits
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.timing import decode_step
from tokenprof.hw_model.fleet.operator_choice import FEW_SEQUENCES

TURNS = [TurnWork(20_000 + 1_000 * i, 1_500, 400, duration_s=16.0, gap_s=4.0) for i in range(20)]
PARTS = ("read", "prefill", "decode", "hold")


def run_usd(scenario, basis, turns=TURNS, parts=PARTS):
    return scenario.usd(sum(scenario.features(t, part=p) for t in turns for p in parts), basis)


def test_an_open_model_is_an_interval_over_the_deployments_of_its_hosts():
    scenario = scenario_for("deepseek", "deepseek-chat", turns=TURNS)
    assert scenario.sampled
    assert scenario.description.model.startswith("DeepSeek-V3.2")
    assert all(row.source for row in scenario.description.assumptions)
    cost = run_usd(scenario, "resource_share")
    assert 0 < cost.low < cost.mid < cost.high
    rows = {row.name: row for row in scenario.description.assumptions}
    assert rows["sequences per replica"].low >= FEW_SEQUENCES


def test_a_run_is_served_by_chips_that_hosts_had_on_its_day():
    def chips(when):
        rows = scenario_for("x", "deepseek-v3", turns=TURNS, when=when).description.assumptions
        return next(row.value for row in rows if row.name == "chips drawn from")

    assert "B200" not in chips(date(2024, 12, 1))
    assert "H200" in chips(date(2024, 12, 1))
    assert "MI355X" in chips(date(2026, 6, 1))


def test_a_closed_model_is_an_interval_and_the_same_seed_gives_it_again():
    first, again = (scenario_for("anthropic", "claude-opus-4-8", turns=TURNS, seed=7) for _ in range(2))
    cost = run_usd(first, "resource_share")
    assert first.sampled
    assert 0 < cost.low < cost.mid < cost.high
    assert run_usd(again, "resource_share") == cost
    assert all(row.source for row in first.description.assumptions)


def test_a_model_nobody_has_described_is_refused():
    with pytest.raises(UnknownModelError, match="no shape is known"):
        scenario_for("acme", "riddle-1", turns=TURNS)


def test_a_deployment_can_be_named_and_an_impossible_one_is_refused():
    scenario = scenario_for(
        "any", "any", turns=TURNS, settings=ServingSettings(deployment="kimi-k2.5@8xh200:tp=8,kv=fp8")
    )
    assert scenario.description.chips == 8
    assert scenario.description.parallelism.tp == 8
    with pytest.raises(DeploymentError, match="take 16 of them"):
        scenario_for("any", "any", turns=TURNS, settings=ServingSettings(deployment="kimi-k2.5@4xh100"))
    with pytest.raises(DeploymentError, match="no option 'speed'"):
        parse_deployment("deepseek-v3@8xh200:speed=9")


def test_features_add_up_and_cost_is_linear_in_them():
    scenario = scenario_for("anthropic", "claude-sonnet-4-6", turns=TURNS, draws=200)
    parts = [scenario.features(t, part=p) for t in TURNS for p in PARTS]
    for basis in BASES:
        together = scenario.draws_usd(np.sum(parts, axis=0), basis)
        apart = np.sum([scenario.draws_usd(f, basis) for f in parts], axis=0)
        np.testing.assert_allclose(together, apart, rtol=1e-9)
    many = scenario.usd_many(np.array(parts))
    assert many[3] == scenario.usd(parts[3])


def test_only_a_memory_bound_fleet_charges_for_idle_kv_and_only_on_the_opportunity_basis():
    held = TurnWork(150_000, 0, 0, gap_s=30.0)
    turns = [TurnWork(150_000, 1_000, 100, duration_s=20.0)]
    bound = scenario_for(
        "x",
        "kimi-k2.5",
        turns=turns,
        settings=ServingSettings(deployment="kimi-k2.5@8xh200:tp=8", utilisation=1.0),
    )
    hold = bound.features(held, part="hold")
    assert bound.usd(hold, "opportunity").mid > 0
    assert bound.usd(hold, "resource_share").mid == bound.usd(hold, "marginal").mid == 0
    twice = bound.features(TurnWork(150_000, 0, 0, gap_s=60.0), part="hold")
    assert bound.usd(twice, "opportunity").mid == pytest.approx(2 * bound.usd(hold, "opportunity").mid)


@pytest.mark.parametrize("basis", ["resource_share", "opportunity"])
@pytest.mark.parametrize(
    "text", ["deepseek-v3@8xh200", "llama-3.1-70b@4xh100:weights=fp8", "gpt-oss-120b@1xh200"]
)
@pytest.mark.parametrize("context", [8_000, 100_000])
def test_the_shares_of_a_batch_add_up_to_what_the_replica_costs(basis, text, context):
    turns = [TurnWork(context, 0, 2)]
    scenario = scenario_for("x", "x", turns=turns, settings=ServingSettings(deployment=text, utilisation=0.4))
    deployment, c = parse_deployment(text), fitted()
    rows = {row.name: row.value for row in scenario.description.assumptions}
    plan = deployment.plan()
    target_s = 1.0 / rows["tokens per second to each user"]
    batch = choose_batch(plan, context + 1.0, c, target_s=target_s)
    step_s = float(decode_step(plan, batch.sequences, context + 1.0, c).total_s)
    replica_usd = deployment.accelerators * rows["USD per accelerator-hour, owned"] / 3600 / 0.4 * step_s
    # Every sequence of the batch generates one token at the mean context in that step.
    one = (scenario.features(turns[0], part="decode")) / 2
    shares = float(batch.sequences) * scenario.usd(one, basis).mid
    assert shares == pytest.approx(replica_usd, rel=2e-3)


def test_marginal_is_below_the_full_share_and_utilisation_divides_it():
    busy = scenario_for("x", "deepseek-v3", turns=TURNS, settings=ServingSettings(utilisation=1.0))
    idle = scenario_for("x", "deepseek-v3", turns=TURNS, settings=ServingSettings(utilisation=0.5))
    assert run_usd(busy, "marginal").mid < run_usd(busy, "resource_share").mid
    assert run_usd(idle, "resource_share").mid == pytest.approx(2 * run_usd(busy, "resource_share").mid)
    assert run_usd(idle, "marginal").mid == pytest.approx(run_usd(busy, "marginal").mid)


def test_cost_rises_with_context_with_output_and_with_precision():
    def usd(deployment, cached, output):
        turns = [TurnWork(cached, 500, output)]
        return run_usd(
            scenario_for("x", "x", turns=turns, settings=ServingSettings(deployment=deployment)),
            "resource_share",
            turns,
        ).mid

    small = usd("llama-3.1-70b@8xh200:weights=fp8", 10_000, 300)
    assert small < usd("llama-3.1-70b@8xh200:weights=fp8", 100_000, 300)
    assert small < usd("llama-3.1-70b@8xh200:weights=fp8", 10_000, 600)
    assert small < usd("llama-3.1-70b@8xh200:weights=bf16", 10_000, 300)


def test_a_hit_costs_less_than_computing_the_prefix_again():
    for model in ("claude-opus-4-8", "kimi-k2.6"):
        scenario = scenario_for("anthropic", model, turns=TURNS)
        hit = TurnWork(100_000, 1_000, 0)
        miss = TurnWork(0, 101_000, 0)
        read = scenario.draws_usd(
            scenario.features(hit, part="read") + scenario.features(hit, part="prefill")
        )
        again = scenario.draws_usd(scenario.features(miss, part="prefill"))
        assert np.all(read < again / 3)


def test_prefill_weights_are_additive_and_grow_with_position():
    scenario = scenario_for("x", "llama-3.1-70b", turns=TURNS)
    whole = scenario.prefill_weights(0, 30_000)
    parts = scenario.prefill_weights(0, 10_000) + scenario.prefill_weights(10_000, 30_000)
    assert whole == pytest.approx(parts)
    assert scenario.prefill_weights(20_000, 30_000) > scenario.prefill_weights(0, 10_000)


def test_a_fast_run_makes_small_architectures_likelier():
    """Speed is evidence: an operator would rather run a small model fast than a large one."""

    def active(tokens_per_s):
        turns = [
            TurnWork(20_000, 1_000, output, duration_s=2.0 + output / tokens_per_s)
            for output in range(100, 2_000, 60)
        ]
        rows = scenario_for("anthropic", "claude-opus-4-8", turns=turns).description.assumptions
        return next(r for r in rows if r.name == "active parameters")

    slow, fast = active(20.0), active(140.0)
    assert fast.value < slow.value
    assert re.search(
        r"before this run's clock [\d.]+ billion \([\d.]+ billion to [\d.]+ billion\)", fast.source
    )


def test_two_closed_models_share_the_draws_of_money_and_load():
    a, b = (scenario_for("anthropic", f"claude-{k}-4-6", turns=TURNS, draws=400) for k in ("opus", "haiku"))
    work = a.features(TURNS[0], part="decode")
    together = np.corrcoef(np.log(a.draws_usd(work)), np.log(b.draws_usd(work)))[0, 1]
    shuffled = np.corrcoef(np.log(a.draws_usd(work)), np.log(b.draws_usd(work)[::-1]))[0, 1]
    assert together > shuffled


def test_fit_1_two_terabytes_do_not_fit_on_one_80_gb_card():
    kimi, h100 = find_model("kimi-k2.6"), find_chip("h100")
    at_16_bits = smallest_that_fits(kimi, h100, experts="bf16", rest="bf16")
    assert kimi.weight_bytes("bf16") > h100.hbm_bytes
    assert at_16_bits.accelerators == 32
    assert fits(at_16_bits)


def test_ten_thousand_draws_of_a_thousand_turns_stay_small():
    scenario = scenario_for("anthropic", "claude-opus-4-8", turns=TURNS, draws=10_000)
    work = np.array([scenario.features(TURNS[i % 20], part="decode") for i in range(1_000)])
    costs = scenario.usd_many(work)
    assert len(costs) == 1_000
    assert all(c.low <= c.mid <= c.high for c in costs)


def test_time_is_free_of_units_scale():
    """Twice the rates and bandwidths, half the launch times: half the time."""
    c = fitted()
    plan = parse_deployment("deepseek-v3@8xh200").plan()
    rates = [name for name in plan.__dataclass_fields__ if name.endswith("_per_s")]
    faster = replace(
        plan, **{name: 2 * getattr(plan, name) for name in rates}, collective_s=plan.collective_s / 2
    )
    quicker = replace(
        c, **{name: getattr(c, name) / 2 for name in c.__dataclass_fields__ if name.endswith("_s")}
    )
    for slow, fast in (
        (decode_step(plan, 32, 8_000, c), decode_step(faster, 32, 8_000, quicker)),
        (prefill(plan, 8_000, 8_000, c), prefill(faster, 8_000, 8_000, quicker)),
    ):
        assert float(fast.total_s) == pytest.approx(float(slow.total_s) / 2)
