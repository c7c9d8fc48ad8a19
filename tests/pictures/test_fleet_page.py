"""The page about many runs: it shows the store's own totals, and a pace with its interval."""

from __future__ import annotations

import random
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from pages import Opened

from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.main import main
from tokenprof.pictures.page.fleet_page import fleet_page
from tokenprof.pictures.views.fleet_data import FleetData, fleet_data, pace_of
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.priced_store import priced_store

SESSION = Path(__file__).parents[1] / "data" / "logs" / "session_log" / "session_2.1.330.jsonl"
SESSIONS = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty sessions in six projects, on days of their own."""
    folder = tmp_path_factory.mktemp("fleet")
    text = SESSION.read_text("utf-8")
    day = text.partition('"timestamp": "')[2][:10]
    for number in range(SESSIONS):
        path = folder / f"project{number % 6}" / f"session{number}.jsonl"
        path.parent.mkdir(exist_ok=True)
        own = text.replace("msg_", f"msg_{number}_").replace("req_", f"req_{number}_")
        path.write_text(own.replace(day, f"2026-{9 + number // 28:02d}-{1 + number % 28:02d}"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def fleet(folder: Path) -> FleetData:
    store = folder.parent / "fleet-store"
    assert main(["ingest", str(folder), "--store", str(store)]) == 0
    priced = priced_store(store, price_book(Assumptions()))
    whole = priced.totals(parse_dimensions(["project"]), None)
    data = fleet_data(lambda by: priced.totals(by, None), lambda found: ())
    table = next(table for table in data.tables if table.dimension == "project")
    assert [(row.name, row.billed_usd) for row in table.rows] == [
        (row.key[0], row.billed_usd) for row in whole.rows
    ]
    return data


def test_days_and_projects_add_up_to_the_bill(fleet: FleetData) -> None:
    by_name = {table.dimension: table for table in fleet.tables}
    projects = sum((row.billed_usd for row in by_name["project"].rows), Decimal(0))
    assert sum(fleet.day_usd, Decimal(0)) == projects > 0
    assert len(by_name["project"].rows) == 6
    assert len(by_name["session"].rows) == SESSIONS


def test_the_pace_of_equal_days_has_no_width() -> None:
    pace = pace_of([Decimal("2.00")] * 10)
    assert pace is not None
    assert (pace.low_usd, pace.mid_usd, pace.high_usd) == pytest.approx((60.0, 60.0, 60.0))


def test_the_interval_holds_the_mean_and_grows_with_the_spread() -> None:
    rng = random.Random(1)
    days = [Decimal(rng.randrange(100)) for _ in range(28)]
    pace = pace_of(days)
    assert pace is not None
    assert pace.low_usd < pace.mid_usd < pace.high_usd
    assert pace.mid_usd == pytest.approx(30 * float(sum(days)) / 28)


def test_two_days_have_no_pace() -> None:
    assert pace_of([Decimal(1), Decimal(2)]) is None


@pytest.mark.slow
def test_a_fleet_of_sixty_is_drawn(fleet: FleetData, opened: Opened) -> None:
    page = opened(fleet_page(fleet))
    assert page.locator("#days rect").count() >= len(fleet.days)
    assert page.locator("#tables section").count() >= 5
    assert page.inner_text(".figures .money") == fleet.billed


def test_totals_writes_the_page(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    shutil.copy(SESSION, tmp_path / "logs")
    output = tmp_path / "fleet.html"
    assert main(["totals", str(tmp_path / "logs"), "-o", str(output)]) == 0
    assert "<!doctype html>" in output.read_text("utf-8")


def test_the_page_takes_no_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["totals", str(SESSION), "--by", "model", "-o", str(tmp_path / "f.html")]
    assert main(words) == 2
    assert "leave --by and --limit out" in capsys.readouterr().err
