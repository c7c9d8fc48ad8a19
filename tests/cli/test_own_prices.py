"""Every command that shows a dollar bills with the user's rows, wherever they are named."""

from __future__ import annotations

import json
import os
import sys
from decimal import Decimal
from pathlib import Path

import anthropic
import pytest
from own_price_file import OWN_BILL_USD

import tokenprof
from tokenprof.commands.main import main
from tokenprof.testing import LoopbackProvider, Reply

AGENT = """
import anthropic
with anthropic.Anthropic(api_key="x") as client:
    client.messages.create(
        model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
    )
"""


def billed(command: str, recording: Path, *options: str | Path, target: Path) -> Decimal:
    """What a command's JSON says the recording was billed [USD]."""
    assert main([command, str(recording), *map(str, options), "-o", str(target)]) == 0
    found = json.loads(target.read_text("utf-8"))
    place = {
        "report": ["totals", "billed_usd"],
        "chain": ["billed_usd"],
        "disclosure": ["recorded", "billed_usd"],
    }
    for key in place[command]:
        found = found[key]
    return Decimal(found)


@pytest.mark.parametrize("command", ["report", "chain", "disclosure"])
def test_a_price_file_is_named_by_flag_environment_or_pyproject(
    command: str, recording: Path, own_prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.json"
    monkeypatch.chdir(tmp_path)
    assert billed(command, recording, target=target) < 1
    assert billed(command, recording, "--prices", own_prices, target=target) == OWN_BILL_USD
    monkeypatch.setenv("TOKENPROF_PRICES", str(own_prices))
    assert billed(command, recording, target=target) == OWN_BILL_USD
    monkeypatch.delenv("TOKENPROF_PRICES")
    (tmp_path / "pyproject.toml").write_text('[tool.tokenprof]\nprices = ["mine.toml"]\n')
    below = tmp_path / "src" / "agent"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert billed(command, recording, target=target) == OWN_BILL_USD


def test_check_judges_budgets_at_the_user_s_prices(recording: Path, own_prices: Path) -> None:
    budget = ["check", str(recording), "--budget", "usd=1"]
    assert main(budget) == 0
    assert main([*budget, "--prices", str(own_prices)]) == 1


def test_check_costs_compute_with_the_user_s_assumptions(recording: Path) -> None:
    budget = ["check", str(recording), "--budget", "hardware_usd=1"]
    assert main(budget) == 0
    assert main([*budget, "--usd-per-gpu-hour", "100000"]) == 1


def test_a_report_is_costed_with_the_user_s_deployment_price_and_utilisation(
    recording: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.json"

    def cost(*options: str) -> float:
        words = ["report", str(recording), "--deployment", "deepseek-v3@8xh200", "-o", str(target)]
        assert main([*words, *options]) == 0
        return float(json.loads(target.read_text())["totals"]["hardware_usd"]["mid"])

    at_2_usd = cost("--usd-per-gpu-hour", "2", "--utilisation", "0.5")
    assert cost("--usd-per-gpu-hour", "6", "--utilisation", "0.5") == pytest.approx(3 * at_2_usd, rel=1e-6)
    assert cost("--usd-per-gpu-hour", "2", "--utilisation", "0.25") > 1.5 * at_2_usd


def test_the_demo_is_billed_at_the_user_s_prices(
    own_prices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenprof.commands.demo_agent.TOKENS_PER_S", 6_000.0)
    assert main(["demo", "-o", str(tmp_path / "run.jsonl"), "--prices", str(own_prices)]) == 0
    assert capsys.readouterr().out.startswith("3 turns billed $17.65;")


@pytest.mark.slow
def test_run_reports_at_the_user_s_prices(
    own_prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with LoopbackProvider([Reply.text("hi")]) as provider:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        words = ["run", "--record", str(tmp_path / "run.jsonl"), "--prices", str(own_prices)]
        assert main([*words, "--", sys.executable, "-c", AGENT]) == 0
        usage = provider.billed[0].usage
    assert usage is not None
    tokens = usage["input_tokens"] + usage["output_tokens"]
    assert f"1 turn billed ${tokens / 1000:g};" in capfd.readouterr().err


def test_reconcile_bills_at_the_user_s_prices(
    own_prices: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path, export = tmp_path / "run.jsonl", tmp_path / "export.json"
    with (
        LoopbackProvider([Reply.text("hi")]) as provider,
        tokenprof.profile(path),
        anthropic.Anthropic(api_key="x", base_url=provider.url) as client,
    ):
        client.messages.create(
            model="claude-opus-4-8", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
        )
    export.write_text('{"data": [], "has_more": false, "next_page": null}')
    words = ["reconcile", str(path), "--report", str(export), "--format", "json"]
    main([*words, "--prices", str(own_prices)])
    lines = json.loads(capsysbinary.readouterr().out)["lines"]
    assert lines
    assert all(Decimal(line["record_usd"]) * 1000 == line["record_tokens"] for line in lines)


def test_prices_show_and_check_read_the_same_settings(
    own_prices: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKENPROF_PRICES", str(own_prices))
    assert main(["prices", "show", "claude-opus-4-8", "--at", "2026-11-02"]) == 0
    assert ["output", "1000.00"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["prices", "check", "--at", "2026-11-02"]) == 1
