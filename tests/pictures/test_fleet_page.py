"""The page about many runs: it shows the store's own totals, and a pace with its interval."""

from __future__ import annotations

import random
import shutil
from decimal import Decimal
from pathlib import Path

import anthropic
import pytest
from pages import Opened, faults_of_looks

import tokenprof
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.commands.main import main
from tokenprof.pictures.page.fleet_page import fleet_page
from tokenprof.pictures.views.bill_trend import bill_trend
from tokenprof.pictures.views.fleet_data import (
    FleetData,
    UsualSession,
    fleet_data,
    pace_of,
    usual_session,
)
from tokenprof.store.queries.dimensions import parse_dimensions
from tokenprof.store.queries.priced_store import priced_store
from tokenprof.testing import LoopbackProvider, Reply

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
    data = fleet_data(lambda by: priced.totals(by, None), lambda found: (), priced.tag_keys())
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


def test_two_people_and_a_team_are_tables_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for user, calls in (("ann", 2), ("ben", 1)):
        with (
            LoopbackProvider([Reply.text("ok")] * calls) as server,
            tokenprof.profile(folder / f"{user}.jsonl", tags={"user": user, "team": "search"}),
            anthropic.Anthropic(api_key="x", base_url=server.url) as client,
        ):
            for _ in range(calls):
                client.messages.create(
                    model="claude-opus-4-8",
                    max_tokens=9,
                    messages=[{"role": "user", "content": "hello"}],
                )
    store = tmp_path / "store"
    assert main(["ingest", str(folder), "--store", str(store)]) == 0
    priced = priced_store(store, price_book(Assumptions()))
    assert priced.tag_keys() == ["team", "user"]
    data = fleet_data(lambda by: priced.totals(by, None), lambda found: (), priced.tag_keys())
    tables = {table.dimension: table.rows for table in data.tables[:2]}
    assert [(row.name, row.turns) for row in tables["user"]] == [("ann", 2), ("ben", 1)]
    assert [(row.name, row.turns) for row in tables["team"]] == [("search", 3)]


def test_a_straight_line_goes_on_exactly() -> None:
    trend = bill_trend([Decimal(10 + day) for day in range(20)])
    assert trend is not None
    assert trend.days == 20
    assert trend.week_usd == pytest.approx((7.0, 7.0, 7.0))
    # The days ahead are $30 to $59, on average $44.50.
    assert trend.next_usd == pytest.approx((1335.0, 1335.0, 1335.0))
    assert trend.day_mid_usd[0] == pytest.approx(30.0)


def test_a_rise_is_found_in_noise_and_noise_alone_does_not_rise() -> None:
    rng = random.Random(7)
    noise = [rng.gauss(0, 10) for _ in range(60)]
    flat = bill_trend([Decimal(100 + off) for off in noise])
    rising = bill_trend([Decimal(100 + 3 * day + off) for day, off in enumerate(noise)])
    assert flat is not None
    assert rising is not None
    assert flat.week_usd[0] < 0 < flat.week_usd[2]
    assert flat.next_usd[0] < 3000 < flat.next_usd[2]
    assert 15 < rising.week_usd[0] < 21 < rising.week_usd[2] < 27


def test_a_falling_bill_does_not_fall_below_nothing() -> None:
    trend = bill_trend([Decimal(20 - day) for day in range(20)])
    assert trend is not None
    assert trend.next_usd == pytest.approx((0.0, 0.0, 0.0))


def test_what_sessions_cost_by_hand() -> None:
    usual = usual_session([Decimal(usd) for usd in range(11)])
    assert usual == UsualSession(11, 1.0, 5.0, 9.0)
    assert usual_session([Decimal(1)] * 9) is None


def test_two_weeks_are_the_least() -> None:
    assert bill_trend([Decimal(1)] * 13) is None
    assert bill_trend([Decimal(1)] * 14) is not None


@pytest.mark.slow
def test_a_fleet_of_sixty_is_drawn(fleet: FleetData, opened: Opened) -> None:
    page = opened(fleet_page(fleet))
    assert page.locator("#days rect").count() >= len(fleet.days)
    assert page.locator("#tables section").count() >= 5
    assert page.inner_text(".figures .money") == fleet.billed
    assert "P10 to P90" in page.inner_text("#ahead")
    assert page.inner_text("#usual").startswith("Half of the 60 sessions cost less than $")
    assert "week" in page.inner_text("#trend")
    assert page.locator("#days .ahead").count() == 1
    assert faults_of_looks(page) == []


def test_totals_writes_the_page(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    shutil.copy(SESSION, tmp_path / "logs")
    output = tmp_path / "fleet.html"
    assert main(["totals", str(tmp_path / "logs"), "-o", str(output)]) == 0
    assert "<!doctype html>" in output.read_text("utf-8")


def test_the_page_takes_no_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for unused in (["--by", "model"], ["--limit", "3"], ["--compute"]):
        assert main(["totals", str(SESSION), *unused, "-o", str(tmp_path / "f.html")]) == 2
        assert "leave --by, --limit and --compute out" in capsys.readouterr().err
