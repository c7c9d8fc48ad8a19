"""What a store says that its turns cost to compute is what an analysis of the same files says."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from stores import opened

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions
from tokenprof.analysis.scenario import serving_of
from tokenprof.commands.main import main
from tokenprof.hw_model.cost import Estimate
from tokenprof.reading.files import read
from tokenprof.sessions.turn_sums import features_of
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.queries.compute import StoreCompute
from tokenprof.store.queries.dimensions import Dimension, Level, parse_dimensions
from tokenprof.store.queries.totals import StoreTotals
from tokenprof.store.queries.work import work_by


def costed(store: Path, by: str, where: str | None = None) -> StoreTotals:
    priced = opened(store)
    dimensions = parse_dimensions([by])
    found = priced.totals(dimensions, where)
    StoreCompute(priced.engine, serving_of(Assumptions())).add_to(found, dimensions, where)
    return found


def close(one: Estimate | None, other: Estimate | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.allclose(
        (one.low, one.mid, one.high), (other.low, other.mid, other.high), rtol=1e-6, atol=1e-15
    )


@pytest.fixture(params=["session_log", "codex", "release_0_1"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A log, and a store of it."""
    data = Path(__file__).parents[1] / "data"
    folder = data / request.param if request.param == "release_0_1" else data / "logs" / request.param
    ingest([folder], tmp_path / "store")
    return folder, tmp_path / "store"


def test_the_whole_costs_what_a_report_says(log: tuple[Path, Path]) -> None:
    folder, store = log
    found = costed(store, "")
    assert found.whole.hardware_usd is not None
    assert close(found.whole.hardware_usd, Analysis(read([folder])).rows.totals.hardware_usd)


def test_classes_have_the_work_that_a_report_of_a_folder_gives_them(log: tuple[Path, Path]) -> None:
    folder, store = log
    turns = read([folder]).turns
    found = list(work_by(opened(store).engine, *BY_CLASS, "true"))
    for model in {turn.model for turn in turns if turn.usage}:
        _, expected = features_of([turn.usage for turn in turns if turn.usage and turn.model == model])
        of_model = {each.key[0]: each.features for each in found if each.model == model}
        assert of_model.keys() == expected.keys()
        for cls, features in of_model.items():
            np.testing.assert_allclose(features, expected[cls], rtol=1e-12)


BY_CLASS: tuple[tuple[Dimension, ...], Level] = (parse_dimensions(["class"]), "class")


@pytest.mark.parametrize("by", ["", "class", "tool", "block", "block,class,model", "kind,day,agent"])
def test_the_work_of_groups_adds_up_to_that_of_the_whole(logs: Path, tmp_path: Path, by: str) -> None:
    ingest([logs], tmp_path / "store")
    engine = opened(tmp_path / "store").engine
    dimensions = parse_dimensions([by])
    level = "block" if {"tool", "block", "kind"} & set(by.split(",")) else "class" if by else "turn"
    whole: dict[tuple[str, str], np.ndarray] = {}
    for each in work_by(engine, (), "turn", "true"):
        whole[each.provider, each.model] = each.features
    parts = {model: np.zeros(8) for model in whole}
    for each in work_by(engine, dimensions, level, "true"):
        assert not each.is_partial
        parts[each.provider, each.model] += each.features
    for model, features in whole.items():
        np.testing.assert_allclose(parts[model], features, rtol=1e-9, err_msg=str(model))


def test_a_condition_selects_the_work_too(sessions: Path, tmp_path: Path) -> None:
    ingest([sessions], tmp_path / "store")
    all_five = costed(tmp_path / "store", "tool")
    one = costed(tmp_path / "store", "tool", "session = 'project0/session0'")
    assert one.whole.hardware_usd is not None
    assert all_five.whole.hardware_usd is not None
    # The five sessions are alike, so one is a fifth.
    assert one.whole.hardware_usd.mid * 5 == pytest.approx(all_five.whole.hardware_usd.mid)
    of_one = {row.key: row.hardware_usd for row in one.rows}
    for row in all_five.rows:
        assert row.hardware_usd is not None
        part = of_one[row.key]
        assert part is not None
        assert part.mid * 5 == pytest.approx(row.hardware_usd.mid)


def test_a_model_that_nobody_has_described_has_no_cost(sessions: Path, tmp_path: Path) -> None:
    for file in sorted(sessions.rglob("*.jsonl"))[:1]:
        text = file.read_text("utf-8")
        model = next(part for part in text.split('"') if part.startswith("claude-"))
        file.write_text(text.replace(model, "some-model"), "utf-8")
    ingest([sessions], tmp_path / "store")
    found = costed(tmp_path / "store", "model")
    assert found.whole.hardware_usd is None, "a sum that lacks a part is not a sum"
    assert {row.key[0]: row.hardware_usd is None for row in found.rows if row.turns}["some-model"]


def test_totals_show_it_beside_the_bill(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    ingest([sessions], store)
    expected = costed(tmp_path / "store", "project")
    assert main(["totals", "--store", store, "--by", "project", "--compute", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for group, row in zip(found["groups"], expected.rows, strict=True):
        assert row.hardware_usd is not None
        assert float(group["hardware_usd"]["mid"]) == pytest.approx(row.hardware_usd.mid, rel=1e-5)
        ratio = float(row.billed_usd) / row.hardware_usd.high
        assert float(group["price_to_cost"]["low"]) == pytest.approx(ratio, rel=1e-5)
    billed = sum(Decimal(group["billed_usd"]) for group in found["groups"])
    assert Decimal(found["total"]["billed_usd"]) == billed, "the bill is as without compute"
    assert main(["totals", "--store", store, "--by", "tool", "--compute"]) == 0
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading.split("  ")[-2:] == ["to compute (USD)", "billed / compute"]
    assert main(["totals", "--store", store, "--compute", "--format", "csv"]) == 0
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert float(row["hardware_usd_low"]) < float(row["hardware_usd_mid"]) < float(row["hardware_usd_high"])


def test_what_is_said_about_hardware_counts_only_with_compute(
    sessions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = str(tmp_path / "store")
    ingest([sessions], store)
    words = ["totals", "--store", store, "--utilisation", "0.9", "--format", "json"]
    assert main(words) == 2
    assert "--compute" in capsys.readouterr().err
    assert main([*words, "--compute"]) == 0
    full = json.loads(capsys.readouterr().out)["total"]["hardware_usd"]["mid"]
    assert main([*words[:-4], "--utilisation", "0.3", "--format", "json", "--compute"]) == 0
    idle = json.loads(capsys.readouterr().out)["total"]["hardware_usd"]["mid"]
    assert float(idle) > float(full)
