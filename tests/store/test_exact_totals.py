"""The totals of a store are those of the report, to the last decimal, whatever they are by."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_runs import random_run
from stores import LOGS, opened, priced_run, reported, totals

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.facts.errors import InputError
from tokenprof.store.ingest.ingest import ingest
from tokenprof.store.ingest.ledger_runs import ledger_of
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.priced_files import priced_files
from tokenprof.store.queries.priced_store import priced_store
from tokenprof.store.queries.totals import GroupTotal

TURN_LEVEL = (
    "month",
    "day,hour",
    "project,session",
    "provider,seller,model",
    "agent,context",
    "tag:team,tier",
)
LINE_LEVEL = (
    "class",
    "class,model",
    "tool",
    "kind,class",
    "block,agent",
    "skill,mcp_server",
    "tool,day,tag:team",
)


def test_a_folder_of_many_formats_has_the_bill_of_its_report(logs: Path, tmp_path: Path) -> None:
    ingest([logs], tmp_path / "store")
    report = reported(logs).totals
    whole = totals(tmp_path / "store").whole
    assert whole.billed_usd == report.billed_usd
    assert (whole.turns, whole.unpriced_turns, whole.unmeasured_turns, whole.incomplete_output_turns) == (
        report.turns,
        report.unpriced_turns,
        report.unmeasured_turns,
        report.incomplete_output_turns,
    )


@pytest.mark.parametrize("by", [*TURN_LEVEL, *LINE_LEVEL])
def test_groups_add_up_to_the_whole(tmp_path_factory: pytest.TempPathFactory, by: str) -> None:
    store = tmp_path_factory.getbasetemp() / "store-of-all-logs"
    ingest([LOGS], store)
    found = totals(store, by)
    assert sum(row.billed_usd for row in found.rows) == found.whole.billed_usd
    assert sum(row.tokens for row in found.rows) == found.whole.tokens
    if by in TURN_LEVEL:
        assert sum(row.turns or 0 for row in found.rows) == found.whole.turns


def test_files_without_a_store_have_the_same_totals(logs: Path, tmp_path: Path) -> None:
    ingest([logs], tmp_path / "store")
    book = price_book(Assumptions())
    for by in ("month,model", "class", "project,session,format"):
        dimensions = parse_dimensions([by])
        of_store = opened(tmp_path / "store").totals(dimensions)
        with priced_files([logs], book) as files:
            of_files = files.totals(dimensions)
        assert [(row.key, row.billed_usd) for row in of_files.rows] == [
            (row.key, row.billed_usd) for row in of_store.rows
        ]


@settings(max_examples=12)
@given(st.integers(0, 10_000))
def test_random_runs_have_the_sums_of_their_ledger(seed: int) -> None:
    run = random_run(seed)
    ledger = Analysis(run).ledger
    priced = priced_run(run, price_book(Assumptions()))
    whole = priced.totals().whole
    assert whole.billed_usd == sum((usd for usd in ledger.billed_usd if usd is not None), Decimal(0))
    by_class = {row.key[0]: row for row in priced.totals(parse_dimensions(["class"])).rows}
    assert {cls: row.billed_usd for cls, row in by_class.items()} == {
        cls: billed.known_usd for cls, billed in ledger.classes.items()
    }
    assert {cls: row.tokens for cls, row in by_class.items()} == {
        cls: billed.tokens for cls, billed in ledger.classes.items()
    }
    assert {cls for cls, row in by_class.items() if row.is_lower_bound} == {
        cls for cls, billed in ledger.classes.items() if not billed.is_complete
    }
    by_kind: dict[str, Decimal] = defaultdict(Decimal)
    for block_id, billed in ledger.blocks.items():
        by_kind[ledger.attribution.blocks[block_id].block.kind] += billed.known_usd
    found = {row.key[0]: row.billed_usd for row in priced.totals(parse_dimensions(["kind"])).rows}
    assert {kind: usd for kind, usd in found.items() if usd} == {
        kind: usd for kind, usd in by_kind.items() if usd
    }


@settings(max_examples=50)
@given(st.integers(0, 10_000))
def test_runs_of_turns_hold_every_entry_once(seed: int) -> None:
    run = random_run(seed)
    ledger = Analysis(run).ledger
    columns, numbers, places = ledger_of(run, ledger.attribution)
    turn_at = {(place.path, place.step): turn for turn, place in enumerate(places)}
    found: dict[tuple[int, str, int], int] = defaultdict(int)
    rows = zip(
        columns.path,
        columns.first_step,
        columns.after_step,
        columns.cls,
        columns.block,
        columns.units,
        strict=True,
    )
    for path, first, after, cls, block, units in rows:
        for step in range(first, after):
            found[turn_at[path, step], cls, block] += units
    wanted: dict[tuple[int, str, int], int] = defaultdict(int)
    for entries in ledger.entries:
        for entry in entries:
            units = entry.count if entry.cls == "fee" else entry.tokens
            wanted[entry.turn, entry.cls, numbers[entry.block]] += units
    assert found == wanted


def test_a_condition_selects_turns_at_every_level(logs: Path, tmp_path: Path) -> None:
    ingest([logs], tmp_path / "store")
    where = "model = 'claude-opus-4-6'"
    by_model = {row.key[0]: row.billed_usd for row in totals(tmp_path / "store", "model").rows}
    for by in ("day", "class", "tool"):
        found = totals(tmp_path / "store", by, where)
        assert sum(row.billed_usd for row in found.rows) == by_model["claude-opus-4-6"]
        assert found.whole.billed_usd == by_model["claude-opus-4-6"]
        assert totals(tmp_path / "store", by, "model = 'nobody'").whole == GroupTotal(())


def test_a_wrong_condition_and_a_wrong_dimension_are_named(logs: Path, tmp_path: Path) -> None:
    ingest([logs], tmp_path / "store")
    with pytest.raises(InputError, match=r"--where 'modle = 1'.*modle"):
        totals(tmp_path / "store", "", "modle = 1")
    with pytest.raises(InputError, match=r"^Totals cannot be by 'modle'. Did you mean model"):
        parse_dimensions(["month,modle"])


def test_other_prices_apply_to_what_was_recorded(sessions: Path, tmp_path: Path) -> None:
    ingest([sessions], tmp_path / "store")
    overlay = tmp_path / "own.toml"
    overlay.write_text(
        """
[[discount]]
provider = "anthropic"
models = ["*"]
factor = "0.9137"
source = "a contract"
checked = 2026-01-01
""",
        "utf-8",
    )
    assumptions = Assumptions(prices=(overlay,))
    report = Analysis(reported(sessions).run, assumptions).totals
    whole = priced_store(tmp_path / "store", price_book(assumptions)).totals().whole
    assert whole.billed_usd == report.billed_usd
    assert whole.billed_usd == totals(tmp_path / "store").whole.billed_usd * Decimal("0.9137")
