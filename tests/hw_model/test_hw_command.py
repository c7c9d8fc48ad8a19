"""`tokenprof hw`: every verb, in text and JSON, and bad input."""

import json

import pytest

from tokenprof.commands.main import main

HEADER = (
    "model_path,system,backend,backend_version,precision,isl,osl,concurrency,batch_size,tp_size,moe_tp_size,"
    "moe_ep_size,measured,silicon_ttft_ms,silicon_tpot_ms\n"
)
GOOD = "openai/gpt-oss-120b,h200_sxm,vllm,0.18.0,fp4,1024,1024,32,32,4,4,1,,90,7.0\n"
BAD = "acme/riddle,h200_sxm,vllm,0.18.0,fp4,1024,1024,32,32,4,4,1,,90,7.0\n"


@pytest.fixture
def hw(capsys):
    def run(*arguments):
        code = main(["hw", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_show_lists_models_and_chips_and_one_of_each(hw):
    assert "Kimi-K2.6" in hw("show")[1]
    model = json.loads(hw("show", "kimi-k2.6", "--format", "json")[1])
    assert model["kv_bytes_per_token"] == 35_136
    chip = json.loads(hw("show", "h100", "--format", "json")[1])
    assert chip["hbm_bytes_per_s"] == 3.35e12
    deployment = json.loads(hw("show", "deepseek-v3@8xh200", "--format", "json")[1])
    assert deployment["accelerators"] == 8


def test_estimate_prices_tokens(hw):
    code, out, _ = hw("estimate", "deepseek-v3@8xh200", "--context", 8000, "--speed", 25, "--format", "json")
    facts = json.loads(out)
    assert code == 0
    assert facts["tokens_per_s_per_user"] >= 24.9
    parts = sum(v for k, v in facts.items() if k.startswith("step_") and k != "step_s")
    assert parts == pytest.approx(facts["step_s"])
    assert facts["output_usd_per_m"] == pytest.approx(
        facts["usd_per_hour"] / facts["tokens_per_s"] / 3600 * 1e6, rel=0.01
    )


def test_sweep_draws_a_line_per_value(hw):
    code, out, _ = hw("sweep", "llama-3.1-70b@4xh100:weights=fp8", "--values", "1000,8000,32000")
    assert code == 0
    assert len(out.splitlines()) == 4
    assert "█" in out
    points = json.loads(hw("sweep", "gpt-oss-120b@1xh200", "--over", "batch", "--format", "json")[1])
    assert [p["batch"] for p in points] == [1, 4, 16, 64, 128, 256]


def test_validate_prints_figures_and_refusals(hw, tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text(HEADER + GOOD + BAD)
    report = json.loads(hw("validate", path, "--format", "json")[1])
    assert (report["tpot"]["n"], report["tpot"]["refused"]) == (1, 1)
    code, out, _ = hw("validate", path)
    assert code == 0
    assert "line 3, acme/riddle: no shape is known" in out


def test_rows_without_a_measurement_are_refused_and_not_divided_by(hw, tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text(
        HEADER + GOOD.replace("7.0", "0") + GOOD.replace("7.0", "inf") + "openai/gpt-oss-120b\n" + GOOD
    )
    code, out, _ = hw("validate", path)
    assert code == 0
    assert "3 rows refused" in out
    assert "line 2, openai/gpt-oss-120b: silicon_tpot_ms, batch_size and concurrency must be above 0" in out
    assert "line 3, openai/gpt-oss-120b: silicon_tpot_ms is 'inf', which is not a number" in out


def test_calibrate_moves_constants_towards_a_server_and_validate_takes_them(hw, tmp_path):
    path, constants = tmp_path / "measured.csv", tmp_path / "mine.json"
    rows = "".join(
        GOOD.replace("32,32,4", f"{b},{b},4").replace("7.0", f"{t}") for b, t in ((4, 6), (16, 9), (64, 18))
    )
    path.write_text(HEADER + rows)
    outcome = json.loads(hw("calibrate", path, "-o", constants, "--format", "json")[1])
    assert outcome["after"]["mape"] < outcome["before"]["mape"]
    after = json.loads(hw("validate", path, "--constants", constants, "--format", "json")[1])
    assert after["tpot"]["mape"] == pytest.approx(outcome["after"]["mape"])
    assert "median error" in hw("calibrate", path)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("validate", "missing.csv"), "missing.csv: no such file or directory; check the name"),
        (("estimate", "riddle@8xh200"), "no shape is known"),
        (("estimate", "kimi-k2.5@2xh100"), "take 16 of them"),
        (
            ("estimate", "deepseek-v3@8xh200", "--utilisation", "1.5"),
            "--utilisation: '1.5' is not a share above 0 and at most 1",
        ),
        (("show", "h201"), "no chip 'h201'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(hw, arguments, said):
    code, out, err = hw(*arguments)
    assert code == 2
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
