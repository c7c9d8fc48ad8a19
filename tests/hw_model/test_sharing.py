"""Who pays for a step, what memory is worth, and where waiting KV should be kept."""

from dataclasses import replace

import numpy as np
import pytest

from tokenprof.hw_model.attribution import PRINCIPLES, shapley_shares_s, shares_s, step_s
from tokenprof.hw_model.catalogue.lookup import find_chip, find_model, racks
from tokenprof.hw_model.economics import (
    Operation,
    prefill_flops,
    quadratic_crossover_tokens,
    sweep,
    unit_cost,
)
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.kv_tiers import WaitingSession, break_even_hold_s, gap_costs, tiers_of, ttl_cost

C = fitted()
PLAN = parse_deployment("llama-3.1-70b@4xh100:weights=fp8").plan()
CONTEXTS = np.array([1_000.0, 2_000.0, 8_000.0, 32_000.0, 200.0])
KIMI = parse_deployment("kimi-k2.5@8xh200")
KIMI_FULL = Operation(100_000, usd_per_accelerator_hour=2.5)


@pytest.mark.parametrize("principle", ["equal", "resource_share", "opportunity"])
def test_shares_add_up_to_the_step(principle):
    active, _ = shares_s(PLAN, CONTEXTS, C, principle)
    assert active.sum() == pytest.approx(step_s(PLAN, CONTEXTS, C))


def test_opportunity_charges_idle_kv_and_still_adds_up():
    active, idle = shares_s(PLAN, CONTEXTS, C, "opportunity", idle=np.array([50_000.0]))
    assert idle[0] > 0
    assert active.sum() + idle.sum() == pytest.approx(step_s(PLAN, CONTEXTS, C))
    assert shares_s(PLAN, CONTEXTS, C, "resource_share", idle=np.array([50_000.0]))[1][0] == 0


def test_resource_share_is_the_shapley_value():
    sampled = shapley_shares_s(PLAN, CONTEXTS, C, orders=4_000)
    np.testing.assert_allclose(sampled, shares_s(PLAN, CONTEXTS, C, "resource_share")[0], rtol=0.08)


def test_a_long_context_pays_more_and_marginal_recovers_less():
    active, _ = shares_s(PLAN, CONTEXTS, C)
    assert list(np.argsort(active)) == list(np.argsort(CONTEXTS))
    assert shares_s(PLAN, CONTEXTS, C, "marginal")[0].sum() < step_s(PLAN, CONTEXTS, C)
    with pytest.raises(ValueError, match=", ".join(PRINCIPLES)):
        shares_s(PLAN, CONTEXTS, C, "fair")


def test_the_worked_shadow_price_of_memory():
    """Kimi K2.5 on 8 H200 at $2.5 an hour: $0.04 per GB-hour, and a 30 s gap of 100k tokens costs $0.0023."""
    cost = unit_cost(KIMI, KIMI_FULL)
    assert cost.memory_binds
    assert cost.hold_usd_per_gb_hour == pytest.approx(0.04, rel=0.1)
    held_gb = find_model("kimi-k2.5").kv_bytes(100_000, "bf16") / 1e9
    assert held_gb == pytest.approx(7.0, abs=0.05)
    assert cost.hold_usd_per_gb_hour * held_gb * 30 / 3600 == pytest.approx(0.0023, rel=0.1)


def session(recompute_usd=0.03, price_per_gb_hour=0.04):
    return WaitingSession(
        7.03e9, price_per_gb_hour / 3600 / 1e9, recompute_usd, recompute_s=5.0, accelerators=8
    )


def test_ttl_1_the_cheapest_place_moves_outward_as_the_gap_grows():
    tiers = tiers_of(find_chip("h200"))
    cheapest = [gap_costs(session(), gap_s, tiers)[0].policy for gap_s in (0.01, 1.0, 60.0, 3600.0, 1e7)]
    assert cheapest[0] == "hbm"
    assert cheapest[-1] == "drop"
    order = ["hbm", "host", "ssd", "drop"]
    assert [order.index(c) for c in cheapest] == sorted(order.index(c) for c in cheapest)
    assert len(set(cheapest)) >= 3


def test_a_session_moves_over_the_links_of_its_own_accelerators_alone():
    host, _ = tiers_of(find_chip("h200"))
    one, eight = (
        next(
            way
            for way in gap_costs(replace(session(), accelerators=count), 60.0, [host])
            if way.policy == "host"
        )
        for count in (1, 8)
    )
    # 7.03 GB over 80 % of a link of 64 GB/s.
    assert one.wait_s == pytest.approx(7.03 / 51.2)
    assert eight.wait_s == pytest.approx(one.wait_s / 8)


def test_a_tier_that_the_other_waiting_sessions_fill_is_left_out():
    tiers = tiers_of(find_chip("h200"))
    # 250 GB of host memory and 8 TB of SSD for each accelerator: full after 250 s and 8,000 s at 1 GB/s.
    busy = replace(session(), parked_bytes_per_s=1e9)
    places = {
        gap_s: {way.policy for way in gap_costs(busy, gap_s, tiers)} for gap_s in (249.0, 251.0, 8_001.0)
    }
    assert places[249.0] == {"hbm", "host", "ssd", "drop"}
    assert places[251.0] == {"hbm", "ssd", "drop"}
    assert places[8_001.0] == {"hbm", "drop"}


def test_the_seconds_that_an_answer_waits_have_a_price():
    host, _ = tiers_of(find_chip("h200"))
    free, priced = (
        {way.policy: way for way in gap_costs(replace(session(), usd_per_s_waited=usd), 60.0, [host])}
        for usd in (0.0, 0.001)
    )
    assert priced["drop"].usd == pytest.approx(free["drop"].usd + 0.005)
    assert priced["host"].waiting_usd == pytest.approx(priced["host"].wait_s * 0.001)
    assert priced["hbm"].usd == free["hbm"].usd


def test_hold_1_break_even_is_some_minutes_as_the_ttl_that_vendors_sell():
    cost = unit_cost(KIMI, KIMI_FULL)
    recompute_usd = (cost.fresh_input_usd_per_m - cost.cached_input_usd_per_m) * 0.1
    minutes = break_even_hold_s(session(recompute_usd, cost.hold_usd_per_gb_hour)) / 60
    assert 4 < minutes < 10
    assert break_even_hold_s(session(price_per_gb_hour=0.0)) == float("inf")


def test_a_gap_beyond_the_ttl_pays_for_the_prompt_again():
    tiers = tiers_of(find_chip("h200"))
    within, beyond = (ttl_cost(session(), gap_s, 300.0, tiers) for gap_s in (299.0, 301.0))
    assert beyond.usd > within.usd + 0.029
    assert beyond.wait_s == 5.0
    # Within its time to live, the policy costs what the cheapest place does.
    assert within.usd == pytest.approx(min(w.usd for w in gap_costs(session(), 299.0, tiers)))


def test_kv_5_an_agent_rack_sells_one_sixth_of_a_chatbot_racks_tokens():
    rack = parse_deployment("kimi-k2.6@72xgb200:dp=72,ep=72")
    chatbot, agent = (unit_cost(rack, Operation(tokens)) for tokens in (30_000, 200_000))
    assert chatbot.batch / agent.batch == pytest.approx(20 / 3, rel=0.01)
    assert 5 < chatbot.tokens_per_s / agent.tokens_per_s < 7
    assert agent.output_usd_per_m / chatbot.output_usd_per_m == pytest.approx(
        chatbot.tokens_per_s / agent.tokens_per_s, rel=0.02
    )


def test_quad_1_attention_overtakes_the_linear_layers():
    for name in ("kimi-k2.6", "llama-3.1-70b", "gpt-3"):
        shape = find_model(name)
        linear, attention = prefill_flops(shape, quadratic_crossover_tokens(shape))
        assert attention == pytest.approx(linear)
        double = prefill_flops(shape, 2 * quadratic_crossover_tokens(shape))
        assert double == pytest.approx((2 * linear, 4 * linear))


def test_cost_rises_with_context_and_speed_and_falls_with_batch_and_utilisation():
    def outputs(over, values):
        return [cost.output_usd_per_m for _, cost in sweep(KIMI, Operation(32_000, 30.0), over, values)]

    context = outputs("context_tokens", [4_000, 32_000, 128_000])
    speed = outputs("tokens_per_s", [25, 40, 60])
    batch = outputs("batch", [1, 8, 64])
    load = outputs("utilisation", [0.2, 0.5, 1.0])
    assert context == sorted(context)
    assert speed == sorted(speed)
    assert batch == sorted(batch, reverse=True)
    assert load == sorted(load, reverse=True)
    assert load[0] == pytest.approx(5 * load[2])
    with pytest.raises(ValueError, match="context_tokens"):
        sweep(KIMI, Operation(1_000), "weather", [1])


def test_traj_1_the_same_tokens_cost_less_on_each_generation():
    texts = [
        "llama-3.1-70b@8xh100:weights=bf16",
        "llama-3.1-70b@8xh100:weights=fp8",
        "llama-3.1-70b@8xb200:weights=fp4",
    ]
    costs = [unit_cost(parse_deployment(t), Operation(32_000, 40.0)).output_usd_per_m for t in texts]
    assert costs == sorted(costs, reverse=True)
    drafted = unit_cost(parse_deployment("deepseek-v3@8xh200:mtp=1"), Operation(32_000, 40.0))
    plain = unit_cost(parse_deployment("deepseek-v3@8xh200"), Operation(32_000, 40.0))
    assert drafted.output_usd_per_m < plain.output_usd_per_m


def test_fit_1_a_thirty_trillion_parameter_model_and_one_rack():
    rack = racks()["GB200 NVL72"]
    assert rack.hbm_bytes < 30e12 * 0.5
    assert find_model("kimi-k2.6").weight_bytes("bf16") < rack.hbm_bytes
