"""What release 0.1 wrote is read with the same totals: a recording, and the report that was made of it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tokenprof
from tokenprof.facts.errors import InputError
from tokenprof.report.report_json import report_json
from tokenprof.report.terminal.text import to_text

WRITTEN = Path(__file__).parents[1] / "data" / "release_0_1"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((WRITTEN / "report.json").read_text())
    return found


def test_a_recording_of_0_1_has_the_bill_that_0_1_gave_it(report: dict[str, Any]) -> None:
    analysis = tokenprof.load(WRITTEN / "run.jsonl").analyze()
    assert analysis.totals.billed_usd == Decimal(report["totals"]["billed_usd"])
    assert [turn.id for turn in analysis.turns] == [turn["id"] for turn in report["turns"]]
    assert [turn.usage and turn.usage.by_class() for turn in analysis.turns] == [
        turn["usage"] for turn in report["turns"]
    ]
    assert [(block.name, block.tokens, str(block.billed_usd)) for block in analysis.blocks] == [
        (block["name"], block["tokens"], block["billed_usd"]) for block in report["blocks"]
    ]


def test_a_report_of_0_1_keeps_every_total_class_turn_and_block(report: dict[str, Any]) -> None:
    again = report_json(tokenprof.load_report(WRITTEN / "report.json"))
    for part in ("schema", "sources", "prices", "deployment", "classes", "groups", "warnings"):
        assert again[part] == report[part], part
    assert {name: again["totals"][name] for name in report["totals"]} == report["totals"]
    for part in ("turns", "blocks", "findings"):
        for row, of_0_1 in zip(again[part], report[part], strict=True):
            assert {name: row[name] for name in of_0_1} == of_0_1


def test_what_a_report_of_0_1_does_not_say_is_summed_from_its_entries(report: dict[str, Any]) -> None:
    blocks = tokenprof.load_report(WRITTEN / "report.json").rows.blocks
    sent = {
        block["id"]: sum(
            any(entry["block"] == block["id"] for entry in turn["entries"]) for turn in report["turns"]
        )
        for block in report["blocks"]
    }
    assert {block.id: block.turns_carried for block in blocks} == sent


def test_a_report_of_0_1_is_drawn() -> None:
    assert to_text(tokenprof.load_report(WRITTEN / "report.json")).startswith("3 turns billed $0.0648")


@pytest.mark.parametrize("end", ["-1.5", "0", "nan"])
def test_a_report_whose_estimate_is_out_of_order_is_damaged(
    end: str, report: dict[str, Any], tmp_path: Path
) -> None:
    damaged = json.loads(json.dumps(report))
    damaged["totals"]["price_to_cost"]["high"] = end
    (tmp_path / "report.json").write_text(json.dumps(damaged))
    with pytest.raises(InputError, match=r"the report is damaged .* low ≤ mid ≤ high"):
        tokenprof.load_report(tmp_path / "report.json")
