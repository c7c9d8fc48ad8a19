"""Rows of files that nobody has seen: other spellings, chips, engines, missing columns and broken cells."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenprof.commands.main import main
from tokenprof.hw_model.catalogue.lookup import UnknownChipError, UnknownModelError
from tokenprof.hw_model.equations.constants import fitted
from tokenprof.hw_model.measured.layout_text import read_layout
from tokenprof.hw_model.measured.point_rows import parse_points
from tokenprof.hw_model.measured.row_names import chip_named, dtypes_of, engine_named, model_named
from tokenprof.hw_model.measured.row_values import MeasurementError, count, day, measured, number
from tokenprof.hw_model.measured.service_validation import validate_services

CAPTURE = {
    "hardware": "h200", "framework": "sglang", "model": "DeepSeek-R1-0528", "precision": "fp8",
    "spec_method": "none", "disagg": "false", "decode_tp": "8", "decode_ep": "1", "num_decode_gpu": "8",
    "decode_dp_attention": "false", "isl": "1024", "osl": "1024", "conc": "64", "date": "2026-05-01",
    "median_tpot_s": "0.03", "total_tokens_per_s_per_gpu": "500",
}  # fmt: skip
POINT = {
    "model": "Kimi-K2.5", "hardware": "B200", "engine": "vLLM", "precision": "NVFP4", "parallelism": "TP8",
    "n_gpus": "8", "isl": "8192", "osl": "1024", "workload": "single_turn", "concurrency": "32",
    "tokens_per_s_per_user": "50", "interactivity_stat": "median", "date": "2026-05",
}  # fmt: skip


def only(row: Mapping[str, str]) -> dict[str, object]:
    (point,) = validate_services([dict(row)])["points"]
    return dict(point)


@pytest.mark.parametrize(
    ("name", "chip"),
    [
        ("H200-SXM", "H200"), ("8xh200-dgxc", "H200"), ("mi355x-amd", "MI355X"), ("NVIDIA B200", "B200"),
        ("gb300 nvl72", "GB300"), ("tpu v6e-8", "TPU v6e"), ("MI350X", "MI350X"), ("h20", "H20"),
        ("NVIDIA L40S", "L40S"), ("b300-nv", "B300"),
    ],
)  # fmt: skip
def test_a_chip_is_found_under_the_names_that_benchmarks_give_it(name: str, chip: str) -> None:
    assert chip_named(name).name == chip


@pytest.mark.parametrize("name", ["GH200", "H200 NVL", "A100 40GB", "h100-pcie", "WSE-3"])
def test_another_build_of_a_chip_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(UnknownChipError, match="is in the catalogue"):
        chip_named(name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dsr1", "DeepSeek-V3"), ("deepseek-ai/DeepSeek-R1-0528", "DeepSeek-V3"), ("gptoss", "gpt-oss-120b"),
        ("kimik2.5", "Kimi-K2.5"), ("DeepSeek-V3/R1", "DeepSeek-V3"), ("Kimi-K2.5/2.6", "Kimi-K2.5"),
        ("minimaxm2.5", "MiniMax-M2"), ("qwen3.5", "Qwen3.5-397B-A17B"), ("glm5", "GLM-5"),
        ("Qwen3-Coder-480B", "Qwen3-Coder-480B-A35B-Instruct"),
    ],
)  # fmt: skip
def test_a_model_is_found_under_the_names_that_benchmarks_give_it(name: str, shape: str) -> None:
    assert model_named(name).name == shape


def test_a_name_that_several_shapes_begin_with_stands_for_none() -> None:
    with pytest.raises(UnknownModelError, match="Qwen3"):
        model_named("Qwen3")


def test_an_engine_without_constants_is_taken_as_another_and_said() -> None:
    assert engine_named("dynamo-trt", "nvidia").value == "trtllm"
    assert engine_named("TensorRT-LLM", "nvidia").assumed == ""
    assert engine_named("LMDeploy", "amd").value == "sglang"
    point = only({**CAPTURE, "framework": "LMDeploy"})
    assert point["refused"] is None
    assert point["assumed"] == ["the engine 'LMDeploy' has no constants of its own; taken as trtllm"]
    assert only(CAPTURE)["assumed"] == []


def test_precisions_in_other_words() -> None:
    shape = model_named("dsr1")
    assert dtypes_of(shape, "NVFP4") == ("fp4", "bf16")
    assert dtypes_of(shape, "fp8_block") == ("fp8", "fp8")
    assert dtypes_of(shape, "") == ("fp8", "fp8")
    # int4 experts are kept unless they were quantised again.
    assert dtypes_of(model_named("kimik2.5"), "fp8") == ("int4", "bf16")
    assert dtypes_of(model_named("kimik2.5"), "mxfp4") == ("fp4", "bf16")
    with pytest.raises(MeasurementError, match="the dtypes are fp4, fp8, bf16, int4"):
        dtypes_of(shape, "fp6")


def test_cells_as_people_write_them() -> None:
    row = {"a": "1,024", "b": ">=150", "c": "n/a", "d": "about 40", "e": "-3", "f": "2026-07"}
    assert number(row, "a") == 1024.0
    assert number(row, "b") == 150.0
    assert number(row, "c") is None
    assert number(row, "absent") is None
    with pytest.raises(MeasurementError, match="d is 'about 40', which is not a number"):
        number(row, "d")
    assert measured(row, "d") is None
    assert measured(row, "e") is None
    assert count(row, "e") is None
    assert str(day(row, "f")) == "2026-07-15"


def test_an_empty_column_of_the_layout_is_what_the_others_say() -> None:
    whole = only(CAPTURE)
    for name in ("decode_ep", "decode_dp_attention", "num_decode_gpu", "decode_tp", "disagg", "spec_method"):
        point = only({**CAPTURE, name: ""})
        assert point["refused"] is None
        assert point["tpot_s"] == whole["tpot_s"], name
    assert (
        only({k: v for k, v in CAPTURE.items() if k not in ("disagg", "date", "decode_ep")})["refused"]
        is None
    )


def test_weights_that_exceed_the_memory_are_refused_with_the_way_out() -> None:
    reason = str(only({**CAPTURE, "hardware": "TPU v5e"})["refused"])
    assert "GB of weights on each TPU v5e" in reason
    assert "take 64 of them" in reason


def test_the_slowest_tenth_is_slower_than_the_median() -> None:
    # Without a number of clients the speed says how many there are: P90 is 0.8 of the median.
    row = {**POINT, "concurrency": ""}
    median = only({**row, "tokens_per_s_per_user": "50"})
    tenth = only({**row, "tokens_per_s_per_user": "40", "interactivity_stat": "P90"})
    assert tenth["tpot_s"] == pytest.approx(median["tpot_s"], rel=0.01)


@settings(max_examples=60)
@given(
    row=st.sampled_from([CAPTURE, POINT]),
    name=st.integers(0, 15),
    cell=st.sampled_from(
        [
            "",
            "n/a",
            "NaN",
            "-1",
            "0",
            "1e400",
            "inf",
            "abc",
            "1,024",
            "~40",
            "true",
            "TP8",
            "0.5",
            "1e-9",
            "1e9",
        ]
    ),
)
def test_no_broken_cell_is_a_traceback(row: dict[str, str], name: int, cell: str) -> None:
    column = list(row)[name % len(row)]
    point = only({**row, column: cell})
    if point["refused"] is None:
        assert (
            float(str(point["low"]))
            < float(str(point["total_tokens_per_s_per_gpu"]))
            < float(str(point["high"]))
        )
    else:
        assert len(str(point["refused"])) > 10
        assert point["tpot_s"] is None


def test_the_command_reads_columns_in_any_order_and_case(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [name.upper() for name in reversed(CAPTURE)]
    file = tmp_path / "captures.csv"
    file.write_text(",".join(names) + "\n" + ",".join(reversed(CAPTURE.values())) + "\n", "utf-8-sig")
    assert main(["hw", "validate", str(file), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == [only(CAPTURE)]
    file.write_text("hardware,framework,conc\n")
    assert main(["hw", "validate", str(file)]) == 2
    assert "no rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "gpus", "ranks", "replicas"),
    [
        ("tp8", 8, (8, 1, 1), 1), ("TP8/EP8", 8, (8, 1, 8), 1), ("DP8EP8", 8, (1, 8, 8), 1),
        ("8xTP1", 8, (1, 1, 1), 8), ("TP4x2", 8, (4, 1, 1), 2), ("DEP8 x4", 32, (1, 8, 8), 4),
        ("EP=16,DP=16", 16, (1, 16, 16), 1), ("TP8", 16, (8, 1, 1), 2),
    ],
)  # fmt: skip
def test_one_pool_in_other_words(text: str, gpus: int, ranks: tuple[int, int, int], replicas: int) -> None:
    layout = read_layout(text, gpus, False)
    assert layout is not None
    assert layout.prompt is None
    assert (layout.decode.tp, layout.decode.dp, layout.decode.ep) == ranks
    assert layout.decode.replicas == replicas


@pytest.mark.parametrize(
    ("text", "gpus", "prompt", "decode"),
    [
        ("1P (DEP4) + 1D (DEP16)", 20, (1, 4, 1), (1, 16, 1)), ("2P1D", 24, (8, 1, 2), (8, 1, 1)),
        ("prefill: TP8, decode: TP8", 16, (8, 1, 0), (8, 1, 0)),
        ("ctx TP4 gen TP8", 12, (4, 1, 0), (8, 1, 0)),
    ],
)  # fmt: skip
def test_two_pools_in_other_words(
    text: str, gpus: int, prompt: tuple[int, int, int], decode: tuple[int, int, int]
) -> None:
    layout = read_layout(text, gpus, True)
    assert layout is not None
    assert layout.prompt is not None
    assert (layout.prompt.tp, layout.prompt.dp, layout.prompt.replicas) == prompt
    assert (layout.decode.tp, layout.decode.dp, layout.decode.replicas) == decode


@pytest.mark.parametrize("text", ["", "wide-EP", "n/a", "1P+0D", "xPyD", "prefill", "8"])
def test_a_text_that_says_too_little_is_not_a_layout(text: str) -> None:
    assert read_layout(text, 8, False) is None


def test_two_pools_fill_the_accelerators_that_the_row_counts() -> None:
    row = {**POINT, "disaggregated": "true", "parallelism": "prefill TP4 | decode TP8", "n_gpus": "24"}
    (point,), _ = parse_points([row], fitted())
    # Two workers of four for prompts and two of eight that decode, of the usual ratios the only one of 24.
    assert float(point.service.pools.accelerators) == 24.0


def test_a_pool_that_only_computes_prompts_has_no_time_per_output_token() -> None:
    alone = {**POINT, "osl": "", "tokens_per_s_per_user": "", "concurrency": "", "disaggregated": "true"}
    point = only(alone)
    assert point["refused"] is None
    assert point["tpot_s"] is None
    assert float(str(point["total_tokens_per_s_per_gpu"])) > 0.0
