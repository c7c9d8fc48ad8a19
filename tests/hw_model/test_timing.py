"""Each term of the time equations by hand, and what tensor, data and pipeline parallelism do to it."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tokenprof.hw_model.cost import BASES, DeploymentDescription, ServingScenario, TurnWork
from tokenprof.hw_model.description import HourBasis
from tokenprof.hw_model.equations.batching import Batch
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.exchange import (
    copies_to_experts,
    copies_to_places,
    exchange_s,
    exposed_s,
)
from tokenprof.hw_model.equations.features import Feature, Rates
from tokenprof.hw_model.equations.gpu_hour import OwnerHour
from tokenprof.hw_model.equations.kernel_families import maker_layers
from tokenprof.hw_model.equations.plan import ServingPlan
from tokenprof.hw_model.equations.prefill import prefill
from tokenprof.hw_model.equations.rates import rates
from tokenprof.hw_model.equations.timing import (
    all_reduce_s,
    decode_step,
    overhead_s,
    reduce_s,
    sequences_s,
)
from tokenprof.hw_model.estimate import Estimate
from tokenprof.hw_model.hour_draws import HourDraws
from tokenprof.hw_model.service.aggregated import time_per_output_token_s
from tokenprof.hw_model.service.load import ClientLoad

C = replace(
    fitted(),
    link_bandwidth=0.5,
    exchange_bandwidth=0.5,
    exchange_net_bandwidth=0.5,
    exchange_s=6e-6,
    exchange_net_s=20e-6,
    collective_ramp_s=7e-6,
    kv_bandwidth=0.5,
    prompt_attention_arithmetic=0.5,
    interference=1.0,
    exchange_stretch=2.0,
)


def plan(**given: float) -> ServingPlan:
    """A model of ten layers on accelerators of round numbers; every size that is not given is 0."""
    numbers = dict.fromkeys((f.name for f in fields(ServingPlan)), 0.0) | {
        "hidden": 1_024.0, "layers": 10.0, "experts": 1.0, "expert_parallel": 1.0, "kv_shards": 1.0,
        "attention_tp": 1.0, "attention_dp": 1.0, "stages": 1.0, "tokens_per_step": 1.0, "trtllm": 1.0,
        "dense_flops_per_s": 1e15, "expert_flops_per_s": 1e15, "attention_flops_per_s": 1e12,
        "hbm_bytes_per_s": 1e9, "link_bytes_per_s": 1e11, "net_bytes_per_s": 1e10, "collective_s": 5e-6,
        "memory_bytes": 80e9, "exchange_places": 1.0,
    }  # fmt: skip
    return ServingPlan(**(numbers | given))


def test_2_5_a_ring_of_four_moves_six_quarters_of_the_bytes():
    # 4 * 64 KiB: latency 5 µs; ring 2 * 3/4 * 262,144 B / 50 GB/s = 7.86432 µs;
    # ramp 7 µs * sqrt(4) * 3/7 = 6 µs.
    found = all_reduce_s(plan(attention_tp=4.0), 4 * 65_536.0, C)
    assert found == pytest.approx(5e-6 + 7.86432e-6 + 6e-6, rel=1e-12)


def test_2_5_tensor_parallelism_takes_two_all_reduces_a_layer():
    # 32 tokens * 1,024 * 2 B = 64 KiB: 5 + 1.5 * 65,536 / 50e3 + 7 * 3/7 = 5 + 1.96608 + 3 µs, and 1 µs of
    # waiting; twice in each of ten layers.
    found = reduce_s(plan(attention_tp=4.0), 32.0, C, wait_s=1e-6)
    assert float(found) == pytest.approx(20 * 10.96608e-6, rel=1e-12)


def test_2_5_experts_get_tokens_in_fp8_and_give_them_back_in_bf16():
    # 64 tokens * 3 copies * 1,024 * (1 + 2) B = 589,824 B, over links at 50 GB/s: 11.79648 µs;
    # out and back take 6 µs of latency each; five layers with experts; ranks that arrive late double it.
    apart = plan(attention_dp=2.0, moe_layers=5.0)
    found = exchange_s(apart, 64.0, 3.0, C)
    assert float(found) == pytest.approx(2 * 5 * (12e-6 + 11.79648e-6), rel=1e-12)
    # Over the network, at a tenth of the rate, the bytes take ten times as long, and each way 20 µs.
    across = exchange_s(replace(apart, crosses_scaleup=1.0), 64.0, 3.0, C)
    assert float(across) == pytest.approx(2 * 5 * (40e-6 + 117.9648e-6), rel=1e-12)
    assert float(exchange_s(replace(apart, attention_dp=1.0), 64.0, 3.0, C)) == 0.0


def test_2_5_a_decode_step_sends_a_copy_to_each_expert_and_a_prompt_one_to_each_place():
    wide = plan(attention_dp=32.0, top_k=8.0, exchange_places=4.0, node_limit=4.0, crosses_scaleup=1.0)
    # Of 8 experts on 4 nodes a quarter are at home.
    assert float(copies_to_experts(wide)) == 6.0
    # 4 * (1 - 0.75^8) = 3.5995 nodes have one, three quarters of them elsewhere.
    assert float(copies_to_places(wide)) == pytest.approx(2.6997, abs=1e-4)
    # Routing that stays on two nodes of eighteen sends at most two copies.
    limited = replace(wide, exchange_places=18.0, node_limit=2.0)
    assert float(copies_to_places(limited)) == pytest.approx(2 * 17 / 18)
    assert float(copies_to_places(replace(wide, exchange_places=1.0))) == 0.0


def test_2_5_two_micro_batches_hide_the_exchange_only_where_that_gains():
    overlapping = plan(overlaps=1.0)
    # 10 ms of work, 12 in halves: an exchange of 8 is hidden except the 2 that halving costs.
    assert float(exposed_s(overlapping, 8.0, 10.0, 12.0)) == pytest.approx(2.0)
    # One of 20 is hidden except 10; one of 1 is cheaper without halves.
    assert float(exposed_s(overlapping, 20.0, 10.0, 12.0)) == pytest.approx(10.0)
    assert float(exposed_s(overlapping, 1.0, 10.0, 12.0)) == pytest.approx(1.0)
    assert float(exposed_s(plan(), 8.0, 10.0, 12.0)) == pytest.approx(8.0)


def test_2_5_an_engine_that_does_not_overlap_exposes_the_whole_exchange():
    wide = plan(attention_dp=16.0, moe_layers=5.0, top_k=4.0, exchange_places=4.0)
    step = decode_step(wide, 16.0, 0.0, C)
    assert float(step.communication_s) == pytest.approx(float(exchange_s(wide, 1.0, 3.0, C)))
    assert float(decode_step(replace(wide, overlaps=1.0), 16.0, 0.0, C).total_s) <= float(step.total_s)


def test_2_7_a_step_that_checks_drafts_pays_for_drafting_them():
    # Drafted one after another: each a layer's launches, and the host's time.
    bare, drafting = plan(), plan(drafted_tokens=3.0, tokens_per_step=2.0)
    each = float(decode_step(drafting, 1.0, 0.0, C).drafts_s) / 3
    launches = float(decode_step(bare, 1.0, 0.0, C).overhead_s) - C.trtllm_sequence_s
    assert each == pytest.approx(launches / 10 + C.draft_s)


def test_2_7_drafts_of_each_sequence_take_the_hosts_time():
    bare = parse_deployment("deepseek-v3@8xh200:tp=8")
    drafting = replace(bare, drafted_tokens=3).plan()
    each = (sequences_s(drafting, 10.0, C) - sequences_s(bare.plan(), 10.0, C)) / 30.0
    assert float(each) == pytest.approx(C.draft_sequence_s)


@pytest.mark.parametrize(
    ("text", "experts"),
    [
        ("deepseek-v3@8xh200:tp=8", 256),
        ("deepseek-v3@8xh200:tp=8,ep=8", 256),
        ("deepseek-v3@8xh200:dp=8,ep=8", 32),
        ("deepseek-v3@8xb200:tp=8", 0),
        ("deepseek-v3@8xb200:tp=8,ep=8", 256),
    ],
)
def test_2_4_a_rank_goes_through_all_experts_unless_attention_is_parallel_or_kernels_are_fused(text, experts):
    cut = parse_deployment(text + ",weights=fp8,engine=trtllm").plan()
    without = overhead_s(cut, replace(C, expert_group_s=0.0))
    assert float(overhead_s(cut, C) - without) == pytest.approx(C.expert_group_s * 58 * experts)


def test_2_10_layers_of_cdna_3_were_slower_before_may_2026():
    newer = parse_deployment("deepseek-v3@8xmi300x:tp=8,engine=sglang").plan()
    older = replace(newer, software_years=0.1)
    assert float(maker_layers(newer, C)) == pytest.approx(C.amd_layers * C.cdna3_layers)
    assert float(maker_layers(older, C)) == pytest.approx(C.amd_layers * C.cdna3_older_layers)
    nvidia = replace(parse_deployment("deepseek-v3@8xh200:tp=8").plan(), software_years=0.1)
    assert float(maker_layers(nvidia, C)) == 1.0


def test_2_10_older_software_and_a_model_new_to_it_take_longer():
    c = replace(C, software_per_year=0.5, amd_software_per_year=1.0, amd_new_model=3.0)
    now = float(decode_step(plan(kv_bytes=1_000.0), 64.0, 1_000.0, c).total_s)
    old = plan(kv_bytes=1_000.0, software_years=2.0)
    assert float(decode_step(old, 64.0, 1_000.0, c).total_s) == pytest.approx(2.25 * now)
    # On the day of a model's release, AMD's chips take 1 + 3 times as long.
    amd = plan(kv_bytes=1_000.0, amd=1.0)
    new = replace(amd, immaturity=1.0)
    assert float(decode_step(new, 64.0, 1_000.0, c).total_s) == pytest.approx(
        4.0 * float(decode_step(amd, 64.0, 1_000.0, c).total_s)
    )


def test_2_3_pipeline_stages_work_on_a_share_of_the_batch_each():
    # A sequence reads 1,000 tokens * 1,000 B at 0.5 GB/s: 2 ms. Of 64, each of two stages works on 32
    # sequences at a time, and each of four data-parallel ranks on 8 of those: 16 ms.
    step = decode_step(plan(kv_bytes=1_000.0, stages=2.0, attention_dp=4.0), 64.0, 1_000.0, C)
    assert float(step.attention_s) == pytest.approx(0.016)


def test_2_2_a_prompt_pays_for_pairs_of_new_tokens_and_for_pairs_with_the_prefix():
    # A pair takes 1e6 FLOP / (0.5 * 1e12 FLOP/s * 4 accelerators) = 0.5 µs. 1,000 new tokens make 500,000
    # pairs with one another and 3,000,000 with a prefix of 3,000.
    found = prefill(plan(prefill_pair_flops=1e6, attention_tp=2.0, attention_dp=2.0), 1_000.0, 3_000.0, C)
    assert found.own_attention_s == pytest.approx(0.25)
    assert found.prefix_attention_s == pytest.approx(1.5)


@pytest.mark.parametrize("text", ["deepseek-v3@8xh200", "llama-3.1-70b@4xh100:weights=fp8,pp=1"])
@pytest.mark.parametrize("basis", BASES)
@pytest.mark.parametrize("binds", [True, False])
def test_a_pipeline_twice_as_deep_costs_as_much_for_each_unit_of_work(text, basis, binds):
    """Twice the accelerators serve twice the sequences in the same step, and take prompts twice as fast."""
    shallow, c = parse_deployment(text).plan(), fitted()
    deep = replace(shallow, stages=2.0)
    tables = [
        rates(one, Batch(np.asarray(batch), np.asarray(binds), 0.0), 8_000.0, 2.0, 0.5, c).by_basis[basis]
        for one, batch in ((shallow, 32.0), (deep, 64.0))
    ]
    assert float(decode_step(deep, 64.0, 8_000.0, c).total_s) == pytest.approx(
        float(decode_step(shallow, 32.0, 8_000.0, c).total_s)
    )
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-9)
    assert (tables[0][0, [Feature.READ_PAIRS, Feature.PREFILL_TOKENS, Feature.DECODE_CONTEXT]] > 0).all()


def test_2_6_the_prompts_of_others_hold_up_a_stage_for_its_share_of_them():
    one = parse_deployment("llama-3.1-70b@4xh100:weights=fp8").plan()
    load = ClientLoad(clients=16.0, prompt_tokens=4_000.0, output_tokens=100.0)

    def waiting_s(of: ServingPlan) -> float:
        step = decode_step(of, 16.0, 4_050.0, C).total_s
        return float(time_per_output_token_s(of, load, C) - step)

    # 15 other sequences, each with a prompt once in 100 tokens.
    assert waiting_s(one) == pytest.approx(0.15 * float(prefill(one, 4_000.0, 0.0, C).work_s))
    assert waiting_s(replace(one, stages=2.0)) == pytest.approx(waiting_s(one) / 2)


ONE = Estimate(1.0, 1.0, 1.0)


def scenario(**usd_per_feature: float) -> ServingScenario:
    table = np.zeros((1, len(Feature)))
    for name, usd in usd_per_feature.items():
        table[0, Feature[name]] = usd
    described = DeploymentDescription("m", "c", 1, "bf16", None, ())
    one = np.ones(1)
    hours = HourDraws(OwnerHour(one, one, one), one, None, one, one, HourBasis("owned", ONE, ONE, ""))
    return ServingScenario("p", "m", described, False, Rates({"resource_share": table}), hours)


def test_a_prompt_position_costs_its_own_work_and_the_new_tokens_before_it():
    priced = scenario(PREFILL_TOKENS=2.0, PREFILL_PAIRS=0.5)
    # Positions 10 to 13 after a prefix of 4 are new tokens 6 to 9: 4 * 2, and (10² - 6²) / 2 = 32 pairs.
    assert priced.prefill_weights(10, 14, cached_tokens=4) == 8 + 16
    # The first four new tokens make 4² / 2 = 8 pairs.
    assert priced.prefill_weights(4, 8, cached_tokens=4) == 8 + 4
    # All ten together are what the part `prefill` costs: 20, and 50 pairs at 0.5.
    whole = priced.usd(priced.features(TurnWork(4, 10, 0), part="prefill")).mid
    assert priced.prefill_weights(4, 14, cached_tokens=4) == whole == 45


def test_a_call_is_reduced_to_its_features():
    work = TurnWork(cached_tokens=10_000, new_tokens=9_000, output_tokens=100, gap_s=3.0)
    nothing = scenario()

    def features(part):
        row = nothing.features(work, part=part)
        return {Feature(place).name: value for place, value in enumerate(row) if value}

    # 9,000 new tokens are two chunks of at most 8,192, and the prefix is loaded for each.
    assert features("read") == {"READ_PAIRS": 9_000 * 10_000, "READ_TOKENS": 2 * 10_000}
    assert features("prefill") == {"PREFILL_TOKENS": 9_000, "PREFILL_PAIRS": 40_500_000}
    # 100 steps over 19,000 tokens, and over the half of 100² that the output itself adds.
    assert features("decode") == {"DECODE_TOKENS": 100, "DECODE_CONTEXT": 1_905_000}
    assert features("hold") == {"HOLD_SECONDS": 3, "HOLD_TOKEN_SECONDS": 3 * 19_100}
    with pytest.raises(ValueError, match="read, prefill, decode and hold"):
        nothing.features(work, part="think")


def test_2_5_a_deployment_says_whether_micro_batches_overlap():
    wide = "deepseek-v3@32xh100:dp=32,ep=32"
    assert not parse_deployment(wide).overlaps
    assert parse_deployment(f"{wide},engine=sglang").overlaps
    assert parse_deployment(f"{wide},overlap=yes").plan().overlaps == 1.0
    assert not parse_deployment(f"{wide},engine=sglang,overlap=no").overlaps
    # DeepSeek-V3 keeps a token's experts on four nodes.
    assert parse_deployment(wide).plan().node_limit == 4.0
