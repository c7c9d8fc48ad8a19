"""The page in a browser: every view is drawn and linked, and nothing is loaded or complained of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile_page import hostile_run
from long_runs import long_run
from pages import Opened, faults_of_looks, new_page

import tokenprof
from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.assumptions import Assumptions, price_book
from tokenprof.facts.types import Run
from tokenprof.pictures.formats.html import render_analysis
from tokenprof.pictures.live.event_page import LiveServer
from tokenprof.pictures.live.following import Follower

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

SESSIONS = Path(__file__).parents[1] / "data" / "logs" / "session_log"
PICTURES = ("context", "icicle", "treemap", "bill", "dollar", "timeline")


@pytest.fixture(scope="module")
def page_html(demo: Analysis) -> bytes:
    return render_analysis(demo)


def drawn_shapes(page: Page, view: str) -> int:
    return page.locator(f"#view-{view} svg path, #view-{view} svg rect, #view-{view} svg circle").count()


def test_every_view_of_the_demo_is_drawn(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    assert {view: drawn_shapes(page, view) > 3 for view in PICTURES} == dict.fromkeys(PICTURES, True)
    assert "No turn missed a cache" in page.inner_text("#view-cache")
    assert page.locator("#view-tables tbody tr").count() == 3
    assert page.locator("#view-basis tbody tr").count() > 10
    assert page.locator("#view-what-if input[type=range]").count() >= 3


def test_every_view_of_a_claude_code_session_is_drawn(opened: Opened) -> None:
    page = opened(render_analysis(tokenprof.load(SESSIONS).analyze()))
    assert all(drawn_shapes(page, view) > 3 for view in ("context", "icicle", "treemap", "bill", "timeline"))


def test_two_thousand_turns_are_drawn(opened: Opened) -> None:
    page = opened(render_analysis(Analysis(long_run(2000))))
    assert drawn_shapes(page, "context") > 2000
    assert page.locator("#view-tables tbody tr").count() == 50
    assert "2,000 of 2,000" in page.inner_text("#view-tables")


def test_nothing_sticks_out_and_axe_finds_nothing(page_html: bytes, opened: Opened) -> None:
    assert faults_of_looks(opened(page_html)) == []


def test_nor_on_the_page_of_a_session_with_misses_against_another_run(demo: Analysis, opened: Opened) -> None:
    page = opened(render_analysis(tokenprof.load(SESSIONS).analyze(), before=demo))
    page.check("input[name=icicle-by][value=against]", force=True)
    page.click("#view-context .legend button >> nth=0")
    assert faults_of_looks(page) == []


def test_figures_of_the_page_are_those_of_the_report(
    page_html: bytes, demo: Analysis, opened: Opened
) -> None:
    page = opened(page_html)
    assert page.inner_text(".figures .money") == "$0.0648"
    page.check("input[name=table][value=turns]", force=True)
    shown = [
        float(text.lstrip("$"))
        for text in page.locator("#view-tables tbody td:nth-child(9)").all_inner_texts()
    ]
    billed = [float(turn.billed_usd or 0) for turn in demo.turns]
    assert shown == pytest.approx(billed, rel=5e-3)
    prompts = page.locator("#view-tables tbody td:nth-child(4)").all_inner_texts()
    assert [int(text.replace(",", "")) for text in prompts] == [turn.context_tokens for turn in demo.turns]


def test_arrow_keys_move_the_turn_and_shift_selects_a_range(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    page.focus("#view-context svg")
    assert page.inner_text("#view-turn h3") == "Turn 2"
    page.keyboard.press("Home")
    assert page.inner_text("#view-turn h3") == "Turn 0"
    page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#selection strong") == "turns 0 to 1"
    assert page.locator("#view-tables tbody tr").count() == 2
    page.keyboard.press("Escape")
    assert page.is_hidden("#selection")
    assert page.locator("#view-tables tbody tr").count() == 3


def test_a_turn_is_found_by_its_number_and_says_why_it_cost_what_it_did(
    page_html: bytes, opened: Opened
) -> None:
    page = opened(page_html)
    page.fill("#turn-number", "1")
    page.keyboard.press("Enter")
    assert page.inner_text("#view-turn h3") == "Turn 1"
    # $0.00534 after $0.0444: 5,110 tokens were written by turn 0, 292 by turn 1.
    assert page.inner_text("#view-turn .why") == (
        "Billed 88% less than the call before it (turn 0): 292 tokens written to the cache instead of 5,110, "
        "5,110 tokens read from it instead of 0."
    )
    page.fill("#turn-number", "999")
    page.keyboard.press("Enter")
    assert page.inner_text("#view-turn h3") == "Turn 2"


def test_a_brush_selects_turns_in_every_view(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    box = page.locator("#view-context .brush .overlay").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    page.mouse.up()
    assert page.inner_text("#selection strong") == "turns 0 to 1"
    assert page.locator("#view-bill .range").is_visible()
    assert page.locator("#view-timeline .call.dim").count() == 1


def test_a_legend_selects_a_tool_in_every_view(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    page.check("input[name=context-by][value=tool]", force=True)
    page.click("#view-context .legend button:has-text('search_emails')")
    assert page.inner_text("#selection strong") == "search_emails"
    assert page.locator("#view-icicle .box.dim").count() > 0
    page.check("input[name=table][value=blocks]", force=True)
    names = set(page.locator("#view-tables tbody td:nth-child(2)").all_inner_texts())
    assert names == {"search_emails"}


def test_the_icicle_is_driven_by_keys_and_weighed_otherwise(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    page.focus("#view-icicle svg")
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    assert page.inner_text("#view-icicle .words").startswith("run › main › system: $0.0273")
    page.keyboard.press("Enter")
    assert page.inner_text("#selection strong") == "system"
    page.check("input[name=icicle-by][value=tokens]", force=True)
    assert "7,437 tokens" in page.inner_text("#view-icicle .words")


def test_sliders_show_what_the_engine_predicts(page_html: bytes, demo: Analysis, opened: Opened) -> None:
    page = opened(page_html)
    assert "Nothing is changed yet" in page.inner_text("#view-what-if .result")
    slider = page.locator("#view-what-if .sliders .slider", has_text="model").locator("input")
    slider.focus()
    page.keyboard.press("ArrowRight")
    predicted = demo.what_if("model=claude-haiku-4-5").after_usd
    assert predicted is not None
    shown = page.locator("#view-what-if .bar-text").nth(1).inner_text().split(" ")[0]
    assert float(shown.lstrip("$")) == pytest.approx(float(predicted), rel=5e-3)


def test_tables_are_sorted_filtered_and_saved(page_html: bytes, opened: Opened) -> None:
    page = opened(page_html)
    page.check("input[name=table][value=blocks]", force=True)
    page.click("#view-tables th button:has-text('billed USD')")
    assert page.locator("#view-tables tbody td:nth-child(2)").first.inner_text() == "system[0]"
    page.fill("#view-tables input[type=search]", "search_emails")
    assert page.locator("#view-tables tbody tr").count() == 4
    with page.expect_download() as saved:
        page.click("#view-tables button:has-text('CSV')")
    rows = Path(saved.value.path()).read_text("utf-8").splitlines()
    assert rows[0].startswith("kind,name,from turn")
    assert len(rows) == 5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_can_be_switched(page_html: bytes, opened: Opened, theme: str) -> None:
    page = opened(page_html)
    page.check(f"input[name=theme][value={theme}]", force=True)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"
    assert dark == (theme == "dark")


def test_a_hostile_run_is_inert(opened: Opened) -> None:
    page = opened(render_analysis(Analysis(hostile_run())))
    assert page.evaluate("window.owned") is None
    assert page.locator("img, iframe, object, embed, a[href^=http]").count() == 0
    assert page.locator("script").count() == 3
    assert all(drawn_shapes(page, view) > 3 for view in ("context", "icicle", "treemap"))


def test_a_run_without_turns_says_so(opened: Opened) -> None:
    page = opened(render_analysis(Analysis(Run(()))))
    assert page.inner_text(".figures .money") == "$0"
    assert "The recording has no times" in page.inner_text("#view-timeline")


def test_a_notebook_shows_the_same_page(demo: Analysis, browser: Browser, tmp_path: Path) -> None:
    faults: list[str] = []
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><title>n</title>{demo._repr_html_()}", "utf-8")
    page = new_page(browser)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-drawn=all]").wait_for()
    assert frame.locator(".figures .money").inner_text() == "$0.0648"
    page.close()
    assert faults == []


def test_the_live_page_shows_what_the_server_sends(demo_run: Path, browser: Browser) -> None:
    faults: list[str] = []
    with LiveServer(Follower([demo_run], price_book(Assumptions())), "demo") as server:
        page = new_page(browser)
        page.on("console", lambda said: faults.append(said.text))
        page.on(
            "request", lambda asked: None if asked.url.startswith(server.url) else faults.append(asked.url)
        )
        page.goto(server.url)
        page.wait_for_selector("#rows tr")
        assert page.inner_text("#headline").startswith("$0.0648 billed in 3 turns")
        assert page.locator("#context rect").count() == 3
        assert faults_of_looks(page) == []
        page.close()
    assert faults == []
