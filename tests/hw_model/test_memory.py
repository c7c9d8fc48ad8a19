"""What fits in memory: the KV of a sequence, the budget of a replica, and every place that asks for them."""

from dataclasses import replace

import pytest

from tokenprof.hw_model.catalogue.attention_kinds import block_sparse, grouped_query, linear
from tokenprof.hw_model.catalogue.kv_size import bytes_per_token, kv_size, read_bytes, stored_bytes
from tokenprof.hw_model.catalogue.lookup import chips, find_model, models
from tokenprof.hw_model.equations.batching import choose_batch
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.equations.deployment import (
    Deployment,
    DeploymentError,
    fits,
    require_capacity,
    smallest_that_fits,
)
from tokenprof.hw_model.equations.deployment_text import parse_deployment
from tokenprof.hw_model.equations.memory import (
    capacity_batch,
    kv_budget_bytes,
    sequences_in,
    weight_bytes_per_accelerator,
)

CONTEXTS = (100.0, 8_000.0, 1_000_000.0)


def test_kv_of_a_model_with_every_kind_of_layer_by_hand():
    # 2 full layers: 2 * 4 heads * 32 = 256 elements a token each, 1,024 B in bf16.
    # 3 window layers of the same heads over 128 tokens: 1,536 B for each token inside the window.
    # 1 block-sparse layer: 512 B a token, and an index of 2 * 4 * 32 / 128 = 2 B a token.
    # 1 linear layer: a state of 2 * 8 * 8 = 128 elements, 512 B in fp32.
    size = kv_size(
        (
            (2, grouped_query(64, 8, 4, 32)),
            (3, grouped_query(64, 8, 4, 32, window_tokens=128)),
            (1, block_sparse(64, 8, 4, 32, read_limit_tokens=2_048)),
            (1, linear(64, key_heads=2, value_heads=2, key_dim=8, value_dim=8)),
        ),
        element_bytes=2.0,
    )
    assert bytes_per_token(size) == 1_024 + 512 + 2
    assert stored_bytes(size, 100.0) == 1_538 * 100 + 1_536 * 100 + 512
    assert stored_bytes(size, 10_000.0) == 1_538 * 10_000 + 1_536 * 128 + 512
    # A step reads 2,048 tokens of the sparse layer, and reads and writes the state.
    assert read_bytes(size, 10_000.0) == 1_026 * 10_000 + 512 * 2_048 + 1_536 * 128 + 2 * 512


def test_layers_with_windows_of_two_lengths_are_refused():
    two = ((1, grouped_query(64, 8, 4, 32, window_tokens=w)) for w in (128, 1_024))
    with pytest.raises(ValueError, match="windows of 128, 1024 tokens"):
        kv_size(two, 2.0)


@pytest.mark.parametrize("name", sorted(models()))
def test_a_shape_and_its_plan_agree_on_the_kv_of_a_sequence(name):
    shape = models()[name]
    deployment = Deployment(shape, chips()["H200"], kv_dtype="fp8")
    for context in CONTEXTS:
        assert stored_bytes(deployment.plan(), context) == shape.kv_bytes(context, "fp8")
        assert read_bytes(deployment.plan(), context) == shape.kv_read_bytes(context, "fp8")


def test_the_budget_of_deepseek_v3_on_eight_h200_by_hand():
    # 671,025,397,760 parameters: 653,908,770,816 in routed experts (58 layers * 256 * 3 * 7,168 * 2,048)
    # and the rest in fp8, but 1,853,358,080 in embeddings (2 * 129,280 * 7,168), which stay in bf16.
    experts = 58 * 256 * 3 * 7_168 * 2_048
    embeddings = 2 * 129_280 * 7_168
    shape = find_model("deepseek-v3")
    rest = shape.total_parameters - experts - embeddings + 2 * embeddings
    d = parse_deployment("deepseek-v3@8xh200")
    assert (d.tp, d.dp) == (1, 8)
    # Experts are cut over the eight accelerators; each data-parallel rank holds all the rest.
    held = experts / 8 + rest
    assert d.weight_bytes_per_accelerator() == held
    assert d.kv_budget_bytes() == pytest.approx(8 * (0.92 * d.chip.memory_bytes - 3.5e9 - held))


def test_embeddings_stay_in_bf16_when_everything_else_is_quantised():
    shape = find_model("llama-3.1-70b")
    embeddings = 2 * 128_256 * 8_192
    assert shape.weight_bytes("fp8") == shape.total_parameters + embeddings


@pytest.mark.parametrize("model", sorted(models()))
def test_what_fits_has_room_for_a_sequence_everywhere_it_is_asked(model):
    """A deployment that fits a context by one account and not by another is run with a batch of one."""
    shape, context = models()[model], 32_768.0
    for chip in chips().values():
        try:
            found = smallest_that_fits(shape, chip, context_tokens=context)
        except DeploymentError:
            continue
        plan = found.plan()
        assert found.kv_budget_bytes() == kv_budget_bytes(plan)
        assert found.weight_bytes_per_accelerator() == weight_bytes_per_accelerator(plan)
        assert fits(found, context_tokens=context)
        assert capacity_batch(plan, context) >= 1.0, chip.name
        batch = choose_batch(plan, context, fitted())
        assert batch.sequences == capacity_batch(plan, context), chip.name


def test_deepseek_v4_pro_takes_a_replica_that_holds_more_than_one_sequence():
    # Data-parallel on 8 H200 its copies leave too little for KV; tensor-parallel they leave 12 GB on each.
    found = parse_deployment("deepseek-v4-pro")
    assert (found.accelerators, found.tp) == (8, 8)
    assert capacity_batch(found.plan(), 60_000.0) > 8


@pytest.mark.parametrize("text", ["kimi-k3@8xmi355x", "glm-5@8xb200", "glm-5@8xh200"])
def test_deployments_of_one_node_that_hosts_use_are_not_refused(text):
    assert capacity_batch(parse_deployment(text).plan(), 32_000.0) > 8


def test_a_deployment_that_is_too_small_is_told_which_options_would_do():
    with pytest.raises(DeploymentError, match="`weights=fp8`"):
        parse_deployment("glm-5@8xh200:weights=bf16")
    with pytest.raises(DeploymentError, match=r"`tp=8,dp=1,pp=1`"):
        parse_deployment("kimi-k3@8xmi355x:dp=8")


def test_a_context_that_does_not_fit_is_an_error_and_no_batch_of_one():
    tight = parse_deployment("glm-5@8xh100:weights=fp4")
    with pytest.raises(DeploymentError, match="take 16 of them, or shorten it"):
        require_capacity(tight, 400_000.0)
    assert choose_batch(tight.plan(), 400_000.0, fitted()).sequences < 1


def test_a_sequence_is_as_large_as_the_kv_dtype_of_its_deployment():
    wide, narrow = (parse_deployment(f"kimi-k2.5@8xh200:kv={dtype}") for dtype in ("bf16", "fp8"))
    assert wide.kv_bytes(1_000) == 70_272_000
    assert narrow.kv_bytes(1_000) == 35_136_000


def test_a_budget_below_zero_holds_nothing():
    assert sequences_in(-5.0, 2.0) == 0.0
    assert sequences_in(5.0, 2.0) == 2.5


def test_tensor_parallel_ranks_beyond_the_kv_heads_hold_copies():
    # gpt-oss has 8 KV heads: 16 ranks hold each part of the KV twice, so half of the memory counts.
    d = parse_deployment("gpt-oss-120b@16xh200:tp=16")
    free = d.chip.memory_bytes * 0.92 - 3.5e9 - d.weight_bytes_per_accelerator()
    assert d.kv_shards == 8
    assert d.kv_budget_bytes() == pytest.approx(8 * free)
    # Data-parallel attention keeps none: each of the two groups has sequences of its own.
    apart = replace(d, tp=8, dp=2, ep=16)
    free = d.chip.memory_bytes * 0.92 - 3.5e9 - apart.weight_bytes_per_accelerator()
    assert apart.kv_budget_bytes() == pytest.approx(16 * free)


def test_pipeline_stages_hold_a_share_of_the_weights_each():
    d = parse_deployment("llama-3.1-405b@16xh200:tp=8,pp=2,weights=fp8")
    assert d.weight_bytes_per_accelerator() == pytest.approx(d.shape.weight_bytes("fp8") / 16)
