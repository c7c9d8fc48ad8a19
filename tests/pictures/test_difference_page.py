"""The page about two runs: its causes add up, its tree holds both bills, and it is drawn."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hostile_page import hostile_run
from long_runs import long_run
from pages import Opened, faults_of_looks

from tokenprof.analysis.analysis import Analysis
from tokenprof.commands.main import main
from tokenprof.difference.cost_difference import diff
from tokenprof.pictures.formats.html import render_analysis
from tokenprof.pictures.page.difference_page import difference_page
from tokenprof.pictures.views.difference_data import DifferenceData, difference_data


def compared(before: Analysis, now: Analysis) -> DifferenceData:
    return difference_data(before, now, diff(before, now))


def test_causes_and_tree_hold_the_difference() -> None:
    before, now = Analysis(long_run(3)), Analysis(long_run(5))
    data = compared(before, now)
    assert sum((cause.usd for cause in data.causes), Decimal(0)) == data.usd
    assert data.tree.name[0] == "run"
    assert data.tree.before_usd[0] == before.totals.billed_usd
    assert data.tree.now_usd[0] == now.totals.billed_usd
    assert data.tree.parent[:2] == (-1, 0)


def test_a_source_of_one_run_only_is_listed(demo: Analysis) -> None:
    tree = compared(demo, Analysis(long_run(3))).tree
    at = tree.name.index("search_emails")
    assert tree.before_usd[at] > 0
    assert tree.now_usd[at] == 0


@pytest.mark.slow
def test_the_page_is_drawn(demo: Analysis, opened: Opened) -> None:
    page = opened(difference_page(compared(demo, Analysis(long_run(30)))))
    assert page.locator("#causes li").count() > 0
    assert page.locator("#tree .box").count() > 3
    assert page.locator("#context-now path").count() > 0
    assert faults_of_looks(page) == []


@pytest.mark.slow
def test_hostile_names_stay_text(demo: Analysis, opened: Opened) -> None:
    page = opened(difference_page(compared(demo, Analysis(hostile_run()))))
    assert page.evaluate("window.owned") is None
    assert page.locator("img").count() == 0


def test_diff_writes_the_page(demo_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "diff.html"
    assert main(["diff", str(demo_run), str(demo_run), "-o", str(output)]) == 0
    assert "Nothing differs" in output.read_text("utf-8")


@pytest.mark.slow
def test_the_page_of_a_run_shows_what_changed_against_another(
    demo: Analysis, demo_run: Path, tmp_path: Path, opened: Opened
) -> None:
    output = tmp_path / "page.html"
    assert main(["report", str(demo_run), "--against", str(demo_run), "-o", str(output)]) == 0
    page = opened(render_analysis(demo, before=Analysis(long_run(30))))
    page.check("input[name=icicle-by][value=against]", force=True)
    page.locator("#view-icicle .box[aria-label^=search_emails]").focus()
    assert page.inner_text("#view-icicle .words").startswith("search_emails: $0 before, $0.00")
    page.keyboard.press("Enter")
    assert page.inner_text("#selection strong") == "search_emails"
    page.check("input[name=icicle-by][value=billed_usd]", force=True)
    assert page.inner_text("#view-icicle .words").startswith("run: $0.0648")
