"""The files for other viewers, opened in speedscope itself: its page from npm, in a browser, no network."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile_page import hostile_run
from pages import new_page

from tokenprof.analysis.analysis import Analysis
from tokenprof.analysis.renderers import render_as

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

NPM = Path(__file__).parents[2] / "tools" / "page" / "node_modules"
SPEEDSCOPE = NPM / "speedscope" / "dist" / "release" / "index.html"
IMPORTED_AS = {
    "collapsed": "Importing as collapsed stack format",
    "speedscope": "Importing as speedscope json file",
    "perfetto": "Importing as Trace Event Format profile",
}


@pytest.fixture
def speedscope(browser: Browser, tmp_path: Path) -> Page:
    """A function of speedscope's page that shows a file as its command line does."""
    if not SPEEDSCOPE.is_file():
        if "browser" in os.environ.get("TOKENPROF_TESTS_NEED", ""):
            pytest.fail("speedscope must be there: tools/page/check.sh installs it.")
        pytest.skip("speedscope is not installed; tools/page/check.sh installs it.")
    return new_page(browser)


def opened_in(page: Page, rendered: bytes, name: str, folder: Path) -> tuple[str, list[str]]:
    """Return the words on the page of speedscope, and what it says while it reads a file."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    loader = folder / "profile.js"
    words = json.dumps(name), json.dumps(base64.b64encode(rendered).decode())
    loader.write_text(f"speedscope.loadFileFromBase64({', '.join(words)})", "utf-8")
    page.goto(f"{SPEEDSCOPE.as_uri()}#localProfilePath={loader}")
    page.wait_for_function("document.body.innerText.includes('Left Heavy')")
    return page.inner_text("body"), said


@pytest.mark.parametrize("run", ["demo", "hostile"])
@pytest.mark.parametrize(
    ("form", "name", "shown"),
    [
        ("collapsed", "a.folded", "a.folded"),
        ("speedscope", "a.speedscope.json", "billed USD (1/3)"),
        ("perfetto", "a.trace.json", "(pid 1), "),
    ],
)
def test_speedscope_opens_it(
    form: str, name: str, shown: str, run: str, demo: Analysis, speedscope: Page, tmp_path: Path
) -> None:
    analysis = demo if run == "demo" else Analysis(hostile_run())
    text, said = opened_in(speedscope, render_as(analysis, form), name, tmp_path)
    owned = speedscope.evaluate("window.owned")
    speedscope.close()
    assert shown in text
    assert IMPORTED_AS[form] in said
    assert [words for words in said if words.startswith(("error", "dialog"))] == []
    assert owned is None
