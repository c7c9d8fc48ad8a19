"""Pages in a browser, and what is noted of them while a test drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from waiting import WATCHDOG_S

from tokenprof.commands.demo_agent import record_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opened = Callable[..., "Page"]


def recorded_demo(folder: Path) -> Path:
    path = folder / "run.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tokenprof.commands.demo_agent.TOKENS_PER_S", 6_000.0)
        record_demo(path)
    return path


WIDTHS, THEMES = (1280, 390), ("light", "dark")


def faults_of_looks(page: Page) -> list[object]:
    """Return what sticks out of a page, and what axe finds, in both themes and at both widths."""
    found: list[object] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
        reaches = page.evaluate("document.documentElement.scrollWidth")
        if reaches > width:
            found.append(f"{reaches} px wide at {width}")
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            violations = Axe().run(page).response["violations"]
            found += [
                (width, theme, each["id"], [node["html"][:90] for node in each["nodes"]])
                for each in violations
            ]
    return found


def new_page(browser: Browser, **options: Any) -> Page:
    """Return an empty page that waits for what happens as long as it takes."""
    page = browser.new_page(**options)
    page.set_default_timeout(WATCHDOG_S * 1000)
    return page


def opened_pages(browser: Browser, folder: Path) -> Iterator[Opened]:
    """Yield a function that opens HTML, and check at the end that the pages were quiet."""
    faults: list[str] = []
    pages: list[Page] = []

    def opened(html: bytes, width: int = 1280, theme: str = "light") -> Page:
        path = folder / f"page{len(pages)}.html"
        path.write_bytes(html)
        page = new_page(browser, viewport={"width": width, "height": 900}, color_scheme=theme)
        pages.append(page)
        page.on("console", lambda said: faults.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda asked: None if asked.url in (path.as_uri(), "data:,") else faults.append(asked.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-drawn=all]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert faults == []
