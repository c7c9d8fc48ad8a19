"""`tokenprof settings`, `--set`, `sweep` and the pages of `hw`: one table of names for all of them."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions, resolve_assumptions
from tokenprof.analysis.settings_table import SETTING_ROWS, SETTINGS
from tokenprof.commands.hw.ask import QUESTIONS
from tokenprof.commands.main import main
from tokenprof.facts.errors import InputError
from tokenprof.facts.types import Run, Turn
from tokenprof.pricing.usage import Usage

START = datetime(2026, 11, 2, 20, tzinfo=UTC)


def run() -> Run:
    """Four calls of an agent on a closed model, twenty seconds apart."""
    return Run(
        tuple(
            Turn(
                id=f"call-{index}",
                context="main",
                provider="anthropic",
                requested_model="claude-opus-4-8",
                model="claude-opus-4-8",
                started_at=START + timedelta(seconds=20 * index),
                duration_s=2.0,
                status="ok",
                usage=Usage(cache_read_tokens=40_000, cache_write_5m_tokens=2_000, output_tokens=300),
                added=(),
            )
            for index in range(4)
        )
    )


def analysis(**said) -> Analysis:
    settings = {name.replace("_", "-"): value for name, value in said.items()}
    return Analysis(run(), resolve_assumptions(settings=settings, environ={}))


USUAL = analysis()


def test_every_setting_is_a_field_of_the_assumptions_with_a_source_and_a_default():
    names = {field.name for field in fields(Assumptions)} - {"without_evidence"}
    assert {row.field for row in SETTING_ROWS} == names
    for row in SETTING_ROWS:
        assert row.source, row.name
        assert row.default, row.name
        assert row.values, row.name
        if row.kind in ("number", "whole"):
            assert row.low <= float(row.example) <= row.high, row.name
        elif row.choices:
            assert row.example in row.choices, row.name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hours", "own"),
        ("contract", "on demand"),
        ("usd_per_gpu_hour", 3),
        ("utilisation", 0.2),
        ("deployment", "kimi-k2.5@8xh200"),
        ("chip", "gb200"),
        ("precision", "bf16"),
        ("speed", 90),
        ("model", "claude-sonnet-4-6"),
        ("supplier", "google"),
    ],
)
def test_what_is_about_hours_and_service_moves_the_compute(name, value):
    assert analysis(**{name: value}).totals.hardware_usd != USUAL.totals.hardware_usd


@pytest.mark.parametrize(
    ("name", "value"),
    [("usd_per_kwh", 1.0), ("cost_of_capital", 0.3), ("life_years", 2), ("colo_usd_per_kw_month", 900)],
)
def test_what_is_about_the_owner_moves_the_owner_s_floor_and_not_the_rent(name, value):
    usual, found = analysis(chip="b200").totals, analysis(chip="b200", **{name: value}).totals
    assert found.hardware_owned_usd.mid > usual.hardware_owned_usd.mid
    assert found.hardware_usd == usual.hardware_usd


def test_a_longer_tool_latency_lengthens_the_wait_of_kv():
    short, long = (analysis(tool_latency=seconds).hardware.works[0].gap_s for seconds in (1, 600))
    assert (short, long) == (1, 600)


@pytest.mark.parametrize(
    ("name", "value"),
    [("path", "plan"), ("training_share", 0.1), ("discount", 0.3), ("sessions", 3), ("path", "aggregator")],
)
def test_what_is_about_the_chain_moves_the_waterfall_and_not_the_bill(name, value):
    said = {"path": "plan", name: value} if name == "sessions" else {name: value}
    other = analysis(**said)
    assert other.chain.waterfall != USUAL.chain.waterfall
    assert other.totals.billed_usd == USUAL.totals.billed_usd


def test_another_model_is_billed_at_its_price_for_the_same_tokens():
    other = analysis(model="deepseek/deepseek-v4-pro")
    # DeepSeek bills no cache writes: 2,000 tokens at 0.66, 40,000 read at 0.022, 300 out at 1.98 a million.
    assert float(other.totals.billed_usd) == pytest.approx(4 * (2e3 * 0.66 + 4e4 * 0.022 + 300 * 1.98) / 1e6)
    assert other.totals.usage.all_output_tokens == USUAL.totals.usage.all_output_tokens
    with pytest.raises(InputError, match="model deepseek/deepseek-v99: "):
        _ = analysis(model="deepseek/deepseek-v99").totals


@pytest.mark.parametrize(
    "typed", ["fireworks/deepseek-v4-pr", "firewroks/deepseek-v4-pro", "vllm/deepseek-v4-pro"]
)
def test_a_host_or_model_that_is_misspelt_is_told_its_neighbours(typed):
    with pytest.raises(InputError, match=r"Closest: .*fireworks/deepseek-v4-pro.* or name another model"):
        _ = analysis(model=typed).totals


def test_evidence_is_switched_off_by_its_name():
    assert resolve_assumptions(without_evidence=["hosts"], environ={}).without_evidence == ("hosts",)
    with pytest.raises(InputError, match=r"no evidence 'host'\. Did you mean hosts\?"):
        resolve_assumptions(without_evidence=["host"], environ={})


def test_settings_come_from_the_environment_under_their_names(tmp_path):
    found = resolve_assumptions(
        environ={"TOKENPROF_HOURS": "rent", "TOKENPROF_TRAINING_SHARE": "0.3"}, folder=tmp_path
    )
    assert (found.hours, found.training_share) == ("rent", 0.3)


def test_the_list_names_every_setting_in_text_and_json(capsys):
    assert main(["settings"]) == 0
    text = capsys.readouterr().out
    for name in SETTINGS:
        assert f"\n{name}=" in f"\n{text}"
    assert main(["settings", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["settings"]
    assert [row["name"] for row in rows] == list(SETTINGS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_page_of_hw_ask_fits_80_columns(question, capsys):
    assert main(["hw", "ask", question]) == 0
    page = capsys.readouterr().out
    assert max(map(len, page.splitlines())) <= 80
    assert "None" not in page


@pytest.mark.parametrize("words", [[], ["mi355x"], ["kimi-k2.6"], ["deepseek-v3@8xh200"]])
def test_hw_show_fits_80_columns(words, capsys):
    assert main(["hw", "show", *words]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_hw_hours_and_classes_name_their_sources(capsys):
    assert main(["hw", "hours", "h100"]) == 0
    assert "SemiAnalysis AI Cloud TCO" in capsys.readouterr().out
    assert main(["hw", "hours", "--format", "json"]) == 0
    rows = {row["chip"]: row for row in json.loads(capsys.readouterr().out)["hours"]}
    assert rows["H100"]["contract"]["source"]
    assert rows["Trainium2"]["contract"] is None
    assert main(["hw", "classes"]) == 0
    text = capsys.readouterr().out
    assert "opus-at-15" in text
    assert "evidence" in text


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("claude-opus-4-1-20250805", "opus-at-15"),
        ("claude-opus-4-20250514", "opus-at-15"),
        ("claude-3-opus-20240229", "opus-at-15"),
        ("claude-opus-4-5", "opus"),
        ("claude-opus-4-8", "opus"),
        ("gpt-5-nano", "nano"),
        ("gpt-5-mini", "mini"),
        ("gpt-5.5-pro", "pro"),
        ("gemini-3.1-flash-lite-preview", "nano"),
        ("claude-fable-5", "fable"),
    ],
)
def test_price_and_speed_tell_classes_of_closed_models_apart(model, kind):
    from tokenprof.hw_model.fleet.closed_model_classes import model_class

    assert model_class("x", model) == kind


def test_the_same_names_set_the_hour_of_one_deployment(capsys):
    def usd_per_hour(*words: str) -> float:
        assert main(["hw", "estimate", "deepseek-v3@8xh200", "--format", "json", *words]) == 0
        return float(json.loads(capsys.readouterr().out)["usd_per_accelerator_hour"])

    assert usd_per_hour() == pytest.approx(1.59, abs=0.01)
    assert usd_per_hour("--set", "hours=rent") == pytest.approx(1.825)
    assert usd_per_hour("--set", "life-years=2") > 2
    assert usd_per_hour("--set", "usd-per-gpu-hour=3") == 3
    assert main(["hw", "estimate", "deepseek-v3@8xh200", "--set", "plan=claude-pro"]) == 2
    assert "--set plan has no effect on one deployment" in capsys.readouterr().err
