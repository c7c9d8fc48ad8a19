"""Parameters, FLOPs and KV bytes of known models: the published figures, from named inputs."""

import pytest

from tokenprof.hw_model.catalogue.huggingface import ConfigError, shape_from_config
from tokenprof.hw_model.catalogue.lookup import (
    UnknownChipError,
    UnknownModelError,
    find_chip,
    find_model,
    models,
    racks,
    read_data,
)
from tokenprof.hw_model.equations.memory import rack_users

GB = 1e9


def test_par_1_gpt3_parameters_per_layer_are_twelve_hidden_squared():
    gpt3 = find_model("gpt-3")
    assert gpt3.hidden == 12_288
    assert gpt3.layer_parameters == 12 * 12_288**2
    assert gpt3.layer_parameters / 1e9 == pytest.approx(1.81, abs=0.005)


def test_par_2_and_3_gpt3_total_and_weights_at_16_bits():
    gpt3 = find_model("gpt-3")
    layers_only = gpt3.total_parameters - gpt3.embedding_parameters
    assert layers_only / 1e9 == pytest.approx(174, abs=0.5)
    assert layers_only * 2 / GB == pytest.approx(348, abs=0.5)
    # With its embeddings, which the article leaves out, the same model is a little larger.
    assert gpt3.weight_bytes("bf16") / GB == pytest.approx(349.1, abs=0.1)


def test_par_4_kimi_k2_6_weights_at_16_bits_are_two_terabytes():
    assert find_model("kimi-k2.6").weight_bytes("bf16") / 1e12 == pytest.approx(2, abs=0.06)


def test_flop_1_and_2_kimi_flops_per_token_and_per_reply():
    kimi = find_model("moonshotai/Kimi-K2.6")
    # The article's 32 B active; the catalogue counts 31.7 B without the input embedding.
    assert kimi.active_parameters / 1e9 == pytest.approx(32, abs=0.5)
    assert kimi.flops_per_token / 1e9 == pytest.approx(64, abs=1)
    assert 500 * kimi.flops_per_token / 1e12 == pytest.approx(32, abs=0.5)


def test_flop_3_a_dense_model_of_that_size_would_cost_thirty_times_more():
    kimi = find_model("kimi-k2.6")
    assert kimi.total_parameters / kimi.active_parameters == pytest.approx(30, rel=0.1)


def test_kv_1_to_3_bytes_per_token_chatbot_and_agent():
    kimi = find_model("kimi-k2.6")
    assert kimi.kv_bytes_per_token("bf16") == 61 * (512 + 64) * 2 == 70_272
    assert kimi.kv_bytes(30_000, "bf16") / GB == pytest.approx(2, abs=0.2)
    assert kimi.kv_bytes(200_000, "bf16") / GB == pytest.approx(14, abs=0.1)
    # Served in fp8, the usual default, it is half of that.
    assert kimi.kv_bytes_per_token() == 35_136


def test_kv_4_a_rack_holds_one_seventh_as_many_agents_as_chatbots():
    rack, kimi = racks()["GB200 NVL72"], find_model("kimi-k2.6")
    agents = rack_users(rack, kimi, 200_000, weight_bytes=2e12)
    chatbots = rack_users(rack, kimi, 30_000, weight_bytes=2e12)
    assert round(agents) == 818
    assert round(chatbots) == 5_455
    assert agents / chatbots == pytest.approx(3 / 20)
    # With the catalogue's own 2.05 TB of weights.
    assert round(rack_users(rack, kimi, 200_000)) == 814


def test_dom_1_users_per_weight_copy_rise_with_every_generation_of_rack():
    kimi = find_model("kimi-k2.6")
    generations = ["HGX H200", "GB200 NVL72", "GB300 NVL72", "Rubin Ultra NVL576"]
    users = [rack_users(racks()[name], kimi, 200_000, weight_bytes=1e12) for name in generations]
    assert users == sorted(users)
    assert [racks()[name].chips for name in ("GB200 NVL72", "Rubin NVL144", "Rubin Ultra NVL576")] == [
        72,
        144,
        576,
    ]
    hbm_gb = [find_chip(name).hbm_bytes / GB for name in ("H100", "H200", "GB200", "GB300")]
    assert hbm_gb == [80, 141, 192, 288]


@pytest.mark.parametrize(
    ("name", "kv_bytes"),
    [
        ("DeepSeek-V3", 70_272),
        ("Kimi-K2", 70_272),
        ("Kimi-K3", 27_648),
        ("GLM-5", 89_856),
        ("Qwen3-235B-A22B", 192_512),
        ("Qwen3-32B", 262_144),
        ("Qwen3.5-397B-A17B", 30_720),
        ("MiniMax-M2", 253_952),
        ("MiniMax-M3", 122_880),
        ("MiniMax-M1", 40_960),
        ("gpt-oss-120b", 36_864),
        ("gpt-oss-20b", 24_576),
        ("Llama-3.1-8B", 131_072),
        ("Llama-3.1-70B", 327_680),
        ("Llama-3.1-405B", 516_096),
        ("Llama-4-Maverick", 49_152),
        ("GLM-4.5", 376_832),
        ("Mistral-Large-2", 360_448),
        ("GPT-3", 4_718_592),
    ],
)
def test_kv_bytes_per_token_of_the_catalogue(name, kv_bytes):
    assert models()[name].kv_bytes_per_token("bf16") == kv_bytes


def test_index_keys_windows_and_states_are_held_besides_the_growing_kv():
    sparse = find_model("DeepSeek-V3.2")
    assert sparse.kv_bytes(1_000) - find_model("DeepSeek-V3").kv_bytes(1_000) == 61 * 128 * 1_000
    # Sparse attention stores everything and reads its best 2,048 tokens and all index keys.
    assert sparse.kv_read_bytes(100_000, "bf16") == 61 * (576 * 2 * 2_048 + 128 * 100_000)
    oss = find_model("gpt-oss-120b")
    assert oss.kv_bytes(100_000, "bf16") - 36_864 * 100_000 == 18 * 2 * 8 * 64 * 2 * 128
    assert find_model("Qwen3.5-397B-A17B").state_bytes == 188_743_680
    # DeepSeek-V4-Pro at a million tokens: 9.62 GiB, the figure reported for its paper.
    assert find_model("DeepSeek-V4-Pro").kv_bytes(1_048_576, "bf16") / 2**30 == pytest.approx(9.62, abs=0.02)


def test_glm_5_2_keeps_one_index_for_four_layers():
    each, shared = find_model("GLM-5"), find_model("GLM-5.2")
    assert each.kv_size().index_bytes == 4 * shared.kv_size().index_bytes == 78 * 128
    assert shared.max_position_tokens == 1_048_576
    assert find_model("glm-5.3").name == "GLM-5.2"


def test_parameters_agree_with_what_the_makers_state():
    # Active counts are stated rounded to a whole billion, and with or without embeddings.
    for row in read_data("models.json")["models"]:
        shape = models()[row["name"]]
        for key, stated_b in row.get("stated", {}).items():
            assert getattr(shape, key.removesuffix("_b")) / 1e9 == pytest.approx(
                stated_b, rel=0.02, abs=1.5 if key.startswith("active") else 0.5
            ), row["name"]


def test_experts_wake_with_the_batch():
    experts = find_model("deepseek-v3").experts
    assert experts.touched(1) == pytest.approx(8)
    assert experts.touched(10_000) == pytest.approx(256)
    assert 8 < experts.touched(16) < 8 * 16


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("nvidia/DeepSeek-R1-0528-NVFP4-v2", "DeepSeek-V3"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "Qwen3-235B-A22B"),
        ("nvidia/Llama-3_3-70B-Instruct-FP4", "Llama-3.1-70B"),
        ("accounts/fireworks/models/kimi-k2p5", "Kimi-K2.5"),
        ("zhipuai/GLM-5", "GLM-5"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("deepseek-chat", "DeepSeek-V3.2"),
    ],
)
def test_a_model_is_found_under_the_names_hosts_and_quantisers_give_it(name, found):
    assert find_model(name).name == found


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(UnknownModelError, match=r"Llama-3\.1-70B"):
        find_model("llama-3.1-7b")
    with pytest.raises(UnknownChipError, match="H200"):
        find_chip("gh200")
    assert find_chip("GB200 NVL72").name == find_chip("gb200").name == "GB200"


def test_a_config_without_a_needed_field_is_refused_by_name():
    with pytest.raises(ConfigError, match="vocab_size"):
        shape_from_config({"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}, name="toy")


def test_a_quantisation_entry_gives_the_dtypes():
    config = next(r for r in read_data("models.json")["models"] if r["name"] == "Kimi-K2.5")["config"]
    int4 = {
        "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
        "quant_method": "compressed-tensors",
    }
    shape = shape_from_config({**config, "quantization_config": int4})
    assert (shape.expert_dtype, shape.rest_dtype) == ("int4", "bf16")
    # 1.026 T parameters at int4 experts: about 594 GB (Moonshot's repository).
    assert shape.weight_bytes() / GB == pytest.approx(594, rel=0.02)


def test_every_figure_of_a_chip_has_a_source():
    for row in read_data("chips.json")["chips"]:
        cells = [cell for key, cell in row.items() if isinstance(cell, dict)]
        assert len(cells) >= 11
        assert all(cell["source"] for cell in cells), row["name"]


@pytest.mark.parametrize(
    ("id_", "name"),
    [
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("us.meta.llama3-3-70b-instruct-v1:0", "Llama-3.1-70B"),
        ("us.meta.llama4-maverick-17b-instruct-v1:0", "Llama-4-Maverick"),
        ("deepseek.v3-v1:0", "DeepSeek-V3"),
        ("us.deepseek.r1-v1:0", "DeepSeek-V3"),
        ("qwen.qwen3-coder-480b-a35b-v1:0", "Qwen3-Coder-480B-A35B-Instruct"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "Mixtral-8x7B"),
        ("moonshotai.kimi-k2.5", "Kimi-K2.5"),
        ("openai/gpt-oss-120b-maas", "gpt-oss-120b"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5-7B"),
    ],
)
def test_an_open_model_is_known_by_the_ids_of_clouds(id_, name):
    assert find_model(id_).name == name


def test_a_model_of_which_too_little_is_published_is_refused_with_what_is_known():
    with pytest.raises(UnknownModelError, match="95 B active"):
        find_model("Qwen/Qwen3.8-2.4T-A95B")
